//! Caller keys: how they look, how they are minted, whether one opens the door. The secret is never kept, only its SHA-256.

use super::{Grant, KeyIdentity};
use crate::catalog::{Policy, PolicyId};
use crate::wire::{ApiError, Millis, session};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What every key begins with.
const BRAND: &str = "clawrouter-";

/// Characters of a minted key id and secret (62 letters and digits: 71 and 238 bits).
const KID_CHARS: usize = 12;
const SECRET_CHARS: usize = 40;

/// Random bytes that [`mint`] wants.
pub const MINT_BYTES: usize = 2 * (KID_CHARS + SECRET_CHARS);

/// A key that is well-formed; whether it is genuine is [`admit`]'s business.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedKey {
    /// Key id, public.
    pub kid: String,
    /// `live` or `test`.
    pub test: bool,
    secret: String,
}

/// What is kept of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// Key id.
    pub kid: String,
    /// Its policy.
    pub policy: PolicyId,
    /// SHA-256 of the secret, hex.
    pub secret_sha256: String,
    /// Label for people.
    #[serde(default)]
    pub label: String,
    /// Who it belongs to.
    #[serde(default)]
    pub principal: Option<String>,
    /// When it stops to work.
    #[serde(default)]
    pub expires: Option<Millis>,
    /// False: as if revoked.
    pub enabled: bool,
    /// `live` or `test` key.
    #[serde(default)]
    pub test: bool,
    /// Last four characters of the secret, to tell keys apart.
    pub last4: String,
    /// When it was minted.
    pub created_at: Millis,
    /// When it was revoked.
    #[serde(default)]
    pub revoked_at: Option<Millis>,
    /// Counts its changes; 1 when it was minted, 0 for keys from before keys had revisions.
    #[serde(default)]
    pub revision: u64,
}

/// A freshly minted key: shown once, then only its record exists.
pub struct Minted {
    /// The whole key.
    pub key: String,
    /// What is kept.
    pub record: KeyRecord,
}

/// What a new key shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyWish {
    /// Its policy.
    pub policy: PolicyId,
    /// Label, at most 100 characters.
    pub label: String,
    /// Who it belongs to.
    pub principal: Option<String>,
    /// When it stops to work.
    pub expires: Option<Millis>,
    /// A `test` key.
    pub test: bool,
}

impl PresentedKey {
    /// Parses `clawrouter-(live|test)-<kid>-<secret>`; kid of at least 4, secret of at least 24 characters, `[A-Za-z0-9_]`, at most 256 in all.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 256 {
            return None;
        }
        let (mode, rest) = text.strip_prefix(BRAND)?.split_once('-')?;
        let (kid, secret) = rest.split_once('-')?;
        let word = |text: &str, least: usize| {
            text.len() >= least && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        let is_test = match mode {
            "live" => false,
            "test" => true,
            _ => return None,
        };
        (word(kid, 4) && word(secret, 24)).then(|| Self {
            kid: kid.to_owned(),
            test: is_test,
            secret: secret.to_owned(),
        })
    }

    /// Name under which a rough limit counts this key. Made of the whole key: who knows only its id cannot use up its owner's limit.
    pub fn counted_as(&self) -> String {
        session::sha256_hex(&[self.kid.as_bytes(), b"-", self.secret.as_bytes()])
    }

    /// The record that a deployment without a Registry keeps of a key it was given (`npm start`'s printed key).
    pub fn record(&self, policy: PolicyId, label: &str) -> KeyRecord {
        KeyRecord {
            kid: self.kid.clone(),
            policy,
            secret_sha256: sha256(&self.secret),
            label: label.to_owned(),
            principal: None,
            expires: None,
            enabled: true,
            test: self.test,
            last4: last4(&self.secret),
            created_at: Millis(0),
            revoked_at: None,
            revision: 0,
        }
    }

    /// Is this the key of that record? Compared in constant time.
    pub fn opens(&self, record: &KeyRecord) -> bool {
        let same: bool = sha256(&self.secret)
            .as_bytes()
            .ct_eq(record.secret_sha256.as_bytes())
            .into();
        same && self.kid == record.kid
    }
}

impl KeyRecord {
    /// `clawrouter-live-ab12…`: what people see of a key.
    pub fn prefix(&self) -> String {
        format!("{BRAND}{}-{}", if self.test { "test" } else { "live" }, self.kid)
    }

    /// The same key, known to be revoked since `at`.
    #[must_use]
    pub fn revoked_since(&self, at: Millis) -> Self {
        Self {
            enabled: false,
            revoked_at: Some(self.revoked_at.map_or(at, |known| known.min(at))),
            ..self.clone()
        }
    }

    /// Does it open the door at `now`, as far as this record says? Its policy has a say, too.
    pub fn is_live(&self, now: Millis) -> bool {
        self.enabled && self.revoked_at.is_none() && self.expires.is_none_or(|expires| expires > now)
    }

    /// Name under which this key's sessions and memories are kept apart from others'.
    pub fn tenant(&self) -> &str {
        &self.kid
    }
}

/// Makes a key out of random bytes.
pub fn mint(wish: &KeyWish, random: &[u8; MINT_BYTES], now: Millis) -> Minted {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    // Two bytes a character: the bias of 65,536 mod 62 is below 0.1 %.
    let mut letters = random.chunks_exact(2).map(|pair| {
        let number = pair
            .iter()
            .fold(0_usize, |number, byte| (number << 8) | usize::from(*byte));
        ALPHABET.get(number % ALPHABET.len()).copied().map_or('0', char::from)
    });
    let kid: String = letters.by_ref().take(KID_CHARS).collect();
    let secret: String = letters.take(SECRET_CHARS).collect();
    let presented = PresentedKey {
        kid,
        test: wish.test,
        secret,
    };
    let record = KeyRecord {
        label: wish.label.chars().take(100).collect(),
        principal: wish.principal.clone(),
        expires: wish.expires,
        created_at: now,
        revision: 1,
        ..presented.record(wish.policy.clone(), "")
    };
    Minted {
        key: format!("{}-{}", record.prefix(), presented.secret),
        record,
    }
}

/// Does this key open the door, and to what?
///
/// # Errors
/// 401 with one message whether the key is unknown or its secret wrong; 403 when it was revoked, has expired, or its policy is off.
pub fn admit(
    presented: &PresentedKey,
    record: Option<&KeyRecord>,
    policy: Option<&Arc<Policy>>,
    now: Millis,
) -> Result<Grant, ApiError> {
    let record = record
        .filter(|record| presented.opens(record))
        .ok_or_else(unknown_key)?;
    rights(record, policy, now)
}

/// What a key may do, whoever holds it.
///
/// # Errors
/// 403 when it was revoked, has expired, or its policy is off.
pub fn rights(record: &KeyRecord, policy: Option<&Arc<Policy>>, now: Millis) -> Result<Grant, ApiError> {
    if record.revoked_at.is_some() {
        return Err(ApiError::new("key_revoked", "This key was revoked; ask for a new one."));
    }
    if !record.enabled {
        return Err(
            ApiError::new("key_revoked", "This key is paused; ask the router's operator.").because("key_paused"),
        );
    }
    if record.expires.is_some_and(|expires| expires <= now) {
        return Err(ApiError::new("key_revoked", "This key has expired; ask for a new one.").because("key_expired"));
    }
    let policy = policy.filter(|policy| policy.enabled);
    let policy = policy.ok_or_else(|| {
        ApiError::new(
            "policy_disabled",
            "The policy of this key is off; ask the router's operator.",
        )
    })?;
    Ok(Grant {
        key: KeyIdentity {
            kid: record.kid.clone(),
            label: record.label.clone(),
            principal: record.principal.clone(),
        },
        policy: Arc::clone(policy),
        remaining: None,
    })
}

/// Missing, malformed, unknown or wrong: one answer, so that nobody learns which keys exist.
pub fn unknown_key() -> ApiError {
    ApiError::new(
        "invalid_api_key",
        "The API key is missing or not valid; send it as `Authorization: Bearer clawrouter-…`.",
    )
}

fn sha256(secret: &str) -> String {
    session::sha256_hex(&[secret.as_bytes()])
}

fn last4(secret: &str) -> String {
    secret
        .get(secret.len().saturating_sub(4)..)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "clawrouter-test-abcd-0123456789abcdefghijklmn";

    fn policy(enabled: bool) -> Arc<Policy> {
        Arc::new(serde_json::from_value(serde_json::json!({"id": "p", "enabled": enabled})).unwrap())
    }

    #[test]
    fn only_the_documented_form_is_a_key() {
        let good = [KEY, "clawrouter-live-a_b9-ABCDEFGHIJKLMNOPQRSTUVWX"];
        let bad = [
            "",
            "sk-123",
            "clawrouter-test-abc-0123456789abcdefghijklmn",
            "clawrouter-test-abcd-0123456789abcdefghijklm",
            "clawrouter-prod-abcd-0123456789abcdefghijklmn",
            "clawrouter-test-abcd",
            "clawrouter-test-ab/d-0123456789abcdefghijklmn",
            "clawrouter-test-abcd-0123456789abcdefghij-klmn",
            " clawrouter-test-abcd-0123456789abcdefghijklmn",
        ];
        assert!(good.iter().all(|key| PresentedKey::parse(key).is_some()));
        for key in bad {
            assert!(PresentedKey::parse(key).is_none(), "{key}");
        }
        assert!(PresentedKey::parse(&format!("{KEY}{}", "x".repeat(300))).is_none());
    }

    #[test]
    fn a_door_opens_only_for_a_live_key_of_a_live_policy() {
        let presented = PresentedKey::parse(KEY).unwrap();
        let record = presented.record(PolicyId::parse("p").unwrap(), "dev");
        let other = PresentedKey::parse(&KEY.replace('n', "m")).unwrap();
        let check = |presented: &PresentedKey, record: Option<KeyRecord>, policy: Option<Arc<Policy>>| {
            admit(presented, record.as_ref(), policy.as_ref(), Millis(1_000))
                .map(|grant| grant.key.kid)
                .map_err(|error| error.code)
        };
        let refused = |code: &str| Err(code.to_owned());
        let on = || Some(policy(true));
        assert_eq!(check(&presented, Some(record.clone()), on()), Ok("abcd".to_owned()));
        assert_eq!(check(&presented, None, on()), refused("invalid_api_key"));
        assert_eq!(check(&other, Some(record.clone()), on()), refused("invalid_api_key"));
        assert_eq!(
            check(
                &presented,
                Some(KeyRecord {
                    enabled: false,
                    ..record.clone()
                }),
                on()
            ),
            refused("key_revoked")
        );
        assert_eq!(
            check(
                &presented,
                Some(KeyRecord {
                    revoked_at: Some(Millis(1)),
                    ..record.clone()
                }),
                on()
            ),
            refused("key_revoked")
        );
        assert_eq!(
            check(
                &presented,
                Some(KeyRecord {
                    expires: Some(Millis(1_000)),
                    ..record.clone()
                }),
                on()
            ),
            refused("key_revoked")
        );
        assert!(
            check(
                &presented,
                Some(KeyRecord {
                    expires: Some(Millis(1_001)),
                    ..record.clone()
                }),
                on()
            )
            .is_ok()
        );
        assert_eq!(
            check(&presented, Some(record.clone()), Some(policy(false))),
            refused("policy_disabled")
        );
        assert_eq!(check(&presented, Some(record), None), refused("policy_disabled"));
    }

    proptest! {
        #[test]
        fn a_minted_key_is_well_formed_opens_its_record_and_is_not_in_it(low in any::<[u8; 32]>(), high in any::<u64>()) {
            let mut random = [0_u8; MINT_BYTES];
            for (index, byte) in random.iter_mut().enumerate() {
                *byte = low[index % 32].wrapping_mul(31).wrapping_add(high.to_le_bytes()[index % 8]);
            }
            let wish = KeyWish { policy: PolicyId::parse("p").unwrap(), label: "ci".to_owned(), principal: None, expires: None, test: false };
            let minted = mint(&wish, &random, Millis(5));
            let presented = PresentedKey::parse(&minted.key).unwrap();
            prop_assert!(admit(&presented, Some(&minted.record), Some(&policy(true)), Millis(9)).is_ok());
            let stored = serde_json::to_string(&minted.record).unwrap();
            prop_assert!(!stored.contains(&presented.secret));
        }

        #[test]
        fn any_text_is_judged(text in ".{0,300}") {
            let _ = PresentedKey::parse(&text);
        }
    }
}
