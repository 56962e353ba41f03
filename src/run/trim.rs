//! Makes an old conversation shorter (opt-in per route): tool results first lose their content, then whole
//! turns go, oldest first. Instructions, tools, the last user turn and everything after it stay.
//!
//! Tokens are counted as elsewhere: about 3.6 bytes of JSON each. What remains is the caller's bytes.

use crate::wire::Call;
use crate::wire::conversation::{Message, PartKind, Role};
use crate::wire::json::{Splice, apply};
use bytes::Bytes;
use std::ops::Range;

/// Stands for what was left out of a tool result.
const OMITTED: &str = "\"[omitted to fit the context window]\"";

/// `body` (which is `call`'s, before any other change) with at most `target` estimated tokens, or as close as the rules allow; `None`
/// when nothing could be left out. `estimated` is what the whole body counts now.
pub fn trimmed(call: &Call, estimated: u64, target: u64) -> Option<Bytes> {
    let messages = &call.conversation.messages;
    let first = call.conversation.after_instructions();
    let last = call.conversation.last_user_block()?;
    let old = messages.get(first..last)?;
    let mut left = estimated;
    let mut splices: Vec<Splice> = Vec::new();
    let mut results: Vec<(usize, Range<usize>)> = Vec::new();
    for (index, message) in old.iter().enumerate() {
        if left <= target {
            break;
        }
        if let Some(content) = result_content(call, message) {
            left = left.saturating_sub(tokens(content.len().saturating_sub(OMITTED.len())));
            results.push((index, content));
        }
    }
    let mut gone = 0;
    for turn in turns(old) {
        if left <= target {
            break;
        }
        let bytes: usize = old
            .get(turn.clone())
            .unwrap_or_default()
            .iter()
            .map(|message| message.range.len() + 1)
            .sum();
        let emptied: usize = results
            .iter()
            .filter(|(index, _)| turn.contains(index))
            .map(|(_, content)| content.len())
            .sum();
        left = left.saturating_sub(tokens(bytes.saturating_sub(emptied)));
        gone = turn.end;
    }
    if gone == 0 && results.is_empty() {
        return None;
    }
    if gone > 0 {
        // From the first message that goes to the first that stays: the commas between go along.
        let from = old.first()?.range.start;
        let to = messages.get(first + gone)?.range.start;
        splices.push(Splice {
            range: from..to,
            with: Vec::new(),
        });
    }
    let kept = results.into_iter().filter(|(index, _)| *index >= gone);
    splices.extend(kept.map(|(_, range)| Splice {
        range,
        with: OMITTED.as_bytes().to_vec(),
    }));
    Some(apply(&call.body, splices))
}

/// Where the only text of a tool result lies, quotes included; short ones are not worth it.
fn result_content(call: &Call, message: &Message) -> Option<Range<usize>> {
    let [part] = call.conversation.parts(message) else {
        return None;
    };
    let text = matches!(message.role, Role::Tool) && part.kind == PartKind::Text;
    let range = part.text.quoted();
    // A part inside a list has a wrapper of its own; only a plain string may be replaced by another.
    let plain = call.body.get(range.start) == Some(&b'"') && part.range == range;
    (text && plain && range.len() > 4 * OMITTED.len()).then_some(range)
}

/// Ranges of messages that belong together: a user message and all answers, calls and results up to the next one.
fn turns(old: &[Message]) -> Vec<Range<usize>> {
    let mut turns: Vec<Range<usize>> = Vec::new();
    for (index, message) in old.iter().enumerate() {
        match turns.last_mut() {
            Some(turn) if message.role != Role::User => turn.end = index + 1,
            _ => turns.push(index..index + 1),
        }
    }
    turns
}

fn tokens(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(10) / 36
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::call::Limits;
    use crate::wire::chat;
    use serde_json::{Value, json};

    fn call(messages: &Value) -> Call {
        let body =
            json!({"model": "m", "messages": messages, "tools": [{"type": "function", "function": {"name": "f"}}]});
        chat::parse(Bytes::from(body.to_string()), &Limits::default()).unwrap()
    }

    fn check(messages: &Value, target: u64, expected: Option<&Value>) {
        let call = call(messages);
        let estimated = tokens(call.body.len());
        let body = trimmed(&call, estimated, target);
        let read = body.map(|body| serde_json::from_slice::<Value>(&body).expect("still JSON"));
        assert_eq!(read.as_ref().map(|body| &body["messages"]), expected);
        if let Some(read) = read {
            assert_eq!(read["tools"][0]["function"]["name"], "f");
        }
    }

    #[test]
    fn results_lose_their_content_before_turns_go() {
        let long = "x".repeat(2_000);
        let system = json!({"role": "system", "content": "be kind"});
        let ask = |text: &str| json!({"role": "user", "content": text});
        let used = json!({"role": "assistant", "content": null, "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
        let result = |text: &str| json!({"role": "tool", "tool_call_id": "t", "content": text});
        let said = json!({"role": "assistant", "content": long});
        let all = json!([system, ask("a"), used, result(&long), said, ask("b"), said, ask("c")]);
        check(&all, 2_000, None);
        check(
            &all,
            1_600,
            Some(&json!([
                system,
                ask("a"),
                used,
                result("[omitted to fit the context window]"),
                said,
                ask("b"),
                said,
                ask("c")
            ])),
        );
        check(&all, 700, Some(&json!([system, ask("b"), said, ask("c")])));
        check(&all, 1, Some(&json!([system, ask("c")])));
        // A running tool loop is never touched.
        let looping = json!([system, ask("a"), used, result(&long)]);
        check(&looping, 1, None);
    }
}
