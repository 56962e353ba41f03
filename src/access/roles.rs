//! Who may do what on the admin page: three roles, one table of acts, and whose keys somebody sees and makes.

use super::key::KeyRecord;
use crate::catalog::PolicyId;
use crate::wire::ApiError;
use crate::wire::{Millis, pattern};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What somebody may do on the admin page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Own keys, own usage; tries requests under the policies of those keys.
    Member,
    /// Reads all, tests, pauses, revokes; no secrets, no policy edits, no new keys.
    Operator,
    /// Everything.
    Admin,
}

/// Somebody on the admin page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// E-mail, or `local-admin`.
    pub name: String,
    /// Role.
    pub role: Role,
    /// `token`, `session` or `access`.
    pub auth: AuthKind,
}

/// How somebody signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthKind {
    /// `Authorization: Bearer <admin token>`
    Token,
    /// The cookie.
    Session,
    /// Cloudflare Access.
    Access,
}

/// Something that needs a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Reading documents, health, sessions, audit, everybody's requests.
    Read,
    /// Own keys and usage.
    Own,
    /// Writing documents and credentials, import, rollback.
    WriteDocuments,
    /// Disabling profiles, tests, verification, resets, revoking.
    Operate,
    /// Minting keys for others.
    MintKeys,
    /// Reading everybody's kept prompts and answers, and deleting them.
    ReadContent,
}

/// What the page calls the acts, and which of them decides. Members have `keys.mint` and `content.read` for their own keys, admins
/// for anybody's, operators not at all.
const CAPABILITIES: [(&str, Act); 14] = [
    ("audit.read", Act::Read),
    ("keys.mint", Act::Own),
    ("keys.revoke", Act::Operate),
    ("fusion.test", Act::Operate),
    ("models.verify", Act::Operate),
    ("local.discover", Act::Operate),
    ("pools.reset", Act::Operate),
    ("sessions.delete", Act::Operate),
    ("documents.write", Act::WriteDocuments),
    ("credentials.write", Act::WriteDocuments),
    ("fusion.write", Act::WriteDocuments),
    ("catalog.import", Act::WriteDocuments),
    ("content.read", Act::Own),
    ("content.delete", Act::ReadContent),
];

/// What operators, who act for others, may not although members may.
const NOT_FOR_OPERATORS: [&str; 2] = ["keys.mint", "content.read"];

impl Act {
    /// The least role that may.
    pub fn least(self) -> Role {
        match self {
            Self::Own => Role::Member,
            Self::Read | Self::Operate => Role::Operator,
            Self::WriteDocuments | Self::MintKeys | Self::ReadContent => Role::Admin,
        }
    }
}

impl Role {
    /// Names of everything that this role may do, for the page.
    pub fn capabilities(self) -> Vec<&'static str> {
        CAPABILITIES
            .iter()
            .filter(|(name, act)| self >= act.least() && (self != Self::Operator || !NOT_FOR_OPERATORS.contains(name)))
            .map(|(name, _)| *name)
            .collect()
    }

    /// May this role do that?
    ///
    /// # Errors
    /// 403 `role_required` that names the role.
    pub fn may(self, act: Act) -> Result<(), ApiError> {
        if self >= act.least() {
            return Ok(());
        }
        Err(needs(if act.least() == Self::Admin {
            "admin"
        } else {
            "operator"
        }))
    }
}

impl Actor {
    /// Does this person see, and may they revoke, that key? Members their own; nobody else's key exists for them.
    pub fn sees(&self, key: &KeyRecord) -> bool {
        self.role > Role::Member || self.owns(key.principal.as_deref())
    }

    /// The principal to whom a list of keys is narrowed; `None`: everybody's are shown.
    pub fn only_principal(&self) -> Option<&str> {
        (self.role == Role::Member).then_some(self.name.as_str())
    }

    /// For whom a key that this person makes is: a member's own, whatever was asked; anybody's for an admin.
    ///
    /// `member_policies`: patterns of the settings, the policies under which members make keys themselves.
    ///
    /// # Errors
    /// 403 `role_required`: operators make no keys; a member names somebody else, or a policy that the settings do not leave to members.
    pub fn mints(
        &self,
        policy: &PolicyId,
        principal: Option<String>,
        member_policies: &[String],
    ) -> Result<Option<String>, ApiError> {
        match self.role {
            Role::Admin => Ok(principal),
            Role::Operator => Err(needs("admin")),
            Role::Member => {
                if principal.is_some() && !self.owns(principal.as_deref()) {
                    return Err(needs("admin").because("own_keys_only"));
                }
                if !leaves_to_members(member_policies, policy.as_str()) {
                    let message = format!(
                        "Members make no keys under policy {policy}: an admin can make one for you, or add the policy to `member_policies` in the settings."
                    );
                    return Err(ApiError::new("role_required", message)
                        .with("role", "admin")
                        .because("policy_not_for_members"));
                }
                Ok(Some(self.name.clone()))
            }
        }
    }

    /// As which policy this person tries a request: what they ask for, else `otherwise`.
    ///
    /// `own`: for members, the policies under which they hold or may make a key ([`own_policies`]); `None`: not asked, every policy.
    ///
    /// # Errors
    /// 403 `role_required` with reason `own_keys_only`: a member asks for another policy, or has none; existing or not makes no difference.
    pub fn acts_as(
        &self,
        asked: Option<String>,
        otherwise: &str,
        own: Option<&BTreeSet<PolicyId>>,
    ) -> Result<String, ApiError> {
        let Some(own) = own.filter(|_| self.role == Role::Member) else {
            self.role.may(Act::Operate)?;
            return Ok(asked.unwrap_or_else(|| otherwise.to_owned()));
        };
        let first = || own.first().map(ToString::to_string);
        let mine = |policy: &String| own.iter().any(|own| own.as_str() == policy);
        asked.or_else(first).filter(mine).ok_or_else(|| {
            let message =
                "Members try requests under the policies of their own keys: make a key, or name the policy of one.";
            ApiError::new("role_required", message)
                .with("role", "operator")
                .because("own_keys_only")
        })
    }

    /// Whose kept prompts and answers this person reads: `Some(None)` everybody's, `Some(principal)` what that person's keys did.
    ///
    /// # Errors
    /// 403 `role_required`: operators read nobody's.
    pub fn reads_content_of(&self) -> Result<Option<&str>, ApiError> {
        match self.role {
            Role::Member => Ok(Some(&self.name)),
            Role::Operator | Role::Admin => self.role.may(Act::ReadContent).map(|()| None),
        }
    }

    fn owns(&self, principal: Option<&str>) -> bool {
        principal.is_some_and(|principal| principal.eq_ignore_ascii_case(&self.name))
    }
}

/// The policies under which a member tries requests: those of their live keys, and those under which they may make one now.
///
/// `keys`: all of theirs; `policies`: all there are; `member_policies`: patterns of the settings.
pub fn own_policies<'a>(
    keys: &[KeyRecord],
    policies: impl Iterator<Item = &'a PolicyId>,
    member_policies: &[String],
    now: Millis,
) -> BTreeSet<PolicyId> {
    let held = |policy: &PolicyId| keys.iter().any(|key| key.policy == *policy && key.is_live(now));
    policies
        .filter(|policy| held(policy) || leaves_to_members(member_policies, policy.as_str()))
        .cloned()
        .collect()
}

/// May members make keys under this policy?
pub fn leaves_to_members(member_policies: &[String], policy: &str) -> bool {
    member_policies.iter().any(|allowed| pattern::matches(allowed, policy))
}

fn needs(role: &str) -> ApiError {
    ApiError::new("role_required", format!("This needs the role {role}.")).with("role", role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::key::PresentedKey;

    const ROLES: [Role; 3] = [Role::Member, Role::Operator, Role::Admin];

    fn actor(role: Role) -> Actor {
        Actor {
            name: "ann@example.com".to_owned(),
            role,
            auth: AuthKind::Access,
        }
    }

    #[test]
    fn who_may_do_what() {
        // Member, operator, admin.
        for (act, expected) in [
            (Act::Own, [true, true, true]),
            (Act::Read, [false, true, true]),
            (Act::Operate, [false, true, true]),
            (Act::WriteDocuments, [false, false, true]),
            (Act::MintKeys, [false, false, true]),
            (Act::ReadContent, [false, false, true]),
        ] {
            assert_eq!(ROLES.map(|role| role.may(act).is_ok()), expected, "{act:?}");
            for (role, may) in ROLES.into_iter().zip(expected) {
                let error = role.may(act).err();
                assert_eq!(
                    error.map(|error| (error.status, error.code)),
                    (!may).then(|| (403, "role_required".to_owned()))
                );
            }
        }
    }

    #[test]
    fn the_page_is_told_what_the_table_says() {
        assert_eq!(Role::Admin.capabilities().len(), CAPABILITIES.len());
        assert_eq!(Role::Member.capabilities(), ["keys.mint", "content.read"]);
        for name in [
            "keys.mint",
            "documents.write",
            "credentials.write",
            "fusion.write",
            "catalog.import",
            "content.read",
            "content.delete",
        ] {
            assert!(!Role::Operator.capabilities().contains(&name), "{name}");
        }
        for name in ["pools.reset", "keys.revoke", "audit.read"] {
            assert!(Role::Operator.capabilities().contains(&name), "{name}");
        }
    }

    #[test]
    fn a_member_sees_only_keys_in_their_name() {
        for (principal, expected) in [
            (Some("ann@example.com"), [true, true, true]),
            (Some("Ann@Example.com"), [true, true, true]),
            (Some("bob@example.com"), [false, true, true]),
            (Some(""), [false, true, true]),
            (None, [false, true, true]),
        ] {
            assert_eq!(
                ROLES.map(|role| actor(role).sees(&key("abcd", "team", principal))),
                expected,
                "{principal:?}"
            );
        }
        assert_eq!(
            ROLES.map(|role| actor(role).only_principal().is_some()),
            [true, false, false]
        );
    }

    #[test]
    fn a_member_makes_keys_only_for_themselves_and_only_where_the_settings_say() {
        let own = Some("ann@example.com".to_owned());
        let other = Some("bob@example.com".to_owned());
        let rules = ["team-*".to_owned(), "default".to_owned()];
        for (role, policy, principal, rules, expected) in [
            (Role::Member, "team-a", None, &rules[..], Some(own.clone())),
            (Role::Member, "default", own.clone(), &rules[..], Some(own.clone())),
            (Role::Member, "default", other.clone(), &rules[..], None),
            (Role::Member, "secret", None, &rules[..], None),
            (Role::Member, "default", None, &[][..], None),
            (Role::Operator, "default", None, &rules[..], None),
            (Role::Operator, "default", own.clone(), &rules[..], None),
            (Role::Admin, "secret", other.clone(), &[][..], Some(other.clone())),
            (Role::Admin, "secret", None, &[][..], Some(None)),
        ] {
            let minted = actor(role).mints(&PolicyId::parse(policy).unwrap(), principal, rules);
            assert_eq!(minted.ok(), expected, "{role:?} {policy}");
        }
    }

    fn key(kid: &str, policy: &str, principal: Option<&str>) -> KeyRecord {
        KeyRecord {
            kid: kid.to_owned(),
            principal: principal.map(str::to_owned),
            ..PresentedKey::parse("clawrouter-live-abcd-0123456789abcdef01234567")
                .unwrap()
                .record(PolicyId::parse(policy).unwrap(), "")
        }
    }

    #[test]
    fn a_members_policies_are_those_of_live_keys_and_those_left_to_members() {
        let now = Millis(1_000);
        let all = ["default", "team-a", "team-b", "secret"].map(|id| PolicyId::parse(id).unwrap());
        let live = key("live", "secret", None);
        let revoked = KeyRecord {
            revoked_at: Some(Millis(1)),
            ..key("gone", "team-a", None)
        };
        let expired = KeyRecord {
            expires: Some(now),
            ..key("old", "team-b", None)
        };
        let of_nothing = key("lost", "deleted", None);
        for (keys, rules, expected) in [
            (vec![], vec![], vec![]),
            (vec![live.clone()], vec![], vec!["secret"]),
            (vec![revoked, expired, of_nothing], vec![], vec![]),
            (
                vec![live],
                vec!["team-*".to_owned()],
                vec!["secret", "team-a", "team-b"],
            ),
            (vec![], vec!["default".to_owned()], vec!["default"]),
        ] {
            let own = own_policies(&keys, all.iter(), &rules, now);
            assert_eq!(
                own.iter().map(PolicyId::as_str).collect::<Vec<_>>(),
                expected,
                "{rules:?}"
            );
        }
    }

    #[test]
    fn a_member_tries_requests_only_as_their_own_keys_would() {
        let own: BTreeSet<PolicyId> = ["b", "c"].map(|id| PolicyId::parse(id).unwrap()).into();
        let none = BTreeSet::new();
        for (role, asked, own, expected) in [
            (Role::Member, Some("b"), Some(&own), Some("b")),
            (Role::Member, None, Some(&own), Some("b")),
            (Role::Member, Some("a"), Some(&own), None),
            (Role::Member, Some("nowhere"), Some(&own), None),
            (Role::Member, None, Some(&none), None),
            (Role::Member, Some("b"), None, None),
            (Role::Operator, Some("a"), None, Some("a")),
            (Role::Operator, None, None, Some("admins")),
            (Role::Admin, Some("a"), Some(&none), Some("a")),
        ] {
            let acted = actor(role).acts_as(asked.map(str::to_owned), "admins", own);
            let refused = acted.as_ref().err().map(|error| (error.status, error.code.clone()));
            assert_eq!(
                refused,
                expected.is_none().then(|| (403, "role_required".to_owned())),
                "{role:?} {asked:?}"
            );
            assert_eq!(acted.ok().as_deref(), expected, "{role:?} {asked:?}");
        }
    }

    #[test]
    fn kept_content_is_read_by_admins_and_by_whoever_sent_it() {
        assert_eq!(
            ROLES.map(|role| actor(role)
                .reads_content_of()
                .ok()
                .map(|whose| whose.map(str::to_owned))),
            [Some(Some("ann@example.com".to_owned())), None, Some(None)]
        );
    }
}
