//! An hour of failures in a millisecond.

use super::*;
use crate::route::health::fact::News;
use proptest::prelude::*;

fn model(id: &str) -> ModelId {
    ModelId::parse(id).unwrap()
}

fn key(id: &str) -> CredentialId {
    CredentialId(id.to_owned())
}

fn sent(credential: &str, at: u64) -> Dispatch {
    Dispatch {
        target: model("p/m"),
        credential: Some(key(credential)),
        host: "p.example".to_owned(),
        quota_group: None,
        estimated_tokens: 100,
        started_at: Millis(at),
    }
}

fn grouped(credential: &str, at: u64) -> Dispatch {
    Dispatch {
        quota_group: Some("org".to_owned()),
        ..sent(credential, at)
    }
}

fn failed(class: FailureClass) -> Failure {
    Failure {
        class,
        hint: None,
        ceiling: None,
        suspected: false,
        gave_up: true,
        sole: false,
        jitter: 0.0,
    }
}

fn fail(health: &mut Health, dispatch: &Dispatch, failure: Failure, now: u64) {
    health.begin(dispatch);
    health.record_failure(dispatch, &failure, Millis(now));
}

fn target_gate(health: &Health, now: u64) -> Gate {
    health.target_gate(&model("p/m"), "p.example", Millis(now))
}

fn key_gate(health: &Health, id: &str, of: &str, now: u64) -> Gate {
    health.credential_gate(&key(id), Some("org"), &model(of), Millis(now))
}

#[test]
fn each_class_is_remembered_at_its_level_only() {
    for class in class::ALL {
        let mut health = Health::new(0);
        fail(
            &mut health,
            &sent("k1", 0),
            Failure {
                ceiling: Some(50),
                ..failed(class)
            },
            0,
        );
        let level = class.rule().level;
        let told = (
            !key_gate(&health, "k1", "other/m", 0).usable(),
            !key_gate(&health, "k1", "p/m", 0).usable(),
            !health.target_gate(&model("p/m"), "other", Millis(0)).usable(),
            !health.target_gate(&model("p/n"), "p.example", Millis(0)).usable(),
            health.ceiling(Some(&key("k1")), &model("p/m"), Millis(0)).is_some(),
        );
        let expected = match level {
            Level::Credential => (true, true, false, false, false),
            Level::CredentialModel => (false, true, false, false, false),
            Level::Target => (false, false, true, false, false),
            Level::Host => (false, false, false, true, false),
            Level::Ceiling => (false, false, false, false, true),
            Level::Nothing => (false, false, false, false, false),
        };
        assert_eq!(told, expected, "{class:?}");
        assert!(
            key_gate(&health, "k2", "p/m", 0).usable(),
            "{class:?} must not bench another key"
        );
    }
}

#[test]
fn one_probe_at_a_time_and_success_reopens() {
    let mut health = Health::new(0);
    fail(&mut health, &sent("k1", 0), failed(FailureClass::ServerError), 100);
    assert!(matches!(target_gate(&health, 2_099), Gate::Cooling { .. }));
    assert!(matches!(target_gate(&health, 2_100), Gate::Probe { .. }));
    let probe = sent("k1", 2_200);
    health.begin(&probe);
    assert!(matches!(target_gate(&health, 2_300), Gate::Probing { .. }));
    // Headers do not close a breaker, the end of the answer does.
    health.record_success(&probe, false, Millis(2_400));
    assert!(matches!(target_gate(&health, 2_400), Gate::Probing { .. }));
    health.record_success(&probe, true, Millis(3_000));
    assert_eq!(target_gate(&health, 3_000), Gate::Ready);
}

#[test]
fn a_failed_probe_doubles_and_a_lost_one_is_given_up() {
    let mut health = Health::new(0);
    fail(&mut health, &sent("k1", 0), failed(FailureClass::ServerError), 0);
    fail(
        &mut health,
        &sent("k1", 2_000),
        failed(FailureClass::ServerError),
        2_100,
    );
    assert_eq!(target_gate(&health, 2_100).until(), Some(Millis(6_100)));
    health.begin(&sent("k1", 6_100));
    assert!(matches!(target_gate(&health, 66_099), Gate::Probing { .. }));
    assert!(matches!(target_gate(&health, 66_100), Gate::Probe { .. }));
}

#[test]
fn a_cancelled_probe_frees_the_way() {
    let mut health = Health::new(0);
    fail(&mut health, &sent("k1", 0), failed(FailureClass::ServerError), 0);
    let probe = sent("k1", 2_000);
    health.begin(&probe);
    health.record_cancelled(&probe);
    assert!(matches!(target_gate(&health, 2_001), Gate::Probe { .. }));
    assert_eq!(health.target(&model("p/m")).unwrap().in_flight, 0);
}

#[test]
fn an_old_success_does_not_clear_a_newer_cooldown() {
    let mut health = Health::new(0);
    let old = sent("k1", 0);
    health.begin(&old);
    fail(&mut health, &sent("k1", 10), failed(FailureClass::RateLimit), 20);
    health.record_success(&old, true, Millis(30));
    assert!(matches!(key_gate(&health, "k1", "p/m", 40), Gate::Cooling { .. }));
    let new = sent("k1", 2_100);
    health.begin(&new);
    health.record_success(&new, false, Millis(2_200));
    assert_eq!(key_gate(&health, "k1", "p/m", 2_200), Gate::Ready);
}

#[test]
fn a_sole_target_stays_open_until_five_give_ups() {
    let mut health = Health::new(0);
    for give_up in 0..4 {
        fail(
            &mut health,
            &sent("k1", give_up),
            Failure {
                sole: true,
                ..failed(FailureClass::ServerError)
            },
            give_up,
        );
        assert_eq!(target_gate(&health, give_up), Gate::Ready);
    }
    fail(
        &mut health,
        &sent("k1", 4),
        Failure {
            sole: true,
            ..failed(FailureClass::ServerError)
        },
        4,
    );
    assert!(matches!(target_gate(&health, 5), Gate::Cooling { .. }));
}

#[test]
fn a_sole_target_opens_when_half_of_ten_fail() {
    let mut health = Health::new(0);
    for at in 0..10 {
        assert_eq!(target_gate(&health, at), Gate::Ready, "after {at} outcomes");
        let dispatch = sent("k1", at);
        if at % 2 == 0 {
            health.begin(&dispatch);
            health.record_success(&dispatch, true, Millis(at));
        } else {
            fail(
                &mut health,
                &dispatch,
                Failure {
                    sole: true,
                    ..failed(FailureClass::BadResponse)
                },
                at,
            );
        }
    }
    assert!(matches!(target_gate(&health, 10), Gate::Cooling { .. }));
}

#[test]
fn a_retry_on_the_same_target_leaves_its_breaker_alone() {
    let mut health = Health::new(0);
    fail(
        &mut health,
        &sent("k1", 0),
        Failure {
            gave_up: false,
            ..failed(FailureClass::ServerError)
        },
        1,
    );
    assert_eq!(target_gate(&health, 1), Gate::Ready);
}

#[test]
fn two_members_speak_for_their_group() {
    let mut health = Health::new(0);
    fail(&mut health, &grouped("k1", 0), failed(FailureClass::RateLimit), 0);
    assert_eq!(key_gate(&health, "k3", "p/m", 1), Gate::Ready);
    fail(
        &mut health,
        &grouped("k2", 1),
        Failure {
            hint: Some(Millis(30_000)),
            ..failed(FailureClass::RateLimit)
        },
        1,
    );
    assert!(matches!(key_gate(&health, "k3", "p/m", 2), Gate::Cooling { .. }));
    assert_eq!(key_gate(&health, "k3", "p/other", 2), Gate::Ready);
    let probe = grouped("k1", 30_001);
    health.begin(&probe);
    health.record_success(&probe, false, Millis(30_100));
    assert_eq!(key_gate(&health, "k3", "p/m", 30_100), Gate::Ready);
}

#[test]
fn ceilings_double_their_life_and_expire() {
    let mut health = Health::new(0);
    let m = model("p/m");
    health.learn_ceiling(&m, Some(&key("k1")), 30_000, Millis(0));
    assert_eq!(health.ceiling(Some(&key("k1")), &m, Millis(599_999)), Some(30_000));
    assert_eq!(health.ceiling(Some(&key("k2")), &m, Millis(0)), None);
    assert_eq!(health.ceiling(Some(&key("k1")), &m, Millis(600_000)), None);
    health.learn_ceiling(&m, Some(&key("k1")), 30_000, Millis(600_000));
    assert_eq!(health.ceiling(Some(&key("k1")), &m, Millis(1_799_999)), Some(30_000));
    health.forget_ceiling(&m, Some(&key("k1")), 40_000);
    assert_eq!(health.ceiling(Some(&key("k1")), &m, Millis(700_000)), None);
}

#[test]
fn refused_parameters_are_remembered_for_an_hour() {
    let mut health = Health::new(0);
    health.learn_unsupported(&model("p/m"), "max_tokens", Millis(0));
    assert_eq!(health.unsupported(&model("p/m"), Millis(3_599_999)), ["max_tokens"]);
    assert!(health.unsupported(&model("p/m"), Millis(3_600_000)).is_empty());
    assert!(health.unsupported(&model("p/n"), Millis(0)).is_empty());
}

#[test]
fn a_cold_isolate_learns_what_is_slow_and_nothing_echoes() {
    let mut warm = Health::new(0);
    fail(&mut warm, &sent("k1", 0), failed(FailureClass::Billing), 0);
    fail(&mut warm, &sent("k2", 0), failed(FailureClass::RateLimit), 0);
    let digest = warm.digest(Millis(0));
    assert_eq!(digest.len(), 1);
    let text = serde_json::to_string(&digest).unwrap();
    let mut cold = Health::new(0);
    cold.merge(&serde_json::from_str::<Vec<HealthFact>>(&text).unwrap(), Millis(1));
    assert!(key_gate(&cold, "k1", "p/m", 1).hard());
    assert!(cold.drain_transitions().is_empty());
    // A clear reaches everybody who knew of nothing newer.
    let probe = sent("k1", 3_600_000);
    warm.begin(&probe);
    warm.record_success(&probe, false, Millis(3_600_100));
    let facts = warm.drain_transitions();
    assert!(facts.iter().any(|fact| fact.news == News::Cleared));
    cold.merge(&facts, Millis(3_600_200));
    assert_eq!(key_gate(&cold, "k1", "p/m", 3_600_200), Gate::Ready);
}

#[test]
fn a_new_catalog_revision_forgets_what_only_it_can_repair() {
    for (class, forgotten) in [
        (FailureClass::Auth, true),
        (FailureClass::Billing, true),
        (FailureClass::QuotaWindow, true),
        (FailureClass::Entitlement, true),
        (FailureClass::ModelGone, true),
        (FailureClass::RateLimit, false),
        (FailureClass::ServerError, false),
    ] {
        let mut health = Health::new(0);
        fail(&mut health, &sent("k1", 0), failed(class), 0);
        health.drain_transitions();
        assert_eq!(health.forget_hard(Millis(10)), usize::from(forgotten), "{class:?}");
        assert_eq!(health.entries() == 0, forgotten, "{class:?}");
        assert_eq!(
            health.drain_transitions().len(),
            usize::from(forgotten),
            "others hear of it"
        );
    }
}

#[test]
fn transitions_are_told_once() {
    let mut health = Health::new(0);
    for at in 0..5 {
        fail(&mut health, &sent("k1", at), failed(FailureClass::RateLimit), at);
    }
    assert_eq!(health.drain_transitions().len(), 1);
    fail(
        &mut health,
        &sent("k1", 5),
        Failure {
            hint: Some(Millis(60_000)),
            ..failed(FailureClass::RateLimit)
        },
        6,
    );
    assert_eq!(health.drain_transitions().len(), 1);
}

#[test]
fn memory_stays_bounded() {
    let mut health = Health::new(0);
    for number in 0..6_000u64 {
        let mut dispatch = sent(&format!("k{number}"), number);
        dispatch.target = model(&format!("p/m{number}"));
        dispatch.host = format!("h{number}");
        let class = if number % 2 == 0 {
            FailureClass::Billing
        } else {
            FailureClass::RateLimit
        };
        fail(&mut health, &dispatch, failed(class), number);
        health.learn_ceiling(&dispatch.target, None, 10, Millis(number));
        health.learn_unsupported(&dispatch.target, "x", Millis(number));
    }
    assert!(health.entries() <= MAX_ENTRIES);
    assert!(health.targets.len() <= MAX_STATS && health.credentials.len() <= MAX_STATS);
    assert!(health.drain_transitions().len() <= MAX_STATS);
}

#[test]
fn round_robin_is_smooth_and_weighted() {
    let mut health = Health::new(0);
    let (one, two) = (key("a"), key("b"));
    let usable = [(&one, 2), (&two, 1)];
    let pool = PoolId::parse("p").unwrap();
    let turns: Vec<String> = (0..6)
        .filter_map(|_| health.next_turn(&pool, &usable))
        .map(|id| id.0)
        .collect();
    assert_eq!(turns, ["a", "b", "a", "a", "b", "a"]);
}

proptest! {
    /// However attempts interleave, in-flight counters return to zero and no probe stays taken.
    #[test]
    fn every_attempt_ends(steps in proptest::collection::vec((0u8..4, 0usize..28, 0u64..5_000), 1..60)) {
        let mut health = Health::new(0);
        let mut running: Vec<Dispatch> = Vec::new();
        let mut now = 0;
        for (step, class, pause) in steps {
            now += pause + 1;
            match (step, running.pop()) {
                (0, last) => {
                    running.extend(last);
                    let dispatch = sent(if class % 2 == 0 { "k1" } else { "k2" }, now);
                    health.begin(&dispatch);
                    running.insert(0, dispatch);
                }
                (1, Some(dispatch)) => health.record_failure(&dispatch, &failed(class::ALL[class]), Millis(now)),
                (2, Some(dispatch)) => health.record_success(&dispatch, true, Millis(now)),
                (3, Some(dispatch)) => health.record_cancelled(&dispatch),
                _ => {}
            }
        }
        for dispatch in running {
            health.record_cancelled(&dispatch);
        }
        prop_assert!(health.targets.values().all(|stats| stats.in_flight == 0));
        prop_assert!(health.credentials.values().all(|stats| stats.in_flight == 0));
        prop_assert!(health.cooldowns.values().all(|entry| entry.probing_since.is_none()));
    }

    /// Merging in any order gives the same state, but for who probes.
    #[test]
    fn merging_is_order_free(untils in proptest::collection::vec(1u64..100_000, 1..8), turn in 0usize..8) {
        let facts: Vec<HealthFact> = untils.iter().map(|until| HealthFact {
            key: HealthKey::Target(model("p/m")),
            news: News::Cooling { class: FailureClass::ServerError, until: Millis(*until), probe_at: Millis(*until), strikes: 1, length: Millis(1), dead: false },
            set_at: Millis(0),
        }).collect();
        let mut turned = facts.clone();
        turned.rotate_left(turn % facts.len());
        let (mut one, mut other) = (Health::new(0), Health::new(0));
        one.merge(&facts, Millis(0));
        other.merge(&turned, Millis(0));
        prop_assert_eq!(one.cooldowns, other.cooldowns);
    }
}
