//! Session ids: what a caller names a conversation by, brought into one shape.

use super::call::{SessionHint, SessionSource};
use super::conversation::{Conversation, Role};
use super::json::Text;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Longest session id that is kept as it came, characters; longer ones are known by their hash.
pub const MAX_SESSION_ID: usize = 256;

/// Of each text, how many bytes the implicit session id looks at. Long system prompts differ in length or in what the user says.
const HASHED_BYTES: usize = 8 * 1024;

/// A hint from an id that somebody named; `None` when it is blank.
pub fn named(id: &str, source: SessionSource) -> Option<SessionHint> {
    let id = id.trim();
    if id.is_empty() {
        return None;
    }
    let plain = id.len() <= MAX_SESSION_ID && id.bytes().all(|b| b.is_ascii_graphic());
    let id = if plain {
        id.to_owned()
    } else {
        sha256_hex(&[id.as_bytes()])
    };
    Some(SessionHint { id, source })
}

/// The session part of what Claude Code sends as `metadata.user_id`: `user_<hash>_account_<id>_session_<id>`, or a JSON object with
/// `session_id` in a string.
pub fn session_part(user_id: &str) -> Option<&str> {
    if let Some((_, session)) = user_id.rsplit_once("_session_") {
        return (!session.is_empty()).then_some(session);
    }
    let (_, after) = user_id.split_once("\"session_id\"")?;
    let value = after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (session, _) = value.split_once('"')?;
    (!session.is_empty()).then_some(session)
}

/// SHA-256 of system text and first user text: the same beginning is the same session, as far as anybody can tell.
pub(crate) fn implicit(body: &[u8], conversation: &Conversation) -> Option<SessionHint> {
    let first_user = conversation
        .messages
        .iter()
        .find(|message| message.role == Role::User)?;
    let mut hash = Sha256::new();
    let mut spoken = false;
    let mut add = |role: u8, text: &Text| {
        let raw = body.get(text.range.clone()).unwrap_or_default();
        hash.update([role]);
        hash.update((raw.len() as u64).to_le_bytes());
        hash.update(raw.get(..HASHED_BYTES).unwrap_or(raw));
    };
    conversation
        .texts(&[Role::System, Role::Developer])
        .for_each(|text| add(b's', text));
    for part in conversation.parts(first_user) {
        spoken |= !part.text.range.is_empty();
        add(b'u', &part.text);
    }
    spoken.then(|| SessionHint {
        id: hex(&hash.finalize()),
        source: SessionSource::Implicit,
    })
}

/// SHA-256 of the pieces one after the other, in lower-case hex.
pub fn sha256_hex(pieces: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update(piece);
    }
    hex(&hash.finalize())
}

/// SHA-256 as bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            // Writing into a String cannot fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_in_one_shape() {
        fn check(given: &str, expected: Option<&str>) {
            let hint = named(given, SessionSource::Body);
            assert_eq!(hint.as_ref().map(|hint| hint.id.as_str()), expected, "{given}");
        }
        check("thread-1", Some("thread-1"));
        check("  thread-1\t", Some("thread-1"));
        check("", None);
        check("   ", None);
        check(&"x".repeat(256), Some(&"x".repeat(256)));
        check(&"x".repeat(257), Some(&sha256_hex(&["x".repeat(257).as_bytes()])));
        check("two words", Some(&sha256_hex(&[b"two words"])));
        check("zwölf", Some(&sha256_hex(&["zwölf".as_bytes()])));
        check("a\r\nx-evil: 1", Some(&sha256_hex(&[b"a\r\nx-evil: 1"])));
    }

    #[test]
    fn session_parts_of_user_ids() {
        fn check(user_id: &str, expected: Option<&str>) {
            assert_eq!(session_part(user_id), expected, "{user_id}");
        }
        check("user_ab_account_12-3_session_45-6", Some("45-6"));
        check("user_ab_account__session_45-6", Some("45-6"));
        check("{\"device_id\":\"d\",\"session_id\" : \"45-6\"}", Some("45-6"));
        check("ann@example.com", None);
        check("user_ab_session_", None);
        check("{\"session_id\":7}", None);
    }
}
