//! One remembered failure and its arithmetic: strikes, hints, jitter, decay, probes.
//!
//! Pure functions over one entry. Must not know where entries are kept.

use super::class::{FailureClass, HINT_FLOOR};
use super::gate::Gate;
use crate::wire::Millis;

/// A probe whose outcome never arrived (its request context died) blocks the next one for this long.
pub const PROBE_LEASE: Millis = Millis(60_000);

/// Quiet time after which strikes are forgotten, at least.
const QUIET_FLOOR: Millis = Millis(600_000);

/// What is remembered about one credential, credential and model, target or host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// Why.
    pub class: FailureClass,
    /// Not used before this moment, but for probes.
    pub until: Millis,
    /// From this moment one probe at a time may go; `until` unless the credential is the sole one.
    pub probe_at: Millis,
    /// When the last failure was recorded.
    pub set_at: Millis,
    /// Failed trials in a row.
    pub strikes: u32,
    /// Length of the last cooldown, before jitter.
    pub length: Millis,
    /// Until the secret or the catalog changes.
    pub dead: bool,
    /// When the probe in flight was sent.
    pub probing_since: Option<Millis>,
}

/// One failure, as the formula needs it.
#[derive(Clone, Copy, Debug)]
pub struct Blow {
    /// What happened.
    pub class: FailureClass,
    /// What the upstream asked to wait.
    pub hint: Option<Millis>,
    /// When the failed attempt was sent.
    pub started_at: Millis,
    /// True: no other credential and no further target could serve.
    pub sole: bool,
    /// Now.
    pub now: Millis,
    /// 0 to 1.
    pub jitter: f64,
}

/// The entry after a failure.
pub fn after_failure(previous: Option<&Cooldown>, blow: &Blow) -> Cooldown {
    let rule = blow.class.rule();
    let previous = previous.filter(|entry| !entry.forgotten(blow.now));
    let strikes = match previous {
        None => rule.strikes,
        // Death needs refusals in a row, not other troubles of the same credential.
        Some(entry) if rule.dead_after > 0 && entry.class != blow.class && !entry.dead => rule.strikes,
        // A failure of a new trial counts; a straggler sent before the cooldown ended says nothing new.
        Some(entry) if blow.started_at >= entry.until => entry.strikes.saturating_add(rule.strikes),
        Some(entry) => entry.strikes.max(1),
    };
    let length = cooldown_length(blow.class, strikes, blow.hint, blow.sole);
    let until = blow.now.plus(stretched(length, blow.jitter));
    let until = previous.map_or(until, |entry| entry.until.max(until));
    let probe_at = if blow.sole {
        until.min(blow.now.plus(rule.sole_probe))
    } else {
        until
    };
    let dead = (rule.dead_after > 0 && strikes >= rule.dead_after) || previous.is_some_and(|entry| entry.dead);
    // The class that holds longest names the state.
    let class = match previous {
        Some(entry) if entry.until >= until && blow.now < entry.until => entry.class,
        _ => blow.class,
    };
    Cooldown {
        class,
        until,
        probe_at,
        set_at: blow.now,
        strikes,
        length,
        dead,
        probing_since: None,
    }
}

/// Length of a cooldown before jitter: the hint, never below what the strikes before it have earned; else the strikes alone.
pub fn cooldown_length(class: FailureClass, strikes: u32, hint: Option<Millis>, sole: bool) -> Millis {
    let rule = class.rule();
    match hint {
        Some(hint) => {
            let hint = hint.max(HINT_FLOOR).min(rule.hint_cap.max(HINT_FLOOR));
            if strikes >= 2 {
                hint.max(exponential(class, strikes - 1))
            } else {
                hint
            }
        }
        // Of a sole target an outage is worth more probes than a long silence.
        None if sole && !rule.hard => exponential(class, strikes).min(rule.sole_probe),
        None => exponential(class, strikes),
    }
}

fn exponential(class: FailureClass, strikes: u32) -> Millis {
    let rule = class.rule();
    let factor = 1u64 << strikes.saturating_sub(1).min(32);
    Millis(rule.base.0.saturating_mul(factor)).min(rule.cap)
}

/// `duration` plus up to a tenth of it.
pub fn stretched(duration: Millis, jitter: f64) -> Millis {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=1000 on the same line"
    )]
    let thousandths = (jitter.clamp(0.0, 1.0) * 1000.0) as u64;
    duration.plus(Millis(
        duration.0 / 10_000 * thousandths + duration.0 % 10_000 * thousandths / 10_000,
    ))
}

impl Cooldown {
    /// True after so long a quiet that the entry says nothing any more.
    pub fn forgotten(&self, now: Millis) -> bool {
        let quiet = Millis(self.length.0.saturating_mul(10)).max(QUIET_FLOOR);
        !self.dead && now >= self.until && now.since(self.set_at) >= quiet
    }

    /// May it be used now?
    pub fn gate(&self, now: Millis) -> Gate {
        if self.dead {
            return Gate::Dead { class: self.class };
        }
        if self.forgotten(now) {
            return Gate::Ready;
        }
        if now < self.probe_at {
            return Gate::Cooling {
                class: self.class,
                until: self.probe_at,
            };
        }
        match self.probing_since {
            Some(since) if now.since(since) < PROBE_LEASE => Gate::Probing {
                class: self.class,
                until: since.plus(PROBE_LEASE),
            },
            _ => Gate::Probe { class: self.class },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::health::class::ALL;
    use proptest::prelude::*;

    fn blow(class: FailureClass, started_at: u64, now: u64) -> Blow {
        Blow {
            class,
            hint: None,
            started_at: Millis(started_at),
            sole: false,
            now: Millis(now),
            jitter: 0.0,
        }
    }

    fn check_length(class: FailureClass, strikes: u32, hint: Option<u64>, sole: bool, expected: u64) {
        let length = cooldown_length(class, strikes, hint.map(Millis), sole);
        assert_eq!(
            length,
            Millis(expected),
            "{class:?} strikes {strikes} hint {hint:?} sole {sole}"
        );
    }

    #[test]
    fn length_follows_the_formula() {
        use FailureClass as C;
        for (class, strikes, hint, sole, expected) in [
            (C::RateLimit, 1, None, false, 2_000),
            (C::RateLimit, 2, None, false, 4_000),
            (C::RateLimit, 9, None, false, 300_000),
            (C::RateLimit, 1, Some(30_000), false, 30_000),
            (C::RateLimit, 1, Some(150), false, 250),
            // A provider that lies with tiny hints still escalates.
            (C::RateLimit, 5, Some(250), false, 16_000),
            (C::RateLimit, 9, None, true, 15_000),
            // Never before the hint, sole or not.
            (C::RateLimit, 1, Some(600_000), true, 600_000),
            (C::Auth, 1, None, false, 300_000),
            (C::Auth, 2, None, false, 600_000),
            (C::Billing, 1, None, true, 3_600_000),
            (C::Billing, 9, None, false, 86_400_000),
            (C::QuotaWindow, 1, Some(30 * 86_400_000), false, 7 * 86_400_000),
            (C::ServerError, 4, None, false, 16_000),
            (C::ServerError, 5, None, false, 20_000),
            (C::HeadersTimeout, 2, None, false, 4_000),
            (C::ModelGone, 1, None, false, 21_600_000),
        ] {
            check_length(class, strikes, hint, sole, expected);
        }
    }

    #[test]
    fn stragglers_add_no_strike() {
        let first = after_failure(None, &blow(FailureClass::RateLimit, 0, 100));
        assert_eq!((first.strikes, first.until), (1, Millis(2_100)));
        let straggler = after_failure(Some(&first), &blow(FailureClass::RateLimit, 50, 1_000));
        assert_eq!((straggler.strikes, straggler.until), (1, Millis(3_000)));
        let trial = after_failure(Some(&straggler), &blow(FailureClass::RateLimit, 3_000, 3_100));
        assert_eq!((trial.strikes, trial.until), (2, Millis(7_100)));
    }

    #[test]
    fn a_timeout_is_two_strikes() {
        assert_eq!(
            after_failure(None, &blow(FailureClass::HeadersTimeout, 0, 10_000)).strikes,
            2
        );
    }

    #[test]
    fn the_third_refusal_of_a_credential_is_final() {
        let mut entry = after_failure(None, &blow(FailureClass::Auth, 0, 0));
        for strike in 2..=3u32 {
            assert!(!entry.dead);
            let at = entry.until.0;
            entry = after_failure(Some(&entry), &blow(FailureClass::Auth, at, at));
            assert_eq!(entry.strikes, strike);
        }
        assert!(entry.dead);
        assert!(matches!(entry.gate(Millis(u64::MAX)), Gate::Dead { .. }));
    }

    #[test]
    fn quiet_makes_it_forgotten() {
        let entry = after_failure(None, &blow(FailureClass::Billing, 0, 0));
        assert!(matches!(entry.gate(Millis(3_600_000)), Gate::Probe { .. }));
        assert_eq!(entry.gate(Millis(36_000_000)), Gate::Ready);
    }

    #[test]
    fn a_sole_credential_is_probed_before_its_cooldown_ends() {
        let entry = after_failure(
            None,
            &Blow {
                sole: true,
                ..blow(FailureClass::Billing, 0, 0)
            },
        );
        assert!(matches!(entry.gate(Millis(29_999)), Gate::Cooling { .. }));
        assert!(matches!(entry.gate(Millis(30_000)), Gate::Probe { .. }));
        // The failed probe moves the next one, and is no new trial.
        let again = after_failure(
            Some(&entry),
            &Blow {
                sole: true,
                ..blow(FailureClass::Billing, 30_000, 30_100)
            },
        );
        assert_eq!((again.strikes, again.probe_at), (1, Millis(60_100)));
    }

    proptest! {
        #[test]
        fn never_shortened_never_before_the_hint(
            blows in proptest::collection::vec((0..ALL.len(), proptest::option::of(0u64..2_000_000), 0u64..600_000, 0u64..60_000, any::<bool>(), 0.0f64..1.0), 1..20)
        ) {
            let (mut now, mut entry): (u64, Option<Cooldown>) = (1_000_000, None);
            for (class, hint, pause, age, sole, jitter) in blows {
                let class = ALL[class];
                now += pause;
                let blow = Blow { class, hint: hint.map(Millis), started_at: Millis(now - age), sole, now: Millis(now), jitter };
                let next = after_failure(entry.as_ref(), &blow);
                if let Some(before) = &entry {
                    prop_assert!(next.until >= before.until);
                    if blow.started_at < before.until && !before.forgotten(Millis(now)) {
                        prop_assert!(next.strikes <= before.strikes.max(1));
                    }
                }
                if let Some(hint) = hint {
                    let believed = hint.max(HINT_FLOOR.0).min(class.rule().hint_cap.0.max(HINT_FLOOR.0));
                    prop_assert!(next.until.0 >= now + believed);
                }
                prop_assert!(next.probe_at <= next.until);
                prop_assert!(next.until.0 <= now.max(entry.as_ref().map_or(0, |e| e.until.0)) + 8 * 86_400_000);
                entry = Some(next);
            }
        }
    }
}
