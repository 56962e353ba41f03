//! Figures of every request that a filter finds, not of one page of them: how many, how many failed, first tokens, cost, and when.
//! Each Ledger counts its own rows; the parts add up exactly, percentiles included.

use super::calendar;
use super::listing::RequestFilter;
use super::rollup;
use super::usage::RequestRow;
use crate::catalog::NanoUsd;
use crate::wire::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Newest rows of one Ledger that one question looks at.
pub const MAX_LOOKED_AT: usize = 10_000;
/// Bars of the histogram at most.
pub const MAX_BARS: u64 = 60;

const MINUTE: u64 = 60_000;
/// Widths that a bar may have, minutes; wider ones are whole weeks.
const WIDTHS: [u64; 10] = [1, 2, 5, 15, 30, 60, 180, 360, 720, 1440];
const WEEK: u64 = 7 * 1440;

/// What one Ledger counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiguresPart {
    /// Requests by the minute in which they arrived, and how many of them got no answer.
    minutes: BTreeMap<u64, (u64, u64)>,
    /// Requests by the time to their first content, milliseconds.
    first_content: BTreeMap<u64, u64>,
    /// What they cost; with `counts_for`, what they cost in that group.
    cost: NanoUsd,
    /// Rows looked at.
    pub looked_at: usize,
    /// True: there are no older rows in the filter's period.
    pub complete: bool,
}

impl FiguresPart {
    /// Counts a row, if it is wanted.
    pub fn add(&mut self, filter: &RequestFilter, row: &RequestRow) {
        self.looked_at = self.looked_at.saturating_add(1);
        if !filter.matches(row) {
            return;
        }
        let (requests, errors, cost) = counted(filter, row);
        let minute = self.minutes.entry(row.at.0 / MINUTE).or_default();
        *minute = (minute.0.saturating_add(requests), minute.1.saturating_add(errors));
        if let Some(ttft) = row.ttft_ms {
            let same = self.first_content.entry(ttft).or_default();
            *same = same.saturating_add(1);
        }
        self.cost = self.cost.saturating_add(cost);
    }

    fn merge(&mut self, other: Self) {
        for (minute, (requests, errors)) in other.minutes {
            let mine = self.minutes.entry(minute).or_default();
            *mine = (mine.0.saturating_add(requests), mine.1.saturating_add(errors));
        }
        for (ttft, count) in other.first_content {
            let mine = self.first_content.entry(ttft).or_default();
            *mine = mine.saturating_add(count);
        }
        self.cost = self.cost.saturating_add(other.cost);
        self.looked_at = self.looked_at.saturating_add(other.looked_at);
        self.complete &= other.complete;
    }
}

/// Requests, errors and cost of a row, as usage counts them: with `counts_for`, its share of that group.
fn counted(filter: &RequestFilter, row: &RequestRow) -> (u64, u64, NanoUsd) {
    if let Some((group, id)) = &filter.counts_for {
        let share = rollup::share(row, *group, id).unwrap_or_default();
        return (share.requests, share.errors, share.cost_usd);
    }
    let requests = row.repeats.saturating_add(1);
    (requests, if row.is_error() { requests } else { 0 }, row.cost_usd)
}

/// The answer of `GET requests/figures`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Requests.
    pub requests: u64,
    /// Requests that got no answer; a caller that hung up is no error.
    pub errors: u64,
    /// Median time to the first content.
    pub ttft_p50_ms: Option<u64>,
    /// Nineteen of twenty began within it.
    pub ttft_p95_ms: Option<u64>,
    /// Cost.
    #[serde(with = "crate::catalog::money::usd")]
    pub cost_usd: NanoUsd,
    /// Rows looked at, at most [`MAX_LOOKED_AT`] of each policy.
    pub looked_at: usize,
    /// False: there are older rows that were not looked at.
    pub complete: bool,
    /// Width of a bar.
    pub bar_ms: u64,
    /// The period in bars without a gap, oldest first, at most [`MAX_BARS`]; empty when nothing was found.
    pub bars: Vec<Bar>,
    /// When this was true.
    #[serde(with = "calendar::moment")]
    pub as_of: Millis,
}

/// One bar of the histogram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bar {
    /// Where it begins.
    #[serde(with = "calendar::moment")]
    pub at: Millis,
    /// Requests that arrived in it.
    pub requests: u64,
    /// Those without an answer.
    pub errors: u64,
}

/// Adds the parts of several Ledgers.
pub fn figures(filter: &RequestFilter, parts: Vec<FiguresPart>, now: Millis) -> Figures {
    let mut all = FiguresPart {
        complete: true,
        ..FiguresPart::default()
    };
    for part in parts {
        all.merge(part);
    }
    let (requests, errors) = all.minutes.values().fold((0_u64, 0_u64), |sum, minute| {
        (sum.0.saturating_add(minute.0), sum.1.saturating_add(minute.1))
    });
    let (width, bars) = bars(filter, &all, now);
    Figures {
        requests,
        errors,
        ttft_p50_ms: quantile(&all.first_content, 50),
        ttft_p95_ms: quantile(&all.first_content, 95),
        cost_usd: all.cost,
        looked_at: all.looked_at,
        complete: all.complete,
        bar_ms: width.saturating_mul(MINUTE),
        bars,
        as_of: now,
    }
}

/// The smallest value that at least `percent` of the values do not exceed (nearest rank).
fn quantile(values: &BTreeMap<u64, u64>, percent: u64) -> Option<u64> {
    let count = values.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let rank = count.saturating_mul(percent).div_ceil(100).max(1);
    let mut seen = 0_u64;
    values.iter().find_map(|(value, count)| {
        seen = seen.saturating_add(*count);
        (seen >= rank).then_some(*value)
    })
}

/// Width in minutes, and the bars from the period's begin to its end. What was not looked at has no bar: it is unknown, not zero.
fn bars(filter: &RequestFilter, part: &FiguresPart, now: Millis) -> (u64, Vec<Bar>) {
    let (Some((first, _)), Some((last, _))) = (part.minutes.first_key_value(), part.minutes.last_key_value()) else {
        return (1, Vec::new());
    };
    let asked = filter.from.filter(|_| part.complete).map(|from| from.0 / MINUTE);
    let begin = asked.unwrap_or(*first).min(*first);
    let end = filter
        .to
        .unwrap_or(now)
        .min(now)
        .0
        .div_ceil(MINUTE)
        .max(last.saturating_add(1));
    let minutes = end.saturating_sub(begin);
    let fits = |width: &u64| (end.div_ceil(*width)).saturating_sub(begin / width) <= MAX_BARS;
    let width = WIDTHS.iter().copied().find(fits).unwrap_or_else(|| {
        // One bar fewer, because neither end need fall on a week.
        let weeks = minutes.div_ceil(WEEK).div_ceil(MAX_BARS - 1).max(1);
        weeks.saturating_mul(WEEK)
    });
    let bar = |number: u64| {
        let from = number.saturating_mul(width);
        let within = part.minutes.range(from..from.saturating_add(width));
        let (requests, errors) = within.fold((0_u64, 0_u64), |sum, (_, minute)| {
            (sum.0.saturating_add(minute.0), sum.1.saturating_add(minute.1))
        });
        Bar {
            at: Millis(from.saturating_mul(MINUTE)),
            requests,
            errors,
        }
    };
    (width, (begin / width..end.div_ceil(width)).map(bar).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::rollup::CallGroup;
    use crate::account::usage::AttemptRow;
    use proptest::prelude::*;

    fn row(minute: u64, status: u16, ttft: Option<u64>, cost: u64) -> RequestRow {
        let attempt = |target: &str, cost| AttemptRow {
            target: target.to_owned(),
            cost_usd: NanoUsd(cost),
            ..AttemptRow::default()
        };
        RequestRow {
            at: Millis(minute * MINUTE + 7),
            policy: "team".to_owned(),
            requested_model: "a/one".to_owned(),
            status,
            ttft_ms: ttft,
            attempts: vec![attempt("a/one", cost), attempt("b/two", 1)],
            ..RequestRow::default()
        }
        .closed()
    }

    fn part(filter: &RequestFilter, rows: &[RequestRow], complete: bool) -> FiguresPart {
        let mut part = FiguresPart::default();
        for row in rows {
            part.add(filter, row);
        }
        FiguresPart { complete, ..part }
    }

    #[test]
    fn figures_are_those_of_the_rows_that_match() {
        let rows = [
            row(10, 200, Some(100), 5),
            row(10, 502, None, 0),
            row(11, 499, Some(900), 7),
            RequestRow {
                repeats: 3,
                ..row(12, 404, None, 0)
            },
        ];
        let check = |query: &str, requests, errors, p50, p95, cost| {
            let filter = RequestFilter::parse(query.split('&').filter_map(|pair| pair.split_once('='))).unwrap();
            let figures = figures(&filter, vec![part(&filter, &rows, true)], Millis(20 * MINUTE));
            assert_eq!(
                (
                    figures.requests,
                    figures.errors,
                    figures.ttft_p50_ms,
                    figures.ttft_p95_ms,
                    figures.cost_usd.0,
                    figures.looked_at
                ),
                (requests, errors, p50, p95, cost, 4),
                "{query}"
            );
        };
        check("", 7, 5, Some(100), Some(900), 16);
        check("status=ok", 1, 0, Some(100), Some(100), 6);
        check("status=error", 5, 5, None, None, 2);
        check("counts_for=provider:a", 0, 0, Some(100), Some(900), 12);
        check("counts_for=provider:b", 7, 5, Some(100), Some(900), 4);
        check("policy=other", 0, 0, None, None, 0);
        let group = RequestFilter {
            counts_for: Some((CallGroup::Model, "b/two".to_owned())),
            ..RequestFilter::default()
        };
        assert_eq!(part(&group, &rows, true).cost, NanoUsd(4));
    }

    #[test]
    fn bars_cover_the_period_that_was_looked_at() {
        let check = |query: &str, complete: bool, now: u64, width: u64, begin: u64, count: usize| {
            let filter = RequestFilter::parse(query.split('&').filter_map(|pair| pair.split_once('='))).unwrap();
            let rows = [row(600, 200, None, 0), row(630, 500, None, 0)];
            let figures = figures(&filter, vec![part(&filter, &rows, complete)], Millis(now * MINUTE));
            assert_eq!(figures.bar_ms, width * MINUTE, "{query} {complete} {now}");
            assert_eq!(
                figures.bars.first().map(|bar| bar.at),
                Some(Millis(begin * MINUTE)),
                "{query}"
            );
            assert_eq!(figures.bars.len(), count, "{query} {complete} {now}");
            assert_eq!(figures.bars.iter().map(|bar| bar.requests).sum::<u64>(), 2, "{query}");
        };
        check("", true, 640, 1, 600, 40);
        check("", true, 60 + 600, 1, 600, 60);
        check("", true, 61 + 600, 2, 600, 31);
        check("from=1970-01-01T00:00:00Z", true, 660, 15, 0, 44);
        check("from=1970-01-01T00:00:00Z", false, 660, 1, 600, 60);
        check("to=1970-01-01T10:31:00Z", true, 1_000_000, 1, 600, 31);
        check("", true, 60 * 1440, 1440, 0, 60);
        check("", true, 61 * 1440, WEEK, 0, 9);
        check("", true, 60 * WEEK, 2 * WEEK, 0, 30);
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole(rows in proptest::collection::vec((0_u64..100_000, any::<bool>(), proptest::option::of(0_u64..50), 0_u64..9), 0..60), split in 0_usize..60, now in 100_000_u64..9_000_000) {
            let rows: Vec<RequestRow> = rows.into_iter().map(|(minute, ok, ttft, cost)| row(minute, if ok { 200 } else { 500 }, ttft, cost)).collect();
            let filter = RequestFilter::default();
            let (one, other) = rows.split_at(split.min(rows.len()));
            let whole = figures(&filter, vec![part(&filter, &rows, true)], Millis(now * MINUTE));
            let halves = figures(&filter, vec![part(&filter, one, true), part(&filter, other, true)], Millis(now * MINUTE));
            prop_assert_eq!(&whole, &halves);
            prop_assert_eq!(whole.bars.iter().map(|bar| bar.requests).sum::<u64>(), rows.len() as u64);
            prop_assert_eq!(whole.bars.iter().map(|bar| bar.errors).sum::<u64>(), whole.errors);
            prop_assert!(whole.bars.len() as u64 <= MAX_BARS);
            let mut ttft: Vec<u64> = rows.iter().filter_map(|row| row.ttft_ms).collect();
            ttft.sort_unstable();
            let rank = |percent: usize| ttft.get((ttft.len() * percent).div_ceil(100).max(1) - 1).copied();
            prop_assert_eq!((whole.ttft_p50_ms, whole.ttft_p95_ms), (rank(50), rank(95)));
        }

        #[test]
        fn a_part_survives_json(minutes in proptest::collection::vec((0_u64..1000, 0_u64..5000), 0..20)) {
            let rows: Vec<RequestRow> = minutes.into_iter().map(|(minute, ttft)| row(minute, 200, Some(ttft), ttft)).collect();
            let part = part(&RequestFilter::default(), &rows, false);
            prop_assert_eq!(serde_json::from_str::<FiguresPart>(&serde_json::to_string(&part).unwrap()).unwrap(), part);
        }
    }
}
