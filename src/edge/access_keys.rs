//! Signatures of Cloudflare Access: the team's keys, fetched when needed, kept by the isolate; fails closed.

use super::crypto;
use crate::access::access_jwt::{AccessConfig, KeyLookup, PresentedJwt, SigningKey, SigningKeys};
use crate::catalog::{Secret, Transport};
use crate::run::machine::{CallId, UpstreamRequest};
use crate::wire::Millis;
use bytes::Bytes;
use js_sys::{Object, Reflect};
use std::cell::RefCell;
use wasm_bindgen::JsValue;

/// Bytes of a key list that are read.
const MAX_BYTES: usize = 64 * 1024;

thread_local! {
    static KEYS: RefCell<SigningKeys> = RefCell::default();
}

/// Is the assertion signed by the team?
pub(super) async fn signed(config: &AccessConfig, presented: &PresentedJwt, now: Millis) -> bool {
    if KEYS.with_borrow(|keys| keys.lookup(&presented.kid, now)) == KeyLookup::Ask {
        KEYS.with_borrow_mut(|keys| keys.asked(now));
        if let Ok(body) = fetch(config).await {
            KEYS.with_borrow_mut(|keys| keys.replace(&body, now));
        }
    }
    match KEYS.with_borrow(|keys| keys.lookup(&presented.kid, now)) {
        KeyLookup::Use(key) => verify(&key, presented).await.unwrap_or(false),
        KeyLookup::Ask | KeyLookup::Refuse => false,
    }
}

async fn verify(key: &SigningKey, presented: &PresentedJwt) -> Result<bool, JsValue> {
    let jwk = Object::new();
    for (name, value) in [
        ("kty", "RSA"),
        ("alg", "RS256"),
        ("n", key.n.as_str()),
        ("e", key.e.as_str()),
    ] {
        Reflect::set(&jwk, &name.into(), &value.into())?;
    }
    crypto::verify_rs256(&jwk, &presented.signing_input, &presented.signature).await
}

async fn fetch(config: &AccessConfig) -> Result<Bytes, String> {
    let request = UpstreamRequest {
        call: CallId(0),
        transport: Transport::Fetch,
        url: Secret::new(config.keys_url()),
        headers: Vec::new(),
        body: Bytes::new(),
    };
    let (_socket, answer) = super::upstream::open(&JsValue::NULL.into(), &request).map_err(|_| "refused".to_owned())?;
    let answer = answer.await.map_err(|fault| format!("{fault:?}"))?;
    if answer.status != 200 {
        return Err(format!("status {}", answer.status));
    }
    super::discovery::body_of(answer, MAX_BYTES).await
}
