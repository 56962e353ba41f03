//! All parts of a fusion together: whom an event is for, when the first of them wants to wake, what they cost.
//!
//! It must not know in which order parts are called, nor why.

use super::adviser_queue::AdviserQueue;
use super::output::Total;
use super::part::Part;
use super::progress;

/// The parts that have been called, and the advisers that wait.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) advisers: AdviserQueue,
    pub(super) judge: Option<Part>,
    /// The last one answers; a first one may have found the drafts too long.
    pub(super) synthesizers: Vec<Part>,
}

impl Parts {
    /// All that were called: advisers, judge, synthesizers.
    pub(super) fn called(&self) -> impl Iterator<Item = &Part> + Clone {
        let advice = self.advisers.parts().iter().chain(&self.judge);
        advice.chain(&self.synthesizers)
    }

    pub(super) fn called_mut(&mut self) -> impl Iterator<Item = &mut Part> {
        let advice = self.advisers.parts_mut().iter_mut().chain(&mut self.judge);
        advice.chain(&mut self.synthesizers)
    }

    /// Those that answer to nobody but the fusion itself.
    pub(super) fn advice_mut(&mut self) -> impl Iterator<Item = &mut Part> {
        self.advisers.parts_mut().iter_mut().chain(&mut self.judge)
    }

    /// What all calls so far took.
    pub(super) fn total(&self) -> Total {
        let (usage, cost) = progress::sum(self.called().map(Part::report));
        Total {
            usage: usage.unwrap_or_default(),
            cost,
            calls: self.called().map(|part| part.report().attempts.len()).sum(),
        }
    }
}
