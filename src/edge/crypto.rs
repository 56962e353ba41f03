//! WebCrypto: sealing of pasted credentials (AES-256-GCM) and signatures of Cloudflare Access (RS256).

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, SubtleCrypto};

/// Bytes of an AES-GCM nonce.
const NONCE: usize = 12;

/// Encrypts `plain` under the 32-byte `key`, bound to `context`; nonce first.
pub(super) async fn seal(key: &[u8; 32], context: &str, plain: &[u8]) -> Result<Vec<u8>, JsValue> {
    let nonce: [u8; NONCE] = super::clock::random().map_err(|error| JsValue::from_str(&error.to_string()))?;
    let key = aes_key(key).await?;
    let promise = subtle()?.encrypt_with_object_and_u8_array(&gcm(&nonce, context)?, &key, plain)?;
    let cipher = Uint8Array::new(&JsFuture::from(promise).await?).to_vec();
    Ok([nonce.as_slice(), cipher.as_slice()].concat())
}

/// Reverses [`seal`]; fails when key, context or bytes differ.
pub(super) async fn open(key: &[u8; 32], context: &str, sealed: &[u8]) -> Result<Vec<u8>, JsValue> {
    let (nonce, cipher) = sealed
        .split_at_checked(NONCE)
        .ok_or_else(|| JsValue::from_str("too short"))?;
    let key = aes_key(key).await?;
    let promise = subtle()?.decrypt_with_object_and_u8_array(&gcm(nonce, context)?, &key, cipher)?;
    Ok(Uint8Array::new(&JsFuture::from(promise).await?).to_vec())
}

/// Does `signature` over `message` belong to the RSA key given as a JWK?
pub(super) async fn verify_rs256(jwk: &Object, message: &[u8], signature: &[u8]) -> Result<bool, JsValue> {
    let algorithm = Object::new();
    Reflect::set(&algorithm, &"name".into(), &"RSASSA-PKCS1-v1_5".into())?;
    Reflect::set(&algorithm, &"hash".into(), &"SHA-256".into())?;
    let usages = Array::of1(&"verify".into());
    let promise = subtle()?.import_key_with_object("jwk", jwk, &algorithm, false, &usages)?;
    let key: CryptoKey = JsFuture::from(promise).await?.dyn_into()?;
    let promise = subtle()?.verify_with_str_and_u8_array_and_u8_array("RSASSA-PKCS1-v1_5", &key, signature, message)?;
    Ok(JsFuture::from(promise).await?.is_truthy())
}

fn subtle() -> Result<SubtleCrypto, JsValue> {
    let crypto: web_sys::Crypto = Reflect::get(&js_sys::global(), &"crypto".into())?.dyn_into()?;
    Ok(crypto.subtle())
}

async fn aes_key(key: &[u8; 32]) -> Result<CryptoKey, JsValue> {
    let usages = Array::of2(&"encrypt".into(), &"decrypt".into());
    let raw: Object = Uint8Array::from(key.as_slice()).into();
    let promise = subtle()?.import_key_with_str("raw", &raw, "AES-GCM", false, &usages)?;
    JsFuture::from(promise).await?.dyn_into()
}

fn gcm(nonce: &[u8], context: &str) -> Result<Object, JsValue> {
    let parameters = Object::new();
    Reflect::set(&parameters, &"name".into(), &"AES-GCM".into())?;
    Reflect::set(&parameters, &"iv".into(), &Uint8Array::from(nonce))?;
    Reflect::set(
        &parameters,
        &"additionalData".into(),
        &Uint8Array::from(context.as_bytes()),
    )?;
    Ok(parameters)
}
