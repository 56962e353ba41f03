//! Who calls: from a presented key to a grant. Keys come from isolate memory, else KV, else the Registry itself.

use super::incoming::Incoming;
use super::isolate::{self, Known, World};
use super::objects::{client, registry};
use super::{abuse, clock, config};
use crate::access::Grant;
use crate::access::key::{KeyRecord, PresentedKey, admit, unknown_key};
use crate::catalog::PolicyId;
use crate::wire::{ApiError, Millis, headers};
use std::sync::Arc;
use worker::Env;

/// How long an isolate believes a key record; with KV's 30 s this keeps revocation below 60 s.
const BELIEVE: Millis = Millis(30_000);

/// How long an isolate believes that a key does not exist.
const BELIEVE_ABSENT: Millis = Millis(5_000);

/// The caller's grant.
///
/// # Errors
/// 401 with one message for every kind of wrong key; 403 when it was revoked or its policy is off; 429 when a bound rate limiter says so.
pub(super) async fn authenticate(incoming: &Incoming, world: &World) -> Result<Grant, ApiError> {
    authenticate_noting(incoming, world, &mut None).await
}

/// The same; `genuine` is set to the key whose secret was right, although it may be refused.
pub(super) async fn authenticate_noting(
    incoming: &Incoming,
    world: &World,
    genuine: &mut Option<Arc<KeyRecord>>,
) -> Result<Grant, ApiError> {
    let candidates = headers::presented_keys(|name| incoming.header(name));
    let presented = candidates
        .iter()
        .find_map(|text| PresentedKey::parse(text))
        .ok_or_else(unknown_key)?;
    if let Err(refused) = abuse::check(&incoming.env, &presented).await {
        *genuine = remembered(&incoming.env, &presented);
        return Err(refused);
    }
    let now = clock::now();
    let record = match local_key(&incoming.env, &presented) {
        Some(record) => Some(Arc::new(record)),
        None => record_of(&incoming.env, world, &presented.kid, now).await?,
    };
    let record = record.map(|record| match isolate::revoked(&record.kid) {
        Some(at) => Arc::new(record.revoked_since(at)),
        None => record,
    });
    let policy = record
        .as_ref()
        .and_then(|record| world.catalog.policies.get(&record.policy));
    let admitted = admit(&presented, record.as_deref(), policy, now);
    // Whoever is refused by a 403 has shown the right secret; a key without a policy has nobody who would read of it.
    let is_genuine = policy.is_some() && admitted.as_ref().map_or_else(|refused| refused.status == 403, |_| true);
    *genuine = record.filter(|_| is_genuine);
    let mut grant = admitted?;
    grant.remaining = isolate::remaining(&grant.key.kid, now);
    Ok(grant)
}

/// The key's record when this isolate has it at hand and the secret is right: a flood is told apart without asking anybody.
fn remembered(env: &Env, presented: &PresentedKey) -> Option<Arc<KeyRecord>> {
    let known = local_key(env, presented)
        .map(Arc::new)
        .or_else(|| isolate::key(&presented.kid)?.record)?;
    presented.opens(&known).then_some(known)
}

/// The key that `npm start` prints: only where the Worker runs locally, under the policy of the admin page's own tests.
fn local_key(env: &Env, presented: &PresentedKey) -> Option<KeyRecord> {
    let given = config::is_local(env)
        .then(|| config::variable(env, "DEV_KEY"))
        .flatten()?;
    let given = PresentedKey::parse(&given).filter(|given| given.kid == presented.kid)?;
    let policy = isolate::world()?.world.catalog.settings.admin_policy.clone();
    Some(given.record(PolicyId::parse(&policy).ok()?, "dev"))
}

/// A key's record: believed for 30 s; asked of the Registry each time where `strict_revocation` is on.
async fn record_of(env: &Env, world: &World, kid: &str, now: Millis) -> Result<Option<Arc<KeyRecord>>, ApiError> {
    let strict = world.catalog.settings.strict_revocation;
    if let (false, Some(known)) = (strict, isolate::key(kid)) {
        let believe = if known.record.is_some() {
            BELIEVE
        } else {
            BELIEVE_ABSENT
        };
        if now.since(known.read_at) < believe {
            return Ok(known.record);
        }
    }
    let published = if strict { None } else { published(env, kid).await };
    let record = match published {
        Some(record) => Some(record),
        None => ask_registry(env, kid).await?,
    };
    let record = record.map(Arc::new);
    isolate::set_key(
        kid,
        Known {
            record: record.clone(),
            read_at: now,
        },
    );
    Ok(record)
}

async fn published(env: &Env, kid: &str) -> Option<KeyRecord> {
    let text = env
        .kv(config::KV)
        .ok()?
        .get(&format!("key/{kid}"))
        .cache_ttl(30)
        .text()
        .await
        .ok()??;
    serde_json::from_str(&text).ok()
}

/// A key that KV does not know yet was perhaps minted a moment ago.
async fn ask_registry(env: &Env, kid: &str) -> Result<Option<KeyRecord>, ApiError> {
    let asked = client::call(env, config::REGISTRY, registry::NAME, "/keys/get", &kid).await;
    asked.map_err(|_| {
        ApiError::new(
            "registry_unavailable",
            "Keys cannot be checked at the moment; try again.",
        )
        .after(Millis(1_000))
    })
}
