//! An upstream's error body, whatever its shape, as the few facts that the rules read.
//!
//! Knows the JSON shapes of OpenAI, Anthropic, Google, Azure, relays (nested `metadata.raw`), `FastAPI` and Cloudflare. External text
//! stays in here: it is compared, never logged.

use super::Param;
use crate::wire::event::EmbeddedError;
use serde_json::Value;

/// Bytes of message text that the rules look at.
const MESSAGE_BYTES: usize = 8 * 1024;

/// Nested error objects followed at most.
const NESTING: usize = 8;

/// What an error body says.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each read alone")]
pub struct ErrorFacts {
    /// The body holds an error object (and is not merely some JSON).
    pub is_error: bool,
    /// There is a body, and it is no page for browsers.
    pub says_anything: bool,
    /// All message texts, lower case, at most 8 KiB.
    pub message: String,
    /// Codes, types, statuses and reasons, lower case.
    pub codes: Vec<String>,
    /// `error.param`.
    pub param_field: Option<String>,
    /// A relay passed on its own upstream's error.
    pub relayed: bool,
    /// A daily quota is named.
    pub per_day: bool,
    /// Google `RetryInfo.retryDelay`.
    pub retry_delay: Option<String>,
    /// Top-level or nested `retry_after`, `resets_at`, `reset_at`, … with their values.
    pub retry_fields: Vec<(String, Value)>,
    /// Token limit in the message.
    pub limit_tokens: Option<u64>,
    /// Requested tokens in the message.
    pub requested_tokens: Option<u64>,
}

impl ErrorFacts {
    /// Reads an HTTP error body. Never fails: what cannot be understood is text.
    pub fn read(body: &[u8]) -> Self {
        let start = body.trim_ascii_start().first().copied();
        let mut facts = Self {
            says_anything: start.is_some_and(|byte| byte != b'<'),
            ..Self::default()
        };
        if let Ok(value) = serde_json::from_slice::<Value>(body) {
            facts.visit(&value, NESTING);
        } else {
            let text = String::from_utf8_lossy(body.get(..MESSAGE_BYTES).unwrap_or(body));
            // A proxy's HTML page says nothing about this request; its words would only mislead.
            if !text.trim_start().starts_with('<') {
                facts.say(&text);
            }
        }
        facts.finish();
        facts
    }

    /// Reads an error object that a stream decoder has found.
    pub fn embedded(error: &EmbeddedError) -> Self {
        let mut facts = Self {
            is_error: true,
            says_anything: true,
            ..Self::default()
        };
        facts.note(&error.code);
        facts.note(&error.kind);
        facts.say(&error.message);
        facts.finish();
        facts
    }

    /// True when any of `codes` is among the body's codes.
    pub fn has_code(&self, codes: &[&str]) -> bool {
        self.codes.iter().any(|code| codes.contains(&code.as_str()))
    }

    /// The parameter that the upstream complains about, and its replacement.
    pub fn param(&self) -> Option<Param> {
        let quoted = |after: &str| {
            let rest = self.message.split_once(after)?.1;
            let word: String = rest
                .trim_start_matches([' ', ':', '\'', '`', '"'])
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
                .collect();
            let word = word.trim_end_matches('.').to_owned();
            (!word.is_empty()).then_some(word)
        };
        let name = self.param_field.clone().or_else(|| {
            [
                "unsupported parameter",
                "unsupported value",
                "unknown parameter",
                "unrecognized request argument supplied",
                "unexpected keyword argument",
            ]
            .iter()
            .find_map(|phrase| quoted(phrase))
        })?;
        // Only whole top-level fields can be dropped or renamed.
        let name = name.split(['.', '[']).next().unwrap_or_default().to_owned();
        let instead = quoted("use '")
            .or_else(|| quoted("use `"))
            .filter(|instead| *instead != name);
        (!name.is_empty()).then_some(Param { name, instead })
    }

    fn visit(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Array(items) if depth > 0 => items.iter().take(8).for_each(|item| self.visit(item, depth - 1)),
            Value::Object(fields) if depth > 0 => {
                for (name, value) in fields.iter().take(64) {
                    self.field(name, value, depth);
                }
            }
            Value::String(text) => self.say(text),
            _ => {}
        }
    }

    fn field(&mut self, name: &str, value: &Value, depth: usize) {
        match (name, value) {
            ("error" | "errors" | "detail", Value::String(_) | Value::Object(_) | Value::Array(_)) => {
                self.is_error = true;
                self.visit(value, depth - 1);
            }
            ("message" | "msg" | "error_description", Value::String(text)) => self.say(text),
            (
                "code" | "type" | "status" | "reason" | "quotaId" | "quota_limit" | "@type" | "object",
                Value::String(text),
            ) => {
                self.note(text);
            }
            ("code" | "status", Value::Number(number)) => self.note(&number.to_string()),
            ("param", Value::String(text)) => self.param_field = Some(text.clone()),
            (
                "innererror" | "metadata" | "details" | "violations" | "response" | "inner_error",
                Value::Object(_) | Value::Array(_),
            ) => {
                self.visit(value, depth.saturating_sub(1));
            }
            ("provider_name", Value::String(_)) => self.relayed = true,
            ("raw", Value::String(text)) => {
                self.relayed = true;
                match serde_json::from_str::<Value>(text) {
                    Ok(nested) => self.visit(&nested, depth.saturating_sub(1)),
                    Err(_) => self.say(text),
                }
            }
            ("raw", Value::Object(_)) => {
                self.relayed = true;
                self.visit(value, depth.saturating_sub(1));
            }
            ("retryDelay", Value::String(text)) => self.retry_delay = Some(text.clone()),
            (
                "retry_after"
                | "retry_after_ms"
                | "retry_after_seconds"
                | "resets_at"
                | "reset_at"
                | "resets_in_seconds",
                Value::Number(_) | Value::String(_),
            ) => self.retry_fields.push((name.to_owned(), value.clone())),
            _ => {}
        }
    }

    fn say(&mut self, text: &str) {
        let room = MESSAGE_BYTES.saturating_sub(self.message.len());
        if !self.message.is_empty() && room > 0 {
            self.message.push('\n');
        }
        self.message
            .extend(text.chars().take(room / 4).flat_map(char::to_lowercase));
    }

    fn note(&mut self, code: &str) {
        if !code.is_empty() && code.len() <= 200 && self.codes.len() < 32 {
            self.codes.push(code.to_lowercase());
        }
    }

    fn finish(&mut self) {
        if self.message.contains("provider returned error") {
            self.relayed = true;
        }
        self.per_day = self.codes.iter().any(|code| code.contains("perday"))
            || ["per day", "(rpd)", "(tpd)", "daily limit"]
                .iter()
                .any(|phrase| self.message.contains(phrase));
        self.requested_tokens = number_after(
            &self.message,
            &[
                "requested ",
                "resulted in ",
                "input token count (",
                "prompt is too long: ",
            ],
        );
        self.limit_tokens = number_after(
            &self.message,
            &[
                "maximum context length is ",
                "maximum context length of ",
                "maximum number of tokens allowed (",
                "context window of ",
                "context size of ",
                "): limit ",
                "limit ",
                "tokens > ",
            ],
        );
    }
}

/// The number directly after the first phrase that is followed by one. Thousands may be separated by commas.
fn number_after(message: &str, phrases: &[&str]) -> Option<u64> {
    phrases.iter().find_map(|phrase| {
        message.match_indices(phrase).find_map(|(at, found)| {
            let rest = message.get(at + found.len()..)?;
            let digits: String = rest
                .chars()
                .take_while(|c| c.is_ascii_digit() || *c == ',')
                .filter(char::is_ascii_digit)
                .take(12)
                .collect();
            digits.parse().ok()
        })
    })
}
