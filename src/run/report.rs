//! What a machine did: the material of usage rows, traces, response headers and session pins. No prompt, no secret, no upstream text.

use super::machine::CallId;
use crate::catalog::{CredentialId, ModelId, PoolId, Price, ProviderId};
use crate::route::health::FailureClass;
use crate::wire::event::FinishReason;
use crate::wire::{Millis, Usage};

/// Everything that happened in one machine.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// When the machine began.
    pub started: Millis,
    /// When it ended.
    pub ended: Option<Millis>,
    /// Every upstream call in the order in which they were sent.
    pub attempts: Vec<Attempt>,
    /// The plan's first target, whether or not it was called; `None`: a session's pin chose another one.
    pub primary: Option<ModelId>,
    /// Targets that were passed over without a call: model and reason code.
    pub skipped: Vec<(String, String)>,
    /// Who answered.
    pub served: Option<Served>,
    /// How the request ended for the caller.
    pub outcome: Outcome,
    /// HTTP status that the caller saw; 499 when it hung up before there was one.
    pub status: u16,
    /// Error code that the caller saw.
    pub error_code: Option<String>,
    /// Class that decided the error.
    pub error_class: Option<FailureClass>,
    /// Malformed events that were dropped.
    pub dropped_events: u32,
    /// How a cut stream was continued.
    pub recovery: Option<Recovery>,
    /// Time between the first buffered event and the commit.
    pub commit_buffer: Millis,
    /// Earliest moment at which a target or credential that failed here may be usable again.
    pub next_at: Option<Millis>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Still running.
    #[default]
    Running,
    /// Answered in full.
    Answered,
    /// Refused or failed before a byte was sent: a real HTTP status.
    Failed,
    /// Failed after the response had begun: an error event.
    FailedInStream,
    /// The caller hung up.
    CallerGone,
}

/// How a cut stream was continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// By an assistant prefix.
    Prefill,
    /// By asking again and leaving out what was sent already.
    Splice,
    /// The second answer was another one: ended with an error.
    Diverged,
    /// Tried, but no call succeeded.
    Failed,
}

/// Who answered.
#[derive(Clone, Debug)]
pub struct Served {
    /// Target.
    pub model: ModelId,
    /// Its provider.
    pub provider: ProviderId,
    /// Label of the credential: with `model` the proposal for a session pin.
    pub credential: Option<String>,
    /// Position in the plan; 0: the primary.
    pub index: u32,
    /// It is no equal of the primary (another target of its order group) but stands behind it.
    pub behind: bool,
    /// Index into [`Report::attempts`].
    pub attempt: usize,
    /// When the response began.
    pub committed_at: Millis,
    /// Why the first choice ended.
    pub finish: Option<FinishReason>,
    /// Price of the target, for settlement.
    pub price: Option<Price>,
}

/// One upstream call.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a trace row")]
pub struct Attempt {
    /// Its call.
    pub call: CallId,
    /// Target.
    pub model: ModelId,
    /// Its provider.
    pub provider: ProviderId,
    /// Position in the plan.
    pub index: u32,
    /// Pool that pays; `None`: no authentication.
    pub pool: Option<PoolId>,
    /// Label of the credential.
    pub credential: Option<String>,
    /// Its fingerprint.
    pub credential_id: Option<CredentialId>,
    /// Sent.
    pub started: Millis,
    /// Response headers.
    pub headers_at: Option<Millis>,
    /// First content.
    pub first_token_at: Option<Millis>,
    /// Ended, cancelled or given up.
    pub ended: Option<Millis>,
    /// HTTP status.
    pub status: Option<u16>,
    /// Class of its failure; `None`: answered, or lost a race.
    pub class: Option<FailureClass>,
    /// What was done about it.
    pub action: AttemptAction,
    /// Pause before the next call.
    pub delay: Option<Millis>,
    /// How long the upstream asked to wait.
    pub hint: Option<Millis>,
    /// Token counts that the upstream told.
    pub usage: Option<Usage>,
    /// Bytes of text, reasoning and tool arguments that arrived: the basis of an estimate when no usage came.
    pub emitted_bytes: u64,
    /// True: some of its bytes reached the caller.
    pub committed: bool,
    /// Half-open probe.
    pub probe: bool,
    /// Second call of a hedge.
    pub hedge: bool,
    /// The one attempt at a target all ways to which are cooling.
    pub last_resort: bool,
    /// Continues a cut stream.
    pub recovery: bool,
    /// Thinking signatures and encrypted reasoning of another provider were left out of its request.
    pub state_left_out: bool,
    /// The request goes on with another model's tool loop.
    pub model_swapped: bool,
    /// Context tier used, tokens of input, when the target has tiers.
    pub tier: Option<u64>,
    /// Price of the target, for settlement.
    pub price: Option<Price>,
}

/// What was done about an attempt's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttemptAction {
    /// It is running.
    #[default]
    Running,
    /// It answered.
    Answered,
    /// The same credential was asked again.
    Retried,
    /// Another credential of the pool was asked.
    Rotated,
    /// The request was made smaller and sent again.
    Downgraded,
    /// A parameter was dropped or renamed and the request sent again.
    Adjusted,
    /// The next target was asked.
    MovedOn,
    /// A second call continued its stream.
    Recovered,
    /// Nothing was left to do.
    GaveUp,
    /// It lost a race or the caller left.
    Cancelled,
}

impl AttemptAction {
    /// The word used in traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Answered => "answered",
            Self::Retried => "retried",
            Self::Rotated => "rotated",
            Self::Downgraded => "downgraded",
            Self::Adjusted => "adjusted",
            Self::MovedOn => "moved_on",
            Self::Recovered => "recovered",
            Self::GaveUp => "gave_up",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Report {
    /// Attempts whose end led to the action.
    pub fn count(&self, action: AttemptAction) -> usize {
        self.attempts.iter().filter(|attempt| attempt.action == action).count()
    }
}
