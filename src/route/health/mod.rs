//! What this isolate remembers of upstreams: cooldowns at levels that are never mixed, memos, speed and load.
//!
//! Plain data behind `&mut`: no clock, no randomness, no promise. Nothing in here is a secret or came out of a prompt: credentials are
//! fingerprints, failures are classes. One value per isolate; `HealthHub` merges [`fact::HealthFact`]s of many.

pub mod class;
pub mod cooldown;
mod eviction;
pub mod fact;
pub mod gate;
pub mod gauges;
pub mod hub;
mod memo;
pub mod report;
mod sizes;
pub mod stats;
#[cfg(test)]
mod tests;
mod turns;
pub mod verified;

pub use class::{FailureClass, Level};
pub use eviction::MAX_ENTRIES;
pub use fact::{HealthFact, HealthKey};
pub use gate::Gate;

use crate::catalog::{CredentialId, ModelId, PoolId};
use crate::wire::Millis;
use cooldown::{Blow, Cooldown, after_failure};
use eviction::MAX_STATS;
use memo::Ceiling;
use stats::{CredentialStats, TargetStats, size_bucket};
use std::collections::{BTreeMap, BTreeSet};
use turns::Turns;

/// Give-ups in a row that open the breaker of a sole target.
const SOLE_GIVE_UPS: u32 = 5;

/// How long the hub's count of isolates is believed.
const PEERS_FRESH: Millis = Millis(60_000);

/// What was sent where with which credential. Travels with the attempt; only it is used for attribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// `provider/model`.
    pub target: ModelId,
    /// The credential; `None`: without authentication.
    pub credential: Option<CredentialId>,
    /// Network host, as [`super::host_of`] names it.
    pub host: String,
    /// The credential's quota group.
    pub quota_group: Option<String>,
    /// Estimated input tokens.
    pub estimated_tokens: u64,
    /// When it was sent.
    pub started_at: Millis,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failure {
    /// Class.
    pub class: FailureClass,
    /// What the upstream asked to wait.
    pub hint: Option<Millis>,
    /// Context tokens that this credential or target evidently takes: min(limit in the message, 95 % of the estimate).
    pub ceiling: Option<u64>,
    /// True: nobody said that the length is the reason; the ceiling is believed only as long as the evidence is fresh.
    pub suspected: bool,
    /// False: the same target will be tried again at once, so its breaker stays as it is.
    pub gave_up: bool,
    /// True: no other usable credential and no further target.
    pub sole: bool,
    /// 0 to 1.
    pub jitter: f64,
}

/// Everything this isolate remembers of upstreams.
#[derive(Clone, Debug, Default)]
pub struct Health {
    cooldowns: BTreeMap<HealthKey, Cooldown>,
    groups: BTreeMap<HealthKey, BTreeSet<CredentialId>>,
    ceilings: BTreeMap<HealthKey, Ceiling>,
    unsupported: BTreeMap<(ModelId, String), Millis>,
    targets: BTreeMap<ModelId, TargetStats>,
    credentials: BTreeMap<CredentialId, CredentialStats>,
    turns: Turns,
    transitions: Vec<HealthFact>,
    peers: Option<(u32, Millis)>,
    seed: u64,
}

impl Health {
    /// Empty memory; `seed` decides where round robin begins.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// May this target (its breaker and its host) be called now?
    pub fn target_gate(&self, target: &ModelId, host: &str, now: Millis) -> Gate {
        if self.cooldowns.is_empty() {
            return Gate::Ready;
        }
        let target = self.gate(&HealthKey::Target(target.clone()), now);
        target.and(self.gate(&HealthKey::Host(host.to_owned()), now))
    }

    /// May this credential be used for this model now (its own state, its state for the model, its quota group)?
    pub fn credential_gate(&self, id: &CredentialId, group: Option<&str>, model: &ModelId, now: Millis) -> Gate {
        if self.cooldowns.is_empty() {
            return Gate::Ready;
        }
        let own = self.gate(&HealthKey::Credential(id.clone()), now);
        let own = own.and(self.gate(&HealthKey::CredentialModel(id.clone(), model.clone()), now));
        match group {
            Some(group) => own.and(self.gate(&HealthKey::Group(group.to_owned(), model.clone()), now)),
            None => own,
        }
    }

    fn gate(&self, key: &HealthKey, now: Millis) -> Gate {
        self.cooldowns.get(key).map_or(Gate::Ready, |entry| entry.gate(now))
    }

    /// An attempt is sent: counts it and takes the half-open probes that its target and credential offer.
    /// Exactly one of [`Self::record_failure`], [`Self::record_success`] with `terminal`, [`Self::record_cancelled`] ends it.
    pub fn begin(&mut self, dispatch: &Dispatch) {
        let now = dispatch.started_at;
        let stats = self.target_stats(&dispatch.target, now);
        stats.in_flight = stats.in_flight.saturating_add(1);
        if let Some(id) = &dispatch.credential {
            let stats = self.credential_stats(id, now);
            stats.in_flight = stats.in_flight.saturating_add(1);
            stats.minute.add(dispatch.estimated_tokens, now);
        }
        if self.cooldowns.is_empty() {
            return;
        }
        for key in HealthKey::of(dispatch) {
            if let Some(entry) = self.cooldowns.get_mut(&key)
                && matches!(entry.gate(now), Gate::Probe { .. })
            {
                entry.probing_since = Some(now);
            }
        }
    }

    /// An attempt failed.
    pub fn record_failure(&mut self, dispatch: &Dispatch, failure: &Failure, now: Millis) {
        let class = failure.class;
        if class == FailureClass::ClientAbort {
            return self.record_cancelled(dispatch);
        }
        self.end(dispatch);
        let rule = class.rule();
        let blames_target = rule.breaker || rule.level == Level::Target;
        let stats = self.target_stats(&dispatch.target, now);
        stats.error_rate.add(if blames_target { 1.0 } else { 0.0 });
        if rule.breaker {
            if !failure.gave_up {
                return;
            }
            stats.give_ups = stats.give_ups.saturating_add(1);
            stats.window.add(true, now);
            let enough = stats.give_ups >= SOLE_GIVE_UPS || stats.window.mostly_failing(now);
            let half_open = key_at(rule.level, dispatch).is_some_and(|key| self.cooldowns.contains_key(&key));
            if failure.sole && !enough && !half_open {
                return;
            }
        }
        if matches!(class, FailureClass::RateLimit | FailureClass::LongContext429)
            && let Some(id) = &dispatch.credential
        {
            let sizes = &mut self.credential_stats(id, now).sizes;
            sizes.note_refused(&dispatch.target, dispatch.estimated_tokens, now);
        }
        if rule.level == Level::Ceiling {
            if let Some(tokens) = failure.ceiling {
                let by_credential = class == FailureClass::LongContext429;
                let credential = dispatch.credential.as_ref().filter(|_| by_credential);
                if failure.suspected {
                    self.suspect_ceiling(&dispatch.target, credential, tokens, now);
                } else {
                    self.learn_ceiling(&dispatch.target, credential, tokens, now);
                }
            }
            return;
        }
        let Some(key) = key_at(rule.level, dispatch) else {
            return;
        };
        let blow = Blow {
            class,
            hint: failure.hint,
            started_at: dispatch.started_at,
            sole: failure.sole,
            now,
            jitter: failure.jitter,
        };
        self.strike(key, &blow);
        if class == FailureClass::RateLimit {
            self.strike_group(dispatch, &blow);
        }
    }

    /// An attempt began to answer (`terminal: false`, at its commit) or ended well (`terminal: true`).
    /// A credential's cooldowns clear at commit, breakers at the end; neither by a call older than the cooldown.
    pub fn record_success(&mut self, dispatch: &Dispatch, terminal: bool, now: Millis) {
        if terminal {
            self.end(dispatch);
            let stats = self.target_stats(&dispatch.target, now);
            stats.error_rate.add(0.0);
            stats.give_ups = 0;
            stats.window.add(false, now);
        }
        if let Some(id) = &dispatch.credential {
            let stats = self.credential_stats(id, now);
            stats.last_ok_at = Some(now);
            stats
                .sizes
                .note_passed(&dispatch.target, dispatch.estimated_tokens, now);
        }
        if self.cooldowns.is_empty() {
            return;
        }
        for key in HealthKey::of(dispatch) {
            let breaker = matches!(key, HealthKey::Target(_) | HealthKey::Host(_));
            if terminal || !breaker {
                self.clear(&key, dispatch.started_at, now);
            }
        }
    }

    /// The caller hung up or the attempt was a loser: nobody's failure.
    pub fn record_cancelled(&mut self, dispatch: &Dispatch) {
        self.end(dispatch);
    }

    /// First content arrived after `ttft`.
    pub fn record_first_token(&mut self, dispatch: &Dispatch, ttft: Millis, now: Millis) {
        let bucket = size_bucket(dispatch.estimated_tokens);
        let stats = self.target_stats(&dispatch.target, now);
        #[expect(clippy::cast_precision_loss, reason = "a duration of a request is far below 2^52 ms")]
        stats.ttft_ms.add(ttft.0 as f64);
        if let Some(quantiles) = stats.ttft.get_mut(bucket) {
            quantiles.add(ttft);
        }
    }

    /// The call's real token counts arrived; `generating` is the time from first to last token.
    #[expect(
        clippy::cast_precision_loss,
        reason = "token counts and durations are far below 2^52"
    )]
    pub fn record_usage(&mut self, dispatch: &Dispatch, input: u64, output: u64, generating: Millis, now: Millis) {
        let stats = self.target_stats(&dispatch.target, now);
        // Shorter answers measure the network, not the model.
        if output >= 16 && generating.0 >= 50 {
            stats
                .tokens_per_second
                .add(output as f64 * 1000.0 / generating.0 as f64);
        }
        if dispatch.estimated_tokens >= 64 && input > 0 {
            stats
                .token_ratio
                .add((input as f64 / dispatch.estimated_tokens as f64).clamp(0.05, 4.0));
        }
    }

    /// The last response's rate-limit headers left this share of the quota, in thousandths.
    pub fn record_remaining(&mut self, id: &CredentialId, thousandths: u32, now: Millis) {
        self.credential_stats(id, now).remaining = Some((thousandths.min(1000), now));
    }

    /// The hub counted so many isolates with traffic.
    pub fn record_isolates(&mut self, isolates: u32, now: Millis) {
        self.peers = (isolates > 0).then_some((isolates, now));
    }

    /// How many isolates share a credential's local limits. One, as long as the hub is away: a limit that is too generous for a while
    /// ends in a 429 that is survived, one that is too tight in requests that fail for nothing.
    pub fn isolates(&self, now: Millis) -> u32 {
        let told = self.peers.filter(|(_, at)| now.since(*at) < PEERS_FRESH);
        told.map_or(1, |(isolates, _)| isolates)
    }

    /// Figures of a target, when it was ever called.
    pub fn target(&self, target: &ModelId) -> Option<&TargetStats> {
        self.targets.get(target)
    }

    /// Figures of a credential, when it was ever used.
    pub fn credential(&self, id: &CredentialId) -> Option<&CredentialStats> {
        self.credentials.get(id)
    }

    /// 95th percentile of the time to the first token for a request of this size, once 8 samples are known.
    pub fn ttft_p95(&self, target: &ModelId, estimated_tokens: u64) -> Option<Millis> {
        let quantiles = self.targets.get(target)?.ttft.get(size_bucket(estimated_tokens))?;
        if quantiles.samples() < 8 {
            None
        } else {
            quantiles.quantile(950)
        }
    }

    /// Smooth weighted round robin: the next credential of `pool` among `usable` (id, weight).
    pub fn next_turn(&mut self, pool: &PoolId, usable: &[(&CredentialId, u32)]) -> Option<CredentialId> {
        self.turns.next(pool, usable, self.seed)
    }

    /// What happened since the last call that other isolates should know.
    pub fn drain_transitions(&mut self) -> Vec<HealthFact> {
        std::mem::take(&mut self.transitions)
    }

    fn strike(&mut self, key: HealthKey, blow: &Blow) {
        self.make_room(blow.now);
        let before = self.cooldowns.get(&key);
        let next = after_failure(before, blow);
        let news = before.is_none_or(|before| {
            before.dead != next.dead
                || blow.now >= before.until
                || next.until.since(blow.now).0 > before.until.since(blow.now).0.saturating_mul(2)
        });
        if news {
            self.tell(HealthFact::of(&key, &next));
        }
        self.cooldowns.insert(key, next);
    }

    /// Two members of a quota group that are refused for the same model speak for the group.
    fn strike_group(&mut self, dispatch: &Dispatch, blow: &Blow) {
        let (Some(group), Some(id)) = (&dispatch.quota_group, &dispatch.credential) else {
            return;
        };
        let key = HealthKey::Group(group.clone(), dispatch.target.clone());
        if self.groups.len() >= MAX_STATS && !self.groups.contains_key(&key) {
            self.groups.clear();
        }
        let (cooldowns, target) = (&self.cooldowns, &dispatch.target);
        let members = self.groups.entry(key.clone()).or_default();
        members.retain(|member| {
            let own = HealthKey::CredentialModel(member.clone(), target.clone());
            cooldowns.get(&own).is_some_and(|entry| blow.now < entry.until)
        });
        members.insert(id.clone());
        if members.len() >= 2 {
            self.strike(key, blow);
        }
    }

    fn clear(&mut self, key: &HealthKey, started_at: Millis, now: Millis) {
        if self.cooldowns.get(key).is_some_and(|entry| started_at >= entry.set_at)
            && let Some(entry) = self.cooldowns.remove(key)
        {
            self.groups.remove(key);
            self.tell(HealthFact::cleared(key, &entry, now));
        }
    }

    fn end(&mut self, dispatch: &Dispatch) {
        if let Some(stats) = self.targets.get_mut(&dispatch.target) {
            stats.in_flight = stats.in_flight.saturating_sub(1);
        }
        if let Some(stats) = dispatch.credential.as_ref().and_then(|id| self.credentials.get_mut(id)) {
            stats.in_flight = stats.in_flight.saturating_sub(1);
        }
        if self.cooldowns.is_empty() {
            return;
        }
        for key in HealthKey::of(dispatch) {
            if let Some(entry) = self.cooldowns.get_mut(&key)
                && entry.probing_since == Some(dispatch.started_at)
            {
                entry.probing_since = None;
            }
        }
    }

    fn tell(&mut self, fact: HealthFact) {
        // Nobody drains while the hub is away: the newest news is kept.
        if self.transitions.len() >= MAX_STATS {
            self.transitions.drain(..MAX_STATS / 2);
        }
        self.transitions.push(fact);
    }
}

/// Where a failure of this level is remembered.
fn key_at(level: Level, dispatch: &Dispatch) -> Option<HealthKey> {
    match level {
        Level::Credential => dispatch.credential.clone().map(HealthKey::Credential),
        Level::CredentialModel => {
            let id = dispatch.credential.clone()?;
            Some(HealthKey::CredentialModel(id, dispatch.target.clone()))
        }
        Level::Target => Some(HealthKey::Target(dispatch.target.clone())),
        Level::Host => Some(HealthKey::Host(dispatch.host.clone())),
        Level::Ceiling | Level::Nothing => None,
    }
    // Without a credential there is nobody else to blame than the target.
    .or_else(|| {
        let personal = matches!(level, Level::Credential | Level::CredentialModel);
        (personal && dispatch.credential.is_none()).then(|| HealthKey::Target(dispatch.target.clone()))
    })
}
