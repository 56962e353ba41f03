//! The messages of a chat request as places in its body: who speaks, what is text, what is not. Nothing is copied.

use super::Needs;
use super::call::{Limits, SizeHints};
use super::error::{Fault, WireError};
use super::json::{Cursor, Kind, Text};
use std::ops::Range;

/// The messages of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// Messages in order.
    pub messages: Vec<Message>,
    parts: Vec<Part>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// Bytes of the message object in the body.
    pub range: Range<usize>,
    parts: Range<usize>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `system`
    System,
    /// `developer`
    Developer,
    /// `user`
    User,
    /// `assistant`
    Assistant,
    /// `tool` or the older `function`: a tool's result.
    Tool,
    /// Any other word; the upstream decides what it means.
    Other,
}

/// One piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Bytes of the whole piece in the body.
    pub range: Range<usize>,
    /// Its text: of [`PartKind::Text`] and [`PartKind::Refusal`] what is said, of [`PartKind::ToolCall`] the arguments; else empty.
    pub text: Text,
    /// The function's name, of [`PartKind::ToolCall`]; else empty.
    pub name: Text,
}

/// What a piece of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// Text.
    Text,
    /// A refusal's text.
    Refusal,
    /// A call of one of the caller's tools.
    ToolCall,
    /// A tool's result as a block of a user's message (`tool_result`); its text is not taken apart.
    ToolResult,
    /// An image.
    Image,
    /// Audio.
    Audio,
    /// A file.
    File,
    /// Anything else.
    Unknown,
}

impl Conversation {
    /// The pieces of one message, in order.
    pub fn parts(&self, message: &Message) -> &[Part] {
        self.parts.get(message.parts.clone()).unwrap_or_default()
    }

    /// The texts of all messages with one of these roles, in order.
    pub fn texts<'c>(&'c self, roles: &'c [Role]) -> impl Iterator<Item = &'c Text> {
        let chosen = self.messages.iter().filter(|message| roles.contains(&message.role));
        chosen
            .flat_map(|message| self.parts(message))
            .filter(|part| part.kind == PartKind::Text)
            .map(|part| &part.text)
    }

    /// Where the last block of user messages begins: the index of the first message of it; `None` without any user message.
    pub fn last_user_block(&self) -> Option<usize> {
        let last = self.messages.iter().rposition(|message| message.role == Role::User)?;
        let before = self.messages.get(..last).unwrap_or_default();
        Some(
            before
                .iter()
                .rposition(|message| message.role != Role::User)
                .map_or(0, |index| index + 1),
        )
    }

    /// Is the request one turn of an agent's tool loop? True when its last message holds results of tools and an assistant's message
    /// stands before the results: of that assistant's calls the model is to make something now.
    pub fn in_tool_loop(&self) -> bool {
        let results = |message: &Message| {
            let block = |part: &Part| part.kind == PartKind::ToolResult;
            message.role == Role::Tool || (message.role == Role::User && self.parts(message).iter().any(block))
        };
        let before = self.messages.iter().rposition(|message| !results(message));
        before.is_some_and(|last| {
            last + 1 < self.messages.len()
                && self
                    .messages
                    .get(last)
                    .is_some_and(|message| message.role == Role::Assistant)
        })
    }

    /// Where the messages begin that are not leading system or developer messages.
    pub fn after_instructions(&self) -> usize {
        let instructs = |message: &Message| matches!(message.role, Role::System | Role::Developer);
        self.messages
            .iter()
            .position(|message| !instructs(message))
            .unwrap_or(self.messages.len())
    }
}

/// Reads the `messages` list that the cursor stands before, counting sizes and needs on the way.
pub(crate) fn read(
    cursor: &mut Cursor<'_>,
    limits: &Limits,
    size: &mut SizeHints,
    needs: &mut Needs,
) -> Result<Conversation, Fault> {
    if cursor.kind()? != Kind::Array {
        return Err(WireError::field("messages", "must be a list of messages").into());
    }
    let mut reader = Reader {
        conversation: Conversation::default(),
        size,
        needs,
    };
    cursor.array()?;
    while cursor.item()? {
        let index = reader.conversation.messages.len();
        if index >= limits.max_messages {
            let bound = format!("has more than {} elements", limits.max_messages);
            return Err(WireError::field("messages", &bound).into());
        }
        reader.message(cursor, index)?;
    }
    Ok(reader.conversation)
}

struct Reader<'s> {
    conversation: Conversation,
    size: &'s mut SizeHints,
    needs: &'s mut Needs,
}

impl Reader<'_> {
    fn message(&mut self, cursor: &mut Cursor<'_>, index: usize) -> Result<(), Fault> {
        let refuse = |below: &str, must: &str| WireError::field(format!("messages[{index}]{below}"), must);
        if cursor.kind()? != Kind::Object {
            return Err(refuse("", "must be an object").into());
        }
        let start = cursor.offset();
        let first_part = self.conversation.parts.len();
        let mut role = None;
        cursor.object()?;
        while let Some(key) = cursor.key()? {
            let kind = cursor.kind()?;
            match (cursor.decode(&key).as_ref(), kind) {
                ("role", Kind::String) => {
                    let text = cursor.string()?;
                    role = Some(Role::parse(&cursor.decode(&text)));
                }
                ("role", _) => return Err(refuse(".role", "must be a string").into()),
                ("content" | "tool_calls", Kind::Null) => {
                    cursor.skip()?;
                }
                ("content", Kind::String) => self.text_part(cursor, PartKind::Text)?,
                ("content", Kind::Array) => self.content(cursor, index)?,
                ("content", _) => return Err(refuse(".content", "must be a string or a list of parts").into()),
                ("tool_calls", Kind::Array) => self.tool_calls(cursor, index)?,
                ("tool_calls", _) => return Err(refuse(".tool_calls", "must be a list").into()),
                ("function_call", Kind::Object) => self.function(cursor)?,
                ("refusal", Kind::String) => self.text_part(cursor, PartKind::Refusal)?,
                ("images", Kind::Array) => {
                    cursor.array()?;
                    while cursor.item()? {
                        self.opaque(PartKind::Image, cursor.skip()?);
                    }
                }
                _ => {
                    self.size.add_json(&cursor.skip()?);
                }
            }
        }
        let role = role.ok_or_else(|| refuse(".role", "must be a string"))?;
        self.size.messages += 1;
        self.conversation.messages.push(Message {
            role,
            range: start..cursor.offset(),
            parts: first_part..self.conversation.parts.len(),
        });
        Ok(())
    }

    fn text_part(&mut self, cursor: &mut Cursor<'_>, kind: PartKind) -> Result<(), Fault> {
        let text = cursor.string()?;
        self.size.add_text(&text);
        self.conversation.parts.push(Part {
            kind,
            range: text.quoted(),
            text,
            name: Text::default(),
        });
        Ok(())
    }

    fn content(&mut self, cursor: &mut Cursor<'_>, message: usize) -> Result<(), Fault> {
        cursor.array()?;
        let mut index = 0;
        while cursor.item()? {
            self.content_part(cursor, message, index)?;
            index += 1;
        }
        Ok(())
    }

    fn content_part(&mut self, cursor: &mut Cursor<'_>, message: usize, index: usize) -> Result<(), Fault> {
        let refuse = |below: &str, must: &str| {
            Fault::Meaning(WireError::field(
                format!("messages[{message}].content[{index}]{below}"),
                must,
            ))
        };
        if cursor.kind()? != Kind::Object {
            return Err(refuse("", "must be an object"));
        }
        let start = cursor.offset();
        let (mut kind, mut text, mut refusal, mut other_bytes) = (None, None, None, 0);
        cursor.object()?;
        while let Some(key) = cursor.key()? {
            let value_kind = cursor.kind()?;
            match (cursor.decode(&key).as_ref(), value_kind) {
                ("type", Kind::String) => {
                    let word = cursor.string()?;
                    kind = Some(PartType::parse(&cursor.decode(&word)));
                }
                ("type", _) => return Err(refuse(".type", "must be a string")),
                ("text", Kind::String) => text = Some(cursor.string()?),
                ("refusal", Kind::String) => refusal = Some(cursor.string()?),
                _ => other_bytes += cursor.skip()?.len() as u64,
            }
        }
        let range = start..cursor.offset();
        match kind.unwrap_or(PartType::Text) {
            PartType::Text => {
                let text = text.ok_or_else(|| refuse(".text", "must be a string"))?;
                self.size.add_text(&text);
                self.conversation.parts.push(Part {
                    kind: PartKind::Text,
                    range,
                    text,
                    name: Text::default(),
                });
            }
            PartType::Refusal => {
                let text = refusal.ok_or_else(|| refuse(".refusal", "must be a string"))?;
                self.size.add_text(&text);
                self.conversation.parts.push(Part {
                    kind: PartKind::Refusal,
                    range,
                    text,
                    name: Text::default(),
                });
            }
            PartType::TextLike(kind) => {
                self.size.add_bytes(other_bytes);
                if let Some(text) = &text {
                    self.size.add_text(text);
                }
                self.conversation.parts.push(Part::opaque(kind, range));
            }
            PartType::Opaque(kind) => self.opaque(kind, range),
        }
        Ok(())
    }

    /// A piece whose bytes say nothing about its tokens.
    fn opaque(&mut self, kind: PartKind, range: Range<usize>) {
        match kind {
            PartKind::Image => {
                self.size.images = self.size.images.saturating_add(1);
                self.needs.vision = true;
            }
            PartKind::Audio => {
                self.size.unsized_parts = self.size.unsized_parts.saturating_add(1);
                self.needs.audio = true;
            }
            _ => self.size.unsized_parts = self.size.unsized_parts.saturating_add(1),
        }
        self.conversation.parts.push(Part::opaque(kind, range));
    }

    fn tool_calls(&mut self, cursor: &mut Cursor<'_>, message: usize) -> Result<(), Fault> {
        cursor.array()?;
        let mut index = 0;
        while cursor.item()? {
            if cursor.kind()? != Kind::Object {
                let param = format!("messages[{message}].tool_calls[{index}]");
                return Err(WireError::field(param, "must be an object").into());
            }
            let mut found = false;
            cursor.object()?;
            while let Some(key) = cursor.key()? {
                if cursor.kind()? == Kind::Object && matches!(cursor.decode(&key).as_ref(), "function" | "custom") {
                    self.function(cursor)?;
                    found = true;
                } else {
                    cursor.skip()?;
                }
            }
            if !found {
                let param = format!("messages[{message}].tool_calls[{index}].function");
                return Err(WireError::field(param, "must be an object with `name` and `arguments`").into());
            }
            index += 1;
        }
        Ok(())
    }

    /// `{"name", "arguments"}` of a tool call, or `{"name", "input"}` of a custom one.
    fn function(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        cursor.kind()?;
        let start = cursor.offset();
        let (mut name, mut text) = (Text::default(), Text::default());
        cursor.object()?;
        while let Some(key) = cursor.key()? {
            let kind = cursor.kind()?;
            match (cursor.decode(&key).as_ref(), kind) {
                ("name", Kind::String) => name = cursor.string()?,
                ("arguments" | "input", Kind::String) => text = cursor.string()?,
                _ => self.size.add_json(&cursor.skip()?),
            }
        }
        self.size.add_text(&name);
        self.size.add_text(&text);
        self.conversation.parts.push(Part {
            kind: PartKind::ToolCall,
            range: start..cursor.offset(),
            text,
            name,
        });
        Ok(())
    }
}

impl Part {
    fn opaque(kind: PartKind, range: Range<usize>) -> Self {
        Self {
            kind,
            range,
            text: Text::default(),
            name: Text::default(),
        }
    }
}

impl Role {
    fn parse(word: &str) -> Self {
        match word {
            "system" => Self::System,
            "developer" => Self::Developer,
            "user" => Self::User,
            "assistant" => Self::Assistant,
            "tool" | "function" => Self::Tool,
            _ => Self::Other,
        }
    }
}

/// The `type` of a content part, as far as sizes and needs go.
#[derive(Clone, Copy)]
enum PartType {
    Text,
    Refusal,
    /// Its bytes are what the model reads.
    TextLike(PartKind),
    Opaque(PartKind),
}

impl PartType {
    fn parse(word: &str) -> Self {
        match word {
            "text" | "input_text" | "output_text" => Self::Text,
            "refusal" => Self::Refusal,
            "thinking" | "reasoning" | "tool_use" => Self::TextLike(PartKind::Unknown),
            "tool_result" => Self::TextLike(PartKind::ToolResult),
            "image_url" | "input_image" | "image" => Self::Opaque(PartKind::Image),
            "input_audio" | "audio" | "audio_url" => Self::Opaque(PartKind::Audio),
            "file" | "input_file" | "document" => Self::Opaque(PartKind::File),
            _ => Self::Opaque(PartKind::Unknown),
        }
    }
}
