//! Exact requests and tokens per minute: counts in buckets of five seconds, so that a limiter is a few numbers and not a log.
//!
//! A request counts for 60 to 65 seconds: never more than the limit in any minute.

use crate::catalog::document::{BudgetScope, RateLimit};
use crate::wire::Millis;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Milliseconds of one bucket.
const BUCKET: u64 = 5000;
/// Buckets that a request stays counted after its own.
const MINUTE: u64 = 12;
/// When a request in flight ends is unknown: ask again soon.
const CONCURRENCY_RETRY: Millis = Millis(1000);

/// What a speed limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateKind {
    /// Requests a minute.
    Requests,
    /// Tokens a minute.
    Tokens,
    /// Requests at once.
    Concurrent,
}

impl RateKind {
    /// For sentences.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Requests => "requests a minute",
            Self::Tokens => "tokens a minute",
            Self::Concurrent => "requests at once",
        }
    }
}

/// One speed limit as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateState {
    /// Whose requests count.
    pub scope: BudgetScope,
    /// What is counted.
    pub kind: RateKind,
    /// Limit.
    pub limit: u64,
    /// What is left.
    pub remaining: u64,
    /// Time until all of it is free again; 0 for concurrency.
    pub reset: Millis,
}

/// Requests and tokens of the last minute of one key or policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RateCounter {
    buckets: VecDeque<Bucket>,
}

/// Number of the bucket since 1970, requests, tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bucket(u64, u64, u64);

impl RateCounter {
    /// Counts one request.
    pub fn count(&mut self, now: Millis, tokens: u64) {
        let number = now.0 / BUCKET;
        match self.buckets.back_mut() {
            // A clock that went backwards counts into the newest bucket.
            Some(bucket) if bucket.0 >= number => {
                bucket.1 = bucket.1.saturating_add(1);
                bucket.2 = bucket.2.saturating_add(tokens);
            }
            _ => self.buckets.push_back(Bucket(number, 1, tokens)),
        }
    }

    /// Corrects a request's tokens in the bucket in which it was counted, if that still counts.
    pub fn correct(&mut self, counted_at: Millis, estimated: u64, actual: u64) {
        let number = counted_at.0 / BUCKET;
        if let Some(bucket) = self.buckets.iter_mut().find(|bucket| bucket.0 == number) {
            bucket.2 = bucket.2.saturating_sub(estimated).saturating_add(actual);
        }
    }

    /// Forgets what no longer counts.
    pub fn forget(&mut self, now: Millis) {
        let number = now.0 / BUCKET;
        while self
            .buckets
            .front()
            .is_some_and(|bucket| bucket.0.saturating_add(MINUTE) < number)
        {
            self.buckets.pop_front();
        }
    }

    /// True when nothing counts any more.
    pub fn is_idle(&self) -> bool {
        self.buckets.is_empty()
    }

    fn requests(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.1))
    }

    fn tokens(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.2))
    }

    /// Time until `excess` of what `amount` counts has been forgotten.
    fn wait(&self, now: Millis, excess: u64, amount: impl Fn(&Bucket) -> u64) -> Millis {
        let mut freed = 0_u64;
        for bucket in &self.buckets {
            freed = freed.saturating_add(amount(bucket));
            if freed >= excess {
                let until = bucket.0.saturating_add(MINUTE + 1).saturating_mul(BUCKET);
                return Millis(until).since(now);
            }
        }
        Millis((MINUTE + 1) * BUCKET)
    }
}

/// Checks one more request with `tokens` against `limits`. `counter` has been told to forget; `open` requests are in flight.
///
/// # Errors
/// The limit that is in the way and how long to wait. A single request above the token limit passes when the minute is otherwise
/// empty, because waiting would never help it.
pub fn check(
    limits: &RateLimit,
    scope: BudgetScope,
    counter: &RateCounter,
    open: u64,
    now: Millis,
    tokens: u64,
) -> Result<(), (RateState, Millis)> {
    let refuse = |kind, retry_after| {
        let state = states(limits, scope, counter, open, now)
            .into_iter()
            .find(|state| state.kind == kind);
        let fallback = RateState {
            scope,
            kind,
            limit: 0,
            remaining: 0,
            reset: retry_after,
        };
        Err((state.unwrap_or(fallback), retry_after))
    };
    if limits.concurrent.is_some_and(|limit| open >= u64::from(limit)) {
        return refuse(RateKind::Concurrent, CONCURRENCY_RETRY);
    }
    if let Some(limit) = limits.rpm {
        let excess = counter.requests().saturating_add(1).saturating_sub(u64::from(limit));
        if excess > 0 {
            return refuse(RateKind::Requests, counter.wait(now, excess, |bucket| bucket.1));
        }
    }
    if let Some(limit) = limits.tpm {
        let used = counter.tokens();
        let excess = used.saturating_add(tokens).saturating_sub(limit);
        if excess > 0 && used > 0 {
            return refuse(RateKind::Tokens, counter.wait(now, excess.min(used), |bucket| bucket.2));
        }
    }
    Ok(())
}

/// Every limit as it stands.
pub fn states(limits: &RateLimit, scope: BudgetScope, counter: &RateCounter, open: u64, now: Millis) -> Vec<RateState> {
    let state = |kind, limit: u64, used: u64, reset| RateState {
        scope,
        kind,
        limit,
        remaining: limit.saturating_sub(used),
        reset,
    };
    let (requests, tokens) = (counter.requests(), counter.tokens());
    let all_free = || {
        counter
            .buckets
            .back()
            .map_or(Millis(0), |last| Millis((last.0 + MINUTE + 1) * BUCKET).since(now))
    };
    [
        limits
            .rpm
            .map(|limit| state(RateKind::Requests, limit.into(), requests, all_free())),
        limits
            .tpm
            .map(|limit| state(RateKind::Tokens, limit, tokens, all_free())),
        limits
            .concurrent
            .map(|limit| state(RateKind::Concurrent, limit.into(), open, Millis(0))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Response headers in the spelling that OpenAI's clients know; of several limits of a kind the tightest.
pub fn headers(rates: &[RateState]) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (kind, name) in [
        (RateKind::Requests, "requests"),
        (RateKind::Tokens, "tokens"),
        (RateKind::Concurrent, "concurrent"),
    ] {
        let Some(rate) = rates
            .iter()
            .filter(|rate| rate.kind == kind)
            .min_by_key(|rate| rate.remaining)
        else {
            continue;
        };
        headers.push((format!("x-ratelimit-limit-{name}"), rate.limit.to_string()));
        headers.push((format!("x-ratelimit-remaining-{name}"), rate.remaining.to_string()));
        if kind != RateKind::Concurrent {
            headers.push((
                format!("x-ratelimit-reset-{name}"),
                format!("{}s", rate.reset.0.div_ceil(1000)),
            ));
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: BudgetScope = BudgetScope::Key;

    #[test]
    fn the_minute_is_exact_and_says_when_to_come_back() {
        let limits = RateLimit {
            rpm: Some(2),
            ..RateLimit::default()
        };
        let mut counter = RateCounter::default();
        let mut ask = |now: u64| {
            let now = Millis(now);
            counter.forget(now);
            let answer = check(&limits, KEY, &counter, 0, now, 0);
            if answer.is_ok() {
                counter.count(now, 0);
            }
            answer.map_err(|(state, wait)| (state.remaining, wait.0))
        };
        assert_eq!(ask(1_000), Ok(()));
        assert_eq!(ask(11_000), Ok(()));
        assert_eq!(ask(12_000), Err((0, 53_000)));
        assert_eq!(ask(64_999), Err((0, 1)));
        assert_eq!(ask(65_000), Ok(()));
        assert_eq!(ask(65_000), Err((0, 10_000)));
    }

    #[test]
    fn tokens_are_corrected_where_they_were_counted() {
        let limits = RateLimit {
            tpm: Some(100),
            ..RateLimit::default()
        };
        let mut counter = RateCounter::default();
        counter.count(Millis(1_000), 90);
        assert!(check(&limits, KEY, &counter, 0, Millis(2_000), 20).is_err());
        counter.correct(Millis(1_000), 90, 30);
        assert!(check(&limits, KEY, &counter, 0, Millis(2_000), 20).is_ok());
    }

    #[test]
    fn a_request_above_the_token_limit_passes_only_an_empty_minute() {
        let limits = RateLimit {
            tpm: Some(100),
            ..RateLimit::default()
        };
        let mut counter = RateCounter::default();
        assert!(check(&limits, KEY, &counter, 0, Millis(0), 500).is_ok());
        counter.count(Millis(0), 1);
        let (_, wait) = check(&limits, KEY, &counter, 0, Millis(0), 500).unwrap_err();
        assert_eq!(wait, Millis(65_000));
    }

    #[test]
    fn concurrency_counts_open_requests() {
        let limits = RateLimit {
            concurrent: Some(3),
            ..RateLimit::default()
        };
        let counter = RateCounter::default();
        assert!(check(&limits, KEY, &counter, 2, Millis(0), 0).is_ok());
        assert!(check(&limits, KEY, &counter, 3, Millis(0), 0).is_err());
    }

    #[test]
    fn headers_tell_the_tightest_limit() {
        let rate = |scope, kind, limit, remaining| RateState {
            scope,
            kind,
            limit,
            remaining,
            reset: Millis(1_200),
        };
        let rates = [
            rate(BudgetScope::Policy, RateKind::Requests, 600, 10),
            rate(BudgetScope::Key, RateKind::Requests, 60, 59),
            rate(BudgetScope::Policy, RateKind::Concurrent, 64, 63),
        ];
        let text: Vec<_> = headers(&rates)
            .into_iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        assert_eq!(
            text,
            [
                "x-ratelimit-limit-requests: 600",
                "x-ratelimit-remaining-requests: 10",
                "x-ratelimit-reset-requests: 2s",
                "x-ratelimit-limit-concurrent: 64",
                "x-ratelimit-remaining-concurrent: 63",
            ]
        );
    }

    proptest! {
        #[test]
        fn no_minute_ever_holds_more_than_the_limit(gaps in proptest::collection::vec(0_u64..20_000, 1..200), limit in 1_u32..8) {
            let limits = RateLimit { rpm: Some(limit), ..RateLimit::default() };
            let mut counter = RateCounter::default();
            let mut passed: Vec<u64> = Vec::new();
            let mut now = 0;
            for gap in gaps {
                now += gap;
                counter.forget(Millis(now));
                match check(&limits, KEY, &counter, 0, Millis(now), 0) {
                    Ok(()) => {
                        counter.count(Millis(now), 0);
                        passed.push(now);
                    }
                    Err((_, wait)) => {
                        let later = Millis(now).plus(wait);
                        let mut then = counter.clone();
                        then.forget(later);
                        prop_assert!(check(&limits, KEY, &then, 0, later, 0).is_ok(), "waiting as told must help");
                    }
                }
                let recent = passed.iter().filter(|at| **at + 60_000 > now).count();
                prop_assert!(recent <= usize::try_from(limit).unwrap());
            }
        }
    }
}
