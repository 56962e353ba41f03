//! Credential choice as tables: who pays, and how evenly.

use super::*;
use crate::catalog::{Pool, Secret};
use crate::route::health::{Failure, FailureClass};
use std::sync::Arc;

fn credential(label: &str) -> Credential {
    Credential {
        label: label.to_owned(),
        id: CredentialId(format!("id-{label}")),
        secret: Secret::new("s"),
        weight: 1,
        quota_group: None,
        models: Vec::new(),
        rpm: 0,
        tpm: 0,
    }
}

struct World {
    catalog: Catalog,
    vault: Vault,
    health: Health,
    pool: PoolId,
    model: ModelId,
    used: BTreeSet<CredentialId>,
}

impl World {
    fn new(strategy: PoolStrategy, credentials: Vec<Credential>) -> Self {
        let pool = PoolId::parse("p").unwrap();
        let mut catalog = Catalog::default();
        let document = Pool {
            id: pool.clone(),
            strategy,
            sticky: Stickiness::Session,
            keys: Vec::new(),
            discover: None,
        };
        catalog.pools.insert(pool.clone(), Arc::new(document));
        let mut vault = Vault::default();
        vault.pools.insert(pool.clone(), credentials);
        let model = ModelId::parse("p/m").unwrap();
        Self {
            catalog,
            vault,
            health: Health::new(0),
            pool,
            model,
            used: BTreeSet::new(),
        }
    }

    fn pick<'t>(&'t mut self, now: u64, change: impl FnOnce(&mut Want<'t>)) -> Result<String, NoneAvailable> {
        let mut want = Want {
            model: &self.model,
            pool: Some(&self.pool),
            credential_optional: false,
            allowed: &[],
            session: None,
            pinned: None,
            used: &self.used,
            estimated_tokens: 100,
            last_resort: false,
            seed: now,
            now: Millis(now),
        };
        change(&mut want);
        match select(&self.catalog, &self.vault, &mut self.health, &want) {
            Selection::Anonymous => Ok("anonymous".to_owned()),
            Selection::Selected(selected) => {
                let dispatch = dispatch(&want, "h", Some(selected.credential));
                self.health.begin(&dispatch);
                Ok(selected.credential.label.clone())
            }
            Selection::NoneAvailable(none) => Err(none),
        }
    }

    fn cool(&mut self, label: &str, class: FailureClass, hint: Option<u64>, now: u64) {
        let dispatch = Dispatch {
            target: self.model.clone(),
            credential: Some(CredentialId(format!("id-{label}"))),
            host: "h".to_owned(),
            quota_group: None,
            estimated_tokens: 100,
            started_at: Millis(now),
        };
        let failure = Failure {
            class,
            hint: hint.map(Millis),
            ceiling: Some(50),
            suspected: false,
            gave_up: true,
            sole: false,
            jitter: 0.0,
        };
        self.health.record_failure(&dispatch, &failure, Millis(now));
    }
}

fn three(strategy: PoolStrategy) -> World {
    World::new(strategy, vec![credential("a"), credential("b"), credential("c")])
}

#[test]
fn fill_first_takes_the_configured_order_and_skips_what_cools() {
    let mut world = three(PoolStrategy::FillFirst);
    assert_eq!(world.pick(0, |_| {}), Ok("a".to_owned()));
    world.cool("a", FailureClass::RateLimit, Some(600_000), 0);
    assert_eq!(world.pick(1, |_| {}), Ok("b".to_owned()));
    world.used.insert(CredentialId("id-b".to_owned()));
    assert_eq!(world.pick(1, |_| {}), Ok("c".to_owned()));
}

#[test]
fn least_used_alternates_and_spreads_ten_at_once_evenly() {
    let mut world = World::new(PoolStrategy::LeastUsed, vec![credential("k1"), credential("k2")]);
    assert_eq!(world.pick(0, |_| {}), Ok("k1".to_owned()));
    assert_eq!(world.pick(1, |_| {}), Ok("k2".to_owned()));
    let mut world = World::new(PoolStrategy::LeastUsed, vec![credential("k1"), credential("k2")]);
    let picks: Vec<String> = (0..10).filter_map(|now| world.pick(now, |_| {}).ok()).collect();
    assert_eq!(picks.iter().filter(|label| *label == "k1").count(), 5);
}

#[test]
fn a_session_keeps_its_credential_on_every_isolate_and_returns_to_it() {
    let home = three(PoolStrategy::FillFirst)
        .pick(0, |want| want.session = Some("s1"))
        .unwrap();
    let second = {
        let mut world = three(PoolStrategy::FillFirst);
        world.cool(&home, FailureClass::RateLimit, Some(10_000), 0);
        world.pick(1, |want| want.session = Some("s1")).unwrap()
    };
    assert_ne!(home, second);
    for isolate in 0..3u64 {
        let mut world = three(PoolStrategy::FillFirst);
        assert_eq!(world.pick(isolate, |want| want.session = Some("s1")), Ok(home.clone()));
        world.cool(&home, FailureClass::RateLimit, Some(10_000), 100);
        assert_eq!(world.pick(101, |want| want.session = Some("s1")), Ok(second.clone()));
        assert_eq!(world.pick(10_200, |want| want.session = Some("s1")), Ok(home.clone()));
    }
}

#[test]
fn rendezvous_follows_the_weights() {
    let mut heavy = credential("heavy");
    heavy.weight = 3;
    let mut world = World::new(PoolStrategy::FillFirst, vec![heavy, credential("light")]);
    let sessions: Vec<String> = (0..2_000).map(|number| format!("session-{number}")).collect();
    let on_heavy = sessions
        .iter()
        .filter(|session| world.pick(0, |want| want.session = Some(session)).unwrap() == "heavy");
    let share = on_heavy.count();
    assert!(
        (1_400..1_600).contains(&share),
        "{share} of 2000 sessions on weight 3 of 4"
    );
}

#[test]
fn random_follows_the_weights() {
    let mut heavy = credential("heavy");
    heavy.weight = 3;
    let mut world = World::new(PoolStrategy::Random, vec![heavy, credential("light")]);
    let on_heavy = (0..2_000)
        .filter(|seed| world.pick(*seed, |_| {}).unwrap() == "heavy")
        .count();
    assert!((1_400..1_600).contains(&on_heavy), "{on_heavy} of 2000");
}

#[test]
fn most_remaining_reads_fresh_figures_only() {
    let mut world = three(PoolStrategy::MostRemaining);
    world
        .health
        .record_remaining(&CredentialId("id-a".to_owned()), 100, Millis(0));
    world
        .health
        .record_remaining(&CredentialId("id-b".to_owned()), 900, Millis(0));
    world
        .health
        .record_remaining(&CredentialId("id-c".to_owned()), 500, Millis(0));
    assert_eq!(world.pick(59_999, |_| {}), Ok("b".to_owned()));
    world
        .health
        .record_remaining(&CredentialId("id-c".to_owned()), 950, Millis(59_999));
    assert_eq!(world.pick(59_999, |_| {}), Ok("c".to_owned()));
}

#[test]
fn policy_and_model_patterns_narrow_the_pool() {
    let mut b = credential("b");
    b.quota_group = Some("org1".to_owned());
    let mut c = credential("c");
    c.models = vec!["other/*".to_owned()];
    let mut world = World::new(PoolStrategy::FillFirst, vec![credential("a"), b, c]);
    let org = ["org1".to_owned()];
    assert_eq!(world.pick(0, |want| want.allowed = &org), Ok("b".to_owned()));
    let third = ["c".to_owned()];
    let none = world.pick(0, |want| want.allowed = &third).unwrap_err();
    assert_eq!((none.members, none.next_at, none.all_dead), (0, None, true));
}

#[test]
fn nobody_left_says_when_and_why() {
    let mut world = three(PoolStrategy::FillFirst);
    world.cool("a", FailureClass::Billing, None, 0);
    world.cool("b", FailureClass::RateLimit, Some(30_000), 0);
    world.cool("c", FailureClass::RateLimit, Some(20_000), 0);
    let none = world.pick(1, |_| {}).unwrap_err();
    assert_eq!(
        (none.next_at, none.all_dead, none.class),
        (Some(Millis(20_000)), false, Some(FailureClass::RateLimit))
    );
    // Soft cooldowns give way to a last resort, hard ones never.
    assert_eq!(world.pick(1, |want| want.last_resort = true), Ok("c".to_owned()));
    world.cool("b", FailureClass::Billing, None, 2);
    world.cool("c", FailureClass::Auth, None, 2);
    let none = world.pick(3, |want| want.last_resort = true).unwrap_err();
    assert!(none.all_dead);
    assert_eq!(none.next_at, Some(Millis(300_002)));
}

#[test]
fn one_request_probes_while_others_go_on() {
    let mut world = World::new(PoolStrategy::FillFirst, vec![credential("a"), credential("b")]);
    world.cool("a", FailureClass::RateLimit, Some(5_000), 0);
    assert_eq!(world.pick(5_000, |_| {}), Ok("a".to_owned()));
    assert_eq!(world.pick(5_001, |_| {}), Ok("b".to_owned()));
}

#[test]
fn local_buckets_and_ceilings_are_kept() {
    let mut a = credential("a");
    a.rpm = 2;
    let mut b = credential("b");
    b.tpm = 150;
    let mut world = World::new(PoolStrategy::FillFirst, vec![a, b, credential("c")]);
    let picks: Vec<String> = (0..5).filter_map(|now| world.pick(now, |_| {}).ok()).collect();
    assert_eq!(picks, ["a", "a", "b", "c", "c"]);
    world.cool("c", FailureClass::LongContext429, None, 6);
    let none = world.pick(7, |_| {}).unwrap_err();
    assert!(none.too_long);
    assert_eq!(none.next_at, Some(Millis(1_007)));
    assert_eq!(world.pick(8, |want| want.estimated_tokens = 40), Ok("b".to_owned()));
}

#[test]
fn no_pool_and_an_optional_credential_call_anonymously() {
    let mut world = World::new(PoolStrategy::FillFirst, Vec::new());
    assert_eq!(world.pick(0, |want| want.pool = None), Ok("anonymous".to_owned()));
    assert_eq!(
        world.pick(0, |want| want.credential_optional = true),
        Ok("anonymous".to_owned())
    );
    assert_eq!(world.pick(0, |_| {}).unwrap_err().members, 0);
}

#[test]
fn a_pinned_label_goes_first_while_it_is_usable() {
    let mut world = three(PoolStrategy::FillFirst);
    assert_eq!(world.pick(0, |want| want.pinned = Some("c")), Ok("c".to_owned()));
    world.cool("c", FailureClass::RateLimit, None, 0);
    assert_eq!(world.pick(1, |want| want.pinned = Some("c")), Ok("a".to_owned()));
}

#[test]
fn where_the_sessions_hash_decides_a_recovered_credential_is_the_sessions_again() {
    let mut world = three(PoolStrategy::FillFirst);
    let first = world.pick(0, |want| want.session = Some("s")).unwrap();
    world.cool(&first, FailureClass::RateLimit, Some(3_000), 0);
    let second = world.pick(1, |want| want.session = Some("s")).unwrap();
    assert_ne!(second, first);
    // Case 56: the pin remembers who served last, and does not keep the session there.
    let again = world.pick(10_000, |want| {
        want.session = Some("s");
        want.pinned = Some(&second);
    });
    assert_eq!(again, Ok(first));
}
