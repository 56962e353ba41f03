//! Demo embeddings: hashed words, so that equal texts are equal and similar texts are near.

use super::{DemoAnswer, refuse, tokens, whole};
use crate::wire::base64;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Dimensions when the caller names none.
const DIMENSIONS: usize = 256;

pub(super) fn answer(request: &Value) -> DemoAnswer {
    let inputs: Vec<&str> = match &request["input"] {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().map(|item| item.as_str().unwrap_or("token ids")).collect(),
        _ => Vec::new(),
    };
    if inputs.is_empty() {
        return refuse("input must be a text or a list of texts");
    }
    let dimensions = request["dimensions"]
        .as_u64()
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(DIMENSIONS)
        .clamp(8, 4096);
    let as_base64 = request["encoding_format"] == "base64";
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = embed(text, dimensions);
            let embedding = if as_base64 {
                encode(&vector).into()
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let used: u64 = inputs.iter().map(|text| tokens(text)).sum();
    whole(&json!({
        "object": "list", "data": data, "model": request["model"],
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }))
}

/// Signed feature hashing of lower-cased words, scaled to unit length.
fn embed(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    for word in text
        .to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        let digest = Sha256::digest(word.as_bytes());
        let hash = digest
            .iter()
            .take(8)
            .fold(0_u64, |hash, byte| (hash << 8) | u64::from(*byte));
        let index = usize::try_from(hash >> 1).unwrap_or_default() % dimensions;
        if let Some(cell) = vector.get_mut(index) {
            *cell += if hash & 1 == 0 { 1.0 } else { -1.0 };
        }
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        for x in &mut vector {
            *x /= length;
        }
    }
    vector
}

/// Little-endian floats in base64, as `encoding_format: "base64"` asks for.
fn encode(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    base64::encode(&bytes)
}
