//! Pins in an isolate's memory: bounded, the least recently used go first.

use super::Pin;
use crate::wire::Millis;
use std::collections::BTreeMap;

/// Pins kept per isolate.
const CAPACITY: usize = 4096;

/// Session key and model name to pin.
#[derive(Clone, Debug, Default)]
pub struct PinCache {
    pins: BTreeMap<(String, String), (Pin, u64)>,
    by_use: BTreeMap<u64, (String, String)>,
    clock: u64,
}

impl PinCache {
    /// The live pin of a session under a model name; counts as a use.
    pub fn lookup(&mut self, session: &str, route: &str, now: Millis, ttl: Millis) -> Option<Pin> {
        let key = (session.to_owned(), route.to_owned());
        let (pin, used) = self.pins.get(&key)?;
        if !pin.live(now, ttl) {
            let used = *used;
            self.by_use.remove(&used);
            self.pins.remove(&key);
            return None;
        }
        let pin = pin.clone();
        self.put(session, pin.clone());
        Some(pin)
    }

    /// Remembers a pin under its own route.
    pub fn put(&mut self, session: &str, pin: Pin) {
        let key = (session.to_owned(), pin.route.clone());
        self.clock += 1;
        if let Some((_, used)) = self.pins.insert(key.clone(), (pin, self.clock)) {
            self.by_use.remove(&used);
        }
        self.by_use.insert(self.clock, key);
        while self.pins.len() > CAPACITY {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                return;
            };
            self.pins.remove(&oldest);
        }
    }

    /// Forgets every pin of a session. Returns how many there were.
    pub fn forget(&mut self, session: &str) -> usize {
        let before = self.pins.len();
        self.pins.retain(|(owner, _), _| owner != session);
        self.by_use.retain(|_, (owner, _)| owner != session);
        before - self.pins.len()
    }

    /// Pins kept now.
    pub fn len(&self) -> usize {
        self.pins.len()
    }

    /// True without pins.
    pub fn is_empty(&self) -> bool {
        self.pins.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::pin;
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut cache = PinCache::default();
        for number in 0..CAPACITY {
            cache.put(&format!("s{number}"), pin("r", 0));
        }
        assert!(cache.lookup("s0", "r", Millis(1), Millis(100)).is_some());
        cache.put("new", pin("r", 0));
        assert_eq!(cache.len(), CAPACITY);
        assert!(cache.lookup("s0", "r", Millis(1), Millis(100)).is_some());
        assert!(cache.lookup("s1", "r", Millis(1), Millis(100)).is_none());
    }

    #[test]
    fn idle_pins_are_forgotten_and_routes_kept_apart() {
        let mut cache = PinCache::default();
        cache.put("s", pin("r", 0));
        cache.put("s", pin("q", 50));
        assert!(cache.lookup("s", "r", Millis(100), Millis(100)).is_none());
        assert!(cache.lookup("s", "q", Millis(100), Millis(100)).is_some());
        assert_eq!(cache.forget("s"), 1);
        assert!(cache.is_empty());
    }
}
