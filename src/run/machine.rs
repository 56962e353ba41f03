//! The contract between the shell and every machine in this room: events in, actions out.

use super::report::{Outcome, Report};
use crate::catalog::{Secret, Transport};
pub use crate::route::Stage;
use crate::route::health::Health;
use crate::wire::Millis;
use bytes::Bytes;

/// What the shell drives: after its construction and after each `handle`, drain `poll` until `None`, then wait for the next event or
/// for `next_wake`, whichever comes first (then feed [`Event::Tick`]). After [`Action::Finish`] nothing more comes.
pub trait Machine {
    /// Something happened. Same events at the same times give the same actions.
    fn handle(&mut self, now: Millis, event: Event, health: &mut Health);
    /// The next thing to do, if any.
    fn poll(&mut self) -> Option<Action>;
    /// When a [`Event::Tick`] is due at the latest.
    fn next_wake(&self) -> Option<Millis>;
    /// What has happened so far.
    fn report(&self) -> &Report;
    /// The same by stage; a plain request has one.
    fn stages(&self) -> Vec<StageReport<'_>> {
        vec![StageReport {
            stage: Stage::Answer,
            index: 0,
            report: self.report(),
        }]
    }
    /// True when the answer is less than what was planned: usage rows and test prompts say so by this one rule. Of a plain request: its
    /// stream was cut, whether or not another call continued it.
    fn degraded(&self) -> bool {
        let report = self.report();
        report.recovery.is_some() || report.outcome == Outcome::FailedInStream
    }
}

/// What one stage of a request did.
#[derive(Clone, Copy, Debug)]
pub struct StageReport<'a> {
    /// What it was for.
    pub stage: Stage,
    /// Slot within its stage.
    pub index: u32,
    /// What happened in it.
    pub report: &'a Report,
}

/// Names one upstream call within a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Response headers arrived. Names are lower case; only those that classification reads are passed on.
    Headers {
        /// Which call.
        call: CallId,
        /// HTTP status.
        status: u16,
        /// Lower-case names and values.
        headers: Vec<(String, String)>,
    },
    /// Body bytes arrived.
    Data {
        /// Which call.
        call: CallId,
        /// The bytes.
        bytes: Bytes,
    },
    /// The body ended.
    End {
        /// Which call.
        call: CallId,
    },
    /// The call failed below HTTP.
    Broken {
        /// Which call.
        call: CallId,
        /// How.
        fault: TransportFault,
    },
    /// Time has passed; deadlines are checked.
    Tick,
    /// The caller hung up.
    CallerGone,
}

/// How a call failed below HTTP, as far as the platform tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportFault {
    /// Name not resolved.
    Dns,
    /// Connection refused or timed out.
    Connect,
    /// Connection lost.
    Reset,
    /// Certificate refused.
    Tls,
    /// The endpoint broke a rule of secured endpoints (a redirect, a refused address).
    Refused,
}

/// What the shell shall do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Make an upstream call; its events carry `request.call`.
    Call(Box<UpstreamRequest>),
    /// Close the call's socket; later events of it are ignored.
    Cancel(CallId),
    /// Nobody watches this call's answer grow: from now on its bytes may come in pieces ([`super::piece`]).
    InPieces(CallId),
    /// Send status and headers to the caller. At most once.
    Start(ResponseHead),
    /// Send body bytes to the caller.
    Emit(Bytes),
    /// The response body is complete.
    Finish,
}

/// One upstream HTTP request, complete. Debug prints no secret: header values of credentials are [`Secret`].
#[derive(Clone, Debug)]
pub struct UpstreamRequest {
    /// Names the call.
    pub call: CallId,
    /// Fetch, binding or demo.
    pub transport: Transport,
    /// Absolute URL; secret when a query parameter carries the credential.
    pub url: Secret,
    /// `POST` bodies only.
    pub headers: Vec<(String, Secret)>,
    /// The body.
    pub body: Bytes,
}

/// Status and headers of the response to the caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// HTTP status.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// True: the body is a stream of events; false: one `Emit` holds the whole body.
    pub stream: bool,
}
