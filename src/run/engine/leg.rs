//! One upstream call in flight: what it is waiting for and until when.

use super::stream::{AFTER_DONE, AFTER_FINISH, StreamReader};
use crate::catalog::Credential;
use crate::catalog::document::Timeouts;
use crate::route::Target;
use crate::route::health::Dispatch;
use crate::run::machine::CallId;
use crate::wire::Millis;

/// Bytes of an error body that are read.
pub(super) const FAILURE_BYTES: usize = 64 * 1024;

/// Time that an error body gets.
pub(super) const FAILURE_TIME: Millis = Millis(2_000);

/// Bytes of a whole answer that are kept; anything longer is no answer.
pub(super) const WHOLE_BYTES: usize = 32 * 1024 * 1024;

/// A provider that answers as a whole sends its headers when the answer is complete, so it gets this many times the time that a model
/// may think before its first token: 2 minutes by default. There is no other target to turn to meanwhile, or a stream would have been
/// asked for.
const WHOLE_FACTOR: u64 = 2;

/// The same for models that think first: 5 minutes by default.
const WHOLE_FACTOR_REASONING: u64 = 5;

/// Longest first-token deadline that measured latency alone can earn.
const FIRST_TOKEN_CAP: Millis = Millis(60_000);

/// Each started block of this many estimated input tokens adds a second to the first-token deadline.
const TOKENS_PER_SECOND: u64 = 20_000;

/// Silence of content, while bytes still flow, that ends a running stream.
const CONTENT_SILENCE: Millis = Millis(60_000);

/// The same for models that think.
const CONTENT_SILENCE_REASONING: Millis = Millis(300_000);

/// One upstream call in flight.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) call: CallId,
    /// Index into the run's candidates.
    pub(super) candidate: usize,
    /// Index into the report's attempts.
    pub(super) attempt: usize,
    pub(super) credential: Option<Credential>,
    pub(super) dispatch: Dispatch,
    pub(super) deadlines: Deadlines,
    pub(super) state: LegState,
    pub(super) last_byte: Millis,
    pub(super) last_content: Option<Millis>,
    /// A probe or a last resort: never repeated on the same target.
    pub(super) single_shot: bool,
    /// `None`: an ordinary attempt.
    pub(super) continues: Option<Continues>,
}

/// How a leg continues a stream that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continues {
    /// It was given the begin of the answer.
    Prefill,
    /// It answers anew; what was sent already is left out.
    Splice,
}

/// What a leg is waiting for.
#[derive(Debug)]
pub(super) enum LegState {
    /// Response headers.
    Headers {
        /// A stream was asked for.
        stream: bool,
    },
    /// The rest of an error body.
    Failure {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        until: Millis,
    },
    /// The rest of a whole answer.
    Whole {
        content_type: Option<String>,
        body: Vec<u8>,
    },
    /// Further events.
    Stream(Box<StreamReader>),
    /// The answer is complete; the body may still end by itself, so that its connection can be used again.
    Draining { until: Millis },
}

/// Deadlines of one call; moments, but for `stall` and `silence`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    pub(super) headers: Millis,
    pub(super) first_token: Millis,
    pub(super) total: Millis,
    pub(super) stall: Millis,
    pub(super) silence: Millis,
}

/// Which deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    Headers,
    FirstToken,
    Stall,
    Total,
    /// An error body.
    Failure,
    /// The end of a complete answer.
    End,
}

impl Deadlines {
    /// Deadlines of a call sent at `now`.
    pub(super) fn new(target: &Target, stream: bool, estimated: u64, p95: Option<Millis>, now: Millis) -> Self {
        let reasoning = reasons(target);
        let timeouts = target.provider.timeouts;
        let configured = if reasoning {
            timeouts.first_token_reasoning_ms
        } else {
            timeouts.first_token_ms
        };
        let measured = Millis(p95.unwrap_or_default().0.saturating_mul(4)).min(FIRST_TOKEN_CAP);
        let extra = Millis::from_secs(estimated / TOKENS_PER_SECOND);
        let first_token = configured.max(measured).plus(extra);
        let headers = match (stream, reasoning) {
            (false, _) => whole_deadline(&timeouts, reasoning),
            // Some providers send the headers together with the first token.
            (true, true) => timeouts.headers_ms.max(first_token),
            (true, false) => timeouts.headers_ms.max(measured).plus(extra),
        };
        Self {
            headers: now.plus(headers.min(timeouts.total_ms)),
            first_token: now.plus(first_token),
            total: now.plus(timeouts.total_ms),
            stall: timeouts.stall_ms,
            silence: if reasoning {
                CONTENT_SILENCE_REASONING
            } else {
                CONTENT_SILENCE
            },
        }
    }
}

fn whole_deadline(timeouts: &Timeouts, reasoning: bool) -> Millis {
    let factor = if reasoning {
        WHOLE_FACTOR_REASONING
    } else {
        WHOLE_FACTOR
    };
    Millis(timeouts.first_token_reasoning_ms.0.saturating_mul(factor)).max(timeouts.headers_ms)
}

fn reasons(target: &Target) -> bool {
    target
        .model
        .capabilities
        .iter()
        .any(|capability| capability == "reasoning")
}

impl Leg {
    /// The next moment at which this leg may be late, and how.
    pub(super) fn due(&self) -> (Millis, Late) {
        let first = match &self.state {
            LegState::Headers { .. } => (self.deadlines.headers, Late::Headers),
            LegState::Failure { until, .. } => return (*until, Late::Failure),
            LegState::Draining { until } => return (*until, Late::End),
            LegState::Stream(reader) if reader.done_at.is_some() => {
                return (reader.done_at.unwrap_or_default().plus(AFTER_DONE), Late::End);
            }
            LegState::Stream(reader) if reader.finished_at.is_some() => {
                return (reader.finished_at.unwrap_or_default().plus(AFTER_FINISH), Late::End);
            }
            LegState::Whole { .. } => (self.last_byte.plus(self.deadlines.stall), Late::Stall),
            LegState::Stream(_) => match self.last_content {
                None => (self.deadlines.first_token, Late::FirstToken),
                Some(content) => {
                    let bytes = self.last_byte.plus(self.deadlines.stall);
                    (bytes.min(content.plus(self.deadlines.silence)), Late::Stall)
                }
            },
        };
        if self.deadlines.total < first.0 {
            (self.deadlines.total, Late::Total)
        } else {
            first
        }
    }
}
