//! Reads the second call of a stream that was cut: its text is joined to what the caller has, everything it says goes out under the
//! identity of the first stream.

use super::Run;
use super::leg::{Leg, LegState};
use super::stream::Flow;
use crate::route::health::Health;
use crate::run::machine::Action;
use crate::run::recover::{Joined, Joint};
use crate::wire::chat_stream::{self, ChatChunk};
use crate::wire::event::StreamEvent;
use crate::wire::sse::SseEvent;
use crate::wire::{Millis, chat_encode};
use bytes::Bytes;

impl Run {
    /// One event of a continued answer.
    pub(super) fn continue_with(
        &mut self,
        leg: &mut Leg,
        event: &SseEvent,
        chunk: &ChatChunk,
        now: Millis,
        health: &mut Health,
    ) -> Flow {
        let LegState::Stream(reader) = &leg.state else {
            return Flow::Go;
        };
        let content = reader.content;
        if content && !std::mem::replace(&mut self.delivery.continued, true) {
            health.record_success(&leg.dispatch, false, now);
            if let Some(attempt) = self.report.attempts.get_mut(leg.attempt) {
                attempt.committed = true;
            }
        }
        let texts = chunk.events.iter().any(|said| matches!(said, StreamEvent::Text { .. }));
        for said in &chunk.events {
            let flow = match said {
                StreamEvent::Text { choice: 0, text } => self.join(text),
                StreamEvent::Finish { choice, reason } => {
                    self.say_rest();
                    if self.delivery.joint.as_ref().is_some_and(|joint| !joint.settled()) {
                        return Flow::Diverged;
                    }
                    let event = chat_encode::finish(&self.delivery.identity, *choice, reason);
                    self.outbox.push_back(Action::Emit(event));
                    Flow::Go
                }
                StreamEvent::Usage(usage) if self.input.call.include_usage => {
                    self.outbox
                        .push_back(Action::Emit(chat_encode::usage(&self.delivery.identity, usage)));
                    Flow::Go
                }
                StreamEvent::Tool { .. } | StreamEvent::Refusal { .. } | StreamEvent::Other if !texts => {
                    self.pass_renamed(event)
                }
                // Reasoning was read, or belongs to text that was read.
                _ => Flow::Go,
            };
            if !matches!(flow, Flow::Go) {
                return flow;
            }
        }
        Flow::Go
    }

    /// The end of a continued answer.
    pub(super) fn end_continued(&mut self) {
        self.say_rest();
        self.outbox
            .push_back(Action::Emit(Bytes::from_static(chat_encode::DONE)));
    }

    fn join(&mut self, text: &str) -> Flow {
        match self.delivery.joint.as_mut().map(|joint| joint.push(text)) {
            Some(Joined::Send(text)) => {
                self.say(&text);
                Flow::Go
            }
            Some(Joined::Diverged) => Flow::Diverged,
            None => Flow::Go,
        }
    }

    /// The last piece, which may still be held back.
    fn say_rest(&mut self) {
        let rest = self.delivery.joint.as_mut().map(Joint::rest).unwrap_or_default();
        self.say(&rest);
    }

    fn say(&mut self, text: &str) {
        if !text.is_empty() {
            self.outbox
                .push_back(Action::Emit(chat_encode::text(&self.delivery.identity, 0, text)));
        }
    }

    /// Tool calls and the like follow the text, never stand in for it.
    fn pass_renamed(&mut self, event: &SseEvent) -> Flow {
        if self.delivery.joint.as_ref().is_some_and(|joint| !joint.settled()) {
            return Flow::Diverged;
        }
        let renamed = event
            .data
            .as_ref()
            .and_then(|data| chat_stream::with_identity(data, &self.delivery.identity));
        self.outbox.extend(renamed.map(Action::Emit));
        Flow::Go
    }
}
