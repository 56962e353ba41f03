//! What an upstream stream says, in no dialect: decoders make these, the engine decides on them, encoders write them.

use serde::{Deserialize, Serialize};

/// One thing that an upstream said while answering.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    /// The stream has begun (a role chunk, `message_start`): not content.
    Begin,
    /// Visible text of choice `choice`.
    Text {
        /// Index of the choice.
        choice: u32,
        /// The text.
        text: String,
    },
    /// Reasoning text.
    Reasoning {
        /// Index of the choice.
        choice: u32,
        /// The text.
        text: String,
    },
    /// A refusal's text.
    Refusal {
        /// Index of the choice.
        choice: u32,
        /// The text.
        text: String,
    },
    /// A piece of a tool call.
    Tool {
        /// Index of the choice.
        choice: u32,
        /// Index of the tool call in that choice.
        index: u32,
        /// Id, in the first piece.
        id: Option<String>,
        /// Function name, in the first piece.
        name: Option<String>,
        /// Next piece of the arguments.
        arguments: String,
    },
    /// Content that has no field here (audio, unknown deltas): counts as content, cannot be spliced.
    Other,
    /// Choice `choice` is complete.
    Finish {
        /// Index of the choice.
        choice: u32,
        /// Why.
        reason: FinishReason,
    },
    /// Token counts.
    Usage(Usage),
    /// The upstream reported a failure inside the stream.
    Error(EmbeddedError),
    /// `[DONE]`, `message_stop`.
    Done,
    /// Comment or ping: bytes, but nothing said.
    Ping,
}

/// Why a choice ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model was done.
    Stop,
    /// Output limit reached.
    Length,
    /// The caller's tools are asked for.
    ToolCalls,
    /// The provider's filter stopped it.
    ContentFilter,
    /// The provider says that generation failed.
    Error,
    /// Any other word.
    Other(String),
}

/// An error object inside a stream or a 200 body. External text: never logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmbeddedError {
    /// `error.code` or a number used as HTTP status.
    pub code: String,
    /// `error.type`.
    pub kind: String,
    /// `error.message`.
    pub message: String,
    /// A numeric code, when the provider gives one.
    pub status: Option<u16>,
    /// The whole object that carried the error, at most [`super::upstream_error::MAX_BODY`] bytes of it.
    pub body: Vec<u8>,
}

/// Token counts of one upstream call. `input` includes the cached part; `output` includes reasoning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens, cached ones included.
    pub input_tokens: u64,
    /// Completion tokens, reasoning included.
    pub output_tokens: u64,
    /// Prompt tokens read from the provider's cache.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Prompt tokens written to the provider's cache.
    #[serde(default)]
    pub cache_write_tokens: u64,
    /// Completion tokens spent on reasoning.
    #[serde(default)]
    pub reasoning_tokens: u64,
}
