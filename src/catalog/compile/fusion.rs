//! Bounds and references of a fusion profile. Outside: an error naming the field, never clamped.

use super::findings::At;
use super::{Names, Reference, check_model};
use crate::catalog::document::{DocumentErrorCode, FusionProfile};
use crate::catalog::{ModelId, NanoUsd};

/// Advisers of one profile.
const MAX_ADVISERS: usize = 8;
/// Fallbacks of a synthesizer: a route's targets without the first.
const MAX_FALLBACKS: usize = 15;

/// Everything that holds or fails whatever the rest of the catalog says.
pub(super) fn check_bounds(at: &mut At<'_>, profile: &FusionProfile) {
    if profile.id.as_str().contains(['/', ':']) {
        at.error(
            "/id",
            DocumentErrorCode::InvalidId,
            "a profile's id has no / and no :, callers name it clawrouter/fusion:<id>",
        );
    }
    check_advisers(at, profile);
    for (field, value, bounds) in [
        ("adviser_timeout_ms", profile.adviser_timeout_ms.0, 1_000..=120_000),
        (
            "adviser_first_token_ms",
            profile.adviser_first_token_ms.0,
            500..=120_000,
        ),
        ("straggler_grace_ms", profile.straggler_grace_ms.0, 0..=60_000),
        ("max_output_tokens", profile.max_output_tokens, 64..=4_096),
        ("max_input_chars", profile.max_input_chars, 1_000..=200_000),
        ("max_proposal_chars", profile.max_proposal_chars, 256..=20_000),
        ("deadline_ms", profile.deadline_ms.0, 1_000..=600_000),
        ("early_flush_ms", profile.early_flush_ms.0, 0..=60_000),
    ] {
        at.within(format_args!("/{field}"), value, bounds);
    }
    at.within("/temperature", profile.temperature, 0.0..=2.0);
    if profile.max_cost_usd == Some(NanoUsd::ZERO) {
        let message = "a cap of 0 would refuse every request: leave it out, or disable the profile";
        at.error("/max_cost_usd", DocumentErrorCode::OutOfBounds, message);
    }
    check_judge(at, profile);
    let synthesizer = &profile.synthesizer;
    at.at_most("/synthesizer/fallbacks", synthesizer.fallbacks.len(), MAX_FALLBACKS);
    at.distinct(
        "/synthesizer/fallbacks",
        synthesizer.fallbacks.iter().map(ModelId::as_str),
        "",
    );
    if let Some(index) = synthesizer
        .fallbacks
        .iter()
        .position(|model| *model == synthesizer.model)
    {
        let message = "the synthesizer itself cannot be its own fallback";
        at.error(
            format_args!("/synthesizer/fallbacks/{index}"),
            DocumentErrorCode::Duplicate,
            message,
        );
    }
}

/// Every model exists and none is virtual. Routes are virtual models too, so there is no way round it.
pub(super) fn check_references(at: &mut At<'_>, profile: &FusionProfile, names: &Names<'_>) {
    for (index, adviser) in profile.advisers.iter().enumerate() {
        check_model(
            at,
            names,
            &format!("/advisers/{index}/model"),
            &adviser.model,
            Reference::Required,
        );
    }
    if let Some(judge) = &profile.judge {
        check_model(at, names, "/judge/model", &judge.model, Reference::Required);
    }
    check_model(
        at,
        names,
        "/synthesizer/model",
        &profile.synthesizer.model,
        Reference::Required,
    );
    for (index, model) in profile.synthesizer.fallbacks.iter().enumerate() {
        check_model(
            at,
            names,
            &format!("/synthesizer/fallbacks/{index}"),
            model,
            Reference::Fallback,
        );
    }
}

/// The profile without fallbacks that were warned about.
pub(super) fn resolved(profile: &FusionProfile, names: &Names<'_>) -> FusionProfile {
    let mut resolved = profile.clone();
    resolved.synthesizer.fallbacks.retain(|model| names.has_model(model));
    resolved
}

fn check_advisers(at: &mut At<'_>, profile: &FusionProfile) {
    let count = profile.advisers.len();
    let least = usize::from(profile.enabled);
    if count < least || count > MAX_ADVISERS {
        let message = format!("an enabled profile has 1 to {MAX_ADVISERS} advisers, and this has {count}");
        at.error("/advisers", DocumentErrorCode::OutOfBounds, message);
    }
    at.distinct(
        "/advisers",
        profile.advisers.iter().map(|adviser| adviser.model.as_str()),
        "/model",
    );
    for (index, adviser) in profile.advisers.iter().enumerate() {
        if let Some(temperature) = adviser.temperature {
            at.within(format_args!("/advisers/{index}/temperature"), temperature, 0.0..=2.0);
        }
        if let Some(role) = &adviser.role {
            at.text(format_args!("/advisers/{index}/role"), role, 500);
        }
    }
    if let Some(quorum) = profile.quorum {
        let most = u32::try_from(if count == 0 { MAX_ADVISERS } else { count }).unwrap_or(u32::MAX);
        at.within("/quorum", quorum, 1..=most);
    }
}

fn check_judge(at: &mut At<'_>, profile: &FusionProfile) {
    let Some(judge) = profile.judge.as_ref().filter(|judge| judge.enabled) else {
        return;
    };
    if !profile.allow_self_judge && profile.advisers.iter().any(|adviser| adviser.model == judge.model) {
        let message = format!(
            "{} is also an adviser: choose another judge, or confirm with `allow_self_judge`",
            judge.model
        );
        at.error("/judge/model", DocumentErrorCode::Duplicate, message);
    }
}
