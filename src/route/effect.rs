//! What a change of a policy would do to requests like those of the last days. The question is put to the same function that lists
//! models, once with the policy in force and once with the changed one.

use super::executable::World;
use super::listing;
use super::refusal::Refusal;
use crate::access::Grant;
use serde::Serialize;
use std::collections::BTreeMap;

/// Requests that the changed policy would refuse.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RefusedModel {
    /// What callers asked for.
    pub model: String,
    /// How often.
    pub requests: u64,
    /// Why it would be refused.
    pub reason: Refusal,
}

/// Of the models that were asked for (with the number of requests): those that run now and would be refused, most asked for first.
pub fn refused_by(asked: &BTreeMap<String, u64>, live: &Grant, staged: &Grant, world: &World) -> Vec<RefusedModel> {
    let refused = asked.iter().filter_map(|(model, requests)| {
        listing::model(model, live, world).ok()?;
        let reason = listing::model(model, staged, world).err()?;
        Some(RefusedModel {
            model: model.clone(),
            requests: *requests,
            reason,
        })
    });
    let mut refused: Vec<RefusedModel> = refused.collect();
    refused.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.model.cmp(&b.model)));
    refused
}
