//! The caller's conversation as text that an adviser may read: no tools, no images, within a character budget.

use crate::wire::Call;
use crate::wire::conversation::{self as wire, Conversation, Message, Part, PartKind};
use crate::wire::json;
use std::borrow::Cow;

/// Characters of one tool call's arguments or one tool result that are kept.
const TOOL_TEXT_CHARS: usize = 2_000;

/// Characters of a function's name that are kept.
const NAME_CHARS: usize = 64;

/// Where something was cut.
const CUT: &str = "[… cut …]";

/// Who said a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// System or developer.
    System,
    /// User.
    User,
    /// Assistant.
    Assistant,
    /// A tool's result.
    Tool,
}

/// One message as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who.
    pub role: Role,
    /// What, in words.
    pub text: String,
}

/// What fits an adviser: the caller's system text first (up to a quarter of `max_chars`), then the newest messages backwards. The oldest
/// message that is kept keeps its tail. Messages without words are left out.
pub fn excerpt(call: &Call, max_chars: usize) -> Vec<Line> {
    let messages = &call.conversation.messages;
    let instructions = messages.iter().filter(|message| role(message) == Role::System);
    let instructions: Vec<String> = instructions.map(|message| words(call, message)).collect();
    let system = instructions.join("\n\n");
    let system = head(&system, max_chars / 4);
    let mut left = max_chars.saturating_sub(system.chars().count());
    let mut kept = Vec::new();
    for message in messages.iter().rev().filter(|message| role(message) != Role::System) {
        if left == 0 {
            break;
        }
        let said = words(call, message);
        let text = tail(&said, left);
        left = left.saturating_sub(text.chars().count());
        if !text.is_empty() {
            kept.push(Line {
                role: role(message),
                text: text.into_owned(),
            });
        }
    }
    if !system.is_empty() {
        kept.push(Line {
            role: Role::System,
            text: system.into_owned(),
        });
    }
    kept.reverse();
    kept
}

/// The index at which a system message goes: directly before the last block of user messages, after all leading system messages.
pub fn injection_index(conversation: &Conversation) -> usize {
    let leading = conversation.after_instructions();
    conversation
        .last_user_block()
        .map_or(leading, |block| block.max(leading))
}

/// The newest user text, for the judge.
pub fn question(lines: &[Line]) -> &str {
    lines
        .iter()
        .rev()
        .find(|line| line.role == Role::User)
        .map_or("", |line| line.text.as_str())
}

/// The first `max` characters, marked when cut.
pub fn head(text: &str, max: usize) -> Cow<'_, str> {
    if text.char_indices().nth(max).is_none() {
        return Cow::Borrowed(text);
    }
    let keep = max.saturating_sub(CUT.chars().count());
    Cow::Owned(text.chars().take(keep).chain(CUT.chars()).collect())
}

/// The last `max` characters, marked when cut.
fn tail(text: &str, max: usize) -> Cow<'_, str> {
    let length = text.chars().count();
    if length <= max {
        return Cow::Borrowed(text);
    }
    let keep = max.saturating_sub(CUT.chars().count());
    Cow::Owned(
        CUT.chars()
            .take(max)
            .chain(text.chars().skip(length.saturating_sub(keep)))
            .collect(),
    )
}

fn role(message: &Message) -> Role {
    match message.role {
        wire::Role::System | wire::Role::Developer => Role::System,
        wire::Role::Assistant => Role::Assistant,
        wire::Role::Tool => Role::Tool,
        wire::Role::User | wire::Role::Other => Role::User,
    }
}

fn words(call: &Call, message: &Message) -> String {
    let parts = call.conversation.parts(message).iter();
    let said: Vec<Cow<'_, str>> = parts
        .map(|part| piece(call, part))
        .filter(|piece| !piece.is_empty())
        .collect();
    let said = said.join("\n");
    if role(message) == Role::Tool {
        return format!("[tool result] {}", head(&said, TOOL_TEXT_CHARS));
    }
    said
}

fn piece<'c>(call: &'c Call, part: &'c Part) -> Cow<'c, str> {
    let text = || json::decode(&call.body, &part.text);
    match part.kind {
        PartKind::Text | PartKind::Refusal => text(),
        PartKind::ToolCall => {
            let name = json::decode(&call.body, &part.name);
            Cow::Owned(format!(
                "[called {}({})]",
                head(&name, NAME_CHARS),
                head(&text(), TOOL_TEXT_CHARS)
            ))
        }
        PartKind::Image => Cow::Borrowed("[image omitted]"),
        PartKind::Audio => Cow::Borrowed("[audio omitted]"),
        PartKind::File => Cow::Borrowed("[file omitted]"),
        PartKind::ToolResult | PartKind::Unknown => Cow::Borrowed(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Limits, chat};
    use bytes::Bytes;
    use serde_json::{Value, json};

    fn call(messages: &Value) -> Call {
        let body =
            json!({"model": "m", "tools": [{"type": "function", "function": {"name": "look"}}], "messages": messages});
        chat::parse(Bytes::from(body.to_string()), &Limits::default()).unwrap()
    }

    fn line(role: Role, text: &str) -> Line {
        Line {
            role,
            text: text.to_owned(),
        }
    }

    #[test]
    fn messages_become_text_without_images_and_tools() {
        let call = call(&json!([
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:x"}}]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{\"a\":1}"}}]},
            {"role": "tool", "tool_call_id": "1", "content": "a cat"},
            {"role": "assistant", "content": ""}
        ]));
        let expected = [
            line(Role::System, "Be brief."),
            line(Role::User, "What is this?\n[image omitted]"),
            line(Role::Assistant, "[called look({\"a\":1})]"),
            line(Role::Tool, "[tool result] a cat"),
        ];
        assert_eq!(excerpt(&call, 10_000), expected);
    }

    #[test]
    fn the_newest_words_survive_and_the_system_text_keeps_its_quarter() {
        let call = call(&json!([
            {"role": "system", "content": "s".repeat(100)},
            {"role": "user", "content": "old old old old"},
            {"role": "assistant", "content": "a".repeat(40)},
            {"role": "user", "content": "newest"}
        ]));
        let kept = excerpt(&call, 80);
        assert_eq!(kept.iter().map(|l| l.text.chars().count()).sum::<usize>(), 80);
        assert!(kept[0].text.ends_with(CUT) && kept[0].text.starts_with("sss"));
        let oldest = &kept[1].text;
        assert!(
            oldest.starts_with(CUT) && oldest.ends_with("old"),
            "the oldest kept message keeps its tail: {oldest:?}"
        );
        assert_eq!(question(&kept), "newest");
        assert_eq!(excerpt(&call, 100_000).len(), 4);
    }

    #[test]
    fn proposals_go_before_the_last_user_block() {
        let cases: [(&str, usize); 7] = [
            ("u", 0),
            ("s u", 1),
            ("s s u a u", 4),
            ("s u a u u", 3),
            ("u a t a", 0),
            ("s a", 1),
            ("u s u", 2),
        ];
        for (roles, expected) in cases {
            let word = |role| match role {
                "s" => "system",
                "u" => "user",
                "t" => "tool",
                _ => "assistant",
            };
            let messages: Vec<Value> = roles
                .split(' ')
                .map(|role| json!({"role": word(role), "content": "x"}))
                .collect();
            assert_eq!(
                injection_index(&call(&json!(messages)).conversation),
                expected,
                "{roles}"
            );
        }
    }
}
