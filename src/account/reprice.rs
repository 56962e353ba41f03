//! What the fusion requests of the last days would have cost with another profile: their own tokens at other models' prices.
//!
//! Each call is priced as it is billed, with the tokens that it had then: the same models at the same prices give back what was charged.

use super::calendar;
use super::usage::{Outcome, RequestRow, Role};
use crate::catalog::{Catalog, FusionProfile, ModelId, NanoUsd, Price};
use crate::wire::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far back fusion requests are priced again.
pub const PERIOD: Millis = Millis(7 * calendar::DAY);
/// Strategy of a request that a fusion answered.
const FUSION: &str = "fusion";

/// `/reprice`: which rows, and the calls of the other profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepriceRequest {
    /// What callers asked for: the profile's name.
    pub model: String,
    /// Arrived at or after.
    pub since: Millis,
    /// Calls of the other profile.
    pub slots: Vec<Slot>,
}

/// One call of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// `A1`, `J`, `S`.
    pub name: String,
    /// Its part.
    pub role: Role,
    /// Number of the adviser, from 0.
    pub index: u32,
    /// Model id.
    pub model: String,
    /// `None`: unknown.
    pub price: Option<Price>,
}

/// The calls of a profile with their prices of now.
pub fn slots(profile: &FusionProfile, catalog: &Catalog) -> Vec<Slot> {
    let slot = |name: String, role: Role, index: u32, model: &ModelId| Slot {
        name,
        role,
        index,
        model: model.to_string(),
        price: catalog.model(model.as_str()).and_then(|model| model.price.clone()),
    };
    let advisers = (0_u32..).zip(&profile.advisers);
    let advisers = advisers.map(|(index, adviser)| {
        let name = format!("A{}", index.saturating_add(1));
        slot(name, Role::Adviser, index, &adviser.model)
    });
    let judge = profile.judge.iter().filter(|judge| judge.enabled);
    let judge = judge.map(|judge| slot("J".to_owned(), Role::Judge, 0, &judge.model));
    let synthesizer = slot("S".to_owned(), Role::Synthesizer, 0, &profile.synthesizer.model);
    advisers.chain(judge).chain([synthesizer]).collect()
}

/// What one Ledger found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepricedPart {
    requests: u64,
    before: NanoUsd,
    after: NanoUsd,
    /// By the call's name.
    unpriced: BTreeMap<String, Missing>,
    /// Rows looked at.
    pub looked_at: usize,
    /// True: there are no older rows in the period.
    pub complete: bool,
}

/// Requests in which a call has no amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Missing {
    no_price: u64,
    no_tokens: u64,
}

impl Missing {
    fn of(&mut self, why: Why) -> &mut u64 {
        match why {
            Why::NoPrice => &mut self.no_price,
            Why::NoTokens => &mut self.no_tokens,
        }
    }
}

/// Why a call is not in the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its model has no price.
    NoPrice,
    /// No call of its kind ran then, so nobody knows its tokens.
    NoTokens,
}

impl RepricedPart {
    /// Prices a row, if it is a caller's request that this fusion answered; test prompts are none.
    pub fn add(&mut self, request: &RepriceRequest, row: &RequestRow) {
        self.looked_at = self.looked_at.saturating_add(1);
        let is_wanted = row.strategy == FUSION
            && row.requested_model == request.model
            && row.at >= request.since
            && row.source.is_none()
            && row.attempts.iter().any(|attempt| attempt.outcome == Outcome::Ok);
        if !is_wanted {
            return;
        }
        self.requests = self.requests.saturating_add(1);
        self.before = self.before.saturating_add(row.cost_usd);
        for slot in &request.slots {
            match priced(slot, row) {
                Ok(cost) => self.after = self.after.saturating_add(cost),
                Err(why) => {
                    let count = self.unpriced.entry(slot.name.clone()).or_default().of(why);
                    *count = count.saturating_add(1);
                }
            }
        }
    }
}

/// What one call of the profile would have cost in this request.
fn priced(slot: &Slot, row: &RequestRow) -> Result<NanoUsd, Why> {
    let of_role = || row.attempts.iter().filter(|attempt| attempt.role == slot.role);
    let advised = row.attempts.iter().any(|attempt| attempt.role == Role::Adviser);
    // A turn that the synthesizer answered alone is answered alone again.
    if !advised && slot.role != Role::Synthesizer {
        return Ok(NanoUsd::ZERO);
    }
    let asked = of_role()
        .map(|attempt| attempt.index.saturating_add(1))
        .max()
        .ok_or(Why::NoTokens)?;
    // A further adviser reads and writes like one of those that were asked.
    let index = slot.index % asked;
    let price = slot.price.as_ref().ok_or(Why::NoPrice)?;
    Ok(of_role()
        .filter(|attempt| attempt.index == index)
        .map(|attempt| price.cost(&attempt.usage))
        .sum())
}

/// The answer of `POST fusion-profiles/{id}/reprice`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repriced {
    /// First moment that is counted.
    #[serde(with = "calendar::moment")]
    pub from: Millis,
    /// Callers' requests that the fusion answered.
    pub requests: u64,
    /// What they were charged.
    #[serde(with = "crate::catalog::money::usd")]
    pub before_usd: NanoUsd,
    /// What the profile's calls would have been charged; without those in `unpriced`.
    #[serde(with = "crate::catalog::money::usd")]
    pub after_usd: NanoUsd,
    /// Calls that are not in `after_usd`.
    pub unpriced: Vec<Unpriced>,
    /// Rows looked at.
    pub looked_at: usize,
    /// False: there are older rows in the period that were not looked at.
    pub complete: bool,
    /// When this was true.
    #[serde(with = "calendar::moment")]
    pub as_of: Millis,
}

/// A call without an amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unpriced {
    /// `A1`, `J`, `S`.
    pub slot: String,
    /// Model id.
    pub model: String,
    /// Why.
    pub why: Why,
    /// In how many requests.
    pub requests: u64,
}

/// Adds the parts of several Ledgers.
pub fn repriced(request: &RepriceRequest, parts: Vec<RepricedPart>, now: Millis) -> Repriced {
    let mut whole = Repriced {
        from: request.since,
        requests: 0,
        before_usd: NanoUsd::ZERO,
        after_usd: NanoUsd::ZERO,
        unpriced: Vec::new(),
        looked_at: 0,
        complete: true,
        as_of: now,
    };
    let mut unpriced: BTreeMap<String, Missing> = BTreeMap::new();
    for part in parts {
        whole.requests = whole.requests.saturating_add(part.requests);
        whole.before_usd = whole.before_usd.saturating_add(part.before);
        whole.after_usd = whole.after_usd.saturating_add(part.after);
        whole.looked_at = whole.looked_at.saturating_add(part.looked_at);
        whole.complete &= part.complete;
        for (slot, mut missing) in part.unpriced {
            let sum = unpriced.entry(slot).or_default();
            for why in [Why::NoPrice, Why::NoTokens] {
                *sum.of(why) = sum.of(why).saturating_add(*missing.of(why));
            }
        }
    }
    for slot in &request.slots {
        let mut missing = unpriced.get(&slot.name).copied().unwrap_or_default();
        for why in [Why::NoPrice, Why::NoTokens] {
            let requests = *missing.of(why);
            if requests > 0 {
                whole.unpriced.push(Unpriced {
                    slot: slot.name.clone(),
                    model: slot.model.clone(),
                    why,
                    requests,
                });
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests;
