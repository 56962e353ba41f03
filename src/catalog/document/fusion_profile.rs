//! A fusion profile (docs/fusion.md "A profile"). Bounds are checked when a catalog is compiled and answered with 422, never clamped.

use crate::catalog::{ModelId, NanoUsd, ProfileId};
use crate::wire::Millis;
use serde::{Deserialize, Serialize};

/// A fusion profile document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch that people set by its name"
)]
pub struct FusionProfile {
    /// `default` answers to `clawrouter/fusion`, others to `clawrouter/fusion:<id>`.
    pub id: ProfileId,
    /// Live or not.
    #[serde(default)]
    pub enabled: bool,
    /// 1 to 8 when enabled, distinct, none virtual.
    #[serde(default)]
    pub advisers: Vec<Adviser>,
    /// Optional judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<Judge>,
    /// Writes the answer.
    pub synthesizer: Synthesizer,
    /// 1,000 to 120,000.
    #[serde(default = "defaults::adviser_timeout_ms")]
    pub adviser_timeout_ms: Millis,
    /// 500 to 120,000.
    #[serde(default = "defaults::adviser_first_token_ms")]
    pub adviser_first_token_ms: Millis,
    /// Start the synthesizer when this many advisers are in; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u32>,
    /// How long to wait for the rest after the quorum; 0 to 60,000.
    #[serde(default)]
    pub straggler_grace_ms: Millis,
    /// Of an adviser; 64 to 4,096.
    #[serde(default = "defaults::max_output_tokens")]
    pub max_output_tokens: u64,
    /// Of the conversation an adviser reads; 1,000 to 200,000.
    #[serde(default = "defaults::max_input_chars")]
    pub max_input_chars: u64,
    /// Of one proposal; 256 to 20,000.
    #[serde(default = "defaults::max_proposal_chars")]
    pub max_proposal_chars: u64,
    /// 0 to 2.
    #[serde(default = "defaults::temperature")]
    pub temperature: f64,
    /// When advisers run.
    #[serde(default)]
    pub advise_on: AdviseOn,
    /// Advisers are "A", "B"… in what judge and synthesizer read.
    #[serde(default = "super::provider::enabled")]
    pub anonymise: bool,
    /// Pre-flight cap per request, dollars.
    #[serde(
        default,
        with = "crate::catalog::money::optional_usd",
        skip_serializing_if = "Option::is_none"
    )]
    pub max_cost_usd: Option<NanoUsd>,
    /// When no adviser answers.
    #[serde(default)]
    pub on_no_adviser: OnNoAdviser,
    /// When the synthesizer's whole chain fails.
    #[serde(default)]
    pub on_synthesizer_error: OnSynthesizerError,
    /// Whole tree; 1,000 to 600,000.
    #[serde(default = "defaults::deadline_ms")]
    pub deadline_ms: Millis,
    /// After this long a streaming caller gets its 200 and comments; 0: never early; at most 60,000.
    #[serde(default = "defaults::early_flush_ms")]
    pub early_flush_ms: Millis,
    /// Skip the judge when all drafts agree.
    #[serde(default)]
    pub agree_exit: bool,
    /// The judge may be one of the advisers' models.
    #[serde(default)]
    pub allow_self_judge: bool,
}

mod defaults {
    use crate::wire::Millis;
    pub(super) fn adviser_timeout_ms() -> Millis {
        Millis(15_000)
    }
    pub(super) fn adviser_first_token_ms() -> Millis {
        Millis(8_000)
    }
    pub(super) fn max_output_tokens() -> u64 {
        768
    }
    pub(super) fn max_input_chars() -> u64 {
        24_000
    }
    pub(super) fn max_proposal_chars() -> u64 {
        6_000
    }
    pub(super) fn temperature() -> f64 {
        0.2
    }
    pub(super) fn deadline_ms() -> Millis {
        Millis(120_000)
    }
    pub(super) fn early_flush_ms() -> Millis {
        Millis(1_000)
    }
}

/// One adviser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adviser {
    /// A catalog model or a dynamic `local/<model>`.
    pub model: ModelId,
    /// `solver`, `reviewer`, `implementer`, `alternative` or a sentence; by index when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Overrides the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
}

/// The judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    /// A catalog model.
    pub model: ModelId,
    /// On or off.
    #[serde(default = "super::provider::enabled")]
    pub enabled: bool,
}

/// The synthesizer, with its own fallback chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Synthesizer {
    /// A catalog model.
    pub model: ModelId,
    /// Tried in order when the first fails before a byte was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<ModelId>,
}

/// When advisers run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdviseOn {
    /// When the last message is a user message; tool loops go straight to the synthesizer.
    #[default]
    UserTurns,
    /// Always.
    EveryTurn,
}

/// When no adviser answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNoAdviser {
    /// The synthesizer answers alone.
    #[default]
    SynthesizerAlone,
    /// The request fails.
    Error,
}

/// When the synthesizer's whole chain fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnSynthesizerError {
    /// Answer with the best draft, marked.
    #[default]
    BestDraft,
    /// The request fails.
    Error,
}
