//! A caller key as a document: what an administrator may change of it, under which condition, and what its history keeps.
//!
//! The secret and its hash are no part of it. A revoked key changes no more: no key comes back.

use super::key::KeyRecord;
use crate::catalog::PolicyId;
use crate::catalog::registry::{Author, Condition, Difference, diff};
use crate::wire::json::RawJson;
use crate::wire::time::{parse_rfc3339, rfc3339};
use crate::wire::{ApiError, Millis};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Characters of a label.
pub const MAX_LABEL: usize = 100;

/// Characters of a principal: the longest e-mail address.
pub const MAX_PRINCIPAL: usize = 254;

/// A key as people write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyDocument {
    /// Key id; the one of the path when absent.
    #[serde(default)]
    pub kid: Option<String>,
    /// Its policy.
    pub policy: PolicyId,
    /// Label for people.
    #[serde(default)]
    pub label: String,
    /// Who it belongs to.
    #[serde(default)]
    pub principal: Option<String>,
    /// When it stops to work, RFC 3339.
    #[serde(default)]
    pub expires: Option<String>,
    /// False: it is refused until it is true again.
    #[serde(default = "on")]
    pub enabled: bool,
}

fn on() -> bool {
    true
}

/// One change of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyHistoryRow {
    /// Revision of the key that the change made.
    pub revision: u64,
    /// When.
    pub at: Millis,
    /// By whom.
    pub actor: String,
    /// Why.
    pub note: Option<String>,
    /// The key after the change.
    pub document: KeyDocument,
    /// It was revoked.
    pub revoked: bool,
    /// What changed.
    pub diff: Vec<Difference>,
}

impl KeyDocument {
    /// The document of a key.
    pub fn of(record: &KeyRecord) -> Self {
        Self {
            kid: Some(record.kid.clone()),
            policy: record.policy.clone(),
            label: record.label.clone(),
            principal: record.principal.clone(),
            expires: record.expires.map(rfc3339),
            enabled: record.enabled,
        }
    }
}

impl KeyHistoryRow {
    /// What `after` changed of `before`; `None`: it was made.
    pub fn of(before: Option<&KeyRecord>, after: &KeyRecord, author: &Author) -> Self {
        let text = |record: &KeyRecord| {
            let mut text = json!(KeyDocument::of(record));
            if let (Some(members), Some(at)) = (text.as_object_mut(), record.revoked_at) {
                members.insert("revoked_at".to_owned(), rfc3339(at).into());
            }
            RawJson::of(&text)
        };
        Self {
            revision: after.revision,
            at: author.at,
            actor: author.actor.clone(),
            note: author.note.clone(),
            document: KeyDocument::of(after),
            revoked: after.revoked_at.is_some(),
            diff: diff(&before.map(text).unwrap_or_default(), &text(after)),
        }
    }
}

impl KeyRecord {
    /// May it be written under this condition?
    ///
    /// # Errors
    /// 428 without a condition; 412 with the present document when somebody else wrote in between.
    pub fn expect(&self, condition: Condition) -> Result<(), ApiError> {
        let kid = &self.kid;
        match condition {
            Condition::Revision(revision) if revision == self.revision => Ok(()),
            Condition::Unstated => Err(ApiError::new(
                "revision_required",
                format!("Writing keys/{kid} needs `If-Match: \"<revision>\"`."),
            )),
            Condition::Revision(_) | Condition::Absent => {
                let message = format!(
                    "keys/{kid} has changed since it was read; the current document is in `error.clawrouter.current`."
                );
                let current = json!({"document": KeyDocument::of(self), "revision": self.revision});
                Err(ApiError::new("revision_mismatch", message).with("current", current))
            }
        }
    }

    /// The key as `document` wants it, one revision on.
    ///
    /// # Errors
    /// 409 when it was revoked; 422 that names the field. An expiry in the past stays as it was, but none is written anew: neither by a
    /// PUT nor by going back to a revision whose time is over.
    pub fn changed(&self, document: &KeyDocument, now: Millis) -> Result<Self, ApiError> {
        if self.revoked_at.is_some() {
            let message = "This key was revoked, and no key comes back: mint a new one.";
            return Err(ApiError::new("conflict", message).because("key_revoked"));
        }
        if document.kid.as_ref().is_some_and(|kid| *kid != self.kid) {
            let message = format!("The document's `kid` is not `{}`, as the path says.", self.kid);
            return Err(ApiError::new("invalid_document", message).about("/kid"));
        }
        let principal = document.principal.as_deref();
        let expires = document.expires.as_deref().map(moment).transpose()?;
        // A document that was read and sent back changes nothing.
        let unchanged = expires == self.expires;
        Ok(Self {
            policy: document.policy.clone(),
            label: bounded(&document.label, MAX_LABEL, "/label")?,
            principal: principal
                .map(|text| bounded(text, MAX_PRINCIPAL, "/principal"))
                .transpose()?,
            expires: if unchanged { self.expires } else { ahead(expires, now)? },
            enabled: document.enabled,
            revision: self.revision.saturating_add(1),
            ..self.clone()
        })
    }

    /// The key, revoked for good. Twice is once.
    #[must_use]
    pub fn revoked(&self, at: Millis) -> Self {
        let first = u64::from(self.revoked_at.is_none());
        Self {
            revision: self.revision.saturating_add(first),
            ..self.revoked_since(at)
        }
    }
}

/// A moment in a key's document.
///
/// # Errors
/// 422 at `/expires`.
pub fn moment(text: &str) -> Result<Millis, ApiError> {
    parse_rfc3339(text).ok_or_else(|| {
        ApiError::new(
            "invalid_document",
            "`expires` must be a time like 2027-01-31T00:00:00Z.",
        )
        .about("/expires")
    })
}

/// When a key is to stop: a moment that lies ahead.
///
/// # Errors
/// 422 at `/expires`: a key that has expired before anybody had it helps nobody, and stopping one has words of its own.
pub fn ahead(expires: Option<Millis>, now: Millis) -> Result<Option<Millis>, ApiError> {
    if expires.is_none_or(|expires| expires > now) {
        return Ok(expires);
    }
    Err(ApiError::new(
        "invalid_document",
        "`expires` lies in the past: name a later time or none. To stop a key, set `enabled` to false or revoke it.",
    )
    .about("/expires")
    .because("already_expired"))
}

/// A text of a key's document.
///
/// # Errors
/// 422 at `param`.
pub fn bounded(text: &str, most: usize, param: &str) -> Result<String, ApiError> {
    if text.chars().count() <= most && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(ApiError::new(
        "invalid_document",
        format!("`{param}` has at most {most} characters, without control characters."),
    )
    .about(param))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::key::PresentedKey;

    use serde_json::Value;

    const NOW: Millis = Millis(500);

    fn record() -> KeyRecord {
        let presented = PresentedKey::parse("clawrouter-test-abcd-0123456789abcdefghijklmn").unwrap();
        KeyRecord {
            revision: 3,
            ..presented.record(PolicyId::parse("p").unwrap(), "ci")
        }
    }

    fn author() -> Author {
        Author {
            actor: "ann@example.com".to_owned(),
            request_id: "r".to_owned(),
            at: Millis(7),
            note: None,
        }
    }

    #[test]
    fn what_may_be_changed_is_changed_and_nothing_else() {
        let check = |document: Value, expected: Result<(&str, Option<u64>, bool), (u16, &str)>| {
            let document: KeyDocument = serde_json::from_value(document).unwrap();
            let got = record().changed(&document, NOW);
            let short = got
                .as_ref()
                .map(|key| (key.label.as_str(), key.expires.map(|at| at.0), key.enabled))
                .map_err(|error| (error.status, error.param.as_deref().unwrap_or_default()));
            assert_eq!(short, expected, "{document:?}");
            if let Ok(key) = &got {
                let kept = |key: &KeyRecord| (key.kid.clone(), key.secret_sha256.clone(), key.last4.clone());
                assert_eq!((kept(key), key.revision), (kept(&record()), 4));
            }
        };
        check(json!({"policy": "p"}), Ok(("", None, true)));
        check(
            json!({"kid": "abcd", "policy": "q", "label": "x", "expires": "1970-01-01T00:00:01Z", "enabled": false}),
            Ok(("x", Some(1_000), false)),
        );
        check(json!({"kid": "other", "policy": "p"}), Err((422, "/kid")));
        check(json!({"policy": "p", "label": "a\nb"}), Err((422, "/label")));
        check(
            json!({"policy": "p", "principal": "x".repeat(255)}),
            Err((422, "/principal")),
        );
        check(json!({"policy": "p", "expires": "soon"}), Err((422, "/expires")));
        let unknown = json!({"policy": "p", "secret_sha256": "00"});
        assert!(serde_json::from_value::<KeyDocument>(unknown).is_err());
        let document = KeyDocument::of(&record());
        assert_eq!(record().changed(&document, NOW).unwrap().label, "ci");
    }

    #[test]
    fn an_expiry_in_the_past_is_not_written() {
        let at = |second: u64| Some(Millis(second * 1_000));
        let now = Millis(10_000);
        // (expiry stored, expiry wanted, what is stored then)
        for (stored, wanted, expected) in [
            (None, None, Ok(None)),
            (None, at(11), Ok(at(11))),
            (None, at(10), Err("/expires")),
            (None, at(9), Err("/expires")),
            (at(20), at(5), Err("/expires")),
            (at(5), at(5), Ok(at(5))),
            (at(5), at(6), Err("/expires")),
            (at(5), at(20), Ok(at(20))),
            (at(5), None, Ok(None)),
        ] {
            let key = KeyRecord {
                expires: stored,
                ..record()
            };
            let document = KeyDocument {
                expires: wanted.map(rfc3339),
                ..KeyDocument::of(&key)
            };
            let got = key.changed(&document, now);
            let got = got.map(|key| key.expires).map_err(|error| {
                assert_eq!((error.status, error.reason.as_deref()), (422, Some("already_expired")));
                error.param
            });
            assert_eq!(
                got,
                expected.map_err(|param| Some(param.to_owned())),
                "{stored:?} {wanted:?}"
            );
        }
        assert!(ahead(at(10), now).is_err() && ahead(None, now).is_ok() && ahead(at(11), now).is_ok());
    }

    #[test]
    fn a_revoked_key_stays_revoked() {
        let revoked = record().revoked(Millis(9));
        assert_eq!((revoked.revision, revoked.revoked_at), (4, Some(Millis(9))));
        assert_eq!(revoked.revoked(Millis(10)), revoked, "twice is once");
        let back = KeyDocument {
            enabled: true,
            ..KeyDocument::of(&revoked)
        };
        assert_eq!(revoked.changed(&back, NOW).map_err(|error| error.status), Err(409));
    }

    #[test]
    fn a_write_needs_the_revision_that_was_read() {
        let check = |condition, expected: Result<(), u16>| {
            let got = record().expect(condition);
            if let Err(error) = &got
                && error.status == 412
            {
                assert!(error.details["current"].text().contains(r#""label":"ci""#));
                assert!(!error.to_json("r").contains(&record().secret_sha256));
            }
            assert_eq!(got.map_err(|error| error.status), expected);
        };
        check(Condition::Revision(3), Ok(()));
        check(Condition::Revision(2), Err(412));
        check(Condition::Absent, Err(412));
        check(Condition::Unstated, Err(428));
    }

    #[test]
    fn a_history_row_tells_what_changed_and_no_secret() {
        let made = KeyHistoryRow::of(None, &record(), &author());
        let label = KeyDocument {
            label: "new".to_owned(),
            ..KeyDocument::of(&record())
        };
        let changed = KeyHistoryRow::of(Some(&record()), &record().changed(&label, NOW).unwrap(), &author());
        let paths: Vec<_> = changed.diff.iter().map(|line| line.path.as_str()).collect();
        assert_eq!((paths, changed.revision), (vec!["/label"], 4));
        let revoked = KeyHistoryRow::of(Some(&record()), &record().revoked(Millis(8)), &author());
        assert!(revoked.revoked && revoked.diff.iter().any(|line| line.path == "/revoked_at"));
        for row in [made, changed, revoked] {
            assert!(!serde_json::to_string(&row).unwrap().contains(&record().secret_sha256));
        }
    }
}
