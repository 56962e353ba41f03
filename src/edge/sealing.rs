//! Credentials that operators paste: sealed under `SEAL_KEY` before they are stored, opened once a catalog revision and isolate.

use super::{config, crypto};
use crate::catalog::registry::{Sealed, Snapshot};
use crate::catalog::{PoolId, Secret};
use crate::wire::{ApiError, base64, session};
use std::collections::BTreeMap;
use worker::Env;

/// Is there a key to seal with?
pub(super) fn is_configured(env: &Env) -> bool {
    key(env).is_some()
}

/// Encrypts a credential for its place; it cannot be moved to another pool or label.
///
/// # Errors
/// 503 `sealing_not_configured` without a usable `SEAL_KEY`.
pub(super) async fn seal(env: &Env, pool: &str, label: &str, value: &str) -> Result<String, ApiError> {
    let key = key(env).ok_or_else(not_configured)?;
    let sealed = crypto::seal(&key, &place(pool, label), value.as_bytes()).await;
    sealed
        .map(|bytes| base64::encode(&bytes))
        .map_err(|_| ApiError::internal("The credential could not be sealed."))
}

/// Encrypts kept content for its place; `None` without a usable `SEAL_KEY`.
pub(super) async fn seal_content(env: &Env, object: &str, plain: &[u8]) -> Option<Vec<u8>> {
    let (key, place) = content_key(env, object)?;
    crypto::seal(&key, &place, plain).await.ok()
}

/// Reverses [`seal_content`].
pub(super) async fn open_content(env: &Env, object: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (key, place) = content_key(env, object)?;
    crypto::open(&key, &place, sealed).await.ok()
}

/// A key for each object: so many are written that random nonces under one key could meet.
fn content_key(env: &Env, object: &str) -> Option<([u8; 32], String)> {
    let place = format!("clawrouter.content.v1\n{object}");
    let key = session::sha256(&[key(env)?.as_slice(), place.as_bytes()].concat());
    Some((key, place))
}

/// Every sealed credential of a snapshot that this deployment's key opens.
pub(super) async fn open_all(env: &Env, snapshot: &Snapshot) -> BTreeMap<(PoolId, String), Secret> {
    let mut opened = BTreeMap::new();
    let Some(key) = key(env) else { return opened };
    for Sealed {
        pool,
        label,
        ciphertext,
    } in &snapshot.sealed
    {
        let Some(bytes) = base64::decode(ciphertext) else {
            continue;
        };
        if let Ok(plain) = crypto::open(&key, &place(pool.as_str(), label), &bytes).await
            && let Ok(text) = String::from_utf8(plain)
        {
            opened.insert((pool.clone(), label.clone()), Secret::new(text));
        }
    }
    opened
}

fn place(pool: &str, label: &str) -> String {
    format!("clawrouter.credential.v1\n{pool}\n{label}")
}

/// 32 bytes in base64 or hex; any other text of at least 32 characters is hashed.
fn key(env: &Env) -> Option<[u8; 32]> {
    let text = config::variable(env, "SEAL_KEY")?;
    if let Some(bytes) = base64::decode(&text).and_then(|bytes| bytes.try_into().ok()) {
        return Some(bytes);
    }
    (text.len() >= 32).then(|| session::sha256(text.as_bytes()))
}

fn not_configured() -> ApiError {
    ApiError::new(
        "sealing_not_configured",
        "Pasted credentials are encrypted under the secret SEAL_KEY, which is not set: run `openssl rand -base64 32 | npx wrangler secret put SEAL_KEY`.",
    )
}
