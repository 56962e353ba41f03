//! What was decided and why: one value that the admin page, `POST /v1/route`, traces and the CLI print.
//!
//! Deterministic and bounded to 16 KiB. Carries ids and figures, never a prompt, a session id or a secret.

use super::estimate::Estimate;
use super::refusal::{Fix, Gate, Refusal, RefusalCode};
use crate::catalog::NanoUsd;
use crate::wire::CallKind;
use serde::{Deserialize, Serialize};

/// Largest JSON text of an explanation, bytes.
pub const MAX_BYTES: usize = 16 * 1024;

/// Candidates kept, used and refused together: 16 targets of a route, 16 further models of a request, 8 advisers, a judge and more.
const MAX_CANDIDATES: usize = 48;

/// Longest sentence kept, characters.
const MAX_TEXT: usize = 240;

/// A decision in words and figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// One sentence.
    pub verdict: String,
    /// What the caller named.
    pub requested_model: String,
    /// Who answers first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `direct`, `route`, `fusion`; `refused`.
    pub strategy: String,
    /// Why that strategy.
    pub why: String,
    /// `chat`, `embeddings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<CallKind>,
    /// Revision of the catalog that decided.
    pub catalog_revision: u64,
    /// The policy that allowed.
    pub policy: String,
    /// Nothing leaves the Worker.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// How many candidates passed each step.
    pub pipeline: Vec<Step>,
    /// Every candidate: first those that will be called, in order, then the refused ones.
    pub candidates: Vec<Candidate>,
    /// The session's pin.
    pub pin: PinReport,
    /// The rule for the agent's tool loop that the request goes on with; absent outside of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_loop: Option<ToolLoopReport>,
    /// Who follows when the first fails.
    pub fallbacks: Vec<String>,
    /// Tried only when the request does not fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context_fallbacks: Vec<String>,
    /// Tried only after a content-policy refusal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content_policy_fallbacks: Vec<String>,
    /// Sizes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// Expected cost: typical input, half of the output bound.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::catalog::money::optional_usd"
    )]
    pub expected_cost_usd: Option<NanoUsd>,
    /// What is reserved.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::catalog::money::optional_usd"
    )]
    pub worst_cost_usd: Option<NanoUsd>,
    /// What the tightest budget has left.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::catalog::money::optional_usd"
    )]
    pub budget_remaining_usd: Option<NanoUsd>,
    /// Candidates or texts were cut to keep the bound.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// One step and how many passed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `known`, `allowed`, `capable`, `preferred`, `healthy`, `affordable`.
    pub step: String,
    /// How many passed.
    pub count: usize,
    /// In words.
    pub text: String,
}

/// One candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Model id.
    pub model: String,
    /// `target`, `adviser`, `judge`, `synthesizer`.
    pub role: String,
    /// True: it is asked without anybody else failing first.
    pub chosen: bool,
    /// `ready`, `cooling`, `probing` for those that will be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why it is not simply ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Order group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
    /// Tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// What one call of it can cost.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::catalog::money::optional_usd"
    )]
    pub worst_cost_usd: Option<NanoUsd>,
    /// What moved it: `pinned`, `demoted: latency`, `cooling`, `last resort`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why it will not be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<Excluded>,
}

/// Why a candidate will not be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// Step that refused it.
    pub gate: Gate,
    /// Reason code.
    pub code: RefusalCode,
    /// Sentence.
    pub text: String,
    /// What to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
}

/// What the session's pin did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinReport {
    /// What it did.
    pub state: PinState,
    /// Whom it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// In words.
    pub text: String,
}

/// What a pin did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinState {
    /// There is none.
    #[default]
    None,
    /// It decided the first target.
    Used,
    /// Its target cannot be used now; the pin is kept.
    Skipped,
    /// It named a fallback and the primary is asked again.
    Returned,
}

/// Which rule applied to a tool loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolLoopReport {
    /// Whose loop it is.
    pub model: String,
    /// How that is known.
    pub known_by: LoopKnownBy,
    /// The rule.
    pub rule: ToolLoopRule,
    /// In words.
    pub text: String,
}

/// How it is known whose tool loop it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoopKnownBy {
    /// The session's pin names who answered last.
    Pin,
    /// There is no pin: the primary counts.
    Primary,
}

/// Who may go on with a tool loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolLoopRule {
    /// Its model is asked first; another one takes over only when it fails.
    KeptUntilItFails,
    /// The route lets no other model take over.
    SameModelOnly,
    /// Its model cannot be asked first now; another one takes over at once.
    Swapped,
}

impl Default for PinReport {
    fn default() -> Self {
        Self {
            state: PinState::None,
            target: None,
            text: "No pin.".to_owned(),
        }
    }
}

impl Candidate {
    /// One that will not be called.
    pub(super) fn refused(model: &str, role: &str, refusal: &Refusal) -> Self {
        Self {
            model: model.to_owned(),
            role: role.to_owned(),
            excluded: Some(Excluded {
                gate: refusal.code.gate(),
                code: refusal.code,
                text: refusal.text.clone(),
                fix: refusal.fix.clone(),
            }),
            ..Self::default()
        }
    }
}

/// Pipeline counts from what each candidate was refused by.
pub(super) fn pipeline(candidates: &[Candidate]) -> Vec<Step> {
    let refused_at = |gate: Gate| {
        candidates
            .iter()
            .filter(|candidate| {
                candidate
                    .excluded
                    .as_ref()
                    .is_some_and(|excluded| excluded.gate == gate)
            })
            .count()
    };
    let mut left = candidates.len();
    [
        (Gate::Known, "known", "exist and are on"),
        (Gate::Policy, "allowed", "by the policy"),
        (Gate::Capability, "capable", "of what the request needs"),
        (Gate::Preference, "preferred", "by the request's own preferences"),
        (Gate::Health, "healthy", "with endpoint and credentials"),
        (Gate::Budget, "affordable", "priced and within budget"),
    ]
    .into_iter()
    .map(|(gate, step, text)| {
        left -= refused_at(gate).min(left);
        Step {
            step: step.to_owned(),
            count: left,
            text: text.to_owned(),
        }
    })
    .collect()
}

impl Explanation {
    /// Keeps the bounds.
    pub(super) fn bounded(mut self) -> Self {
        if self.candidates.len() > MAX_CANDIDATES {
            self.candidates.truncate(MAX_CANDIDATES);
            self.truncated = true;
        }
        for text in [
            &mut self.verdict,
            &mut self.why,
            &mut self.pin.text,
            &mut self.requested_model,
        ]
        .into_iter()
        .chain(self.tool_loop.as_mut().map(|told| &mut told.text))
        {
            self.truncated |= shorten(text);
        }
        for candidate in &mut self.candidates {
            if let Some(excluded) = &mut candidate.excluded {
                self.truncated |= shorten(&mut excluded.text);
            }
        }
        if self.rough_size() <= MAX_BYTES {
            return self;
        }
        // Long ids can still be too much: details of the least interesting candidates go first.
        while self.size() > MAX_BYTES && self.candidates.pop().is_some() {
            self.truncated = true;
        }
        while self.size() > MAX_BYTES
            && (self.fallbacks.pop().is_some()
                || self.context_fallbacks.pop().is_some()
                || self.content_policy_fallbacks.pop().is_some())
        {
            self.truncated = true;
        }
        self
    }

    /// Never less than [`Self::size`], and without writing JSON on the hot path: 512 bytes of names and figures a candidate, every
    /// character of a text escaped to six.
    fn rough_size(&self) -> usize {
        let candidates = self.candidates.iter().map(|candidate| {
            let why = candidate.excluded.as_ref();
            let fix = why
                .and_then(|why| why.fix.as_ref())
                .map_or(0, |fix| fix.id.len() + fix.text.len());
            let notes: usize = candidate.notes.iter().map(|note| note.len() + 4).sum();
            512 + candidate.model.len() + notes + 6 * (why.map_or(0, |why| why.text.len()) + fix)
        });
        let lanes = [&self.fallbacks, &self.context_fallbacks, &self.content_policy_fallbacks];
        let lanes = lanes.into_iter().flatten().map(|id| id.len() + 4);
        let texts = self.verdict.len() + self.why.len() + self.pin.text.len() + self.requested_model.len();
        let told = self
            .tool_loop
            .as_ref()
            .map_or(0, |told| 128 + told.model.len() + 6 * told.text.len());
        2_048 + told + self.policy.len() + 6 * texts + candidates.sum::<usize>() + lanes.sum::<usize>()
    }

    fn size(&self) -> usize {
        serde_json::to_string(self).map_or(0, |text| text.len())
    }
}

fn shorten(text: &mut String) -> bool {
    match text.char_indices().nth(MAX_TEXT) {
        Some((at, _)) => {
            text.truncate(at);
            text.push('…');
            true
        }
        None => false,
    }
}
