//! One target as a run works on it: what was tried, what was changed about the request, whether it may still be asked.

use super::ladder::Change;
use crate::catalog::{ContextVariant, CredentialId, Vault};
use crate::route::health::{FailureClass, Health};
use crate::route::{Chain, Target, host_of};
use crate::run::policy::{Next, row_of};
use crate::wire::{Call, Millis};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Which list of the chain a target came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// The chain itself.
    Main,
    /// Only after an overflow.
    Context,
    /// Only after a content-policy refusal.
    ContentPolicy,
}

/// One target and what this request knows of it.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) target: Target,
    pub(super) lane: Lane,
    pub(super) host: String,
    /// A call was sent to it.
    pub(super) tried: bool,
    /// It will not be asked again.
    pub(super) left: bool,
    /// Retries with the same credential.
    pub(super) same_used: u32,
    /// Changes of credential.
    pub(super) rotations: u32,
    /// Credentials that this request has used up here.
    pub(super) used: BTreeSet<CredentialId>,
    /// Index of the context tier in use.
    pub(super) tier: usize,
    /// Tiers that were left, largest first, tokens of input.
    pub(super) left_tiers: Vec<u64>,
    /// A tier that exists only in name (mode `always` without variants).
    pub(super) nominal_tier: Option<u64>,
    /// Lowered output limit.
    pub(super) max_output_tokens: Option<u64>,
    /// The caller's request with old turns left out.
    pub(super) shorter: Option<Arc<Call>>,
    /// Parameters dropped or renamed.
    pub(super) adjust: Vec<(String, Option<String>)>,
}

/// Context tiers of models that have none of their own, tokens.
pub(super) const NOMINAL_TIERS: [u64; 10] = [
    1_000_000, 512_000, 256_000, 200_000, 128_000, 64_000, 32_000, 16_000, 8_000, 4_096,
];

impl Candidate {
    /// All candidates of a chain, in the order in which they are considered.
    pub(super) fn all(chain: &Chain, vault: &Vault, health: &Health, now: Millis) -> Vec<Self> {
        let lanes = [
            (Lane::Main, &chain.targets),
            (Lane::Context, &chain.context_targets),
            (Lane::ContentPolicy, &chain.content_policy_targets),
        ];
        let est = chain.estimated_input_tokens;
        let known = lanes
            .iter()
            .flat_map(|(lane, targets)| targets.iter().map(move |target| (*lane, target)));
        known
            .map(|(lane, target)| Self::new(lane, target, vault, health, est, now))
            .collect()
    }

    /// The request to this target is changed before it is sent again.
    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Tier => {
                self.left_tiers.extend(self.variant().map(|tier| tier.max_input));
                self.tier = self.tier.saturating_add(1);
            }
            Change::NominalTier(tier) | Change::Trim(tier) => {
                self.left_tiers.extend(self.window());
                self.nominal_tier = Some(tier);
            }
            Change::Output(limit) => self.max_output_tokens = Some(limit),
            Change::Parameter(name, instead) => self.adjust.push((name, instead)),
        }
    }

    fn new(lane: Lane, target: &Target, vault: &Vault, health: &Health, est: u64, now: Millis) -> Self {
        let refused = health.unsupported(&target.model.id, now);
        // A tier that was refused lately is left out as long as a lower one takes the request.
        let tier = target.context_variants.iter().enumerate().find_map(|(index, variant)| {
            let lower_fits = target
                .context_variants
                .get(index + 1)
                .is_some_and(|lower| est <= lower.max_input);
            (!(lower_fits && refused.contains(&tier_memo(variant.max_input)))).then_some(index)
        });
        Self {
            host: host_of(&target.provider, vault),
            target: target.clone(),
            lane,
            tried: false,
            left: false,
            same_used: 0,
            rotations: 0,
            used: BTreeSet::new(),
            tier: tier.unwrap_or(0),
            left_tiers: Vec::new(),
            nominal_tier: None,
            max_output_tokens: None,
            shorter: None,
            adjust: refused
                .into_iter()
                .filter(|name| !name.contains(':'))
                .map(adjustment)
                .collect(),
        }
    }

    /// The tier in use.
    pub(super) fn variant(&self) -> Option<&ContextVariant> {
        self.target.context_variants.get(self.tier)
    }

    /// True when a lower tier exists.
    pub(super) fn on_larger_tier(&self) -> bool {
        self.target.context_variants.get(self.tier + 1).is_some()
    }

    /// Input tokens of the tier in use, or the window.
    pub(super) fn window(&self) -> Option<u64> {
        self.nominal_tier
            .or_else(|| self.variant().map(|variant| variant.max_input))
            .or(self.target.context_window)
    }

    /// Tiers in the order in which they were used, the current one last; empty when none was left.
    pub(super) fn tier_path(&self) -> Vec<u64> {
        if self.left_tiers.is_empty() {
            return Vec::new();
        }
        self.left_tiers.iter().copied().chain(self.window()).collect()
    }
}

/// How a refused tier is remembered among a target's refused parameters; the colon keeps it apart from them.
pub(super) fn tier_memo(max_input: u64) -> String {
    format!("tier:{max_input}")
}

/// A remembered refusal as a change of the request: `name` dropped, `from>to` renamed.
pub(super) fn adjustment(memo: String) -> (String, Option<String>) {
    match memo.split_once('>') {
        Some((from, to)) => (from.to_owned(), Some(to.to_owned())),
        None => (memo, None),
    }
}

/// [`adjustment`] the other way round.
pub(super) fn adjustment_memo(name: &str, instead: Option<&str>) -> String {
    instead.map_or_else(|| name.to_owned(), |instead| format!("{name}>{instead}"))
}

/// Top-level fields without which a request still asks for the same work.
const DROPPABLE: [&str; 18] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "seed",
    "user",
    "store",
    "metadata",
    "service_tier",
    "stream_options",
    "prompt_cache_key",
    "safety_identifier",
    "verbosity",
    "reasoning_effort",
    "prediction",
];

/// Two spellings of one thing.
const SPELLINGS: [(&str, &str); 2] = [
    ("max_tokens", "max_completion_tokens"),
    ("max_completion_tokens", "max_tokens"),
];

/// What may be done about a refused parameter: dropped, renamed, or nothing (`None`).
pub(super) fn droppable(name: &str, instead: Option<&str>) -> Option<(String, Option<String>)> {
    let spelled = SPELLINGS
        .iter()
        .find(|(from, to)| *from == name && instead.is_none_or(|instead| instead == *to));
    match spelled {
        Some((from, to)) => Some(((*from).to_owned(), Some((*to).to_owned()))),
        None => DROPPABLE.contains(&name).then(|| (name.to_owned(), None)),
    }
}

/// May a request that failed with `class` at `from` go to `to`? `needed`: input tokens that a window must hold after an overflow.
pub(super) fn class_allows(class: FailureClass, from: &Candidate, to: &Candidate, needed: u64) -> bool {
    match row_of(class).next {
        Next::LargerWindow => to.window().is_none_or(|window| window > needed),
        Next::OtherProvider => from.target.provider.id != to.target.provider.id,
        Next::Any | Next::OnlyOne | Next::IfContentPolicyOptedIn | Next::IfInvalidRequestOptedIn => true,
        Next::Never => false,
    }
}
