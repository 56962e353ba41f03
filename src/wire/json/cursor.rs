//! The scanner: walks JSON text once, checks the whole grammar, never recurses and never panics.

use super::tally::Tally;
use std::borrow::Cow;
use std::ops::Range;

/// Deepest nesting of arrays and objects in anything from outside.
pub const MAX_DEPTH: u32 = 128;

/// Where and why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {at}")]
pub struct JsonError {
    /// Byte offset of the offending byte; the length of the text when it ends too early.
    pub at: usize,
    /// What was wrong, for people.
    pub reason: &'static str,
}

/// What sort of value comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// A string in the text: where it is and how long its meaning is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Bytes between the quotes, escapes as written.
    pub range: Range<usize>,
    /// True when there are backslashes in it, so that the bytes are not the meaning.
    pub escaped: bool,
    /// Characters of the meaning in ASCII.
    pub ascii: u64,
    /// Characters of the meaning outside ASCII.
    pub wide: u64,
    /// Tokens that the ASCII part takes, by the words, runs of digits and runs of symbols in it.
    pub pieces: u64,
}

impl Text {
    /// The bytes with both quotes.
    pub fn quoted(&self) -> Range<usize> {
        self.range.start.saturating_sub(1)..self.range.end.saturating_add(1)
    }
}

/// A place in a JSON text. Call [`Cursor::kind`] to look, then exactly one of the reading methods.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    /// True between opening a container and its first member.
    fresh: bool,
}

impl<'a> Cursor<'a> {
    /// At the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::at(bytes, 0)
    }

    /// At byte `at`, where a value begins; offsets keep counting from the beginning of `bytes`.
    pub fn at(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            depth: 0,
            fresh: false,
        }
    }

    /// Offset of the next unread byte.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Sort of the value that comes next.
    pub fn kind(&mut self) -> Result<Kind, JsonError> {
        self.space();
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the text ends where a value should begin")),
        }
    }

    /// Enters an object; read it with [`Cursor::key`] until that gives `None`.
    pub fn object(&mut self) -> Result<(), JsonError> {
        self.enter(b'{', "expected an object")
    }

    /// Enters an array; before each element ask [`Cursor::item`] until it gives `false`.
    pub fn array(&mut self) -> Result<(), JsonError> {
        self.enter(b'[', "expected an array")
    }

    /// The next member's name, the cursor then standing before its value; `None`: the object is closed.
    pub fn key(&mut self) -> Result<Option<Text>, JsonError> {
        if !self.more(b'}', "expected `,` or `}`")? {
            return Ok(None);
        }
        self.space();
        self.name().map(Some)
    }

    /// True: the cursor stands before the next element; false: the array is closed.
    pub fn item(&mut self) -> Result<bool, JsonError> {
        self.more(b']', "expected `,` or `]`")
    }

    /// Reads a string.
    pub fn string(&mut self) -> Result<Text, JsonError> {
        self.space();
        self.raw_string()
    }

    /// Reads `true` or `false`.
    pub fn boolean(&mut self) -> Result<bool, JsonError> {
        self.space();
        let value = self.peek() == Some(b't');
        self.literal(if value { b"true" } else { b"false" })?;
        Ok(value)
    }

    /// Passes over one value of any sort and says where it lies.
    pub fn skip(&mut self) -> Result<Range<usize>, JsonError> {
        self.space();
        let start = self.at;
        // One bit a level, innermost lowest: 1 in an object, 0 in an array.
        let mut objects: u128 = 0;
        let mut level: u32 = 0;
        loop {
            if let Some(open @ (b'{' | b'[')) = self.peek() {
                level += 1;
                if self.depth + level > MAX_DEPTH {
                    return Err(self.error("nested too deeply"));
                }
                let is_object = open == b'{';
                objects = (objects << 1) | u128::from(is_object);
                self.at += 1;
                self.space();
                let empty = self.peek() == Some(if is_object { b'}' } else { b']' });
                if !empty && is_object {
                    self.name()?;
                    self.space();
                }
                if !empty {
                    continue;
                }
            } else {
                self.scalar()?;
            }
            loop {
                if level == 0 {
                    return Ok(start..self.at);
                }
                self.space();
                let in_object = objects & 1 == 1;
                match self.peek() {
                    // An empty container arrives here as well: its closing bracket is the next byte. A comma cannot follow an
                    // opening bracket, because `scalar` refuses it above.
                    Some(b'}') if in_object => {}
                    Some(b']') if !in_object => {}
                    Some(b',') => {
                        self.at += 1;
                        self.space();
                        if in_object {
                            self.name()?;
                            self.space();
                        }
                        break;
                    }
                    _ if in_object => return Err(self.error("expected `,` or `}`")),
                    _ => return Err(self.error("expected `,` or `]`")),
                }
                self.at += 1;
                objects >>= 1;
                level -= 1;
            }
        }
    }

    /// Makes sure that nothing but white space follows.
    pub fn end(&mut self) -> Result<(), JsonError> {
        self.space();
        if self.at >= self.bytes.len() {
            Ok(())
        } else {
            Err(self.error("expected the end of the text"))
        }
    }

    /// What a string means. Lone surrogates, which JSON allows and clients do send, read as U+FFFD.
    pub fn decode(&self, text: &Text) -> Cow<'a, str> {
        super::read::decode(self.bytes, text)
    }

    /// An error at the next unread byte.
    pub fn error(&self, reason: &'static str) -> JsonError {
        JsonError {
            at: self.at.min(self.bytes.len()),
            reason,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn enter(&mut self, open: u8, reason: &'static str) -> Result<(), JsonError> {
        self.space();
        if self.peek() != Some(open) {
            return Err(self.error(reason));
        }
        if self.depth >= MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        self.at += 1;
        self.depth += 1;
        self.fresh = true;
        Ok(())
    }

    fn more(&mut self, close: u8, reason: &'static str) -> Result<bool, JsonError> {
        self.space();
        let first = std::mem::take(&mut self.fresh);
        match self.peek() {
            Some(b) if b == close => {
                self.at += 1;
                self.depth = self.depth.saturating_sub(1);
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                Ok(true)
            }
            Some(_) if first => Ok(true),
            _ => Err(self.error(reason)),
        }
    }

    fn name(&mut self) -> Result<Text, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a member name in double quotes"));
        }
        let name = self.raw_string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.error("expected `:`"));
        }
        self.at += 1;
        Ok(name)
    }

    fn scalar(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.raw_string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the text ends where a value should begin")),
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.error("expected `true`, `false` or `null`"))
        }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.error("a number begins with a superfluous zero"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let before = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == before {
            Err(self.error("expected a digit"))
        } else {
            Ok(())
        }
    }

    /// Reads the string that begins at the cursor. Eight bytes at a time: prompts are nearly all of a body.
    fn raw_string(&mut self) -> Result<Text, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a string"));
        }
        let start = self.at + 1;
        let mut tally = Tally::default();
        let mut escaped = false;
        self.at = start;
        loop {
            while let Some(word) = word(self.bytes, self.at) {
                let plain = plain_bytes(word);
                tally.count(word, plain);
                self.at += plain as usize;
                if plain < 8 {
                    break;
                }
            }
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape(&mut tally)?;
                }
                Some(0..=0x1F) => return Err(self.error("a control character must be escaped in a string")),
                Some(byte) => {
                    tally.count(u64::from(byte), 1);
                    self.at += 1;
                }
                None => return Err(self.error("the text ends inside a string")),
            }
        }
        let range = start..self.at;
        if tally.high > 0
            && let Err(fault) = std::str::from_utf8(self.bytes.get(range.clone()).unwrap_or_default())
        {
            return Err(JsonError {
                at: start + fault.valid_up_to(),
                reason: "a string is not UTF-8",
            });
        }
        self.at += 1;
        let raw = (range.end - range.start) as u64;
        Ok(Text {
            range,
            escaped,
            ascii: raw.saturating_sub(tally.high).saturating_sub(tally.overhead),
            wide: tally.wide,
            pieces: tally.pieces(),
        })
    }

    fn escape(&mut self, tally: &mut Tally) -> Result<(), JsonError> {
        self.at += 1;
        match self.peek() {
            Some(short @ (b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => {
                tally.overhead += 1;
                // A letter stands for white space here.
                tally.escaped(if short.is_ascii_lowercase() { b'\n' } else { short });
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                let mut code: u32 = 0;
                for _ in 0..4 {
                    let Some(digit) = self.peek().and_then(|b| char::from(b).to_digit(16)) else {
                        return Err(self.error("expected four hexadecimal digits after `\\u`"));
                    };
                    code = code * 16 + digit;
                    self.at += 1;
                }
                if let Ok(ascii @ 0..0x80) = u8::try_from(code) {
                    tally.overhead += 5;
                    tally.escaped(ascii);
                } else {
                    tally.overhead += 6;
                    // The second half of a surrogate pair adds no character.
                    tally.escaped_wide(u64::from(!(0xDC00..0xE000).contains(&code)));
                }
                Ok(())
            }
            _ => Err(self.error("unknown escape in a string")),
        }
    }
}

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const EACH: u64 = 0x0101_0101_0101_0101;

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(eight.try_into().ok()?))
}

/// How many bytes of the word come before its first quote, backslash or control character.
///
/// The subtractions can borrow into the byte above a hit, never below one, so the lowest hit is exact.
fn plain_bytes(word: u64) -> u32 {
    let zero = |v: u64| v.wrapping_sub(EACH) & !v;
    let quote = zero(word ^ (EACH * 0x22));
    let backslash = zero(word ^ (EACH * 0x5C));
    let control = word.wrapping_sub(EACH * 0x20) & !word;
    ((quote | backslash | control) & HIGH_BITS).trailing_zeros() / 8
}
