//! What of a fusion reaches the caller, and when: early bytes while advisers work, the synthesizer's own answer, or the best draft.

use super::progress::Progress;
use crate::catalog::NanoUsd;
use crate::catalog::document::FusionProfile;
use crate::run::machine::{Action, ResponseHead};
use crate::wire::chat_encode::{self, Answer};
use crate::wire::chat_stream::{self, ChunkIdentity};
use crate::wire::json::{self, Edit};
use crate::wire::{ApiError, Call, FinishReason, Millis, Usage};
use bytes::Bytes;
use serde_json::{Value, json};

/// So often that a caller who has gone is noticed within a second: the platform sees a closed socket only when it writes to it, and then
/// at the second write.
pub(super) const PING_EVERY: Millis = Millis(400);

/// Where the output stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nobody has begun to answer.
    Waiting,
    /// The synthesizer's bytes are the caller's.
    Passing,
    /// Everything has been said.
    Said,
}

/// The caller's side of a fusion.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a wish of the caller, written once"
)]
pub(super) struct Output {
    stream: bool,
    include_usage: bool,
    trace: bool,
    usage_total: bool,
    request_id: String,
    identity: ChunkIdentity,
    headers: Vec<(String, String)>,
    mode: Mode,
    started: bool,
    status: Option<u16>,
    flush_at: Option<Millis>,
    next_ping: Option<Millis>,
    /// Trace chunks that wait for the response to begin.
    held: Vec<Bytes>,
}

/// What all calls together took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total {
    pub(super) usage: Usage,
    pub(super) cost: Option<NanoUsd>,
    pub(super) calls: usize,
}

/// A draft that answers.
#[derive(Clone, Debug)]
pub(super) struct Draft<'a> {
    pub(super) text: &'a str,
    pub(super) model: &'a str,
    pub(super) finish: Option<&'a FinishReason>,
    pub(super) usage: Option<&'a Usage>,
}

impl Output {
    /// `early`: a streaming caller may get its head before anybody answers.
    pub(super) fn new(call: &Call, profile: &FusionProfile, request_id: &str, now: Millis) -> Self {
        let early = call.stream && profile.early_flush_ms.0 > 0;
        Self {
            stream: call.stream,
            include_usage: call.include_usage,
            trace: call.stream && call.controls.trace,
            usage_total: call.controls.usage_total,
            request_id: request_id.to_owned(),
            identity: ChunkIdentity {
                id: format!("chatcmpl-{request_id}"),
                model: call.model.clone(),
                created: now.0 / 1000,
            },
            headers: Vec::new(),
            mode: Mode::Waiting,
            started: false,
            status: None,
            flush_at: early.then(|| now.plus(profile.early_flush_ms)),
            next_ping: None,
            held: Vec::new(),
        }
    }

    /// Nobody is asked for advice: the synthesizer's own first bytes are soon enough, and errors stay real statuses.
    pub(super) fn never_early(&mut self) {
        self.flush_at = None;
    }

    /// True when the caller asked to see the phases.
    pub(super) fn wants_progress(&self) -> bool {
        self.trace
    }

    /// Advisers are done; how many drafts there are and how many advisers gave none.
    pub(super) fn advised(&mut self, drafts: usize, failed: usize, took: Millis) {
        let word = if drafts > 0 { "advisers" } else { "aggregator-only" };
        let mut set = |name: &str, value: String| self.headers.push((format!("x-clawrouter-fusion{name}"), value));
        set("", word.to_owned());
        set("-advisers", drafts.to_string());
        set("-failed", failed.to_string());
        set("-latency-ms", took.0.to_string());
    }

    /// Early bytes and pings that are due.
    pub(super) fn tick(&mut self, now: Millis, actions: &mut impl Extend<Action>) {
        if self.mode != Mode::Waiting {
            return;
        }
        if self.flush_at.take_if(|at| now >= *at).is_some() {
            let headers = vec![
                ("x-clawrouter-strategy".to_owned(), "fusion".to_owned()),
                ("x-clawrouter-trace-id".to_owned(), self.request_id.clone()),
            ];
            actions.extend([self.start_stream(headers)]);
            actions.extend(self.held.drain(..).map(Action::Emit));
            self.next_ping = Some(now);
        }
        if self.next_ping.is_some_and(|at| now >= at) {
            actions.extend([Action::Emit(Bytes::from_static(chat_encode::PING))]);
            self.next_ping = Some(now.plus(PING_EVERY));
        }
    }

    pub(super) fn next_wake(&self) -> Option<Millis> {
        if self.mode == Mode::Waiting {
            self.flush_at.or(self.next_ping)
        } else {
            None
        }
    }

    /// The synthesizer's response begins.
    pub(super) fn head(&mut self, mut head: ResponseHead, actions: &mut impl Extend<Action>) {
        self.mode = Mode::Passing;
        if self.started {
            return;
        }
        self.started = true;
        self.status = Some(head.status);
        head.headers.append(&mut self.headers);
        actions.extend([Action::Start(head)]);
        actions.extend(self.held.drain(..).map(Action::Emit));
    }

    /// Bytes of the synthesizer; `total` is asked for only where it is told.
    pub(super) fn body(&mut self, bytes: Bytes, total: impl FnOnce() -> Total, actions: &mut impl Extend<Action>) {
        if self.mode != Mode::Passing {
            return;
        }
        if !self.stream && self.usage_total {
            return actions.extend([Action::Emit(with_member(&bytes, &total().json()))]);
        }
        let end = (self.trace || self.usage_total).then(|| chat_stream::split_done(&bytes));
        let Some((before, done)) = end.flatten() else {
            return actions.extend([Action::Emit(bytes)]);
        };
        self.mode = Mode::Said;
        actions.extend((!before.is_empty()).then_some(Action::Emit(before)));
        if self.usage_total {
            let own = chat_encode::clawrouter(&self.identity, &total().json());
            actions.extend([Action::Emit(own)]);
        }
        actions.extend([Action::Emit(done)]);
    }

    /// The request failed: a real status, or an event where the response has begun.
    pub(super) fn error(&mut self, mut head: ResponseHead, body: Bytes, actions: &mut impl Extend<Action>) {
        self.mode = Mode::Said;
        if self.started {
            return actions.extend([Action::Emit(chat_encode::error_of_body(&self.identity, &body))]);
        }
        self.started = true;
        self.status = Some(head.status);
        head.headers.append(&mut self.headers);
        actions.extend([Action::Start(head), Action::Emit(body)]);
    }

    /// No adviser answered and the profile wants that to be an error.
    pub(super) fn no_adviser(&mut self, actions: &mut impl Extend<Action>) {
        let message = "No adviser of this fusion answered; try again, or name the synthesizer's model directly.";
        let error = ApiError::new("upstream_error", message).because("no_adviser");
        let head = ResponseHead {
            status: error.status,
            headers: vec![
                ("content-type".to_owned(), "application/json".to_owned()),
                ("x-clawrouter-strategy".to_owned(), "fusion".to_owned()),
                ("x-clawrouter-trace-id".to_owned(), self.request_id.clone()),
            ],
            stream: false,
        };
        self.error(head, Bytes::from(error.to_json(&self.request_id)), actions);
    }

    /// A draft answers instead of the synthesizer, marked. `headers`: those of the synthesizer's failure, which still tell the truth about it.
    pub(super) fn draft(
        &mut self,
        draft: &Draft<'_>,
        failure: ResponseHead,
        total: impl FnOnce() -> Total,
        actions: &mut impl Extend<Action>,
    ) {
        for (name, value) in &mut self.headers {
            if name == "x-clawrouter-fusion" {
                "best-draft".clone_into(value);
            }
        }
        let identity = ChunkIdentity {
            model: draft.model.to_owned(),
            ..self.identity.clone()
        };
        let mut own = json!({"fusion": "best-draft"});
        if self.usage_total
            && let (Some(own), Ok(Value::Object(total))) = (own.as_object_mut(), serde_json::from_str(&total().json()))
        {
            own.extend(total);
        }
        let cut = matches!(draft.finish, None | Some(FinishReason::Length));
        let answer = Answer {
            text: draft.text,
            finish: if cut {
                &FinishReason::Length
            } else {
                &FinishReason::Stop
            },
            usage: draft.usage.filter(|_| !self.stream || self.include_usage),
            clawrouter: &own.to_string(),
        };
        let mut headers = failure.headers;
        headers.retain(|(name, _)| name != "content-type" && name != "retry-after");
        headers.push(("x-clawrouter-target".to_owned(), draft.model.to_owned()));
        if self.stream {
            if !self.started {
                actions.extend([self.start_stream(headers)]);
                actions.extend(self.held.drain(..).map(Action::Emit));
            }
            actions.extend([Action::Emit(answer.events(&identity))]);
        } else {
            self.started = true;
            self.status = Some(200);
            headers.insert(0, ("content-type".to_owned(), "application/json".to_owned()));
            headers.append(&mut self.headers);
            let head = ResponseHead {
                status: 200,
                headers,
                stream: false,
            };
            actions.extend([Action::Start(head), Action::Emit(answer.body(&identity))]);
        }
        self.mode = Mode::Said;
    }

    fn start_stream(&mut self, more: Vec<(String, String)>) -> Action {
        self.started = true;
        self.status = Some(200);
        let mut headers = vec![
            ("content-type".to_owned(), "text/event-stream; charset=utf-8".to_owned()),
            ("cache-control".to_owned(), "no-cache".to_owned()),
        ];
        headers.extend(more);
        headers.append(&mut self.headers);
        Action::Start(ResponseHead {
            status: 200,
            headers,
            stream: true,
        })
    }

    /// New steps as valid chunks with an empty delta and a `clawrouter` object; texts are left out. None comes after `[DONE]`.
    pub(super) fn trace(&mut self, steps: &[Progress], actions: &mut impl Extend<Action>) {
        if self.mode == Mode::Said {
            return;
        }
        let identity = &self.identity;
        let chunks = steps.iter().filter_map(step);
        let chunks = chunks.map(|step| chat_encode::clawrouter(identity, &step.to_string()));
        if self.started {
            actions.extend(chunks.map(Action::Emit));
        } else {
            self.held.extend(chunks);
        }
    }

    /// What the caller saw; `None`: nothing yet.
    pub(super) fn status(&self) -> Option<u16> {
        self.status
    }
}

impl Total {
    fn json(&self) -> String {
        // A price that nobody knows is null.
        let cost = self.cost.map_or_else(|| "null".to_owned(), |cost| cost.to_string());
        format!(
            "{{\"usage_total\":{},\"calls\":{},\"cost_usd\":{cost}}}",
            chat_encode::usage_json(&self.usage),
            self.calls
        )
    }
}

/// A JSON body with a `clawrouter` member; anything else as it is.
fn with_member(body: &Bytes, object: &str) -> Bytes {
    json::scan(body).map_or_else(
        |_| body.clone(),
        |fields| json::rewrite(body, &fields, &[Edit::Set("clawrouter".to_owned(), object.to_owned())]),
    )
}

/// A step without its text.
fn step(progress: &Progress) -> Option<Value> {
    Some(match progress {
        Progress::Called { slot, model, at } => {
            json!({"type": "call", "slot": slot.name(), "stage": slot.stage, "model": model.as_str(), "at_ms": at.0})
        }
        Progress::FirstToken { slot, at } => json!({"type": "first_token", "slot": slot.name(), "at_ms": at.0}),
        Progress::Ended {
            slot, at, ok, class, ..
        } => {
            json!({"type": "end", "slot": slot.name(), "at_ms": at.0, "ok": ok, "class": class})
        }
        Progress::Notes(_) => json!({"type": "notes"}),
        Progress::Text { .. } | Progress::Injected(_) => return None,
    })
}
