//! A run that somebody tries on the admin page: what its upstream said is kept beside it, for that person's eyes only. It is part of the
//! answer to the trial, never of a report, a row or a log.

use super::engine::Run;
use super::machine::{Action, CallId, Event, Machine};
use super::report::Report;
use crate::catalog::Secret;
use crate::route::health::Health;
use crate::wire::{Millis, upstream_error};
use serde::Serialize;
use std::cell::RefCell;
use std::rc::Rc;

/// Bytes of an error body that are kept.
const MAX_BODY: usize = 16 * 1024;

/// Headers under which upstreams name a request.
const REQUEST_IDS: [&str; 2] = ["x-request-id", "request-id"];

/// Shorter header values are no credentials.
const SHORTEST_SECRET: usize = 8;

/// What the upstream of the last call said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The answer's text, as far as the run kept it.
    pub answer: Option<String>,
    /// The last error answer.
    pub error: Option<ErrorAnswer>,
}

/// An upstream's error answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErrorAnswer {
    /// HTTP status.
    pub status: u16,
    /// Its code, else its type; empty when it named none.
    pub code: String,
    /// Its message; the body as it came when that is no error object. A credential that it repeats is blotted out.
    pub message: String,
    /// The upstream's own name of the request.
    pub request_id: Option<String>,
}

/// Runs a run and listens.
pub struct Witness {
    run: Run,
    hears: Option<Hears>,
    /// What the last call was sent with.
    sent: Vec<Secret>,
    said: Rc<RefCell<Said>>,
}

/// The error body of one call, as far as it has come.
struct Hears {
    call: CallId,
    status: u16,
    request_id: Option<String>,
    body: Vec<u8>,
}

impl Witness {
    /// Listens to `run`; what is said can be read through the second value, also after the run has ended.
    pub fn of(run: Run) -> (Self, Rc<RefCell<Said>>) {
        let said = Rc::new(RefCell::new(Said::default()));
        let witness = Self {
            run,
            hears: None,
            sent: Vec::new(),
            said: Rc::clone(&said),
        };
        (witness, said)
    }

    fn listen(&mut self, event: &Event) {
        match event {
            Event::Headers { call, status, headers } => {
                self.note();
                let named = |name: &&str| headers.iter().find(|(header, _)| header == name);
                self.hears = (*status >= 400).then(|| Hears {
                    call: *call,
                    status: *status,
                    request_id: REQUEST_IDS.iter().find_map(named).map(|(_, value)| value.clone()),
                    body: Vec::new(),
                });
            }
            Event::Data { call, bytes } => {
                if let Some(hears) = self.hears.as_mut().filter(|hears| hears.call == *call) {
                    let room = MAX_BODY.saturating_sub(hears.body.len());
                    hears.body.extend(bytes.iter().take(room));
                }
            }
            Event::End { .. } | Event::Broken { .. } => self.note(),
            Event::Tick | Event::CallerGone => {}
        }
    }

    /// What was heard so far becomes what was said.
    fn note(&mut self) {
        if let Some(hears) = self.hears.take() {
            let mut error = hears.error();
            for sent in &self.sent {
                let bare = sent.expose().rsplit(' ').next().unwrap_or_default();
                if bare.len() >= SHORTEST_SECRET {
                    error.message = error.message.replace(bare, "[credential]");
                }
            }
            self.said.borrow_mut().error = Some(error);
        }
    }
}

impl Hears {
    fn error(self) -> ErrorAnswer {
        let read = upstream_error::read(&self.body).filter(|error| !error.message.is_empty());
        let (code, message) = match read {
            Some(error) if error.code.is_empty() => (error.kind, error.message),
            Some(error) => (error.code, error.message),
            None => (String::new(), String::from_utf8_lossy(&self.body).trim().to_owned()),
        };
        ErrorAnswer {
            status: self.status,
            code,
            message,
            request_id: self.request_id,
        }
    }
}

impl Machine for Witness {
    fn handle(&mut self, now: Millis, event: Event, health: &mut Health) {
        self.listen(&event);
        self.run.handle(now, event, health);
        if self.run.ended() {
            self.note();
            let text = self.run.text().filter(|text| !text.is_empty()).map(str::to_owned);
            self.said.borrow_mut().answer = text;
        }
    }

    fn poll(&mut self) -> Option<Action> {
        let action = self.run.poll();
        if let Some(Action::Call(request)) = &action {
            let values = request.headers.iter().filter(|(name, _)| name != "content-type");
            self.sent = values.map(|(_, value)| value.clone()).collect();
        }
        action
    }

    fn next_wake(&self) -> Option<Millis> {
        self.run.next_wake()
    }

    fn report(&self) -> &Report {
        self.run.report()
    }
}
