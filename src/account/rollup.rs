//! Hourly roll-ups: what every key spent on every model in an hour. They answer usage questions without reading rows, and stay when
//! the rows are forgotten.
//!
//! Tokens and cost count for the model of each upstream call; a request counts once, for the model that answered. So the groups of any
//! grouping add up to the same total.

use super::calendar::{self, DAY, HOUR};
use super::usage::{RequestRow, provider_of};
use crate::catalog::NanoUsd;
use crate::wire::Millis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The roll-up of all hours since the Ledger began has this number: no request arrived in the first hour of 1970.
pub const EVER: u64 = 0;
/// Groups of one roll-up; what comes beyond counts for [`OTHERS`], so that totals stay right.
pub const MAX_GROUPS: usize = 2000;
/// Model of groups beyond [`MAX_GROUPS`].
pub const OTHERS: &str = "others";
/// Longest span of a usage question, days.
pub const MAX_DAYS: u64 = 400;

/// Sums of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Requests.
    pub requests: u64,
    /// Requests that got no answer.
    pub errors: u64,
    /// Upstream calls.
    pub calls: u64,
    /// Tokens, cached ones included.
    pub input_tokens: u64,
    /// Tokens, reasoning included.
    pub output_tokens: u64,
    /// Tokens.
    pub cached_tokens: u64,
    /// Tokens.
    pub reasoning_tokens: u64,
    /// Cost.
    #[serde(with = "crate::catalog::money::usd")]
    pub cost_usd: NanoUsd,
}

impl Sums {
    /// Adds `other`; saturates.
    pub fn add(&mut self, other: &Self) {
        let fields = [
            (&mut self.requests, other.requests),
            (&mut self.errors, other.errors),
            (&mut self.calls, other.calls),
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.cached_tokens, other.cached_tokens),
            (&mut self.reasoning_tokens, other.reasoning_tokens),
        ];
        for (mine, theirs) in fields {
            *mine = mine.saturating_add(theirs);
        }
        self.cost_usd = self.cost_usd.saturating_add(other.cost_usd);
    }
}

/// One hour by key and model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(String, String, Sums)>", into = "Vec<(String, String, Sums)>")]
pub struct Rollup {
    groups: BTreeMap<(String, String), Sums>,
}

impl From<Vec<(String, String, Sums)>> for Rollup {
    fn from(groups: Vec<(String, String, Sums)>) -> Self {
        Self {
            groups: groups
                .into_iter()
                .map(|(kid, model, sums)| ((kid, model), sums))
                .collect(),
        }
    }
}

impl From<Rollup> for Vec<(String, String, Sums)> {
    fn from(rollup: Rollup) -> Self {
        rollup
            .groups
            .into_iter()
            .map(|((kid, model), sums)| (kid, model, sums))
            .collect()
    }
}

impl Rollup {
    /// Counts a row.
    pub fn add(&mut self, row: &RequestRow) {
        let requests = row.repeats.saturating_add(1);
        let request = Sums {
            requests,
            errors: if row.is_error() { requests } else { 0 },
            ..Sums::default()
        };
        self.group(&row.kid, row.counted_model()).add(&request);
        for attempt in &row.attempts {
            let usage = &attempt.usage;
            let call = Sums {
                calls: 1,
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
                cached_tokens: usage.cached_tokens,
                reasoning_tokens: usage.reasoning_tokens,
                cost_usd: attempt.cost_usd,
                ..Sums::default()
            };
            self.group(&row.kid, &attempt.target).add(&call);
        }
    }

    /// Key, model and sums of every group.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &str, &Sums)> {
        self.groups
            .iter()
            .map(|((kid, model), sums)| (kid.as_str(), model.as_str(), sums))
    }

    /// Sum of all groups.
    pub fn total(&self) -> Sums {
        self.groups.values().fold(Sums::default(), |mut total, sums| {
            total.add(sums);
            total
        })
    }

    fn group(&mut self, kid: &str, model: &str) -> &mut Sums {
        let key = (kid.to_owned(), model.to_owned());
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(&key) {
            return self.groups.entry((OTHERS.to_owned(), OTHERS.to_owned())).or_default();
        }
        self.groups.entry(key).or_default()
    }
}

/// Number of the hour that a row counts in.
pub fn hour_of(at: Millis) -> u64 {
    at.0 / HOUR
}

/// How usage is grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// By policy.
    #[default]
    Policy,
    /// By key.
    Key,
    /// By model of the upstream calls.
    Model,
    /// By provider of the upstream calls.
    Provider,
    /// By UTC day.
    Day,
}

impl Grouping {
    /// Policies and days count everything that happened; the others may have an [`OTHERS`].
    const fn may_overflow(self) -> bool {
        matches!(self, Self::Key | Self::Model | Self::Provider)
    }
}

/// A usage question. Hours are whole: `from` is rounded down, `to` up, and the answer says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageQuery {
    /// How to group.
    pub group: Grouping,
    /// First moment.
    pub from: Millis,
    /// First moment after it.
    pub to: Millis,
    /// Only these keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kids: Option<BTreeSet<String>>,
}

impl UsageQuery {
    /// Numbers of the first hour and of the hour after the last; at most [`MAX_DAYS`] days, the latest ones.
    pub fn hours(&self) -> (u64, u64) {
        let to = self.to.0.div_ceil(HOUR);
        let from = (self.from.0 / HOUR)
            .max(to.saturating_sub(MAX_DAYS * DAY / HOUR))
            .max(EVER + 1);
        (from, to.max(from))
    }
}

/// What a row adds to the group `id` of a grouping by model or provider; `None`: nothing, it does not count there.
pub fn share(row: &RequestRow, group: CallGroup, id: &str) -> Option<Sums> {
    let mut one = Rollup::default();
    one.add(row);
    let mut share = None;
    for (_, model, sums) in one.groups() {
        let own = match group {
            CallGroup::Model => model,
            CallGroup::Provider => provider_of(model),
        };
        if own == id {
            share.get_or_insert_with(Sums::default).add(sums);
        }
    }
    share
}

/// The groupings in which one request may count in several groups, because its calls do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallGroup {
    /// By model of the upstream calls.
    Model,
    /// By provider of the upstream calls.
    Provider,
}

/// One Ledger's part of the answer: sums by group id.
pub type UsagePart = BTreeMap<String, Sums>;

/// Groups the hours of the Ledger of `policy`.
pub fn group(query: &UsageQuery, policy: &str, hours: &[(u64, Rollup)]) -> UsagePart {
    let (from, to) = query.hours();
    let mut part = UsagePart::new();
    for (hour, rollup) in hours.iter().filter(|(hour, _)| (from..to).contains(hour)) {
        for (kid, model, sums) in rollup
            .groups()
            .filter(|(kid, ..)| query.kids.as_ref().is_none_or(|only| only.contains(*kid)))
        {
            let id = match query.group {
                Grouping::Policy => policy.to_owned(),
                Grouping::Key => kid.to_owned(),
                Grouping::Model => model.to_owned(),
                Grouping::Provider => provider_of(model).to_owned(),
                Grouping::Day => calendar::date(Millis(hour.saturating_mul(HOUR))),
            };
            part.entry(id).or_default().add(sums);
        }
    }
    part
}

/// The answer of `GET usage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsageReport {
    /// Most expensive first; days in order.
    pub groups: Vec<UsageGroup>,
    /// Sum of the groups.
    pub total: Sums,
    /// First moment that is counted.
    #[serde(with = "calendar::moment")]
    pub from: Millis,
    /// First moment that is no longer counted.
    #[serde(with = "calendar::moment")]
    pub to: Millis,
    /// When this was true.
    #[serde(with = "calendar::moment")]
    pub as_of: Millis,
    /// What the groups do not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

/// Said where a group is [`OTHERS`].
const NOTE_OTHERS: &str = "`others` is what came in an hour after 2,000 pairs of key and model were counted: it is part of the total, \
     but no list of requests adds up to it, and those of its keys and models may show more rows than their groups count.";

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsageGroup {
    /// Policy, key id, model, provider or day.
    pub id: String,
    /// Sums.
    #[serde(flatten)]
    pub sums: Sums,
    /// Query of `GET requests` that lists the rows behind it.
    pub filter: String,
}

/// Adds the parts of several Ledgers.
pub fn report(query: &UsageQuery, parts: Vec<UsagePart>, now: Millis) -> UsageReport {
    let mut groups = UsagePart::new();
    for (id, sums) in parts.into_iter().flatten() {
        groups.entry(id).or_default().add(&sums);
    }
    let (from, to) = query.hours();
    let (from, to) = (Millis(from.saturating_mul(HOUR)), Millis(to.saturating_mul(HOUR)));
    let mut total = Sums::default();
    for sums in groups.values() {
        total.add(sums);
    }
    let mut groups: Vec<UsageGroup> = groups
        .into_iter()
        .map(|(id, sums)| UsageGroup {
            filter: filter(query.group, &id, from, to),
            id,
            sums,
        })
        .collect();
    if query.group != Grouping::Day {
        groups.sort_by(|a, b| b.sums.cost_usd.cmp(&a.sums.cost_usd).then_with(|| a.id.cmp(&b.id)));
    }
    let overflowed = query.group.may_overflow() && groups.iter().any(|group| group.id == OTHERS);
    UsageReport {
        note: overflowed.then_some(NOTE_OTHERS),
        groups,
        total,
        from,
        to,
        as_of: now,
    }
}

fn filter(group: Grouping, id: &str, from: Millis, to: Millis) -> String {
    if group.may_overflow() && id == OTHERS {
        // Asked for, this says why it cannot be listed.
        let (from, to) = (calendar::rfc3339(from), calendar::rfc3339(to));
        return format!("counts_for={OTHERS}&from={from}&to={to}");
    }
    let name = match group {
        Grouping::Policy => "policy",
        Grouping::Key => "key",
        // The rows that add up to the group are not those that merely name it.
        Grouping::Model => "counts_for=model",
        Grouping::Provider => "counts_for=provider",
        Grouping::Day => {
            let day = calendar::parse(id).unwrap_or(from);
            let (from, to) = (day.max(from), day.plus(Millis(DAY)).min(to));
            return format!("from={}&to={}", calendar::rfc3339(from), calendar::rfc3339(to));
        }
    };
    let sign = if name.contains('=') { ':' } else { '=' };
    format!(
        "{name}{sign}{}&from={}&to={}",
        escape(id),
        calendar::rfc3339(from),
        calendar::rfc3339(to)
    )
}

/// Percent-encodes what has a meaning in a query.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests;
