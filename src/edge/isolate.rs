//! What one isolate remembers between requests: plain data only, no stream, no promise, no stub.
//!
//! Losing it costs a cold start, never correctness: the owners of state are the Durable Objects and KV.

use crate::access::allowance::Allowance;
use crate::access::key::KeyRecord;
use crate::account::refusals::Refusals;
use crate::account::waiting::Waiting;
use crate::catalog::{Catalog, ModelId, NanoUsd, ProviderId, Vault};
use crate::route::health::Health;
use crate::route::health::verified::Verified;
use crate::route::pin::PinCache;
use crate::wire::Millis;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

thread_local! {
    static ISOLATE: RefCell<Isolate> = RefCell::default();
    /// Apart from the rest: decisions hold it while they look other things up.
    static HEALTH: RefCell<Health> = RefCell::default();
    static WAITING: RefCell<Waiting> = RefCell::default();
    static REFUSALS: RefCell<Refusals> = RefCell::default();
    static AUDITED: RefCell<Allowance> = const { RefCell::new(Allowance::new(30, Millis(60_000))) };
}

/// Keys remembered at once; the oldest answers go first.
const KEYS: usize = 4096;

#[derive(Default)]
struct Isolate {
    pins: PinCache,
    world: Option<Loaded>,
    keys: BTreeMap<String, Known>,
    revoked: BTreeMap<String, Millis>,
    listings: BTreeMap<ProviderId, Listing>,
    remaining: BTreeMap<String, (Option<NanoUsd>, Millis)>,
    verified: Verified,
}

/// A compiled catalog and what this deployment's secrets make of it.
#[derive(Clone)]
pub(super) struct World {
    /// The catalog.
    pub(super) catalog: Arc<Catalog>,
    /// Credentials and variables.
    pub(super) vault: Arc<Vault>,
    /// Why the newest snapshot could not be used, if so.
    pub(super) problem: Option<String>,
}

/// A world and when it was read.
#[derive(Clone)]
pub(super) struct Loaded {
    /// The world.
    pub(super) world: World,
    /// When KV was last asked for a newer one.
    pub(super) checked_at: Millis,
}

/// What is known of a key id; `None`: the Registry does not know it.
#[derive(Clone)]
pub(super) struct Known {
    /// The record.
    pub(super) record: Option<Arc<KeyRecord>>,
    /// When it was read.
    pub(super) read_at: Millis,
}

/// Names that a provider's own listing gave.
#[derive(Clone)]
pub(super) struct Listing {
    /// Upstream model names.
    pub(super) models: Arc<Vec<String>>,
    /// When it was read.
    pub(super) read_at: Millis,
}

/// Runs `f` with the rows that wait to be sent.
pub(super) fn with_waiting<T>(f: impl FnOnce(&mut Waiting) -> T) -> T {
    WAITING.with_borrow_mut(f)
}

/// Runs `f` with the isolate's health; never hold it across an await.
pub(super) fn with_health<T>(f: impl FnOnce(&mut Health) -> T) -> T {
    HEALTH.with_borrow_mut(f)
}

/// Runs `f` with the isolate's refused requests.
pub(super) fn with_refusals<T>(f: impl FnOnce(&mut Refusals) -> T) -> T {
    REFUSALS.with_borrow_mut(f)
}

/// May one more refused admin call leave an audit row? 30 a minute and isolate; the Registry has a bound of its own.
pub(super) fn may_audit_refusal(now: Millis) -> bool {
    AUDITED.with_borrow_mut(|allowance| allowance.take(now))
}

/// Runs `f` with the isolate's session pins.
pub(super) fn with_pins<T>(f: impl FnOnce(&mut PinCache) -> T) -> T {
    ISOLATE.with_borrow_mut(|isolate| f(&mut isolate.pins))
}

/// The world as last read.
pub(super) fn world() -> Option<Loaded> {
    ISOLATE.with_borrow(|isolate| isolate.world.clone())
}

/// Remembers a world. A new catalog revision may hold what repairs a credential or target that was given up, so those get their chance.
pub(super) fn set_world(world: World, checked_at: Millis) {
    let revision = world.catalog.revision;
    let before = ISOLATE.with_borrow_mut(|isolate| isolate.world.replace(Loaded { world, checked_at }));
    if before.is_some_and(|before| before.world.catalog.revision != revision) {
        with_health(|health| health.forget_hard(checked_at));
    }
}

/// Revision of the catalog in use.
pub(super) fn revision() -> Option<u64> {
    ISOLATE.with_borrow(|isolate| isolate.world.as_ref().map(|loaded| loaded.world.catalog.revision))
}

/// What is known of a key id.
pub(super) fn key(kid: &str) -> Option<Known> {
    ISOLATE.with_borrow(|isolate| isolate.keys.get(kid).cloned())
}

/// Remembers what is known of a key id.
pub(super) fn set_key(kid: &str, known: Known) {
    ISOLATE.with_borrow_mut(|isolate| {
        if isolate.keys.len() >= KEYS {
            let oldest = isolate
                .keys
                .iter()
                .min_by_key(|(_, known)| known.read_at)
                .map(|(kid, _)| kid.clone());
            oldest.map(|kid| isolate.keys.remove(&kid));
        }
        isolate.keys.insert(kid.to_owned(), known);
    });
}

/// Forgets a key id: the next request asks again.
pub(super) fn forget_key(kid: &str) {
    ISOLATE.with_borrow_mut(|isolate| isolate.keys.remove(kid));
}

/// A Ledger said that a key is revoked. No key comes back, so this holds against whatever KV still says.
pub(super) fn set_revoked(kid: &str, at: Millis) {
    ISOLATE.with_borrow_mut(|isolate| {
        if isolate.revoked.len() >= KEYS {
            isolate.revoked.pop_first();
        }
        isolate.revoked.insert(kid.to_owned(), at);
    });
}

/// Since when a Ledger calls a key revoked.
pub(super) fn revoked(kid: &str) -> Option<Millis> {
    ISOLATE.with_borrow(|isolate| isolate.revoked.get(kid).copied())
}

/// A provider's listing as last read.
pub(super) fn listing(provider: &ProviderId) -> Option<Listing> {
    ISOLATE.with_borrow(|isolate| isolate.listings.get(provider).cloned())
}

/// Remembers a provider's listing.
pub(super) fn set_listing(provider: ProviderId, listing: Listing) {
    ISOLATE.with_borrow_mut(|isolate| isolate.listings.insert(provider, listing));
}

/// How long the Ledger's last word about a key's budget decides what is listed for it.
const REMAINING_FOR: Millis = Millis(60_000);

/// The least that any hard budget of a key has, as the Ledger last said; `None`: not known, or no budget.
pub(super) fn remaining(kid: &str, now: Millis) -> Option<NanoUsd> {
    ISOLATE.with_borrow(|isolate| {
        let (remaining, at) = isolate.remaining.get(kid)?;
        (now.since(*at) < REMAINING_FOR).then_some(*remaining)?
    })
}

/// Remembers what the Ledger said about a key's budget.
pub(super) fn set_remaining(kid: &str, remaining: Option<NanoUsd>, now: Millis) {
    ISOLATE.with_borrow_mut(|isolate| {
        if isolate.remaining.len() >= KEYS {
            isolate.remaining.clear();
        }
        isolate.remaining.insert(kid.to_owned(), (remaining, now));
    });
}

/// Runs `f` with what this isolate knows of when models last answered a real call.
pub(super) fn with_verified<T>(f: impl FnOnce(&mut Verified) -> T) -> T {
    ISOLATE.with_borrow_mut(|isolate| f(&mut isolate.verified))
}

/// A real call to a model succeeded.
pub(super) fn set_verified(model: ModelId, now: Millis) {
    with_verified(|verified| verified.note(model, now));
}

/// When a model last answered a real call.
pub(super) fn verified_at(model: &ModelId) -> Option<Millis> {
    with_verified(|verified| verified.at(model))
}
