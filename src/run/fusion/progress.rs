//! What a fusion is doing, for test prompts and opt-in traces. Texts in here go to the person who asked, never into logs.

use super::judge::Notes;
use crate::catalog::{ModelId, NanoUsd};
use crate::route::Stage;
use crate::run::report::Report;
use crate::wire::{Millis, Usage};

/// One step of a fusion. Moments count from the request's begin.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// A part has begun.
    Called {
        /// Which part.
        slot: Slot,
        /// Who is asked first.
        model: ModelId,
        /// When.
        at: Millis,
    },
    /// Its first content arrived.
    FirstToken {
        /// Which part.
        slot: Slot,
        /// When.
        at: Millis,
    },
    /// More of its text.
    Text {
        /// Which part.
        slot: Slot,
        /// The new text.
        text: String,
    },
    /// It ended.
    Ended {
        /// Which part.
        slot: Slot,
        /// When.
        at: Millis,
        /// Did it answer?
        ok: bool,
        /// Token counts over all its calls, when the upstream told any.
        usage: Option<Usage>,
        /// Cost over all its calls, when known.
        cost: Option<NanoUsd>,
        /// Class of its failure, or `cancelled`.
        class: Option<&'static str>,
    },
    /// The judge's notes.
    Notes(Notes),
    /// The exact system message that carries the drafts.
    Injected(String),
}

/// Names a part of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Adviser, judge or synthesizer; [`Stage::Answer`] is the synthesizer alone, beside a test prompt.
    pub stage: Stage,
    /// Slot of the adviser in its profile; of the others the number of the try.
    pub index: u32,
}

impl Slot {
    /// `A1`, `J`, `S`, `B`.
    pub fn name(self) -> String {
        match self.stage {
            Stage::Adviser => format!("A{}", self.index.saturating_add(1)),
            Stage::Judge => "J".to_owned(),
            Stage::Synthesizer => "S".to_owned(),
            Stage::Answer => "B".to_owned(),
        }
    }
}

/// Watches one part and says what is new.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    first_token: bool,
    text_bytes: usize,
    ended: bool,
}

/// How a part stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing<'a> {
    pub(super) slot: Slot,
    pub(super) report: &'a Report,
    /// Its text so far, when the watcher wants it.
    pub(super) text: Option<&'a str>,
    /// Did it answer? `None`: not over.
    pub(super) ended: Option<bool>,
    /// When the request began.
    pub(super) began: Millis,
    pub(super) now: Millis,
}

impl Watch {
    pub(super) fn look(&mut self, part: &Standing<'_>, out: &mut Vec<Progress>) {
        if self.ended {
            return;
        }
        let slot = part.slot;
        let first = part.report.attempts.iter().find_map(|attempt| attempt.first_token_at);
        if let (false, Some(at)) = (self.first_token, first) {
            self.first_token = true;
            let at = at.since(part.began);
            out.push(Progress::FirstToken { slot, at });
        }
        if let Some(text) = part.text {
            // A second try begins anew.
            let from = if text.len() < self.text_bytes {
                0
            } else {
                self.text_bytes
            };
            if let Some(new) = text.get(from..).filter(|new| !new.is_empty()) {
                let text = new.to_owned();
                out.push(Progress::Text { slot, text });
            }
            self.text_bytes = text.len();
        }
        if let Some(ok) = part.ended {
            self.ended = true;
            out.push(Progress::Ended {
                slot,
                at: part.now.since(part.began),
                ok,
                usage: sum([part.report]).0,
                cost: sum([part.report]).1,
                class: if ok { None } else { Some(class_of(part.report)) },
            });
        }
    }
}

fn class_of(report: &Report) -> &'static str {
    let told = report.attempts.last().and_then(|attempt| attempt.class);
    match told.or(report.error_class) {
        Some(class) => class.as_str(),
        None if report.outcome == crate::run::report::Outcome::CallerGone => "cancelled",
        None => "empty",
    }
}

/// Token counts and cost over all calls of these reports, as far as upstreams told them; the cost is unknown when a counted call is
/// unpriced.
pub(super) fn sum<'a>(reports: impl IntoIterator<Item = &'a Report>) -> (Option<Usage>, Option<NanoUsd>) {
    let mut total: Option<Usage> = None;
    let mut cost = Some(NanoUsd(0));
    let attempts = reports.into_iter().flat_map(|report| &report.attempts);
    for (usage, price) in attempts.filter_map(|attempt| Some((attempt.usage?, attempt.price.as_ref()))) {
        let sum = total.get_or_insert_with(Usage::default);
        sum.input_tokens = sum.input_tokens.saturating_add(usage.input_tokens);
        sum.output_tokens = sum.output_tokens.saturating_add(usage.output_tokens);
        sum.cached_tokens = sum.cached_tokens.saturating_add(usage.cached_tokens);
        sum.cache_write_tokens = sum.cache_write_tokens.saturating_add(usage.cache_write_tokens);
        sum.reasoning_tokens = sum.reasoning_tokens.saturating_add(usage.reasoning_tokens);
        cost = cost
            .zip(price)
            .map(|(sum, price)| sum.saturating_add(price.cost(&usage)));
    }
    (total, cost.filter(|_| total.is_some()))
}
