//! What moves targets that passed every gate: the caller's own order, demotions, order groups, `sort`, weights, cooling.
//!
//! One stable order: level (a caller's own order of models), soft demotion, the caller's order of providers, order group, then
//! `sort` or the seeded weighted draw, then id. Cooling targets go behind all others, soonest first.

use super::candidates::{Asker, Ready, is_provider};
use super::dice::mix;
use super::health::stats::TRUSTED_SAMPLES;
use super::plan::Target;
use crate::catalog::Model;
use crate::wire::ProviderPreferences;
use crate::wire::call::ProviderSort;

/// Sorts in place and flags the soonest cooling target as last resort.
pub(super) fn order(ready: &mut Vec<Ready>, asker: &Asker) {
    let preferences = &asker.call.controls.provider;
    let position = |ready: &Ready| {
        let names = &preferences.order;
        names
            .iter()
            .position(|name| is_provider(name, &ready.target.provider))
            .unwrap_or(names.len())
    };
    let mut keyed: Vec<_> = std::mem::take(ready)
        .into_iter()
        .map(|one| {
            let group = (one.level, !one.notes.is_empty(), position(&one), one.target.order);
            (group, fine_key(&one, asker), one)
        })
        .collect();
    keyed.sort_by(|(group, fine, one), (other_group, other_fine, other)| {
        group
            .cmp(other_group)
            .then_with(|| fine.total_cmp(other_fine))
            .then_with(|| one.target.model.id.cmp(&other.target.model.id))
    });
    let (mut free, mut cooling) = (Vec::new(), Vec::new());
    for (index, (_, _, mut one)) in keyed.into_iter().enumerate() {
        one.target.index = u32::try_from(index).unwrap_or(u32::MAX);
        if one.cooling.is_some() {
            cooling.push(one);
        } else {
            free.push(one);
        }
    }
    // Stable: of those that come back together the earlier in order goes first.
    cooling.sort_by_key(|one| one.cooling);
    if let Some(soonest) = cooling.first_mut() {
        soonest.target.last_resort = true;
        soonest.notes.push("last resort".to_owned());
    }
    free.append(&mut cooling);
    *ready = free;
}

/// Which soft preferences a target does not meet.
pub(super) fn demotions(target: &Target, asker: &Asker) -> Vec<String> {
    let ProviderPreferences {
        preferred_min_throughput,
        preferred_max_latency,
        ..
    } = &asker.call.controls.provider;
    let slow = preferred_min_throughput.is_some_and(|least| throughput(target, asker).is_some_and(|own| own < least));
    let late = preferred_max_latency.is_some_and(|most| latency(target, asker).is_some_and(|own| own > most));
    [(slow, "demoted: throughput"), (late, "demoted: latency")]
        .into_iter()
        .filter(|(demoted, _)| *demoted)
        .map(|(_, note)| note.to_owned())
        .collect()
}

/// Smaller goes first within a group: price, slowness, or a weighted draw.
fn fine_key(ready: &Ready, asker: &Asker) -> f64 {
    let unknown = f64::MAX;
    match asker.call.controls.provider.sort {
        Some(ProviderSort::Price) => ready.target.model.price.as_ref().map_or(unknown, |price| {
            price.input.approximate_usd_per_million() + price.output.approximate_usd_per_million()
        }),
        Some(ProviderSort::Throughput) => throughput(&ready.target, asker).map_or(unknown, |tokens| -tokens),
        Some(ProviderSort::Latency) => latency(&ready.target, asker).unwrap_or(unknown),
        // The exponential race: -ln(u)/w makes a target first with probability w over the sum of weights.
        None => {
            let name = ready
                .target
                .model
                .id
                .as_str()
                .bytes()
                .fold(asker.seed, |hash, byte| mix(hash ^ u64::from(byte)));
            #[expect(clippy::cast_precision_loss, reason = "53 bits are kept on purpose")]
            let unit = ((name >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
            if ready.weight == 0 {
                unknown
            } else {
                -unit.ln() / f64::from(ready.weight)
            }
        }
    }
}

/// Figures of a target: measured once trusted, else imported.
fn throughput(target: &Target, asker: &Asker) -> Option<f64> {
    let measured = asker
        .world
        .health
        .target(&target.model.id)
        .and_then(|stats| stats.tokens_per_second.trusted());
    measured.or_else(|| imported(&target.model, "throughput"))
}

fn latency(target: &Target, asker: &Asker) -> Option<f64> {
    let stats = asker.world.health.target(&target.model.id);
    let measured = stats
        .filter(|stats| stats.ttft_ms.samples >= TRUSTED_SAMPLES)
        .map(|stats| stats.ttft_ms.value / 1000.0);
    measured.or_else(|| imported(&target.model, "latency"))
}

fn imported(model: &Model, figure: &str) -> Option<f64> {
    model.performance.get(figure)?.get("p50").copied()
}
