//! The advisers of a fusion: who waits for a free connection, who drafts, and how long the last of them are waited for.
//!
//! It must not know what follows from that: how a part is started, which part comes next and what the caller sees is the machine's.

use super::part::{Part, PartInput};
use crate::catalog::FusionProfile;
use crate::route::health::Health;
use crate::wire::Millis;
use std::collections::VecDeque;

/// Workers lets one request wait for the response headers of six connections at once; a further one would wait in the platform, unseen,
/// while its timers run (<https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>).
const MAX_UNANSWERED: usize = 6;

/// Advisers that wait for a free connection, and those that were called.
#[derive(Debug, Default)]
pub(super) struct AdviserQueue {
    waiting: VecDeque<PartInput>,
    called: Vec<Part>,
    /// When the stragglers are given up; set as soon as a quorum of drafts is in.
    grace_until: Option<Millis>,
}

impl AdviserQueue {
    /// All wait.
    pub(super) fn new(advisers: Vec<PartInput>) -> Self {
        Self {
            waiting: advisers.into(),
            ..Self::default()
        }
    }

    /// The next one to call, when a connection is free for it.
    pub(super) fn next(&mut self) -> Option<PartInput> {
        let unanswered: usize = self.called.iter().map(Part::unanswered).sum();
        if unanswered < MAX_UNANSWERED {
            self.waiting.pop_front()
        } else {
            None
        }
    }

    /// `adviser` was called.
    pub(super) fn called(&mut self, adviser: Part) {
        self.called.push(adviser);
    }

    /// True when none was ever called.
    pub(super) fn is_empty(&self) -> bool {
        self.called.is_empty()
    }

    /// Those that have not been called never will be.
    pub(super) fn close(&mut self) {
        self.waiting.clear();
    }

    /// True while a further draft is worth waiting for: once a quorum of `drafts` is in, the others have only a grace.
    pub(super) fn is_worth_waiting(&mut self, drafts: usize, profile: &FusionProfile, now: Millis) -> bool {
        if self.waiting.is_empty() && self.called.iter().all(|part| part.closed) {
            return false;
        }
        let quorum = profile.quorum.and_then(|quorum| usize::try_from(quorum).ok());
        if self.grace_until.is_none() && quorum.is_some_and(|quorum| drafts >= quorum) {
            self.grace_until = Some(now.plus(profile.straggler_grace_ms));
        }
        self.grace_until.is_none_or(|until| now < until)
    }

    /// Nobody is waited for any more: the stragglers' calls are closed.
    pub(super) fn give_up(&mut self, now: Millis, health: &mut Health) {
        self.close();
        self.grace_until = None;
        for part in self.called.iter_mut().filter(|part| !part.closed) {
            part.cancel(now, health);
        }
    }

    /// When the grace ends.
    pub(super) fn next_wake(&self) -> Option<Millis> {
        self.grace_until
    }

    /// Those that were called, in the order of calling.
    pub(super) fn parts(&self) -> &[Part] {
        &self.called
    }

    pub(super) fn parts_mut(&mut self) -> &mut [Part] {
        &mut self.called
    }
}
