//! State in a conversation that belongs to the provider who wrote it: thinking signatures, encrypted reasoning.
//!
//! Only its issuer can read it; another provider answers 400 or, worse, is told secrets of the first. The visible text stays.

use super::call::Call;
use super::conversation::Role;
use super::json::{Cursor, Edit, Kind, Splice, object_splices, scan_object};
use std::ops::Range;

/// Members of assistant messages, of their parts and of their tool calls. `reasoning_details`: OpenRouter. `thinking_blocks`: Anthropic's
/// blocks through OpenAI-shaped gateways. `signature`, `encrypted_content`: of parts. `thought_signature`, `extra_content`: Gemini's
/// OpenAI-compatible endpoint.
pub const MEMBERS: [&str; 6] = [
    "reasoning_details",
    "thinking_blocks",
    "signature",
    "encrypted_content",
    "thought_signature",
    "extra_content",
];

impl Call {
    /// True when the conversation holds state that belongs to whoever answered before.
    pub fn carries_provider_state(&self) -> bool {
        let mut splices = Vec::new();
        self.drop_provider_state(&mut splices);
        !splices.is_empty()
    }

    /// Leaves that state out.
    pub(super) fn drop_provider_state(&self, splices: &mut Vec<Splice>) {
        let gone = MEMBERS.map(|name| Edit::Remove(name.to_owned()));
        let mut clean = |object: &Range<usize>| {
            // A piece may be a plain string, a list may be null.
            if self.body.get(object.start) != Some(&b'{') {
                return Vec::new();
            }
            let fields = scan_object(&self.body, object).unwrap_or_default();
            object_splices(&self.body, object.start, &fields, &gone, splices);
            fields
        };
        let messages = &self.conversation.messages;
        for message in messages.iter().filter(|message| message.role == Role::Assistant) {
            for field in clean(&message.range) {
                if matches!(field.name.as_str(), "content" | "tool_calls") {
                    for piece in items(&self.body, &field.value) {
                        clean(&piece);
                    }
                }
            }
        }
    }
}

/// Where the elements of a list lie; none for anything else.
fn items(body: &[u8], list: &Range<usize>) -> Vec<Range<usize>> {
    let mut items = Vec::new();
    let mut cursor = Cursor::at(body, list.start);
    if !matches!(cursor.kind(), Ok(Kind::Array)) || cursor.array().is_err() {
        return items;
    }
    while let Ok(true) = cursor.item() {
        let Ok(item) = cursor.skip() else { break };
        items.push(item);
    }
    items
}

#[cfg(test)]
mod tests {
    use crate::wire::call::Limits;
    use crate::wire::{BodyChanges, chat};
    use bytes::Bytes;

    fn check(messages: &str, expected: &str) {
        let body = |messages: &str| format!("{{\"model\":\"m\",\"messages\":[{messages}]}}");
        let call = chat::parse(Bytes::from(body(messages)), &Limits::default()).expect(messages);
        let sent = |without_provider_state| {
            let changes = BodyChanges {
                model: "m",
                without_provider_state,
                ..BodyChanges::default()
            };
            String::from_utf8(call.upstream_body(&changes).to_vec()).unwrap()
        };
        assert_eq!(sent(false), body(messages), "its issuer gets everything");
        assert_eq!(sent(true), body(expected), "{messages}");
        assert_eq!(call.carries_provider_state(), messages != expected);
    }

    #[test]
    fn what_only_the_issuer_can_read_goes_and_the_text_stays() {
        let table = [
            (
                r#"{"role":"user","content":"hi","signature":"mine"}"#,
                r#"{"role":"user","content":"hi","signature":"mine"}"#,
            ),
            (
                r#"{"role":"assistant","content":"hi"}"#,
                r#"{"role":"assistant","content":"hi"}"#,
            ),
            (
                r#"{"role":"assistant","content":"hi","reasoning":"I see","reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]}"#,
                r#"{"role":"assistant","content":"hi","reasoning":"I see"}"#,
            ),
            (
                r#"{"reasoning_details":[1],"role":"assistant", "thinking_blocks":[{"signature":"a"}],"content":"hi"}"#,
                r#"{"role":"assistant","content":"hi"}"#,
            ),
            (
                r#"{"role":"assistant","content":[{"type":"thinking","thinking":"I see","signature":"c2ln"},{"type":"text","text":"hi"}]}"#,
                r#"{"role":"assistant","content":[{"type":"thinking","thinking":"I see"},{"type":"text","text":"hi"}]}"#,
            ),
            (
                r#"{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","extra_content":{"google":{"thought_signature":"s"}},"function":{"name":"f","arguments":"{\"signature\":1}"}}]}"#,
                r#"{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"signature\":1}"}}]}"#,
            ),
        ];
        for (messages, expected) in table {
            check(messages, expected);
            let more = |one: &str| {
                format!("{{\"role\":\"user\",\"content\":\"a\"}},{one},{{\"role\":\"user\",\"content\":\"b\"}}")
            };
            check(&more(messages), &more(expected));
        }
    }
}
