//! Prompts and answers that a policy keeps (`retain_content`): how much, under which name, for how long, and what a trace says of it.
//! Encryption and storage are room `edge`'s business.

use super::calendar::{self, DAY};
use super::trace::ContentNote;
use crate::wire::{Millis, session};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Bytes of either side that are kept; the rest is cut, and the cut is told.
pub const MAX_SIDE: usize = 1024 * 1024;
/// What every kept object's name begins with.
pub const PREFIX: &str = "content/";

/// Collects the bytes of one side up to [`MAX_SIDE`].
#[derive(Clone, Debug, Default)]
pub struct Tap {
    kept: Vec<u8>,
    total: u64,
}

impl Tap {
    /// More bytes have passed.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total = self.total.saturating_add(bytes.len() as u64);
        let room = MAX_SIDE.saturating_sub(self.kept.len());
        self.kept.extend(bytes.iter().take(room));
    }

    /// What has passed.
    pub fn side(&self) -> Side {
        Side::new(&self.kept, self.total)
    }
}

/// A prompt or an answer as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// The bytes as text; what is not UTF-8 is replaced.
    pub text: String,
    /// Bytes that there were.
    pub bytes: u64,
    /// True: `text` is only the beginning.
    pub truncated: bool,
}

impl Side {
    fn new(kept: &[u8], total: u64) -> Self {
        Self {
            text: String::from_utf8_lossy(kept).into_owned(),
            bytes: total,
            truncated: total > kept.len() as u64,
        }
    }

    /// The beginning of a whole body.
    pub fn of(body: &Bytes) -> Self {
        let kept = body.get(..MAX_SIDE).unwrap_or(body);
        Self::new(kept, body.len() as u64)
    }
}

/// Both sides of a request: what is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// `x-request-id`.
    pub request_id: String,
    /// When the request arrived.
    #[serde(with = "calendar::moment")]
    pub at: Millis,
    /// The caller's body.
    pub request: Side,
    /// What the caller was sent.
    pub response: Side,
}

/// What a deployment lacks for keeping content, as a sentence; `None`: nothing.
pub fn missing(has_bucket: bool, has_key: bool) -> Option<&'static str> {
    match (has_bucket, has_key) {
        (true, true) => None,
        (false, true) => Some("no R2 bucket is bound as CONTENT (docs/deploy.md says how)"),
        (true, false) => Some("the secret SEAL_KEY is not set (docs/deploy.md says how)"),
        (false, false) => {
            Some("no R2 bucket is bound as CONTENT and the secret SEAL_KEY is not set (docs/deploy.md says how)")
        }
    }
}

/// What a trace says when nothing is kept.
pub fn not_kept(policy: &str, asked_for: bool, missing: Option<&str>) -> ContentNote {
    let why = match missing {
        Some(missing) if asked_for => format!("policy {policy} keeps content, but {missing}"),
        None if asked_for => format!("policy {policy} keeps content, but it could not be stored"),
        _ => format!("policy {policy} keeps metadata only"),
    };
    ContentNote {
        why: Some(why),
        ..ContentNote::default()
    }
}

/// What a trace says when content was kept in `object` for `days`.
pub fn kept(object: String, at: Millis, days: u32) -> ContentNote {
    ContentNote {
        kept: true,
        why: None,
        object: Some(object),
        expires_at: Some(end(at, days)),
    }
}

/// `content/<policy>/<date>/<request id>.<unique>`: request ids are the caller's and may repeat, so the router's own id makes it unique.
pub fn object_name(policy: &str, at: Millis, request_id: &str, reservation_id: &str) -> String {
    let unique = session::sha256_hex(&[reservation_id.as_bytes()]);
    format!(
        "{PREFIX}{}/{}/{}.{}",
        plain(policy),
        calendar::date(at),
        plain(request_id),
        unique.get(..16).unwrap_or_default()
    )
}

/// When content of `at` is deleted: whole days, at least `days` of them.
pub fn end(at: Millis, days: u32) -> Millis {
    Millis(
        (at.0 / DAY)
            .saturating_add(u64::from(days))
            .saturating_add(1)
            .saturating_mul(DAY),
    )
}

/// Is the folder of a day (`content/<policy>/<date>/`) to be deleted? A name of another form is left alone.
pub fn is_over(folder: &str, days: u32, now: Millis) -> bool {
    let date = folder.trim_end_matches('/').rsplit('/').next();
    date.and_then(calendar::parse).is_some_and(|day| now >= end(day, days))
}

/// Percent-encodes what a folder's or object's name must not hold.
fn plain(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_bounded_and_say_so() {
        let chunk = vec![b'x'; MAX_SIDE / 2];
        let mut tap = Tap::default();
        for (bytes, truncated) in [(1, false), (2, false), (3, true)] {
            tap.push(&chunk);
            let side = tap.side();
            assert_eq!(
                (side.bytes, side.truncated, side.text.len()),
                (
                    (chunk.len() * bytes) as u64,
                    truncated,
                    (chunk.len() * bytes).min(MAX_SIDE)
                )
            );
        }
        let side = Side::of(&Bytes::from(vec![b'y'; MAX_SIDE + 1]));
        assert_eq!(
            (side.text.len(), side.bytes, side.truncated),
            (MAX_SIDE, MAX_SIDE as u64 + 1, true)
        );
        assert_eq!(Side::of(&Bytes::from_static(b"{}")).text, "{}");
    }

    #[test]
    fn names_are_unique_plain_and_tell_their_day() {
        let at = calendar::parse("2026-11-20T23:59:59Z").unwrap();
        let name = object_name("team", at, "a/b:ü", "req_1");
        assert!(name.starts_with("content/team/2026-11-20/a%2Fb%3A%C3%BC."), "{name}");
        assert_eq!(name.split('/').count(), 4);
        assert_ne!(
            name,
            object_name("team", at, "a/b:ü", "req_2"),
            "request ids are the caller's"
        );
        assert!(object_name("team", at, &"é".repeat(128), "r").len() < 1024);
    }

    #[test]
    fn a_folder_ends_after_its_days() {
        let now = |text: &str| calendar::parse(text).unwrap();
        for (folder, days, at, expected) in [
            ("content/team/2026-11-20/", 1, "2026-11-21T23:59:59Z", false),
            ("content/team/2026-11-20/", 1, "2026-11-22T00:00:00Z", true),
            ("content/team/2026-11-20/", 7, "2026-11-27T23:00:00Z", false),
            ("content/team/2026-11-20/", 7, "2026-11-28T00:00:00Z", true),
            ("content/team/else/", 1, "2030-01-01T00:00:00Z", false),
            ("", 1, "2030-01-01T00:00:00Z", false),
        ] {
            assert_eq!(is_over(folder, days, now(at)), expected, "{folder} {at}");
        }
        assert_eq!(end(now("2026-11-20T12:00:00Z"), 7), now("2026-11-28T00:00:00Z"));
    }

    #[test]
    fn a_trace_says_why_nothing_was_kept() {
        for (asked, bucket, key, word) in [
            (false, true, true, "metadata only"),
            (true, false, true, "R2 bucket"),
            (true, true, false, "SEAL_KEY"),
            (true, true, true, "could not be stored"),
        ] {
            let note = not_kept("team", asked, missing(bucket, key));
            assert!(!note.kept && note.why.unwrap().contains(word));
        }
    }
}
