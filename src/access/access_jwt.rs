//! Cloudflare Access: what its JWT says and whether that opens the admin page. The signature itself is WebCrypto's business: room
//! `edge` verifies [`PresentedJwt::signing_input`] against the key that [`SigningKeys`] names, and only then asks [`PresentedJwt::judge`].

use super::roles::{Actor, AuthKind, Role};
use crate::wire::{ApiError, Millis};
use serde::Deserialize;

/// Longest token that is looked at, bytes.
const MAX_TOKEN: usize = 16 * 1024;
/// Clocks may differ by this much.
const LEEWAY: Millis = Millis(60_000);
/// Keys are asked for again after this long.
const KEYS_FRESH: Millis = Millis(60 * 60 * 1000);
/// And never more often than this, whatever tokens name.
const KEYS_PAUSE: Millis = Millis(60_000);
/// Most keys of one team that are kept; Cloudflare publishes two.
const MAX_KEYS: usize = 16;

/// Which Access application guards the admin page, and who is who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessConfig {
    /// `https://<team>.cloudflareaccess.com`
    pub issuer: String,
    /// Audience tags of the application; a token must name one.
    pub audiences: Vec<String>,
    roles: Vec<(Role, Vec<String>)>,
}

/// Why a token opens nothing. For the audit log; the person at the door reads one sentence, [`JwtError::answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not three parts of base64url JSON.
    #[error("the token is malformed")]
    Malformed,
    /// Not RS256.
    #[error("the token is not signed with RS256")]
    Algorithm,
    /// No key of the team has that id.
    #[error("the token names an unknown key")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the signature is wrong")]
    Signature,
    /// Another team's token.
    #[error("the token comes from another issuer")]
    Issuer,
    /// Another application's token.
    #[error("the token is for another application")]
    Audience,
    /// Expired, or not valid yet.
    #[error("the token is not valid at this time")]
    Time,
    /// A service token: a machine, not a person.
    #[error("the token names no e-mail address")]
    NotAPerson,
    /// A person without a role here.
    #[error("this address has no role here")]
    NoRole,
}

/// A token taken apart, nothing believed yet.
#[derive(Clone, Debug)]
pub struct PresentedJwt {
    /// Names the key that signed it.
    pub kid: String,
    /// The bytes that are signed.
    pub signing_input: Vec<u8>,
    /// The signature, decoded.
    pub signature: Vec<u8>,
    claims: Claims,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: Option<f64>,
    nbf: Option<f64>,
    email: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl AccessConfig {
    /// From `ACCESS_TEAM_DOMAIN` (`team`, `team.cloudflareaccess.com` or with `https://`), `ACCESS_AUD` and the lists
    /// `ACCESS_ADMINS`, `ACCESS_OPERATORS`, `ACCESS_MEMBERS` (commas or white space between e-mail addresses and domains).
    /// `None`: Access is not configured. Without `ACCESS_MEMBERS` everybody whom Access lets through is at least a member.
    ///
    /// # Errors
    /// 503 `admin_auth_not_configured` when only a part is there: half a lock must not look like none.
    pub fn parse(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ApiError> {
        let value = |name: &str| {
            get(name)
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        let list = |name: &str| -> Vec<String> {
            let text = value(name).unwrap_or_default();
            let items = text
                .split(|c: char| c == ',' || c.is_whitespace())
                .filter(|item| !item.is_empty());
            items.map(str::to_ascii_lowercase).collect()
        };
        let (team, audiences) = (value("ACCESS_TEAM_DOMAIN"), list("ACCESS_AUD"));
        let incomplete = |missing: &str| {
            let message = format!("Cloudflare Access is half configured: set `{missing}` as well.");
            Err(ApiError::new("admin_auth_not_configured", message))
        };
        let team = match (team, audiences.is_empty()) {
            (None, true) => return Ok(None),
            (None, false) => return incomplete("ACCESS_TEAM_DOMAIN"),
            (Some(_), true) => return incomplete("ACCESS_AUD"),
            (Some(team), false) => team,
        };
        let host = team
            .trim_start_matches("https://")
            .trim_end_matches('/')
            .to_ascii_lowercase();
        let issuer = if host.contains('.') {
            format!("https://{host}")
        } else {
            format!("https://{host}.cloudflareaccess.com")
        };
        let mut roles = vec![
            (Role::Admin, list("ACCESS_ADMINS")),
            (Role::Operator, list("ACCESS_OPERATORS")),
        ];
        if roles.iter().all(|(_, people)| people.is_empty()) {
            return incomplete("ACCESS_ADMINS");
        }
        let members = list("ACCESS_MEMBERS");
        let anybody = vec!["*".to_owned()];
        roles.push((Role::Member, if members.is_empty() { anybody } else { members }));
        Ok(Some(Self {
            issuer,
            audiences,
            roles,
        }))
    }

    /// Where the team publishes its keys.
    pub fn keys_url(&self) -> String {
        format!("{}/cdn-cgi/access/certs", self.issuer)
    }

    /// The highest role that an address has.
    pub fn role_of(&self, email: &str) -> Option<Role> {
        let email = email.trim().to_ascii_lowercase();
        let (_, domain) = email.rsplit_once('@')?;
        let named =
            |entry: &String| entry == "*" || *entry == email || entry.strip_prefix('@').unwrap_or(entry) == domain;
        let holding = self.roles.iter().filter(|(_, people)| people.iter().any(named));
        holding.map(|(role, _)| *role).max()
    }
}

impl PresentedJwt {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`JwtError::Malformed`], [`JwtError::Algorithm`].
    pub fn parse(token: &str) -> Result<Self, JwtError> {
        let token = token.trim();
        if token.len() > MAX_TOKEN {
            return Err(JwtError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        let json = |part: &str| base64url(part).ok_or(JwtError::Malformed);
        let header: Header = serde_json::from_slice(&json(header)?).map_err(|_| JwtError::Malformed)?;
        if header.alg != "RS256" {
            return Err(JwtError::Algorithm);
        }
        let claims: Claims = serde_json::from_slice(&json(claims)?).map_err(|_| JwtError::Malformed)?;
        Ok(Self {
            kid: header.kid.ok_or(JwtError::UnknownKey)?,
            signing_input: signed.as_bytes().to_vec(),
            signature: json(signature)?,
            claims,
        })
    }

    /// Who this is, once the signature has been found right.
    ///
    /// # Errors
    /// The [`JwtError`] of the first claim that does not hold.
    pub fn judge(&self, config: &AccessConfig, now: Millis) -> Result<Actor, JwtError> {
        if self.claims.iss != config.issuer {
            return Err(JwtError::Issuer);
        }
        let audiences = match &self.claims.aud {
            Audience::One(one) => std::slice::from_ref(one),
            Audience::Many(many) => many.as_slice(),
        };
        if !audiences
            .iter()
            .any(|audience| config.audiences.contains(&audience.to_ascii_lowercase()))
        {
            return Err(JwtError::Audience);
        }
        let expires = self.claims.exp.and_then(moment).ok_or(JwtError::Time)?;
        let begins = self.claims.nbf.map_or(Some(Millis(0)), moment).ok_or(JwtError::Time)?;
        if now >= expires.plus(LEEWAY) || now.plus(LEEWAY) < begins {
            return Err(JwtError::Time);
        }
        let email = self
            .claims
            .email
            .as_deref()
            .map(str::trim)
            .filter(|email| email.contains('@'));
        let email = email.ok_or(JwtError::NotAPerson)?.to_ascii_lowercase();
        let role = config.role_of(&email).ok_or(JwtError::NoRole)?;
        Ok(Actor {
            name: email,
            role,
            auth: AuthKind::Access,
        })
    }
}

impl JwtError {
    /// What the person at the door reads: how to get in, not which check failed.
    pub fn answer(self) -> ApiError {
        match self {
            Self::NoRole | Self::NotAPerson => {
                let message = "This account has no role on this admin page; ask an administrator to add its address.";
                ApiError::new("role_required", message)
            }
            _ => ApiError::new(
                "sign_in_required",
                "Your Access session is missing or has ended; reload the page.",
            )
            .with("sign_in", "access"),
        }
    }
}

/// Seconds since the epoch, as JWTs write moments.
fn moment(seconds: f64) -> Option<Millis> {
    // The year 9999; beyond it nobody's token is meant.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked"
    )]
    (0.0..253_402_300_800.0)
        .contains(&seconds)
        .then_some(Millis((seconds * 1000.0) as u64))
}

/// Base64 for URLs without padding; strict: unused bits must be zero.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from((bits >> held) & 0xFF).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    (held < 6 && bits == 0).then_some(out)
}

/// An RSA public key as the team publishes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SigningKey {
    /// Its id.
    pub kid: String,
    /// Modulus, base64url.
    pub n: String,
    /// Exponent, base64url.
    pub e: String,
}

/// The team's keys as one isolate knows them.
#[derive(Clone, Debug, Default)]
pub struct SigningKeys {
    keys: Vec<SigningKey>,
    read_at: Option<Millis>,
    asked_at: Option<Millis>,
}

/// What to do about a key id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyLookup {
    /// Verify with this key.
    Use(SigningKey),
    /// Ask the team for its keys, tell [`SigningKeys::asked`] and [`SigningKeys::replace`], look again.
    Ask,
    /// Refuse.
    Refuse,
}

impl SigningKeys {
    /// What to do about `kid`: stale or missing keys are asked for, but at most once a minute. A known key stays good while the
    /// team cannot be reached.
    pub fn lookup(&self, kid: &str, now: Millis) -> KeyLookup {
        let known = self.keys.iter().find(|key| key.kid == kid);
        let fresh = self.read_at.is_some_and(|read| now.since(read) < KEYS_FRESH);
        let may_ask = self.asked_at.is_none_or(|asked| now.since(asked) >= KEYS_PAUSE);
        match known {
            Some(key) if fresh || !may_ask => KeyLookup::Use(key.clone()),
            _ if may_ask => KeyLookup::Ask,
            _ => KeyLookup::Refuse,
        }
    }

    /// The team is being asked at `now`.
    pub fn asked(&mut self, now: Millis) {
        self.asked_at = Some(now);
    }

    /// Takes the team's answer; anything but a list of RSA keys changes nothing.
    pub fn replace(&mut self, body: &[u8], now: Millis) {
        #[derive(Deserialize)]
        struct Published {
            keys: Vec<serde_json::Value>,
        }
        let Ok(published) = serde_json::from_slice::<Published>(body) else {
            return;
        };
        let rsa = published
            .keys
            .into_iter()
            .filter(|key| key.get("kty").and_then(|kty| kty.as_str()) == Some("RSA"));
        let keys: Vec<SigningKey> = rsa
            .filter_map(|key| serde_json::from_value(key).ok())
            .take(MAX_KEYS)
            .collect();
        if !keys.is_empty() {
            self.keys = keys;
            self.read_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests;
