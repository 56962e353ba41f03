//! Session pins: who served a session, so that it stays there while that is worth it.
//!
//! Pins are hints. A pinned target that cannot be used now is skipped and the pin kept; a failure on it re-pins; a pin that only a
//! failure of the primary made ends soon, so that the session returns. Plain data and pure decisions; the Durable Object stores them.

mod cache;
mod store;

pub use cache::PinCache;
pub use store::{PinRow, SessionIndex, SessionState};

use crate::catalog::{ModelId, NanoUsd};
use crate::wire::{Call, Millis};
use serde::{Deserialize, Serialize};

/// Conversations above this many estimated tokens are worth staying at a fallback for: its prompt cache is warm.
pub const CACHE_WORTHY_TOKENS: u64 = 20_000;

/// A fallback that served within this time keeps its cache-worthy session.
const FALLBACK_RECENT: Millis = Millis(5 * 60_000);

/// No fallback keeps a session longer than this without a look at the primary.
const FALLBACK_LONGEST: Millis = Millis(10 * 60_000);

/// Who serves a session under one requested model name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The model name that the caller used: a session may use several.
    pub route: String,
    /// Who answered.
    pub target: ModelId,
    /// Label of the credential that paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// First answer.
    pub created_at: Millis,
    /// Latest answer.
    pub last_used_at: Millis,
    /// Answers.
    pub turns: u64,
    /// What they cost.
    pub cost: NanoUsd,
    /// Short digest of the latest explanation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// Since when the target is a fallback because the primary failed; `None`: it was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_since: Option<Millis>,
}

/// A session as a request brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session<'a> {
    /// Key, namespaced by tenant.
    pub key: &'a str,
    /// The caller named it; false: a hash of the conversation's beginning.
    pub named: bool,
}

impl<'a> Session<'a> {
    /// The id as its caller knows it: without the tenant, which is nobody's business but the router's.
    pub fn own_id(&self) -> &'a str {
        self.key.split_once('/').map_or(self.key, |(_, id)| id)
    }
}

/// The key of a session: its id namespaced by the caller's key, because two keys of one team may use the same id for different
/// conversations, and one that guesses an id must not learn or move another's pin. A key id holds no slash.
pub fn session_key(kid: &str, id: &str) -> String {
    format!("{kid}/{id}")
}

/// Who answered, as the report of a run tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Model.
    pub target: ModelId,
    /// Label of the credential.
    pub credential: Option<String>,
    /// It stands behind the primary, whose turn it would have been.
    pub fell_back: bool,
    /// What it cost.
    pub cost: NanoUsd,
    /// Short digest of the explanation.
    pub explanation: Option<String>,
}

/// Where a request's pin is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinScope {
    /// Nowhere: one target, whose credential follows from the session's hash.
    Nothing,
    /// This isolate's memory only.
    Isolate,
    /// This isolate's memory, else the session's Durable Object.
    Durable,
}

/// Where the pin of this call is looked for and kept.
pub fn pin_scope(call: &Call, session: Option<Session>) -> PinScope {
    let Some(session) = session else {
        return PinScope::Nothing;
    };
    let name = call.model.as_str();
    let fusion = name == "clawrouter/fusion" || name.starts_with("clawrouter/fusion:");
    if name.starts_with("clawrouter/") && !fusion && session.named {
        PinScope::Durable
    } else if !fusion {
        PinScope::Isolate
    } else {
        PinScope::Nothing
    }
}

impl Pin {
    /// Does the pin still say something after `ttl` of idleness?
    pub fn live(&self, now: Millis, ttl: Millis) -> bool {
        now.since(self.last_used_at) < ttl
    }

    /// May the pin decide this request's first target? A chosen target: yes. A fallback: while its prompt cache is worth more than
    /// a look at the primary, or in the midst of a loop of tool calls; never longer than ten minutes. Any other session, named or
    /// not, asks the primary first.
    pub fn decides(&self, in_tool_loop: bool, estimated_tokens: u64, now: Millis) -> bool {
        let Some(since) = self.fallback_since else { return true };
        let recent = now.since(self.last_used_at) < FALLBACK_RECENT;
        recent && now.since(since) < FALLBACK_LONGEST && (in_tool_loop || estimated_tokens > CACHE_WORTHY_TOKENS)
    }
}

/// The pin after an answer.
pub fn after_answer(previous: Option<&Pin>, route: &str, served: Served, now: Millis) -> Pin {
    let same = previous.filter(|pin| pin.route == route && pin.target == served.target);
    Pin {
        route: route.to_owned(),
        credential: served.credential,
        created_at: previous.map_or(now, |pin| pin.created_at),
        last_used_at: now,
        turns: previous.map_or(0, |pin| pin.turns).saturating_add(1),
        cost: previous.map_or(NanoUsd(0), |pin| pin.cost).saturating_add(served.cost),
        explanation: served.explanation,
        fallback_since: match same {
            Some(pin) => pin.fallback_since,
            None => served.fell_back.then_some(now),
        },
        target: served.target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(model: &str, fell_back: bool) -> Served {
        let target = ModelId::parse(model).unwrap();
        Served {
            target,
            credential: Some("k1".to_owned()),
            fell_back,
            cost: NanoUsd(5),
            explanation: None,
        }
    }

    /// The pin of one answer by `p/m`.
    pub(super) fn pin(route: &str, at: u64) -> Pin {
        after_answer(None, route, served("p/m", false), Millis(at))
    }

    #[test]
    fn an_answer_pins_and_counts() {
        let first = after_answer(None, "clawrouter/smart", served("p/a", false), Millis(10));
        let second = after_answer(Some(&first), "clawrouter/smart", served("p/a", false), Millis(20));
        assert_eq!(
            (second.turns, second.cost, second.created_at, second.last_used_at),
            (2, NanoUsd(10), Millis(10), Millis(20))
        );
        assert!(second.decides(false, 10, Millis(1_000_000_000)));
    }

    #[test]
    fn only_named_sessions_on_routes_ask_beyond_the_isolate() {
        use PinScope::{Durable, Isolate, Nothing};
        // (model, session: named?, where the pin is)
        for (model, named, scope) in [
            ("openai/gpt", Some(true), Isolate),
            ("openai/gpt", Some(false), Isolate),
            ("openai/gpt", None, Nothing),
            ("clawrouter/smart", Some(true), Durable),
            ("clawrouter/smart", Some(false), Isolate),
            ("clawrouter/smart", None, Nothing),
            ("clawrouter/fusion", Some(true), Nothing),
            ("clawrouter/fusion:team", Some(true), Nothing),
        ] {
            let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#);
            let call = crate::wire::chat::parse(body.into(), &crate::wire::Limits::default()).unwrap();
            let session = named.map(|named| Session { key: "k/s", named });
            assert_eq!(pin_scope(&call, session), scope, "{model} {named:?}");
        }
    }

    #[test]
    fn a_session_is_its_keys_own_and_is_told_without_it() {
        for (kid, id) in [("kid1", "s"), ("kid1", "a/b/c"), ("kid2", "/"), ("kid2", "s")] {
            let key = session_key(kid, id);
            let session = Session { key: &key, named: true };
            assert_eq!(session.own_id(), id);
        }
        assert_ne!(session_key("kid1", "s"), session_key("kid2", "s"));
        assert_ne!(session_key("kid1", "x/s"), session_key("kid1x", "s"));
    }

    #[test]
    fn a_fallback_pin_ends_soon() {
        let chosen = after_answer(None, "r", served("p/a", false), Millis(0));
        let mut pin = after_answer(Some(&chosen), "r", served("p/b", true), Millis(0));
        // Small: straight back to the primary. Large or in a tool loop: it stays while the cache is warm.
        assert!(!pin.decides(false, 100, Millis(1)));
        assert!(pin.decides(false, 20_001, Millis(299_999)));
        assert!(!pin.decides(false, 20_001, Millis(300_000)));
        assert!(pin.decides(true, 100, Millis(1)));
        for minute in 1..10u64 {
            pin = after_answer(Some(&pin), "r", served("p/b", false), Millis(minute * 60_000));
        }
        assert!(pin.decides(true, 100, Millis(599_999)));
        assert!(!pin.decides(true, 100, Millis(600_000)));
        // Back at the primary, which then counts as chosen.
        let back = after_answer(Some(&pin), "r", served("p/a", false), Millis(600_001));
        assert_eq!(back.fallback_since, None);
    }
}
