//! Reads the events of one upstream stream: holds them back until there is content, then passes the upstream's own bytes on.
//!
//! Chunks without anything to change cost one decode and no copy: neighbouring events go out as one slice of the chunk they came in.

use super::Run;
use super::deliver::Form;
use super::leg::{Leg, LegState};
use super::outgoing::Outgoing;
use crate::route::health::Health;
use crate::run::classify::Symptom;
use crate::run::machine::{Action, TransportFault};
use crate::wire::aggregate::{AggregateError, Aggregator};
use crate::wire::chat_stream::{self, ChatChunk, ChunkIdentity};
use crate::wire::event::{EmbeddedError, FinishReason, StreamEvent};
use crate::wire::sse::{Decoder, SseEvent};
use crate::wire::{Millis, Usage, chat_encode};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeSet;

/// Events that are held back at most before the response begins.
const HELD_EVENTS: usize = 64;

/// Bytes that are held back at most before the response begins.
const HELD_BYTES: usize = 256 * 1024;

/// After the last choice has finished, usage and `[DONE]` may take this long; then they are supplied.
pub(super) const AFTER_FINISH: Millis = Millis(1_000);

/// After `[DONE]` the upstream gets this long to end its body, so that the connection can be used again.
pub(super) const AFTER_DONE: Millis = Millis(100);

/// One upstream stream as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct StreamReader {
    decoder: Decoder,
    /// Collects one body out of the events, when one body is wanted.
    pub(super) aggregate: Option<Aggregator>,
    held: Vec<Bytes>,
    held_bytes: usize,
    held_since: Option<Millis>,
    /// Choices that have said something.
    begun: BTreeSet<u32>,
    finished: BTreeSet<u32>,
    /// Why the first choice ended.
    pub(super) finish: Option<FinishReason>,
    /// When the last choice ended.
    pub(super) finished_at: Option<Millis>,
    /// When `[DONE]` came, or what counts as it.
    pub(super) done_at: Option<Millis>,
    /// Token counts, the last ones win.
    pub(super) usage: Option<Usage>,
    pub(super) content: bool,
    first_seen: bool,
    identity: ChunkIdentity,
    /// What the held events say.
    noted: Vec<StreamEvent>,
}

impl StreamReader {
    /// What is left to know of an answer that came as one body.
    pub(super) fn after_whole(usage: Option<Usage>, finish: Option<FinishReason>) -> Self {
        Self {
            usage,
            finish,
            content: true,
            ..Self::default()
        }
    }

    /// Is the answer whole, although no `[DONE]` came? Every choice that spoke has ended; after a fault, all `wanted` ones.
    fn is_whole(&self, wanted: u32, faulted: bool) -> bool {
        let ended = u32::try_from(self.finished.len()).unwrap_or(u32::MAX);
        ended > 0 && self.begun.is_subset(&self.finished) && (ended >= wanted || !faulted)
    }
}

/// What one event means for its call.
pub(super) enum Flow {
    /// Read on.
    Go,
    /// All that is wanted has been read.
    Complete,
    /// The upstream reported a failure.
    Failed(EmbeddedError),
    /// This is no stream of events.
    Unreadable,
    /// A continued answer turned out to be another answer.
    Diverged,
}

impl Run {
    /// Bytes of an upstream stream. The leg is put back as long as it lives.
    pub(super) fn stream_data(&mut self, mut leg: Leg, bytes: Bytes, now: Millis, health: &mut Health) {
        leg.last_byte = now;
        let mut outgoing = Outgoing::new(bytes.clone());
        if let LegState::Stream(reader) = &mut leg.state {
            reader.decoder.feed(bytes);
        }
        let flow = loop {
            match self.stream_event(&mut leg, &mut outgoing, now, health) {
                Some(Flow::Go) => {}
                Some(flow) => break flow,
                None => break Flow::Go,
            }
        };
        outgoing.flush(&mut self.outbox);
        self.stream_flow(leg, flow, false, now, health);
    }

    /// The upstream's body has ended, by itself or by a fault.
    pub(super) fn stream_ended(
        &mut self,
        mut leg: Leg,
        fault: Option<TransportFault>,
        now: Millis,
        health: &mut Health,
    ) {
        let LegState::Stream(reader) = &mut leg.state else {
            return;
        };
        if fault.is_none()
            && let Some(event) = reader.decoder.finish()
        {
            let mut outgoing = Outgoing::new(Bytes::new());
            let flow = self.read_event(&mut leg, &event, &mut outgoing, now, health);
            outgoing.flush(&mut self.outbox);
            if !matches!(flow, Flow::Go) {
                return self.stream_flow(leg, flow, true, now, health);
            }
        }
        let LegState::Stream(reader) = &leg.state else { return };
        let whole = reader.done_at.is_some() || reader.is_whole(self.input.call.choices, fault.is_some());
        match (whole, fault) {
            (true, _) => self.stream_complete(leg, true, now, health),
            (false, Some(fault)) if !self.delivery.begun() => self.failed(leg, &Symptom::Transport(fault), now, health),
            (false, None) if !reader.content => self.failed(leg, &Symptom::NoAnswer { body: b"" }, now, health),
            (false, _) => self.failed(leg, &Symptom::Cut, now, health),
        }
    }

    fn stream_flow(&mut self, leg: Leg, flow: Flow, ended: bool, now: Millis, health: &mut Health) {
        match flow {
            Flow::Go => self.legs.push(leg),
            Flow::Complete => self.stream_complete(leg, ended, now, health),
            Flow::Failed(error) => {
                self.close(&leg, ended);
                self.failed(leg, &Symptom::Embedded(&error), now, health);
            }
            Flow::Unreadable => {
                self.close(&leg, ended);
                self.failed(leg, &Symptom::NoAnswer { body: b"" }, now, health);
            }
            Flow::Diverged => self.diverged(leg, now, health),
        }
    }

    /// Closes a call whose body has not ended by itself.
    fn close(&mut self, leg: &Leg, ended: bool) {
        if !ended {
            self.outbox.push_back(Action::Cancel(leg.call));
        }
    }

    /// The next event of the leg's decoder; `None`: no whole event is there.
    fn stream_event(
        &mut self,
        leg: &mut Leg,
        outgoing: &mut Outgoing,
        now: Millis,
        health: &mut Health,
    ) -> Option<Flow> {
        let LegState::Stream(reader) = &mut leg.state else {
            return None;
        };
        if reader.done_at.is_some() {
            return None;
        }
        match reader.decoder.next() {
            Ok(None) => None,
            Ok(Some(event)) => Some(self.read_event(leg, &event, outgoing, now, health)),
            Err(_) => Some(Flow::Unreadable),
        }
    }

    fn read_event(
        &mut self,
        leg: &mut Leg,
        event: &SseEvent,
        outgoing: &mut Outgoing,
        now: Millis,
        health: &mut Health,
    ) -> Flow {
        let Ok(chunk) = chat_stream::decode(event) else {
            self.report.dropped_events = self.report.dropped_events.saturating_add(1);
            return Flow::Go;
        };
        if let Some(error) = self.embedded_failure(leg, &chunk) {
            // A failure after the last word changes nothing about the answer.
            let finished = matches!(&leg.state, LegState::Stream(reader) if reader.finished_at.is_some());
            return if finished { Flow::Complete } else { Flow::Failed(error) };
        }
        if chunk.events.iter().all(|said| *said == StreamEvent::Ping) {
            if self.delivery.begun() && leg.continues.is_none() && self.delivery.form == Form::Stream {
                outgoing.pass(&event.raw, &mut self.outbox);
            }
            return Flow::Go;
        }
        self.observe(leg, &chunk, now, health);
        let flow = match self.delivery.form {
            Form::Text { .. } => self.keep_text(&chunk),
            Form::Whole => collect(leg, event),
            Form::Stream if leg.continues.is_some() => self.continue_with(leg, event, &chunk, now, health),
            Form::Stream => {
                self.pass(leg, event, &chunk, outgoing, now, health);
                Flow::Go
            }
        };
        let done = chunk.events.contains(&StreamEvent::Done);
        // One body leaves when the upstream's has ended, which is at once or a moment later; a stream's last bytes do not wait.
        if done && self.delivery.form == Form::Stream && matches!(flow, Flow::Go) {
            Flow::Complete
        } else {
            flow
        }
    }

    /// An error that the upstream reports inside the stream.
    fn embedded_failure(&self, leg: &Leg, chunk: &ChatChunk) -> Option<EmbeddedError> {
        let told = chunk.events.iter().find_map(|said| match said {
            StreamEvent::Error(error) => Some(error.clone()),
            _ => None,
        });
        let LegState::Stream(reader) = &leg.state else {
            return told;
        };
        told.or_else(|| {
            chunk.events.iter().find_map(|said| match said {
                StreamEvent::Finish {
                    reason: FinishReason::Error,
                    ..
                } => Some(EmbeddedError {
                    kind: "server_error".to_owned(),
                    ..EmbeddedError::default()
                }),
                // A filter that stopped the answer before it began is a refusal, when the route wants to know.
                StreamEvent::Finish {
                    reason: FinishReason::ContentFilter,
                    ..
                } if !reader.content && self.content_policy_falls_back() => Some(EmbeddedError {
                    code: "content_filter".to_owned(),
                    ..EmbeddedError::default()
                }),
                _ => None,
            })
        })
    }

    pub(super) fn content_policy_falls_back(&self) -> bool {
        let chain = &self.input.chain;
        !self.delivery.begun() && (chain.fallback_on.content_policy || !chain.content_policy_targets.is_empty())
    }

    /// Clocks, counts and what the end of the stream will need.
    fn observe(&mut self, leg: &mut Leg, chunk: &ChatChunk, now: Millis, health: &mut Health) {
        let LegState::Stream(reader) = &mut leg.state else {
            return;
        };
        let attempt = self.report.attempts.get_mut(leg.attempt);
        let mut chars = 0;
        for said in &chunk.events {
            match said {
                StreamEvent::Text { choice, text }
                | StreamEvent::Reasoning { choice, text }
                | StreamEvent::Refusal { choice, text } => {
                    chars += text.len();
                    reader.content |= !text.is_empty();
                    if !text.is_empty() {
                        reader.begun.insert(*choice);
                    }
                }
                StreamEvent::Tool { choice, arguments, .. } => {
                    chars += arguments.len();
                    reader.content = true;
                    reader.begun.insert(*choice);
                }
                StreamEvent::Other => reader.content = true,
                StreamEvent::Finish { choice, reason } => {
                    reader.finished.insert(*choice);
                    reader.finish.get_or_insert_with(|| reason.clone());
                    let wanted = usize::try_from(self.input.call.choices).unwrap_or(usize::MAX);
                    if reader.finished.len() >= wanted {
                        reader.finished_at.get_or_insert(now);
                    }
                }
                StreamEvent::Usage(usage) => reader.usage = Some(*usage),
                StreamEvent::Done => {
                    reader.done_at.get_or_insert(now);
                }
                StreamEvent::Begin | StreamEvent::Error(_) | StreamEvent::Ping => {}
            }
        }
        let first = reader.content && leg.last_content.is_none();
        if reader.content && (first || chars > 0) {
            leg.last_content = Some(now);
        }
        if let Some(attempt) = attempt {
            attempt.emitted_bytes = attempt
                .emitted_bytes
                .saturating_add(u64::try_from(chars).unwrap_or(u64::MAX));
            attempt.usage = reader.usage;
            if first {
                attempt.first_token_at = Some(now);
                health.record_first_token(&leg.dispatch, now.since(leg.dispatch.started_at), now);
            }
        }
        if first && !self.delivery.is_watched() {
            self.outbox.push_back(Action::InPieces(leg.call));
        }
    }

    fn keep_text(&mut self, chunk: &ChatChunk) -> Flow {
        for said in &chunk.events {
            if let StreamEvent::Text { choice: 0, text } = said
                && self.delivery.keep(text)
            {
                return Flow::Complete;
            }
        }
        Flow::Go
    }

    /// An event of an ordinary stream for a caller that streams: held back until there is content, then passed on.
    fn pass(
        &mut self,
        leg: &mut Leg,
        event: &SseEvent,
        chunk: &ChatChunk,
        outgoing: &mut Outgoing,
        now: Millis,
        health: &mut Health,
    ) {
        let unasked = chunk.usage_only && !self.input.call.include_usage;
        let LegState::Stream(reader) = &mut leg.state else {
            return;
        };
        if !reader.first_seen {
            reader.first_seen = true;
            reader.identity = event
                .data
                .as_deref()
                .and_then(chat_stream::identity)
                .unwrap_or_default();
        }
        if self.delivery.begun() {
            if !unasked {
                chunk.events.iter().for_each(|said| self.delivery.note(said));
                outgoing.pass(&event.raw, &mut self.outbox);
            }
            return;
        }
        if !unasked {
            reader.held_since.get_or_insert(now);
            reader.held_bytes += event.raw.len();
            reader.held.push(event.raw.clone());
            reader.noted.extend(chunk.events.iter().cloned());
        }
        let full = reader.held.len() >= HELD_EVENTS || reader.held_bytes >= HELD_BYTES;
        if reader.content || reader.finish.is_some() || full {
            self.commit_stream(leg, now, health);
        }
    }

    /// The response begins: this call answers, all others are closed, what was held back goes out.
    pub(super) fn commit_stream(&mut self, leg: &mut Leg, now: Millis, health: &mut Health) {
        let LegState::Stream(reader) = &mut leg.state else {
            return;
        };
        self.report.commit_buffer = reader.held_since.map_or(Millis(0), |since| now.since(since));
        self.delivery.identity = std::mem::take(&mut reader.identity);
        for said in std::mem::take(&mut reader.noted) {
            self.delivery.note(&said);
        }
        let held = std::mem::take(&mut reader.held);
        let bytes = match held.as_slice() {
            [one] => one.clone(),
            several => several
                .iter()
                .fold(BytesMut::with_capacity(reader.held_bytes), |mut all, one| {
                    all.extend_from_slice(one);
                    all
                })
                .freeze(),
        };
        self.commit(leg, "text/event-stream; charset=utf-8", true, now, health);
        if !bytes.is_empty() {
            self.outbox.push_back(Action::Emit(bytes));
        }
    }

    /// The stream has said all it has to say. `ended`: its body is over as well.
    pub(super) fn stream_complete(&mut self, mut leg: Leg, ended: bool, now: Millis, health: &mut Health) {
        let LegState::Stream(reader) = &mut leg.state else {
            return;
        };
        let done = reader.done_at.is_some();
        match self.delivery.form {
            Form::Stream => {
                if !self.delivery.begun() {
                    self.close(&leg, ended);
                    return self.failed(leg, &Symptom::NoAnswer { body: b"" }, now, health);
                }
                if let Some(joint) = &mut self.delivery.joint {
                    if !joint.settled() {
                        self.close(&leg, ended);
                        return self.diverged(leg, now, health);
                    }
                    self.end_continued();
                } else if !done {
                    self.outbox
                        .push_back(Action::Emit(Bytes::from_static(chat_encode::DONE)));
                }
            }
            Form::Whole => {
                let answered = reader.finish.is_some() || (done && reader.content);
                let whole = reader.aggregate.take().filter(|whole| answered && !whole.is_empty());
                let body = whole.map(Aggregator::finish);
                let Some(body) = body else {
                    self.close(&leg, ended);
                    return self.failed(leg, &Symptom::NoAnswer { body: b"" }, now, health);
                };
                self.commit(&leg, "application/json", false, now, health);
                self.outbox.push_back(Action::Emit(body));
            }
            Form::Text { .. } => {
                if !reader.content && reader.finish.is_none() {
                    self.close(&leg, ended);
                    return self.failed(leg, &Symptom::NoAnswer { body: b"" }, now, health);
                }
                self.commit(&leg, "", false, now, health);
            }
        }
        let wait = done && !ended;
        self.answered(leg, wait, !ended, now, health);
    }
}

fn collect(leg: &mut Leg, event: &SseEvent) -> Flow {
    let (LegState::Stream(reader), Some(data)) = (&mut leg.state, &event.data) else {
        return Flow::Go;
    };
    if data.trim_ascii() == b"[DONE]" {
        return Flow::Go;
    }
    match reader.aggregate.get_or_insert_with(Aggregator::default).push(data) {
        Err(AggregateError::TooLarge) => Flow::Unreadable,
        Err(AggregateError::Malformed(_)) | Ok(()) => Flow::Go,
    }
}
