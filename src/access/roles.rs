//! Who may do what on the admin page: three roles, one table of acts, and whose keys somebody sees and makes.

use super::key::KeyRecord;
use crate::catalog::PolicyId;
use crate::wire::ApiError;
use crate::wire::pattern;
use serde::{Deserialize, Serialize};

/// What somebody may do on the admin page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Own keys, own usage.
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
    /// Reading and deleting kept prompts and answers.
    ReadContent,
}

/// What the page calls the acts, and which of them decides; `keys.mint` means own keys for members, anybody's for admins.
const CAPABILITIES: [(&str, Act); 13] = [
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
    ("content.read", Act::ReadContent),
];

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
    /// Names of everything that this role may do, for the page. An operator mints no keys: members mint their own, admins anybody's.
    pub fn capabilities(self) -> Vec<&'static str> {
        let mints = self != Self::Operator;
        CAPABILITIES
            .iter()
            .filter(|(name, act)| self >= act.least() && (mints || *name != "keys.mint"))
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

    fn owns(&self, principal: Option<&str>) -> bool {
        principal.is_some_and(|principal| principal.eq_ignore_ascii_case(&self.name))
    }
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
        assert_eq!(Role::Member.capabilities(), ["keys.mint"]);
        for name in [
            "keys.mint",
            "documents.write",
            "credentials.write",
            "fusion.write",
            "catalog.import",
            "content.read",
        ] {
            assert!(!Role::Operator.capabilities().contains(&name), "{name}");
        }
        for name in ["pools.reset", "keys.revoke", "audit.read"] {
            assert!(Role::Operator.capabilities().contains(&name), "{name}");
        }
    }

    #[test]
    fn a_member_sees_only_keys_in_their_name() {
        let key = |principal: Option<&str>| KeyRecord {
            principal: principal.map(str::to_owned),
            ..PresentedKey::parse("clawrouter-live-abcd-0123456789abcdef01234567")
                .unwrap()
                .record(PolicyId::parse("team").unwrap(), "")
        };
        for (principal, expected) in [
            (Some("ann@example.com"), [true, true, true]),
            (Some("Ann@Example.com"), [true, true, true]),
            (Some("bob@example.com"), [false, true, true]),
            (Some(""), [false, true, true]),
            (None, [false, true, true]),
        ] {
            assert_eq!(
                ROLES.map(|role| actor(role).sees(&key(principal))),
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
}
