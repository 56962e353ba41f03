//! The decisions behind the `Session` Durable Object and the index that lists sessions of a tenant.

use super::Pin;
use crate::wire::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Model names that one session may be pinned under; the least recently used goes first.
const MAX_ROUTES: usize = 8;

/// Everything one session's Durable Object stores.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    pins: BTreeMap<String, Pin>,
}

impl SessionState {
    /// The live pin under a model name.
    pub fn pin(&self, route: &str, now: Millis, ttl: Millis) -> Option<&Pin> {
        self.pins.get(route).filter(|pin| pin.live(now, ttl))
    }

    /// Stores a pin. A late write of an older isolate does not overwrite a newer answer. True: stored.
    pub fn put(&mut self, pin: Pin) -> bool {
        if self
            .pins
            .get(&pin.route)
            .is_some_and(|ours| ours.last_used_at > pin.last_used_at)
        {
            return false;
        }
        self.pins.insert(pin.route.clone(), pin);
        while self.pins.len() > MAX_ROUTES {
            let oldest = self
                .pins
                .values()
                .min_by_key(|pin| (pin.last_used_at, pin.route.clone()))
                .map(|pin| pin.route.clone());
            match oldest {
                Some(route) => self.pins.remove(&route),
                None => return true,
            };
        }
        true
    }

    /// Drops what has been idle too long. Returns when to look again; `None`: nothing is left, the object can be deleted.
    pub fn expire(&mut self, now: Millis, ttl: Millis) -> Option<Millis> {
        self.pins.retain(|_, pin| pin.live(now, ttl));
        self.pins.values().map(|pin| pin.last_used_at.plus(ttl)).min()
    }

    /// All pins, for the admin page.
    pub fn pins(&self) -> impl Iterator<Item = &Pin> {
        self.pins.values()
    }
}

/// One row of `GET sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinRow {
    /// Session id without its tenant.
    pub session: String,
    /// Tenant.
    pub tenant: String,
    /// Its latest pin.
    #[serde(flatten)]
    pub pin: Pin,
}

/// Sessions of all tenants, newest use last; bounded per tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionIndex {
    rows: BTreeMap<String, BTreeMap<String, PinRow>>,
}

impl SessionIndex {
    /// Notes a session. Returns those that had to go (least recently used first) to keep `cap` per tenant: their objects are deleted.
    pub fn note(&mut self, row: PinRow, cap: usize) -> Vec<PinRow> {
        let rows = self.rows.entry(row.tenant.clone()).or_default();
        rows.insert(row.session.clone(), row);
        let mut gone = Vec::new();
        while rows.len() > cap.max(1) {
            let oldest = rows
                .values()
                .min_by_key(|row| (row.pin.last_used_at, row.session.clone()))
                .map(|row| row.session.clone());
            match oldest.and_then(|session| rows.remove(&session)) {
                Some(row) => gone.push(row),
                None => break,
            }
        }
        gone
    }

    /// Forgets a session. True: it was there.
    pub fn remove(&mut self, tenant: &str, session: &str) -> bool {
        self.rows
            .get_mut(tenant)
            .is_some_and(|rows| rows.remove(session).is_some())
    }

    /// Drops what has been idle too long.
    pub fn expire(&mut self, now: Millis, ttl: Millis) {
        for rows in self.rows.values_mut() {
            rows.retain(|_, row| row.pin.live(now, ttl));
        }
        self.rows.retain(|_, rows| !rows.is_empty());
    }

    /// A page in the order of tenant and session, after `cursor` (`tenant\nsession`), and the next cursor.
    pub fn list(&self, cursor: Option<&str>, limit: usize) -> (Vec<&PinRow>, Option<String>) {
        let after = cursor.and_then(|cursor| cursor.split_once('\n'));
        let rows = self.rows.values().flat_map(BTreeMap::values);
        let mut rows = rows.filter(|row| after.is_none_or(|after| (row.tenant.as_str(), row.session.as_str()) > after));
        let page: Vec<&PinRow> = rows.by_ref().take(limit).collect();
        let next = rows
            .next()
            .and(page.last())
            .map(|row| format!("{}\n{}", row.tenant, row.session));
        (page, next)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::pin;
    use super::*;

    #[test]
    fn the_time_to_live_slides_and_the_last_pin_ends_the_object() {
        let (mut state, ttl) = (SessionState::default(), Millis(100));
        assert!(state.put(pin("r", 0)));
        assert!(state.put(pin("r", 60)));
        assert!(!state.put(pin("r", 50)), "an older write loses");
        assert_eq!(state.expire(Millis(120), ttl), Some(Millis(160)));
        assert!(state.pin("r", Millis(159), ttl).is_some());
        assert!(state.pin("r", Millis(160), ttl).is_none());
        assert_eq!(state.expire(Millis(160), ttl), None);
    }

    #[test]
    fn a_session_keeps_few_routes() {
        let mut state = SessionState::default();
        for number in 0..20 {
            state.put(pin(&format!("r{number}"), number));
        }
        assert_eq!(state.pins().count(), MAX_ROUTES);
        assert!(state.pin("r19", Millis(20), Millis(100)).is_some());
    }

    #[test]
    fn the_index_pages_and_evicts_the_least_recently_used() {
        let mut index = SessionIndex::default();
        let row = |session: &str, at| PinRow {
            session: session.to_owned(),
            tenant: "t".to_owned(),
            pin: pin("r", at),
        };
        assert!(index.note(row("a", 3), 2).is_empty());
        assert!(index.note(row("b", 1), 2).is_empty());
        assert_eq!(index.note(row("c", 2), 2), vec![row("b", 1)]);
        let (page, next) = index.list(None, 1);
        assert_eq!(page, vec![&row("a", 3)]);
        let (page, next) = index.list(next.as_deref(), 1);
        assert_eq!((page, next), (vec![&row("c", 2)], None));
        assert!(index.remove("t", "a") && !index.remove("t", "a"));
        index.expire(Millis(102), Millis(100));
        assert!(index.list(None, 10).0.is_empty());
    }
}
