//! The admin API's door: tokens, sessions, cross-site checks, and a throttle for guesses.

use super::roles::Role;
use crate::wire::{ApiError, Millis, session};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use subtle::ConstantTimeEq;

/// A session ends after this long whatever happens.
pub const SESSION_ABSOLUTE: Millis = Millis(12 * 60 * 60 * 1000);

/// A session ends after this long without use.
pub const SESSION_IDLE: Millis = Millis(60 * 60 * 1000);

/// Shortest admin token that is accepted as configuration.
pub const MIN_TOKEN_CHARS: usize = 16;

/// Sign-in attempts a minute, of one address and of all.
const ATTEMPTS_PER_ADDRESS: usize = 10;
const ATTEMPTS_OVERALL: usize = 50;

/// The configured admin token, as its SHA-256.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken {
    sha256: String,
}

impl AdminToken {
    /// From `ADMIN_TOKEN` or `ADMIN_TOKEN_SHA256`; `None`: not configured, or too short to be one.
    pub fn configured(plain: Option<&str>, sha256: Option<&str>) -> Option<Self> {
        let hash = sha256
            .filter(|hash| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
            .map(str::to_ascii_lowercase);
        let plain = plain
            .filter(|token| token.len() >= MIN_TOKEN_CHARS)
            .map(|token| session::sha256_hex(&[token.as_bytes()]));
        hash.or(plain).map(|sha256| Self { sha256 })
    }

    /// Compared in constant time.
    pub fn opens_for(&self, presented: &str) -> bool {
        session::sha256_hex(&[presented.as_bytes()])
            .as_bytes()
            .ct_eq(self.sha256.as_bytes())
            .into()
    }
}

/// A signed-in session as it is kept: never its id, only the id's hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminSession {
    /// Who.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Since when.
    pub created_at: Millis,
    /// Last request.
    pub used_at: Millis,
}

impl AdminSession {
    /// Is it still good at `now`?
    pub fn is_valid(&self, now: Millis) -> bool {
        now.since(self.created_at) < SESSION_ABSOLUTE && now.since(self.used_at) < SESSION_IDLE
    }
}

/// Recent failed sign-ins.
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    attempts: VecDeque<(Millis, String)>,
}

impl Throttle {
    /// Counts one attempt from `address`.
    ///
    /// # Errors
    /// 429 with the time to wait.
    pub fn attempt(&mut self, address: &str, now: Millis) -> Result<(), ApiError> {
        let minute = Millis(60_000);
        while self.attempts.front().is_some_and(|(at, _)| now.since(*at) >= minute) {
            self.attempts.pop_front();
        }
        let own = self.attempts.iter().filter(|(_, from)| from == address).count();
        if own >= ATTEMPTS_PER_ADDRESS || self.attempts.len() >= ATTEMPTS_OVERALL {
            let first = self
                .attempts
                .iter()
                .find(|(_, from)| own < ATTEMPTS_PER_ADDRESS || from == address);
            let wait = first.map_or(minute, |(at, _)| at.plus(minute).since(now));
            return Err(ApiError::new(
                "rate_limited",
                "Too many sign-in attempts; wait as long as `Retry-After` says.",
            )
            .after(wait));
        }
        self.attempts.push_back((now, address.chars().take(64).collect()));
        Ok(())
    }

    /// A right token ends the counting for its address.
    pub fn forgive(&mut self, address: &str) {
        self.attempts.retain(|(_, from)| from != address);
    }
}

/// What a browser says about where a mutation comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// `Sec-Fetch-Site`
    pub fetch_site: Option<&'a str>,
    /// `Origin`
    pub origin: Option<&'a str>,
    /// `content-type`
    pub content_type: Option<&'a str>,
    /// `x-clawrouter-csrf`
    pub csrf: Option<&'a str>,
}

/// May a request that is carried by a cookie change something?
///
/// # Errors
/// 403 `cross_site_request` that names what is missing.
pub fn same_site(origin: Origin<'_>, own_origin: &str) -> Result<(), ApiError> {
    let refuse = |what: &str| {
        Err(ApiError::new(
            "cross_site_request",
            format!("A change by cookie needs {what}."),
        ))
    };
    match (origin.fetch_site, origin.origin) {
        (Some("same-origin"), _) => {}
        (None, Some(origin)) if origin == own_origin => {}
        _ => return refuse("a request from the admin page itself (`Sec-Fetch-Site: same-origin`, or its `Origin`)"),
    }
    if origin.csrf != Some("1") {
        return refuse("the header `x-clawrouter-csrf: 1`");
    }
    let json = origin.content_type.is_some_and(|kind| {
        kind.split(';')
            .next()
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    });
    if !json {
        return refuse("`content-type: application/json`");
    }
    Ok(())
}

/// The cookie's name: browsers accept `__Host-` only over https.
pub fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-cr_admin" } else { "cr_admin" }
}

/// `Set-Cookie` for a session id; an empty id ends the session.
pub fn set_cookie(https: bool, id: &str) -> String {
    let (secure, age) = (
        if https { "; Secure" } else { "" },
        if id.is_empty() { 0 } else { SESSION_ABSOLUTE.0 / 1000 },
    );
    format!(
        "{}={id}; HttpOnly; SameSite=Strict; Path=/; Max-Age={age}{secure}",
        cookie_name(https)
    )
}

/// The session id in a `Cookie` header.
pub fn cookie_of(https: bool, header: &str) -> Option<&str> {
    let pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut ids = pairs.filter(|(name, _)| *name == cookie_name(https)).map(|(_, id)| id);
    ids.next()
        .filter(|id| !id.is_empty() && id.len() <= 128 && id.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_configured_by_value_or_hash_and_compared_whole() {
        let token = "0123456789abcdef0123";
        let hash = session::sha256_hex(&[token.as_bytes()]);
        for configured in [
            AdminToken::configured(Some(token), None),
            AdminToken::configured(None, Some(&hash.to_uppercase())),
        ] {
            let configured = configured.unwrap();
            assert!(
                configured.opens_for(token)
                    && !configured.opens_for("0123456789abcdef012")
                    && !configured.opens_for("")
            );
        }
        assert!(
            AdminToken::configured(Some("short"), None).is_none()
                && AdminToken::configured(None, Some("nothex")).is_none()
        );
    }

    #[test]
    fn sessions_end_by_age_and_by_rest() {
        let session = |created: u64, used: u64| AdminSession {
            name: "a".to_owned(),
            role: Role::Admin,
            created_at: Millis(created),
            used_at: Millis(used),
        };
        let hour = 3_600_000;
        assert!(session(0, 0).is_valid(Millis(hour - 1)) && !session(0, 0).is_valid(Millis(hour)));
        assert!(
            session(0, 11 * hour).is_valid(Millis(12 * hour - 1))
                && !session(0, 12 * hour - 1).is_valid(Millis(12 * hour))
        );
    }

    #[test]
    fn guesses_are_slowed_by_address_and_overall() {
        let mut throttle = Throttle::default();
        let refused = |throttle: &mut Throttle, from: &str, at: u64| {
            throttle
                .attempt(from, Millis(at))
                .err()
                .and_then(|error| error.retry_after)
        };
        for n in 0..10 {
            assert_eq!(refused(&mut throttle, "a", n), None);
        }
        assert_eq!(refused(&mut throttle, "a", 1_000), Some(Millis(59_000)));
        assert_eq!(refused(&mut throttle, "b", 1_000), None);
        throttle.forgive("a");
        assert_eq!(refused(&mut throttle, "a", 1_001), None);
        for n in 0..48 {
            assert_eq!(refused(&mut throttle, &format!("x{n}"), 2_000), None);
        }
        assert!(refused(&mut throttle, "y", 2_000).is_some());
        assert_eq!(refused(&mut throttle, "y", 62_001), None);
    }

    #[test]
    fn a_cookie_changes_something_only_from_the_page_itself() {
        let good = Origin {
            fetch_site: Some("same-origin"),
            origin: None,
            content_type: Some("application/json; charset=utf-8"),
            csrf: Some("1"),
        };
        let own = "https://r.example.com";
        let cases = [
            (good, true),
            (
                Origin {
                    fetch_site: None,
                    origin: Some(own),
                    ..good
                },
                true,
            ),
            (
                Origin {
                    fetch_site: None,
                    origin: Some("https://evil.example"),
                    ..good
                },
                false,
            ),
            (
                Origin {
                    fetch_site: None,
                    origin: None,
                    ..good
                },
                false,
            ),
            (
                Origin {
                    fetch_site: Some("cross-site"),
                    origin: Some(own),
                    ..good
                },
                false,
            ),
            (
                Origin {
                    fetch_site: Some("same-site"),
                    ..good
                },
                false,
            ),
            (Origin { csrf: None, ..good }, false),
            (
                Origin {
                    content_type: Some("text/plain"),
                    ..good
                },
                false,
            ),
            (
                Origin {
                    content_type: None,
                    ..good
                },
                false,
            ),
        ];
        for (origin, allowed) in cases {
            assert_eq!(same_site(origin, own).is_ok(), allowed, "{origin:?}");
        }
    }

    #[test]
    fn cookies_are_read_back_and_strict() {
        assert!(
            set_cookie(true, "abc").starts_with("__Host-cr_admin=abc; HttpOnly; SameSite=Strict; Path=/")
                && set_cookie(true, "abc").ends_with("; Secure")
        );
        assert!(!set_cookie(false, "abc").contains("Secure"));
        assert_eq!(cookie_of(false, "x=1; cr_admin=abc; y=2"), Some("abc"));
        for header in [
            "",
            "cr_admin=",
            "__Host-cr_admin=abc",
            "cr_admin=a\u{e4}",
            "cr_admin=a b",
        ] {
            assert_eq!(cookie_of(false, header), None, "{header}");
        }
    }
}
