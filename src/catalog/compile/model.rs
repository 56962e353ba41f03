//! Bounds and references of a model.

use super::Names;
use super::findings::At;
use crate::catalog::Price;
use crate::catalog::document::{ContextVariant, DocumentErrorCode, Model, pointer_segment};

/// The closed list of catalog/README.md.
const CAPABILITIES: [&str; 13] = [
    "chat",
    "responses",
    "messages",
    "embeddings",
    "completions",
    "tools",
    "vision",
    "audio",
    "json_schema",
    "json_mode",
    "reasoning",
    "prefill",
    "temperature",
];
/// Tokens; ten times the largest window known.
const MAX_TOKENS: u64 = 100_000_000;

pub(super) fn check(at: &mut At<'_>, model: &Model, names: &Names<'_>) {
    let prefix = format!("{}/", model.provider);
    let name = model.id.as_str().strip_prefix(&prefix);
    if name.is_none_or(str::is_empty) {
        at.error(
            "/id",
            DocumentErrorCode::InvalidId,
            format!("must be {prefix} and a name, as its provider is {}", model.provider),
        );
    }
    if !names.providers.contains(model.provider.as_str()) {
        let message = format!("there is no provider {}", model.provider);
        at.error("/provider", DocumentErrorCode::UnknownReference, message);
    }
    at.text("/upstream", &model.upstream, 200);
    for (pointer, text) in [
        ("/display_name", &model.display_name),
        ("/family", &model.family),
        ("/quantization", &model.quantization),
    ] {
        if let Some(text) = text {
            at.text(pointer, text, 200);
        }
    }
    check_capabilities(at, "/capabilities", &model.capabilities);
    for (pointer, tokens) in [
        ("/context_window", model.context_window),
        ("/max_output_tokens", model.max_output_tokens),
    ] {
        if let Some(tokens) = tokens {
            check_tokens(at, pointer, tokens);
        }
    }
    if let Some(price) = &model.price {
        check_price(at, "/price", price);
    }
    check_variants(at, "/context_variants", &model.context_variants);
    check_figures(at, model);
}

pub(super) fn check_capabilities(at: &mut At<'_>, pointer: &str, capabilities: &[String]) {
    for (index, word) in capabilities.iter().enumerate() {
        if !CAPABILITIES.contains(&word.as_str()) {
            let known = CAPABILITIES.join(", ");
            let message = format!("this is no capability; the list is {known}");
            at.error(
                format_args!("{pointer}/{index}"),
                DocumentErrorCode::InvalidValue,
                message,
            );
        }
    }
    at.distinct(pointer, capabilities.iter().map(String::as_str), "");
}

pub(super) fn check_tokens(at: &mut At<'_>, pointer: &str, tokens: u64) {
    at.within(pointer, tokens, 1..=MAX_TOKENS);
}

pub(super) fn check_price(at: &mut At<'_>, pointer: &str, price: &Price) {
    at.at_most(format_args!("{pointer}/tiers"), price.tiers.len(), 8);
    let mut above = None;
    for (index, tier) in price.tiers.iter().enumerate() {
        let threshold = Some(tier.above_input_tokens);
        if threshold <= above || tier.above_input_tokens == 0 {
            let message = "tiers stand in ascending order of their threshold, which is at least 1";
            at.error(
                format_args!("{pointer}/tiers/{index}/above_input_tokens"),
                DocumentErrorCode::OutOfBounds,
                message,
            );
        }
        above = threshold;
    }
    if price.effective.as_deref().is_some_and(|day| !is_day(day)) {
        at.error(
            format_args!("{pointer}/effective"),
            DocumentErrorCode::InvalidValue,
            "must be a day: YYYY-MM-DD",
        );
    }
    if let Some(source) = &price.source {
        at.text(format_args!("{pointer}/source"), source, 2048);
    }
}

pub(super) fn check_variants(at: &mut At<'_>, pointer: &str, variants: &[ContextVariant]) {
    at.at_most(pointer, variants.len(), 16);
    let mut below = u64::MAX;
    for (index, variant) in variants.iter().enumerate() {
        let here = format!("{pointer}/{index}");
        at.within(format_args!("{here}/max_input"), variant.max_input, 1..=MAX_TOKENS);
        if variant.max_input >= below {
            let message = "context tiers stand largest first";
            at.error(
                format_args!("{here}/max_input"),
                DocumentErrorCode::OutOfBounds,
                message,
            );
        }
        below = variant.max_input;
        super::provider::check_headers(at, &format!("{here}/add_header"), &variant.add_header);
        if let Some(upstream) = &variant.upstream {
            at.text(format_args!("{here}/upstream"), upstream, 200);
        }
    }
}

fn check_figures(at: &mut At<'_>, model: &Model) {
    for (name, share) in &model.skills {
        at.within(format_args!("/skills/{}", pointer_segment(name)), *share, 0.0..=1.0);
    }
    for (name, percentile) in &model.benchmarks {
        at.within(
            format_args!("/benchmarks/{}", pointer_segment(name)),
            *percentile,
            0.0..=100.0,
        );
    }
    for (name, figures) in &model.performance {
        for (percentile, figure) in figures {
            let pointer = format!("/performance/{}/{}", pointer_segment(name), pointer_segment(percentile));
            at.within(pointer, *figure, 0.0..=1_000_000.0);
        }
    }
    at.at_most("/skills", model.skills.len(), 32);
    at.at_most("/benchmarks", model.benchmarks.len(), 64);
    at.at_most("/performance", model.performance.len(), 16);
    if let Some(availability) = model.availability {
        at.within("/availability", availability, 0.0..=1.0);
    }
}

fn is_day(day: &str) -> bool {
    let parts: Vec<&str> = day.split('-').collect();
    let [year, month, date] = parts.as_slice() else {
        return false;
    };
    let number = |text: &str, length: usize| {
        let good = text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
        good.then(|| text.parse::<u32>().ok()).flatten()
    };
    number(year, 4).is_some()
        && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
        && number(date, 2).is_some_and(|date| (1..=31).contains(&date))
}
