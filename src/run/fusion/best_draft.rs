//! A draft in the synthesizer's place: for which requests it may answer, and which draft that is.
//!
//! It must not know why the synthesizer failed, nor how an answer is written.

use super::inject::{self, Proposal};
use super::judge::Notes;
use crate::wire::{Call, json};

/// The judge's best, else the first adviser's.
pub(super) fn best_draft<'a>(
    proposals: &'a [Proposal],
    notes: Option<&Notes>,
    anonymise: bool,
) -> Option<&'a Proposal> {
    let best = notes.and_then(|notes| {
        proposals
            .iter()
            .find(|draft| inject::label(draft, anonymise) == notes.best)
    });
    best.or_else(|| proposals.first())
}

/// A draft is one plain text: it calls no tool and was held to no format.
pub(super) fn wants_plain_text(call: &Call) -> bool {
    let asks_for = |field| json::find(&call.fields, field).is_some();
    let format = json::find(&call.fields, "response_format").and_then(|field| call.body.get(field.value.clone()));
    let free = format.is_none_or(|format| {
        let format: Option<serde_json::Value> = serde_json::from_slice(format).ok();
        format.is_some_and(|format| format.is_null() || format.get("type").is_some_and(|kind| kind == "text"))
    });
    let tools = call.needs.tools || asks_for("functions");
    free && !tools && !call.needs.json_schema && call.choices == 1 && !asks_for("audio")
}
