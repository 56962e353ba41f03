//! Bounds and references of a configured route. Its first target must exist; others that do not are skipped.

use super::findings::At;
use super::{Names, Reference, check_model};
use crate::catalog::ModelId;
use crate::catalog::document::{DocumentErrorCode, Route};
use crate::wire::Millis;

/// Targets of one route, and of each of its special lists.
const MAX_TARGETS: usize = 16;

pub(super) fn check(at: &mut At<'_>, route: &Route, names: &Names<'_>) {
    let id = route.id.as_str();
    if ["auto", "fusion"].contains(&id) || ["auto:", "fusion:"].iter().any(|prefix| id.starts_with(prefix)) {
        let message = format!("clawrouter/{id} is a model of the router itself: choose another id");
        at.error("/id", DocumentErrorCode::InvalidId, message);
    }
    check_targets(at, route, names);
    for (field, models) in [
        ("context_targets", &route.context_targets),
        ("content_policy_targets", &route.content_policy_targets),
    ] {
        at.at_most(format_args!("/{field}"), models.len(), MAX_TARGETS);
        for (index, model) in models.iter().enumerate() {
            check_model(at, names, &format!("/{field}/{index}"), model, Reference::Fallback);
        }
    }
    let retry = &route.retry;
    at.within("/retry/max_attempts", retry.max_attempts, 1..=32);
    at.within("/retry/same_target", retry.same_target, 0..=8);
    at.within("/retry/base_ms", retry.base_ms.0, 0..=60_000);
    at.within("/retry/cap_ms", retry.cap_ms.0, 0..=60_000);
    at.within(
        "/retry/retry_after_wait_max_ms",
        retry.retry_after_wait_max_ms.0,
        0..=60_000,
    );
    at.within("/hedge/budget", route.hedge.budget, 0.0..=1.0);
    if let Some(Millis(deadline)) = route.deadline_ms {
        at.within("/deadline_ms", deadline, 100..=3_600_000);
    }
}

fn check_targets(at: &mut At<'_>, route: &Route, names: &Names<'_>) {
    if route.targets.is_empty() {
        at.error(
            "/targets",
            DocumentErrorCode::OutOfBounds,
            "a route needs at least one target",
        );
    }
    at.at_most("/targets", route.targets.len(), MAX_TARGETS);
    let primary = primary(route);
    for (index, target) in route.targets.iter().enumerate() {
        let reference = if Some(index) == primary {
            Reference::Required
        } else {
            Reference::Fallback
        };
        check_model(at, names, &format!("/targets/{index}/model"), &target.model, reference);
        if let Some(pool) = &target.pool
            && !names.pools.contains(pool.as_str())
        {
            let message = format!("there is no credential pool {pool}");
            at.error(
                format_args!("/targets/{index}/pool"),
                DocumentErrorCode::UnknownReference,
                message,
            );
        }
        at.within(format_args!("/targets/{index}/order"), target.order, 0..=1000);
        at.within(format_args!("/targets/{index}/weight"), target.weight, 0..=1000);
        if let Some(tokens) = target.context_window {
            super::model::check_tokens(at, &format!("/targets/{index}/context_window"), tokens);
        }
        super::model::check_variants(
            at,
            &format!("/targets/{index}/context_variants"),
            &target.context_variants,
        );
        if repeats_earlier(route, index) {
            at.warn(format_args!(
                "/targets/{index}: {} stands here twice, the later one is skipped",
                target.model
            ));
        }
    }
}

/// The route without what was warned about.
pub(super) fn resolved(route: &Route, names: &Names<'_>) -> Route {
    let known = |models: &[ModelId]| models.iter().filter(|model| names.has_model(model)).cloned().collect();
    let targets = route.targets.iter().enumerate();
    let kept = targets.filter(|(index, target)| names.has_model(&target.model) && !repeats_earlier(route, *index));
    Route {
        targets: kept.map(|(_, target)| target.clone()).collect(),
        context_targets: known(&route.context_targets),
        content_policy_targets: known(&route.content_policy_targets),
        ..route.clone()
    }
}

/// Index of the target that is tried first: the lowest `order`, the first one of it.
fn primary(route: &Route) -> Option<usize> {
    let places = route.targets.iter().enumerate();
    places
        .min_by_key(|(index, target)| (target.order, *index))
        .map(|(index, _)| index)
}

/// Does an earlier entry name the same model, paid by the same pool, in the same context tiers?
fn repeats_earlier(route: &Route, index: usize) -> bool {
    let Some(target) = route.targets.get(index) else {
        return false;
    };
    route.targets.iter().take(index).any(|earlier| {
        (
            &earlier.model,
            &earlier.pool,
            earlier.context_window,
            &earlier.context_variants,
        ) == (
            &target.model,
            &target.pool,
            target.context_window,
            &target.context_variants,
        )
    })
}
