//! The audit log: who did what to which object. Append-only; a hash chain shows gaps.

use super::{Author, Difference};
use crate::wire::{Millis, plain};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Longest path that a row of a refused act repeats, bytes.
const MAX_PATH: usize = 160;

/// One audited act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    /// When.
    pub at: Millis,
    /// Who.
    pub actor: String,
    /// `put`, `delete`, `rollback`, `mint`, `revoke`, `sign_in`…
    pub action: String,
    /// `providers/openai`, `keys/ab12`…
    pub object: String,
    /// `ok`, or the code of the refusal.
    pub result: String,
    /// Catalog revision, when the act made one.
    pub revision: Option<u64>,
    /// What changed, masked.
    pub diff: Vec<Difference>,
    /// Request id.
    pub request_id: String,
}

impl AuditRow {
    /// A successful act.
    pub fn of(author: &Author, action: &str, object: &str, revision: Option<u64>, diff: Vec<Difference>) -> Self {
        Self {
            at: author.at,
            actor: author.actor.clone(),
            action: action.to_owned(),
            object: object.to_owned(),
            result: "ok".to_owned(),
            revision,
            diff,
            request_id: author.request_id.clone(),
        }
    }

    /// A refused act: `action` on a path that is the caller's own text, so only a plain one is repeated.
    pub fn refused(author: &Author, action: &str, path: &str, code: &str) -> Self {
        Self {
            result: code.to_owned(),
            ..Self::of(
                author,
                &action.chars().take(16).collect::<String>().to_ascii_lowercase(),
                plain::name(path, MAX_PATH).unwrap_or("a path"),
                None,
                Vec::new(),
            )
        }
    }

    /// Hash of this row chained to the hash of the row before, 64 hex digits.
    pub fn chained(&self, previous: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(previous.as_bytes());
        // A row is made of strings and numbers; it always serialises.
        hash.update(serde_json::to_vec(self).unwrap_or_default());
        crate::wire::session::hex(&hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_act_names_its_code_and_only_a_plain_path() {
        let author = Author {
            actor: "bob".to_owned(),
            request_id: "r".to_owned(),
            at: Millis(1),
            note: None,
        };
        for (path, object) in [
            ("providers/openai", "providers/openai"),
            ("keys/my secret", "a path"),
            (
                "models/openai/gpt-4.1-mini-2025-04-14",
                "models/openai/gpt-4.1-mini-2025-04-14",
            ),
            ("providers/sk-proj-abc", "a path"),
            ("keys/AKIAIOSFODNN7EXAMPLE12", "a path"),
            (&"a".repeat(161), "a path"),
        ] {
            let row = AuditRow::refused(&author, "PUT", path, "role_required");
            assert_eq!(
                (row.action.as_str(), row.object.as_str(), row.result.as_str()),
                ("put", object, "role_required")
            );
        }
    }

    #[test]
    fn any_change_to_an_earlier_row_breaks_the_chain() {
        let author = Author {
            actor: "ann".to_owned(),
            request_id: "r".to_owned(),
            at: Millis(1),
            note: None,
        };
        let first = AuditRow::of(&author, "put", "providers/a", Some(1), Vec::new());
        let second = AuditRow::of(&author, "delete", "providers/a", Some(2), Vec::new());
        let chain = |first: &AuditRow| second.chained(&first.chained(""));
        let tampered = AuditRow {
            actor: "bob".to_owned(),
            ..first.clone()
        };
        assert_ne!(chain(&first), chain(&tampered));
        assert_eq!(chain(&first).len(), 64);
    }
}
