//! What has reached the caller so far, and in which form the rest must come.

use super::{AnswerAs, RunInput};
use crate::run::recover::Joint;
use crate::wire::CallKind;
use crate::wire::chat_stream::ChunkIdentity;
use crate::wire::event::StreamEvent;

/// Text that is remembered for a recovery; a longer answer is not continued.
const REMEMBERED: usize = 256 * 1024;

/// In which form an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Events, as they come.
    Stream,
    /// One body.
    Whole,
    /// Text that stays in the machine, at most so many characters.
    Text { max_chars: usize },
}

/// What has reached the caller.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts, each read alone")]
pub(super) struct Delivery {
    pub(super) form: Form,
    /// Status and headers are out.
    pub(super) begun: bool,
    /// Nothing more is to be sent.
    pub(super) complete: bool,
    /// Of the first chunk: the stream keeps it to its end.
    pub(super) identity: ChunkIdentity,
    /// How a continued stream is joined.
    pub(super) joint: Option<Joint>,
    /// A recovery may still be tried.
    pub(super) recoverable: bool,
    /// The second call of a recovery has said something.
    pub(super) continued: bool,
    sent: String,
    kept: String,
    kept_chars: usize,
}

impl Delivery {
    pub(super) fn new(input: &RunInput) -> Self {
        let call = &input.call;
        let form = match input.answer {
            AnswerAs::Text { max_chars } => Form::Text { max_chars },
            AnswerAs::Asked if call.stream && call.kind == CallKind::Chat => Form::Stream,
            AnswerAs::Asked => Form::Whole,
        };
        Self {
            form,
            begun: false,
            complete: false,
            identity: ChunkIdentity::default(),
            joint: None,
            recoverable: input.chain.stream_recovery && form == Form::Stream && call.choices == 1,
            continued: false,
            sent: String::new(),
            kept: String::new(),
            kept_chars: 0,
        }
    }

    /// Bytes have been sent, so the answer can no longer come from somewhere else.
    pub(super) fn begun(&self) -> bool {
        self.begun
    }

    /// Somebody sees every piece as it comes.
    pub(super) fn is_watched(&self) -> bool {
        self.form == Form::Stream
    }

    /// Text that the caller has read.
    pub(super) fn sent_text(&self) -> &str {
        &self.sent
    }

    /// The kept text, when text is kept.
    pub(super) fn text(&self) -> Option<&str> {
        matches!(self.form, Form::Text { .. }).then_some(self.kept.as_str())
    }

    /// Notes what is being sent, as far as a recovery would need it.
    pub(super) fn note(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Text { text, .. } => {
                if self.recoverable && self.sent.len() + text.len() <= REMEMBERED {
                    self.sent.push_str(text);
                } else {
                    self.recoverable = false;
                    self.sent = String::new();
                }
            }
            StreamEvent::Tool { .. } | StreamEvent::Refusal { .. } | StreamEvent::Other => self.recoverable = false,
            StreamEvent::Begin
            | StreamEvent::Reasoning { .. }
            | StreamEvent::Finish { .. }
            | StreamEvent::Usage(_)
            | StreamEvent::Error(_)
            | StreamEvent::Done
            | StreamEvent::Ping => {}
        }
    }

    /// Keeps text; true when no more is wanted.
    pub(super) fn keep(&mut self, text: &str) -> bool {
        let Form::Text { max_chars } = self.form else {
            return false;
        };
        let room = max_chars.saturating_sub(self.kept_chars);
        let before = self.kept.len();
        self.kept.extend(text.chars().take(room));
        self.kept_chars += self.kept.get(before..).map_or(0, |added| added.chars().count());
        self.kept_chars >= max_chars
    }

    /// A failed call's text does not count.
    pub(super) fn forget_kept(&mut self) {
        self.kept.clear();
        self.kept_chars = 0;
    }
}
