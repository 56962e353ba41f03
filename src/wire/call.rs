//! A caller's request as the rest of the core sees it. Parsing lives in the dialect files; this file only says what a request is.

use super::Millis;
use super::conversation::Conversation;
use super::json::Text;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What kind of work a request asks for; decides which dialect path of a provider serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/embeddings`
    Embeddings,
}

/// One parsed request. `body` is exactly what the caller sent; `fields` says where its top-level fields lie.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is asked for.
    pub kind: CallKind,
    /// The caller's bytes, untouched.
    pub body: Bytes,
    /// Top-level fields in the caller's order: name, range of the whole `"name": value` member, range of the value.
    pub fields: Vec<Field>,
    /// The `model` as the caller wrote it, trimmed; never empty.
    pub model: String,
    /// Did the caller ask for server-sent events?
    pub stream: bool,
    /// Did the caller ask for the usage chunk (`stream_options.include_usage`)?
    pub include_usage: bool,
    /// `max_completion_tokens` or `max_tokens`.
    pub max_output_tokens: Option<u64>,
    /// `n`, 1 when absent.
    pub choices: u32,
    /// Capabilities that a target must have.
    pub needs: Needs,
    /// The messages as places in `body`; empty for other kinds than chat.
    pub conversation: Conversation,
    /// What the token estimate is computed from.
    pub size: SizeHints,
    /// True when the last message is a tool result (or an assistant turn), that is: no user has spoken since the last answer.
    pub continues_tool_loop: bool,
    /// Session id from the body; headers may outrank it, see [`super::headers::session`].
    pub session: Option<SessionHint>,
    /// Router controls, already taken apart; the ranges of their fields are removed before an upstream sees the body.
    pub controls: Controls,
}

impl Call {
    /// True when the provider shall keep the answer (`store: true`): asking twice would leave two.
    pub fn is_stored(&self) -> bool {
        let store = self.fields.iter().find(|field| field.name == "store");
        store.is_some_and(|field| self.body.get(field.value.clone()) == Some(b"true".as_slice()))
    }
}

/// A top-level member of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Decoded name.
    pub name: String,
    /// Bytes of `"name": value` without the separating comma.
    pub member: Range<usize>,
    /// Bytes of the value alone.
    pub value: Range<usize>,
}

/// A session id and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionHint {
    /// The id: 1 to 256 visible ASCII characters. What the caller sent, or its SHA-256 in hex where that is anything else.
    pub id: String,
    /// Stronger sources outrank weaker ones.
    pub source: SessionSource,
}

/// Where a session id came from, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SessionSource {
    /// Body `session_id`.
    Body,
    /// A header that names a session.
    Header,
    /// The session part of body `metadata.user_id`.
    UserId,
    /// Body `prompt_cache_key`.
    PromptCacheKey,
    /// Nobody named a session: a hash of the conversation's beginning.
    Implicit,
}

/// Bounds on what a caller may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body.
    pub max_body_bytes: u64,
    /// Messages of a chat request, inputs of an embeddings request.
    pub max_messages: usize,
    /// Tools.
    pub max_tools: usize,
}

impl Default for Limits {
    /// The limits of every deployment.
    fn default() -> Self {
        Self {
            max_body_bytes: 8 * 1024 * 1024,
            max_messages: 2_048,
            max_tools: 512,
        }
    }
}

/// Capabilities that a call cannot do without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each names one capability; they combine freely"
)]
pub struct Needs {
    /// `tools` is a non-empty list.
    pub tools: bool,
    /// A message carries an image.
    pub vision: bool,
    /// `response_format` is `json_schema`.
    pub json_schema: bool,
    /// A message carries audio, or audio output is asked for.
    pub audio: bool,
}

/// Sizes that a token estimate needs, counted once while parsing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeHints {
    /// Bytes of text in ASCII.
    pub ascii_bytes: u64,
    /// Tokens that those bytes take, by the words, runs of digits and runs of symbols in them.
    pub pieces: u64,
    /// Characters (not bytes) outside ASCII: about one token each.
    pub wide_chars: u64,
    /// Images among the messages.
    pub images: u32,
    /// Messages.
    pub messages: u32,
    /// Tools.
    pub tools: u32,
    /// Content that cannot be sized (files, audio, unknown parts): the whole window must be assumed.
    pub unsized_parts: u32,
}

impl SizeHints {
    /// Adds a text that the model reads.
    pub(crate) fn add_text(&mut self, text: &Text) {
        self.ascii_bytes += text.ascii;
        self.wide_chars += text.wide;
        self.pieces += text.pieces;
    }

    /// Adds JSON that the model reads about as it is written (schemas, unknown members).
    pub(crate) fn add_json(&mut self, range: &Range<usize>) {
        self.add_bytes(range.len() as u64);
    }

    /// The same, by its length.
    pub(crate) fn add_bytes(&mut self, bytes: u64) {
        self.ascii_bytes += bytes;
        self.pieces += bytes * 10 / 26;
    }
}

/// Per-request controls. They narrow what policy allows, never widen it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Controls {
    /// `models` then `fallbacks`: further models in the caller's order, blanks and repeats dropped, at most 16.
    pub fallback_models: Vec<String>,
    /// `provider: {…}`.
    pub provider: ProviderPreferences,
    /// `clawrouter.trace`: add trace headers and events.
    pub trace: bool,
    /// `clawrouter.dry_run`: answer from the demo provider, nothing leaves the Worker.
    pub dry_run: bool,
    /// `clawrouter.max_cost_usd` in nano-dollars.
    pub max_cost_nano_usd: Option<u64>,
    /// `clawrouter.deadline_ms`.
    pub deadline: Option<Millis>,
    /// `clawrouter.usage_total`: report the sum over a compound request.
    pub usage_total: bool,
    /// `clawrouter.cost_quality`, 0 (best) to 10 (cheapest): what `clawrouter/auto` weighs.
    pub cost_quality: Option<f64>,
    /// `clawrouter.{advisers, judge, synthesizer}` or the OpenRouter plugin `{"id":"fusion", analysis_models, model}`.
    pub fusion: Option<FusionOverrides>,
    /// Names of the body's top-level fields that belong to the router and are removed before an upstream sees the body.
    pub router_fields: Vec<String>,
}

/// Per-request changes to a fusion profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FusionOverrides {
    /// Profile id named by a plugin's `preset`.
    pub profile: Option<String>,
    /// Adviser models, 1 to 8.
    pub advisers: Option<Vec<String>>,
    /// Judge model; `Some(None)` turns the judge off.
    pub judge: Option<Option<String>>,
    /// Synthesizer model.
    pub synthesizer: Option<String>,
    /// A plugin turned a plain model call into a fusion (`plugins:[{"id":"fusion"}]`).
    pub from_plugin: bool,
}

/// The request's `provider` object in OpenRouter's spelling.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProviderPreferences {
    /// Providers to try first, in this order.
    pub order: Vec<String>,
    /// Only these providers, when not empty.
    pub only: Vec<String>,
    /// Never these.
    pub ignore: Vec<String>,
    /// `price`, `throughput` or `latency`.
    pub sort: Option<ProviderSort>,
    /// Highest accepted price.
    pub max_price: Option<MaxPrice>,
    /// False: no target but the first.
    pub allow_fallbacks: Option<bool>,
    /// Skip targets that lack a parameter the request uses.
    pub require_parameters: bool,
    /// `deny`: skip providers that train on prompts.
    pub deny_data_collection: bool,
    /// Only zero-data-retention providers.
    pub zdr: bool,
    /// Accepted quantizations, when not empty.
    pub quantizations: Vec<String>,
    /// Tokens a second below which a target is demoted.
    pub preferred_min_throughput: Option<f64>,
    /// Seconds to the first token above which a target is demoted.
    pub preferred_max_latency: Option<f64>,
}

/// `provider.max_price`: pico-dollars a token, which are millionths of "dollars per million tokens"; `None`: unbounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxPrice {
    /// Per input token.
    pub input: Option<u64>,
    /// Per output token.
    pub output: Option<u64>,
}

/// How `provider.sort` orders targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderSort {
    /// Cheapest first.
    Price,
    /// Fastest generation first.
    Throughput,
    /// Quickest first token first.
    Latency,
}
