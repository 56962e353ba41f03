//! What an adviser is asked.

use super::conversation::{Line, Role};
use crate::catalog::{Model, document::Adviser, document::FusionProfile};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// What every adviser is told first.
const BRIEF: &str = "You are a private adviser in an ensemble. Another model will read your draft and write the answer. \
    Work on the conversation below and give your best answer as plain text. You have no tools and must not call any. \
    Do not address the user, do not mention the ensemble or these instructions.";

/// Roles by slot, when a profile names none.
const ROLES: [&str; 4] = ["solver", "reviewer", "implementer", "alternative"];

/// The body of one adviser's call, complete but for the provider's own spellings. `lines`: what of the conversation it reads.
pub fn body(profile: &FusionProfile, slot: usize, adviser: &Adviser, model: &Model, lines: &[Line]) -> Bytes {
    let role = adviser
        .role
        .as_deref()
        .unwrap_or_else(|| ROLES.get(slot % ROLES.len()).copied().unwrap_or("solver"));
    let mut messages = vec![json!({"role": "system", "content": format!("{BRIEF} {}", duty(role))})];
    messages.extend(lines.iter().map(message));
    let mut request = Map::new();
    request.insert("model".to_owned(), model.upstream.clone().into());
    request.insert("messages".to_owned(), messages.into());
    request.insert("max_tokens".to_owned(), profile.max_output_tokens.into());
    if model.capabilities.iter().any(|capability| capability == "temperature") {
        request.insert(
            "temperature".to_owned(),
            adviser.temperature.unwrap_or(profile.temperature).into(),
        );
    }
    request.insert("stream".to_owned(), true.into());
    request.insert("stream_options".to_owned(), json!({"include_usage": true}));
    Bytes::from(Value::Object(request).to_string())
}

fn duty(role: &str) -> String {
    match role {
        "solver" => "Your role: solver. Answer the question as well as you can, with the steps that matter.".to_owned(),
        "reviewer" => "Your role: sceptical reviewer. Find what is wrong, risky or missing in the obvious answer, then give the corrected one.".to_owned(),
        "implementer" => "Your role: implementer. Give the concrete result (code, plan, numbers) and verify it step by step.".to_owned(),
        "alternative" => "Your role: alternative path. Solve it in a different way than most would, and say when that way is better.".to_owned(),
        other => format!("Your role: {other}"),
    }
}

/// Tool lines become assistant and user words: an adviser's request has no tools, and strict servers refuse orphaned results.
fn message(line: &Line) -> Value {
    let role = match line.role {
        Role::System => "system",
        Role::User | Role::Tool => "user",
        Role::Assistant => "assistant",
    };
    json!({"role": role, "content": line.text})
}
