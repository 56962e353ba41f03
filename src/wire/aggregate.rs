//! Chunks of a chat stream become the one completion that a caller without streaming expects. Works on JSON as written: text pieces are
//! joined in their spelling, so that even a surrogate pair cut in two comes together, and fields nobody knows are kept.

use super::json::{Cursor, JsonError, Kind, write_quoted};
use bytes::Bytes;
use indexmap::IndexMap;
use std::collections::BTreeMap;

/// Largest answer that is put together, bytes.
pub const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// Why a stream does not become an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    /// A chunk is not a JSON object; it changed nothing.
    #[error("a chunk of the stream is not JSON: {0}")]
    Malformed(#[from] JsonError),
    /// More than [`MAX_ANSWER_BYTES`].
    #[error("the answer is larger than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
}

/// An answer in the making.
#[derive(Clone, Debug, Default)]
pub struct Aggregator {
    top: Members,
    choices: BTreeMap<u64, Choice>,
    bytes: usize,
}

#[derive(Clone, Debug, Default)]
struct Choice {
    own: Members,
    message: Members,
}

type Members = IndexMap<String, Node>;

/// A value in the making.
#[derive(Clone, Debug)]
enum Node {
    /// JSON as written.
    Raw(String),
    /// The inside of a string literal, as written.
    Text(String),
    /// Elements, as written.
    List(Vec<String>),
    Object(Members),
    /// Objects by their `index`.
    Indexed(BTreeMap<u64, Members>),
}

/// How the pieces of a member come together.
#[derive(Clone, Copy)]
enum Rule {
    /// The last one counts.
    Last,
    /// The first one that is not empty counts.
    First,
    /// Strings are joined.
    Join,
    /// Lists are joined.
    Extend,
    /// Members come together by their own rules.
    Merge(Rules),
    /// Elements come together by their `index`.
    ByIndex(Rules),
}

type Rules = &'static [(&'static str, Rule)];

const FUNCTION: Rules = &[("name", Rule::First), ("arguments", Rule::Join), ("input", Rule::Join)];
const TOOL_CALL: Rules = &[
    ("id", Rule::First),
    ("type", Rule::First),
    ("function", Rule::Merge(FUNCTION)),
    ("custom", Rule::Merge(FUNCTION)),
];
const DELTA: Rules = &[
    ("role", Rule::First),
    ("content", Rule::Join),
    ("refusal", Rule::Join),
    ("reasoning", Rule::Join),
    ("reasoning_content", Rule::Join),
    ("thinking", Rule::Join),
    ("tool_calls", Rule::ByIndex(TOOL_CALL)),
    ("function_call", Rule::Merge(FUNCTION)),
    (
        "audio",
        Rule::Merge(&[("id", Rule::First), ("data", Rule::Join), ("transcript", Rule::Join)]),
    ),
    ("annotations", Rule::Extend),
    ("images", Rule::Extend),
    ("reasoning_details", Rule::Extend),
];
const CHOICE: Rules = &[(
    "logprobs",
    Rule::Merge(&[("content", Rule::Extend), ("refusal", Rule::Extend)]),
)];
const TOP: Rules = &[("id", Rule::First), ("created", Rule::First)];

impl Aggregator {
    /// Takes the data of one chunk.
    ///
    /// # Errors
    /// [`AggregateError::Malformed`]: the chunk is passed over. [`AggregateError::TooLarge`]: the answer is given up.
    pub fn push(&mut self, data: &[u8]) -> Result<(), AggregateError> {
        // The whole chunk is judged before any of it counts.
        let mut cursor = Cursor::new(data);
        cursor.skip()?;
        cursor.end()?;
        self.bytes = self.bytes.saturating_add(data.len());
        if self.bytes > MAX_ANSWER_BYTES {
            return Err(AggregateError::TooLarge);
        }
        let mut piece = Piece {
            data,
            cursor: Cursor::new(data),
        };
        piece.cursor.object()?;
        while let Some(key) = piece.cursor.key()? {
            let kind = piece.cursor.kind()?;
            match (piece.cursor.decode(&key).as_ref(), kind) {
                ("choices", Kind::Array) => {
                    piece.cursor.array()?;
                    while piece.cursor.item()? {
                        self.choice(&mut piece)?;
                    }
                }
                ("choices" | "object", _) => {
                    piece.cursor.skip()?;
                }
                (name, _) => piece.member(&mut self.top, name, TOP)?,
            }
        }
        Ok(())
    }

    /// True until a choice has come.
    pub fn is_empty(&self) -> bool {
        self.choices.is_empty()
    }

    /// The completion.
    pub fn finish(self) -> Bytes {
        let mut out = String::with_capacity(self.bytes / 4 + 256);
        out.push('{');
        let mut rest = self.top;
        if let Some(id) = rest.shift_remove("id") {
            write_member(&mut out, "id", &id);
        }
        write_member(&mut out, "object", &Node::Raw("\"chat.completion\"".to_owned()));
        for name in ["created", "model"] {
            if let Some(value) = rest.shift_remove(name) {
                write_member(&mut out, name, &value);
            }
        }
        out.push_str(",\"choices\":[");
        for (position, (index, choice)) in self.choices.into_iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            write_choice(&mut out, index, choice);
        }
        out.push(']');
        for (name, value) in &rest {
            write_member(&mut out, name, value);
        }
        out.push('}');
        Bytes::from(out)
    }

    fn choice(&mut self, piece: &mut Piece<'_>) -> Result<(), JsonError> {
        if piece.cursor.kind()? != Kind::Object {
            return piece.cursor.skip().map(drop);
        }
        let index = piece.clone().index(0)?;
        let choice = self.choices.entry(index).or_default();
        piece.cursor.object()?;
        while let Some(key) = piece.cursor.key()? {
            let kind = piece.cursor.kind()?;
            match (piece.cursor.decode(&key).as_ref(), kind) {
                ("index", _) => {
                    piece.cursor.skip()?;
                }
                ("delta" | "message", Kind::Object) => piece.object(&mut choice.message, DELTA)?,
                (name, _) => piece.member(&mut choice.own, name, CHOICE)?,
            }
        }
        Ok(())
    }
}

/// A chunk being read.
#[derive(Clone)]
struct Piece<'a> {
    data: &'a [u8],
    cursor: Cursor<'a>,
}

impl Piece<'_> {
    /// Reads an object into `members`.
    fn object(&mut self, members: &mut Members, rules: Rules) -> Result<(), JsonError> {
        self.cursor.object()?;
        while let Some(key) = self.cursor.key()? {
            let name = self.cursor.decode(&key);
            self.member(members, &name, rules)?;
        }
        Ok(())
    }

    /// Reads a value into the member `name`. Null never replaces what is there, but is kept where nothing comes.
    fn member(&mut self, members: &mut Members, name: &str, rules: Rules) -> Result<(), JsonError> {
        let rule = rules
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(Rule::Last, |(_, rule)| *rule);
        let kind = self.cursor.kind()?;
        if kind == Kind::Null {
            self.cursor.skip()?;
            members
                .entry(name.to_owned())
                .or_insert_with(|| Node::Raw("null".to_owned()));
            return Ok(());
        }
        let entry = members.entry(name.to_owned());
        match (rule, kind) {
            (Rule::Join, Kind::String) => {
                let text = self.cursor.string()?;
                let raw = self.raw(text.range);
                match entry.or_insert_with(|| Node::Text(String::new())) {
                    Node::Text(whole) => whole.push_str(&raw),
                    other => *other = Node::Text(raw),
                }
            }
            (Rule::Extend, Kind::Array) => {
                let node = entry.or_insert_with(|| Node::List(Vec::new()));
                let mut elements = Vec::new();
                self.cursor.array()?;
                while self.cursor.item()? {
                    let element = self.cursor.skip()?;
                    elements.push(self.raw(element));
                }
                match node {
                    Node::List(list) => list.append(&mut elements),
                    other => *other = Node::List(elements),
                }
            }
            (Rule::Merge(rules), Kind::Object) => {
                let node = entry.or_insert_with(|| Node::Object(Members::new()));
                let mut inner = match std::mem::replace(node, Node::Raw(String::new())) {
                    Node::Object(inner) => inner,
                    _ => Members::new(),
                };
                self.object(&mut inner, rules)?;
                *node = Node::Object(inner);
            }
            (Rule::ByIndex(rules), Kind::Array) => {
                let node = entry.or_insert_with(|| Node::Indexed(BTreeMap::new()));
                let mut inner = match std::mem::replace(node, Node::Raw(String::new())) {
                    Node::Indexed(inner) => inner,
                    _ => BTreeMap::new(),
                };
                self.indexed(&mut inner, rules)?;
                *node = Node::Indexed(inner);
            }
            _ => {
                let value = self.cursor.skip()?;
                let raw = self.raw(value);
                let node = entry.or_insert_with(|| Node::Raw("null".to_owned()));
                let keep =
                    matches!(rule, Rule::First) && !matches!(node, Node::Raw(old) if old == "null" || old == "\"\"");
                if !keep {
                    *node = Node::Raw(raw);
                }
            }
        }
        Ok(())
    }

    fn indexed(&mut self, elements: &mut BTreeMap<u64, Members>, rules: Rules) -> Result<(), JsonError> {
        self.cursor.array()?;
        let mut position = 0;
        while self.cursor.item()? {
            if self.cursor.kind()? == Kind::Object {
                let index = self.clone().index(position)?;
                let members = elements.entry(index).or_default();
                self.object(members, rules)?;
                members.shift_remove("index");
            } else {
                self.cursor.skip()?;
            }
            position += 1;
        }
        Ok(())
    }

    /// The `index` of the object that comes next; `position` when it names none. For a clone: the cursor moves.
    fn index(mut self, position: u64) -> Result<u64, JsonError> {
        self.cursor.object()?;
        while let Some(key) = self.cursor.key()? {
            let named = self.cursor.decode(&key) == "index";
            let value = self.cursor.skip()?;
            if named {
                return Ok(super::json::number_u64(self.data, &value).unwrap_or(position));
            }
        }
        Ok(position)
    }

    fn raw(&self, range: std::ops::Range<usize>) -> String {
        String::from_utf8_lossy(self.data.get(range).unwrap_or_default()).into_owned()
    }
}

fn write_choice(out: &mut String, index: u64, choice: Choice) {
    out.push_str("{\"index\":");
    out.push_str(&index.to_string());
    let mut message = choice.message;
    let null = || Node::Raw("null".to_owned());
    let role = message
        .shift_remove("role")
        .unwrap_or_else(|| Node::Raw("\"assistant\"".to_owned()));
    let content = message.shift_remove("content").unwrap_or_else(null);
    // Where tools are called, an empty text is no text.
    let silent = matches!(&content, Node::Text(text) if text.is_empty()) && message.contains_key("tool_calls");
    let content = if silent { null() } else { content };
    out.push_str(",\"message\":{\"role\":");
    role.write(out);
    write_member(out, "content", &content);
    for (name, value) in &message {
        write_member(out, name, value);
    }
    out.push('}');
    let mut own = choice.own;
    let finish = own.shift_remove("finish_reason").unwrap_or_else(null);
    for (name, value) in &own {
        write_member(out, name, value);
    }
    write_member(out, "finish_reason", &finish);
    out.push('}');
}

/// Writes a member with a comma before it, unless it is the object's first.
fn write_member(out: &mut String, name: &str, value: &Node) {
    if !out.ends_with('{') {
        out.push(',');
    }
    write_quoted(out, name);
    out.push(':');
    value.write(out);
}

impl Node {
    fn write(&self, out: &mut String) {
        match self {
            Self::Raw(json) => out.push_str(json),
            Self::Text(text) => {
                out.push('"');
                out.push_str(text);
                out.push('"');
            }
            Self::List(elements) => {
                out.push('[');
                out.push_str(&elements.join(","));
                out.push(']');
            }
            Self::Object(members) => write_members(out, members),
            Self::Indexed(elements) => {
                out.push('[');
                for (position, members) in elements.values().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    write_members(out, members);
                }
                out.push(']');
            }
        }
    }
}

fn write_members(out: &mut String, members: &Members) {
    out.push('{');
    for (name, value) in members {
        write_member(out, name, value);
    }
    out.push('}');
}

#[cfg(test)]
mod tests;
