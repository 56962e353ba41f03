//! Listing usage rows: filter, cursor, and merging the pages of several Ledgers into one. Newest first, by the moment of settlement.

use super::calendar;
use super::rollup::{self, CallGroup, Sums};
use super::usage::{RequestRow, provider_of};
use crate::catalog::NanoUsd;
use crate::wire::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Rows of a page when nobody says.
pub const DEFAULT_LIMIT: usize = 50;
/// Rows of a page at most.
pub const MAX_LIMIT: usize = 200;
/// Rows that one call reads at most while looking for matches; the cursor goes on from there.
pub const MAX_SCANNED: usize = 5000;
/// Bytes of a filter value.
const MAX_VALUE: usize = 256;

/// Which rows. Every part that is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestFilter {
    /// Rows of a page, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// Rows strictly behind this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Position>,
    /// By status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusFilter>,
    /// Requested, served, or called on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Called on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Counts in this group of `GET usage`; every row then says what it adds to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts_for: Option<(CallGroup, String)>,
    /// Policy id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Key id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Only rows of these keys, whatever the query says: for people who see their own. Never read from a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_keys: Option<BTreeSet<String>>,
    /// Session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Strategy that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// Cost more than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_over: Option<NanoUsd>,
    /// Took longer than this, all in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_over: Option<Millis>,
    /// Arrived at or after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Millis>,
    /// Arrived before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Millis>,
    /// Part of the request id, a model, the key's label, the session, the class, the route or a credential's label; any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
}

/// By status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusFilter {
    /// Answered.
    Ok,
    /// Not answered; a caller that hung up is no error.
    Error,
    /// Answered, but not as planned: a fallback, a fusion with fewer advisers.
    Degraded,
    /// `4xx`: the hundreds.
    Hundred(u16),
    /// `404`
    Exactly(u16),
}

/// Why a query is no filter. Never repeats the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{parameter}` {problem}")]
pub struct FilterError {
    /// The parameter.
    pub parameter: String,
    /// What to write.
    pub problem: &'static str,
}

impl RequestFilter {
    /// Reads a decoded query string. Empty values count as absent.
    ///
    /// # Errors
    /// [`FilterError`] for an unknown parameter or a value that breaks its rule.
    pub fn parse<'a>(query: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, FilterError> {
        let mut filter = Self {
            limit: DEFAULT_LIMIT,
            ..Self::default()
        };
        for (name, value) in query {
            let wrong = |problem| FilterError {
                parameter: name.chars().take(64).collect(),
                problem,
            };
            if value.len() > MAX_VALUE + 64 {
                return Err(wrong("is longer than 256 bytes"));
            }
            if value.is_empty() {
                continue;
            }
            let text = || Some(value.to_owned());
            match name {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                    filter.limit = limit.ok_or_else(|| wrong("is a number from 1 to 200"))?;
                }
                "cursor" => {
                    filter.cursor = Some(value.parse().map_err(|()| wrong("is the `next` of an earlier page"))?);
                }
                "status" => {
                    let problem = "is `ok`, `error`, `degraded`, a status such as `404`, or `4xx`";
                    filter.status = Some(value.parse().map_err(|()| wrong(problem))?);
                }
                "model" => filter.model = text(),
                "provider" => filter.provider = text(),
                "counts_for" if value == rollup::OTHERS => {
                    return Err(wrong(NO_GROUP));
                }
                "counts_for" => {
                    let problem = "is `model:` and a model, or `provider:` and a provider";
                    filter.counts_for = Some(counted(value).ok_or_else(|| wrong(problem))?);
                }
                "policy" => filter.policy = text(),
                "key" => filter.key = text(),
                "session" => filter.session = text(),
                "strategy" => filter.strategy = text(),
                "cost_over_usd" => {
                    let problem = "is an amount of dollars such as `0.05`, with at most nine decimals";
                    filter.cost_over = Some(value.parse().map_err(|_| wrong(problem))?);
                }
                "duration_over_ms" => {
                    let problem = "is a whole number of milliseconds";
                    filter.duration_over = Some(Millis(value.parse().map_err(|_| wrong(problem))?));
                }
                "from" => filter.from = Some(calendar::parse(value).ok_or_else(|| wrong(MOMENT))?),
                "to" => filter.to = Some(calendar::parse(value).ok_or_else(|| wrong(MOMENT))?),
                "q" => filter.q = Some(value.to_lowercase()),
                _ => return Err(wrong("is no parameter of this list")),
            }
        }
        Ok(filter)
    }

    /// True for a row that is wanted; the cursor is not looked at.
    pub fn matches(&self, row: &RequestRow) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        is(&self.policy, &row.policy)
            && is(&self.key, &row.kid)
            && is(&self.strategy, &row.strategy)
            && self.cost_over.is_none_or(|cost| row.cost_usd > cost)
            && self.duration_over.is_none_or(|most| row.duration_ms > most.0)
            && self.only_keys.as_ref().is_none_or(|only| only.contains(&row.kid))
            && self
                .session
                .as_ref()
                .is_none_or(|session| row.session.as_ref() == Some(session))
            && self.from.is_none_or(|from| row.at >= from)
            && self.to.is_none_or(|to| row.at < to)
            && self.status.is_none_or(|status| status.matches(row))
            && self
                .model
                .as_deref()
                .is_none_or(|model| models(row).any(|one| one == model))
            && self.provider.as_deref().is_none_or(|provider| {
                row.attempts
                    .iter()
                    .any(|attempt| provider_of(&attempt.target) == provider)
            })
            && self
                .counts_for
                .as_ref()
                .is_none_or(|(group, id)| rollup::share(row, *group, id).is_some())
            && self
                .q
                .as_deref()
                .is_none_or(|part| texts(row).any(|text| text.to_lowercase().contains(part)))
    }
}

const NO_GROUP: &str =
    "is `others`, what had no group of its own: its rows cannot be told from the rest; list the period without it";
const MOMENT: &str = "is a date such as `2026-09-30` or a moment such as `2026-09-30T18:00:00Z`";

fn counted(value: &str) -> Option<(CallGroup, String)> {
    let (group, id) = value.split_once(':')?;
    let group = match group {
        "model" => CallGroup::Model,
        "provider" => CallGroup::Provider,
        _ => return None,
    };
    (!id.is_empty()).then(|| (group, id.to_owned()))
}

fn models(row: &RequestRow) -> impl Iterator<Item = &str> {
    let own = std::iter::once(row.requested_model.as_str()).chain(row.served_model.as_deref());
    own.chain(row.attempts.iter().map(|attempt| attempt.target.as_str()))
}

fn texts(row: &RequestRow) -> impl Iterator<Item = &str> {
    let optional = [&row.session, &row.class, &row.route]
        .into_iter()
        .filter_map(|text| text.as_deref());
    let credentials = row.attempts.iter().filter_map(|attempt| attempt.credential.as_deref());
    [row.request_id.as_str(), row.key_label.as_str()]
        .into_iter()
        .chain(models(row))
        .chain(optional)
        .chain(credentials)
}

impl StatusFilter {
    fn matches(self, row: &RequestRow) -> bool {
        match self {
            Self::Ok => row.status < 400,
            Self::Error => row.is_error(),
            Self::Degraded => row.degraded,
            Self::Hundred(hundred) => row.status / 100 == hundred,
            Self::Exactly(status) => row.status == status,
        }
    }
}

impl FromStr for StatusFilter {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "ok" => return Ok(Self::Ok),
            "error" => return Ok(Self::Error),
            "degraded" => return Ok(Self::Degraded),
            _ => {}
        }
        if let Some(hundred) = text.strip_suffix("xx") {
            let hundred = hundred.parse().ok().filter(|hundred| (1..=5).contains(hundred));
            return hundred.map(Self::Hundred).ok_or(());
        }
        text.parse()
            .ok()
            .filter(|status| (100..=599).contains(status))
            .map(Self::Exactly)
            .ok_or(())
    }
}

/// Place of a row in the list of all Ledgers. Later is greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// When the row was settled.
    pub settled: Millis,
    /// Its policy.
    pub policy: String,
    /// Its number in the policy's Ledger.
    pub seq: u64,
}

/// As a cursor: `<settled>.<seq>.<policy>`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.settled.0, self.seq, self.policy)
    }
}

impl FromStr for Position {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '.');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or(());
        let (settled, seq) = (Millis(number()?), number()?);
        let policy = parts
            .next()
            .filter(|policy| !policy.is_empty() && policy.len() <= MAX_VALUE)
            .ok_or(())?;
        Ok(Self {
            settled,
            policy: policy.to_owned(),
            seq,
        })
    }
}

/// A row and its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlacedRow {
    /// Place.
    pub position: Position,
    /// Row.
    pub row: RequestRow,
}

/// One Ledger's page: matching rows, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerPage {
    /// At most the filter's limit.
    pub items: Vec<PlacedRow>,
    /// Everything down to this place was looked at; `None`: everything there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<Position>,
}

/// A page of the whole deployment, as the admin API answers it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestPage {
    /// Newest first.
    pub items: Vec<ListedRow>,
    /// Cursor of the next page; `None`: this was the last.
    pub next: Option<String>,
    /// How many there are.
    pub total: Total,
    /// When this was true.
    #[serde(with = "calendar::moment")]
    pub as_of: Millis,
}

/// A row of a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedRow {
    /// The row.
    #[serde(flatten)]
    pub row: RequestRow,
    /// What it adds to the group that the list was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<Sums>,
}

/// How many rows match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Total {
    /// At least so many.
    pub value: usize,
    /// True: exactly so many.
    pub exact: bool,
}

/// Merges the pages of several Ledgers. A row is shown only when no Ledger can still have a newer one.
pub fn merge(filter: &RequestFilter, pages: Vec<LedgerPage>, now: Millis) -> RequestPage {
    let frontier = pages.iter().filter_map(|page| page.reached.clone()).max();
    let mut items: Vec<PlacedRow> = pages.into_iter().flat_map(|page| page.items).collect();
    items.sort_by(|a, b| b.position.cmp(&a.position));
    let found = items.len();
    items.retain(|item| frontier.as_ref().is_none_or(|frontier| item.position >= *frontier));
    let cut = items.len() > filter.limit;
    items.truncate(filter.limit);
    let last = items.last().map(|item| item.position.clone());
    let next = if cut { last } else { frontier };
    let exact = next.is_none() && filter.cursor.is_none();
    RequestPage {
        total: Total { value: found, exact },
        next: next.map(|position| position.to_string()),
        items: items.into_iter().map(|item| listed(filter, item.row)).collect(),
        as_of: now,
    }
}

fn listed(filter: &RequestFilter, row: RequestRow) -> ListedRow {
    let group = filter.counts_for.as_ref();
    let counted = group.and_then(|(group, id)| rollup::share(&row, *group, id));
    ListedRow { row, counted }
}

#[cfg(test)]
mod tests;
