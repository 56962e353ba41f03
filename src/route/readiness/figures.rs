//! What a fusion reserves, usually costs and usually takes, beside its synthesizer alone.

use crate::catalog::{FusionProfile, Model, ModelId, NanoUsd};
use crate::route::executable::World;
use crate::route::fusion_slots::{PricedSlot, priced_slots};
use crate::route::plan::Stage;
use serde::Serialize;

/// Output tokens of a usual answer of a synthesizer, where nothing was measured.
const USUAL_OUTPUT: u64 = 500;

/// Figures of a profile, whoever asks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Calls of one request, at most.
    pub calls_max: usize,
    /// What a request of about 1,000 tokens reserves; null when a model is unpriced.
    #[serde(with = "crate::catalog::money::optional_usd")]
    pub reserve_usd: Option<NanoUsd>,
    /// What it usually costs.
    #[serde(with = "crate::catalog::money::optional_usd")]
    pub typical_cost_usd: Option<NanoUsd>,
    /// How long it usually takes.
    pub typical_ms: Option<u64>,
    /// Usual cost divided by that of the synthesizer alone.
    pub cost_multiple: Option<f64>,
    /// Usual time divided by that of the synthesizer alone.
    pub time_multiple: Option<f64>,
    /// The synthesizer without advisers.
    pub synthesizer_alone: Alone,
}

/// A synthesizer by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alone {
    /// What it reserves.
    #[serde(with = "crate::catalog::money::optional_usd")]
    pub reserve_usd: Option<NanoUsd>,
    /// How long it usually takes.
    pub typical_ms: Option<u64>,
}

pub(super) fn figures(profile: &FusionProfile, world: &World) -> Figures {
    let (slots, alone) = priced_slots(profile, world);
    let sum = |cost: fn(&PricedSlot) -> Option<NanoUsd>| {
        slots
            .iter()
            .map(cost)
            .try_fold(NanoUsd(0), |sum, cost| Some(sum.saturating_add(cost?)))
    };
    let typical = sum(|slot| slot.typical);
    let duration = |slot: &PricedSlot| durations(&slot.model, usual(slot.stage, slot.output_tokens), world).0;
    let longest = |stage: Stage| {
        let durations: Option<Vec<u64>> = slots.iter().filter(|slot| slot.stage == stage).map(duration).collect();
        durations.map(|durations| durations.into_iter().max().unwrap_or(0))
    };
    let stages = [Stage::Adviser, Stage::Judge, Stage::Synthesizer];
    let typical_ms = stages
        .into_iter()
        .map(longest)
        .try_fold(0u64, |sum, ms| Some(sum.saturating_add(ms?)));
    let alone_ms = longest(Stage::Synthesizer);
    Figures {
        calls_max: slots.len(),
        reserve_usd: sum(|slot| slot.reserve),
        typical_cost_usd: typical,
        typical_ms,
        cost_multiple: ratio(typical.map(|cost| cost.0), alone.typical.map(|cost| cost.0)),
        time_multiple: ratio(typical_ms, alone_ms),
        synthesizer_alone: Alone {
            reserve_usd: alone.reserve,
            typical_ms: alone_ms,
        },
    }
}

/// Output tokens of a usual answer of a stage that may write `most`.
pub(super) fn usual(stage: Stage, most: u64) -> u64 {
    match stage {
        Stage::Synthesizer | Stage::Answer => USUAL_OUTPUT.min(most),
        Stage::Adviser | Stage::Judge => most / 2,
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people, two decimals")]
fn ratio(whole: Option<u64>, part: Option<u64>) -> Option<f64> {
    let (whole, part) = (whole?, part.filter(|part| *part > 0)?);
    Some((whole as f64 / part as f64 * 100.0).round() / 100.0)
}

/// Usual and long duration of a call with so many output tokens: measured first token and speed, else the imported ones.
pub(super) fn durations(model: &ModelId, output_tokens: u64, world: &World) -> (Option<u64>, Option<u64>) {
    let Some(document) = world.catalog.model(model.as_str()) else {
        return (None, None);
    };
    let stats = world.health.target(model);
    let measured = stats.and_then(|stats| stats.ttft.iter().max_by_key(|quantiles| quantiles.samples()));
    let measured = measured.filter(|quantiles| quantiles.samples() > 0);
    let speed = stats
        .filter(|stats| stats.tokens_per_second.samples > 0)
        .map(|stats| stats.tokens_per_second.value);
    let Some(speed) = speed
        .or_else(|| imported(&document, "throughput", "p50"))
        .filter(|speed| *speed > 0.0)
    else {
        return (None, None);
    };
    let at = |thousandths, name| {
        let first = measured
            .and_then(|quantiles| quantiles.quantile(thousandths))
            .map(|ms| ms.0);
        first.or_else(|| imported(&document, "latency", name).map(milliseconds))
    };
    #[expect(clippy::cast_precision_loss, reason = "output tokens are far below 2^52")]
    let generating = milliseconds(output_tokens as f64 / speed);
    let total = |first: Option<u64>| first.map(|first| first.saturating_add(generating));
    (total(at(500, "p50")), total(at(950, "p90")))
}

fn imported(model: &Model, figure: &str, percentile: &str) -> Option<f64> {
    model.performance.get(figure)?.get(percentile).copied()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to a day on the same line"
)]
fn milliseconds(seconds: f64) -> u64 {
    (seconds.clamp(0.0, 86_400.0) * 1000.0).round() as u64
}
