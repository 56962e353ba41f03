//! Which credential of a pool pays for the next attempt. No coordination: a session hashes to the same credential
//! on every isolate. Must not know what the attempt is for beyond model, size and session.

use super::health::{Dispatch, Gate, Health};
use crate::catalog::document::{PoolStrategy, Stickiness};
use crate::catalog::{Catalog, Credential, CredentialId, ModelId, PoolId, Vault};
use crate::wire::{Millis, pattern};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

#[cfg(test)]
mod tests;

/// Remaining-quota figures older than this say nothing.
const QUOTA_FRESH: Millis = Millis(60_000);

/// For what a credential is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// The model.
    pub model: &'a ModelId,
    /// The pool; `None`: the provider takes no credential.
    pub pool: Option<&'a PoolId>,
    /// True: without any credential in the pool the call goes out without authentication.
    pub credential_optional: bool,
    /// Credential labels or quota groups that policy allows; empty: all.
    pub allowed: &'a [String],
    /// Session key, namespaced by tenant.
    pub session: Option<&'a str>,
    /// Label that a pin asks for, when it is usable.
    pub pinned: Option<&'a str>,
    /// Credentials that this request has used up.
    pub used: &'a BTreeSet<CredentialId>,
    /// Estimated input tokens.
    pub estimated_tokens: u64,
    /// True: when every one is cooling for a soft reason, the soonest is taken nevertheless.
    pub last_resort: bool,
    /// Randomness of this request.
    pub seed: u64,
    /// Now.
    pub now: Millis,
}

/// A request that has used up no credential.
static NONE_USED: BTreeSet<CredentialId> = BTreeSet::new();

impl<'a> Want<'a> {
    /// What planning asks: may anybody use any credential of the pool for the shortest request?
    pub fn planning(model: &'a ModelId, pool: Option<&'a PoolId>, now: Millis) -> Self {
        Self {
            model,
            pool,
            credential_optional: false,
            allowed: &[],
            session: None,
            pinned: None,
            used: &NONE_USED,
            estimated_tokens: 0,
            last_resort: false,
            seed: 0,
            now,
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Selection<'a> {
    /// Call without authentication.
    Anonymous,
    /// Call with this.
    Selected(Selected<'a>),
    /// Nothing is usable now.
    NoneAvailable(NoneAvailable),
}

/// The credential to call with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selected<'a> {
    /// It.
    pub credential: &'a Credential,
    /// True: its cooldown has just ended and this request tries it; never retried on the same credential.
    pub probe: bool,
    /// True: it is still cooling and is tried as a last resort.
    pub last_resort: bool,
}

/// Why nothing is usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoneAvailable {
    /// When the first one may be usable again; `None`: not before a change of catalog or secrets.
    pub next_at: Option<Millis>,
    /// True: every credential that policy and model allow is dead, or cooling for a reason that another attempt cannot change.
    pub all_dead: bool,
    /// Why the one that comes back first is not usable now.
    pub class: Option<super::health::FailureClass>,
    /// Credentials that policy and model allow at all.
    pub members: usize,
    /// True: one would be usable but for this request's size (a learned ceiling).
    pub too_long: bool,
}

/// Picks a credential. Call [`Health::begin`] with the dispatch right after: that is what counts the selection.
pub fn select<'a>(catalog: &Catalog, vault: &'a Vault, health: &mut Health, want: &Want) -> Selection<'a> {
    let Some(pool) = want.pool else {
        return Selection::Anonymous;
    };
    let credentials = vault.pools.get(pool).map(Vec::as_slice).unwrap_or_default();
    if credentials.is_empty() && want.credential_optional {
        return Selection::Anonymous;
    }
    let survey = survey(credentials, health, want);
    let (strategy, sticky) = catalog
        .pools
        .get(pool)
        .map_or((PoolStrategy::default(), Stickiness::default()), |pool| {
            (pool.strategy, pool.sticky)
        });
    // Where the session's hash decides, it also decides when a session returns to its first credential: as soon as that one recovers.
    if !(sticky == Stickiness::Session && want.session.is_some())
        && let Some(pinned) = want.pinned
        && let Some((credential, gate)) = survey.usable.iter().find(|(credential, _)| credential.label == pinned)
    {
        return selected(credential, *gate);
    }
    // A half-open credential takes its one probe before the healthy ones take more: that is how it comes back.
    let chosen = match (sticky, want.session) {
        (Stickiness::Session, Some(session)) => by_rendezvous(session, &survey.usable),
        _ => by_strategy(strategy, pool, health, want, &survey.usable),
    };
    match chosen {
        Some((credential, gate)) => selected(credential, gate),
        None if want.last_resort && survey.soonest_soft.is_some() => match survey.soonest_soft {
            Some((credential, _)) => Selection::Selected(Selected {
                credential,
                probe: false,
                last_resort: true,
            }),
            None => Selection::NoneAvailable(survey.none),
        },
        None => Selection::NoneAvailable(survey.none),
    }
}

/// May any credential of the pool pay for this now, and if not, why and until when? The question of planning; changes nothing.
pub fn availability(vault: &Vault, health: &Health, want: &Want) -> Result<(), NoneAvailable> {
    let Some(pool) = want.pool else { return Ok(()) };
    let credentials = vault.pools.get(pool).map(Vec::as_slice).unwrap_or_default();
    if credentials.is_empty() && want.credential_optional {
        return Ok(());
    }
    let survey = survey(credentials, health, want);
    if survey.usable.is_empty() {
        Err(survey.none)
    } else {
        Ok(())
    }
}

/// The dispatch record of a selection.
pub fn dispatch(want: &Want, host: &str, credential: Option<&Credential>) -> Dispatch {
    Dispatch {
        target: want.model.clone(),
        credential: credential.map(|credential| credential.id.clone()),
        host: host.to_owned(),
        quota_group: credential.and_then(|credential| credential.quota_group.clone()),
        estimated_tokens: want.estimated_tokens,
        started_at: want.now,
    }
}

fn selected(credential: &Credential, gate: Gate) -> Selection<'_> {
    Selection::Selected(Selected {
        credential,
        probe: matches!(gate, Gate::Probe { .. }),
        last_resort: false,
    })
}

/// A credential that may be used now, and how.
type Usable<'a> = (&'a Credential, Gate);

struct Survey<'a> {
    usable: Vec<Usable<'a>>,
    soonest_soft: Option<(&'a Credential, Millis)>,
    none: NoneAvailable,
}

fn survey<'a>(credentials: &'a [Credential], health: &Health, want: &Want) -> Survey<'a> {
    let mut seen = BTreeSet::new();
    let mut survey = Survey {
        usable: Vec::new(),
        soonest_soft: None,
        none: NoneAvailable {
            next_at: None,
            all_dead: true,
            class: None,
            members: 0,
            too_long: false,
        },
    };
    for credential in credentials {
        if !member(credential, want) || !seen.insert(&credential.id) {
            continue;
        }
        survey.none.members += 1;
        let gate = health.credential_gate(&credential.id, credential.quota_group.as_deref(), want.model, want.now);
        if !gate.hard() {
            survey.none.all_dead = false;
        }
        let fits = health
            .ceiling(Some(&credential.id), want.model, want.now)
            .is_none_or(|ceiling| want.estimated_tokens <= ceiling);
        if want.used.contains(&credential.id) {
            note(&mut survey.none, gate);
        } else if !fits {
            survey.none.too_long |= gate.usable();
            note(&mut survey.none, gate);
        } else if let Some(free_at) = bucket_free_at(credential, health, want) {
            let busy = Gate::Cooling {
                class: super::health::FailureClass::RateLimit,
                until: free_at,
            };
            note(&mut survey.none, gate.and(busy));
        } else if gate.usable() {
            survey.usable.push((credential, gate));
        } else {
            note(&mut survey.none, gate);
            if let (false, Some(until)) = (gate.hard(), gate.until())
                && survey.soonest_soft.is_none_or(|(_, soonest)| until < soonest)
            {
                survey.soonest_soft = Some((credential, until));
            }
        }
    }
    survey
}

fn note(none: &mut NoneAvailable, gate: Gate) {
    if none.class.is_none() {
        none.class = gate.class();
    }
    if let Some(until) = gate.until()
        && none.next_at.is_none_or(|soonest| until < soonest)
    {
        none.next_at = Some(until);
        none.class = gate.class();
    }
}

fn member(credential: &Credential, want: &Want) -> bool {
    let allowed = want.allowed.is_empty()
        || want
            .allowed
            .iter()
            .any(|name| name == "*" || *name == credential.label || credential.quota_group.as_ref() == Some(name));
    let upstream = want.model.as_str().split_once('/').map_or("", |(_, name)| name);
    let serves = credential.models.is_empty()
        || credential
            .models
            .iter()
            .any(|pattern| pattern::matches(pattern, want.model.as_str()) || pattern::matches(pattern, upstream));
    allowed && serves
}

/// When the local bucket (this isolate's share of the credential's limits a minute) has room again; `None`: it has room now.
fn bucket_free_at(credential: &Credential, health: &Health, want: &Want) -> Option<Millis> {
    if credential.rpm == 0 && credential.tpm == 0 {
        return None;
    }
    let (requests, tokens) = health.credential(&credential.id)?.minute.used_thousandths(want.now);
    let isolates = u64::from(health.isolates(want.now));
    // An isolate that has used nothing may always send one request: a share below one is no prohibition.
    let over = |limit: u32, used: u64, wanted: u64| {
        limit > 0
            && used > 0
            && used.saturating_add(wanted.saturating_mul(1000))
                > u64::from(limit).saturating_mul(1000) / isolates.max(1)
    };
    // The sliding minute empties by the second.
    (over(credential.rpm, requests, 1) || over(credential.tpm, tokens, want.estimated_tokens))
        .then(|| want.now.plus(Millis(1_000)))
}

/// Weighted rendezvous hashing: the highest `-w / ln(h)` wins, so a session moves only when its own credential is not usable.
fn by_rendezvous<'a>(session: &str, usable: &[Usable<'a>]) -> Option<Usable<'a>> {
    usable
        .iter()
        .map(|(credential, gate)| (rendezvous_score(session, credential), *credential, *gate))
        .max_by(|one, other| {
            one.0
                .total_cmp(&other.0)
                .then_with(|| other.1.label.cmp(&one.1.label))
                .then_with(|| other.1.id.cmp(&one.1.id))
        })
        .map(|(_, credential, gate)| (credential, gate))
}

fn rendezvous_score(session: &str, credential: &Credential) -> f64 {
    let mut hasher = Sha256::new();
    hasher.update(session.as_bytes());
    hasher.update([0]);
    hasher.update(credential.id.0.as_bytes());
    let digest = hasher.finalize();
    let hash = digest
        .iter()
        .take(8)
        .fold(0u64, |hash, byte| hash << 8 | u64::from(*byte));
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits are kept on purpose, so that the ratio lies strictly inside 0..1"
    )]
    let unit = ((hash >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    -f64::from(credential.weight) / unit.ln()
}

fn by_strategy<'a>(
    strategy: PoolStrategy,
    pool: &PoolId,
    health: &mut Health,
    want: &Want,
    usable: &[Usable<'a>],
) -> Option<Usable<'a>> {
    match strategy {
        PoolStrategy::FillFirst => usable.first().copied(),
        PoolStrategy::RoundRobin => {
            let turns: Vec<(&CredentialId, u32)> = usable
                .iter()
                .map(|(credential, _)| (&credential.id, credential.weight.max(1)))
                .collect();
            let next = health.next_turn(pool, &turns)?;
            usable.iter().find(|(credential, _)| credential.id == next).copied()
        }
        PoolStrategy::Random => by_weight(want.seed, usable),
        PoolStrategy::LeastUsed => {
            let (one, other) = two_of(want.seed, usable)?;
            Some(
                if busyness(health, other.0, want.now) < busyness(health, one.0, want.now) {
                    other
                } else {
                    one
                },
            )
        }
        PoolStrategy::MostRemaining => {
            let remaining = |credential: &Credential| {
                let fresh = health.credential(&credential.id).and_then(|stats| stats.remaining);
                fresh
                    .filter(|(_, at)| want.now.since(*at) < QUOTA_FRESH)
                    .map_or(1000, |(thousandths, _)| thousandths)
            };
            let most = usable.iter().map(|(credential, _)| remaining(credential)).max()?;
            let best: Vec<_> = usable
                .iter()
                .filter(|(credential, _)| remaining(credential) == most)
                .copied()
                .collect();
            let session = want.session.map_or_else(|| want.seed.to_string(), str::to_owned);
            by_rendezvous(&session, &best)
        }
    }
}

fn by_weight<'a>(seed: u64, usable: &[Usable<'a>]) -> Option<Usable<'a>> {
    let weights: Vec<u64> = usable
        .iter()
        .map(|(credential, _)| u64::from(credential.weight))
        .collect();
    usable.get(super::dice::weighted(seed, &weights)?).copied()
}

/// Two different candidates (the same twice when there is one), in pool order so that ties go to the first.
fn two_of<'a>(seed: u64, usable: &[Usable<'a>]) -> Option<(Usable<'a>, Usable<'a>)> {
    let count = usable.len();
    let first = super::dice::below(seed, count)?;
    let step = super::dice::below(super::dice::mix(seed), count.saturating_sub(1)).map_or(0, |step| step + 1);
    let second = (first + step) % count;
    Some((*usable.get(first.min(second))?, *usable.get(first.max(second))?))
}

/// Calls running now plus calls of the last minute, in thousandths, per weight.
fn busyness(health: &Health, credential: &Credential, now: Millis) -> u64 {
    let Some(stats) = health.credential(&credential.id) else {
        return 0;
    };
    let (requests, _) = stats.minute.used_thousandths(now);
    u64::from(stats.in_flight).saturating_mul(1000).saturating_add(requests) / u64::from(credential.weight.max(1))
}
