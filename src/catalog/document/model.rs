//! A model: what it can do, what it costs, how good it is said to be.

use crate::catalog::{ModelId, Price, ProviderId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A model document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// `<provider>/<name>`.
    pub id: ModelId,
    /// Its provider.
    pub provider: ProviderId,
    /// The name the upstream knows.
    pub upstream: String,
    /// Name for people; the id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// `chat`, `embeddings`, `tools`, `vision`, `json_schema`, `reasoning`, `prefill`, …: see catalog/README.md.
    pub capabilities: Vec<String>,
    /// Tokens, input plus output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// Tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Absent or null: unpriced; a caller with a hard budget cannot use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Larger windows that need a header or another name, largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context_variants: Vec<ContextVariant>,
    /// Task skill, 0 to 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skills: BTreeMap<String, f64>,
    /// Benchmark percentiles, 0 to 100.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub benchmarks: BTreeMap<String, f64>,
    /// Imported speed figures: `throughput` tokens/s, `latency` seconds, by percentile name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub performance: BTreeMap<String, BTreeMap<String, f64>>,
    /// Imported availability, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<f64>,
    /// Model family: judges prefer their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Weight format, as the provider says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<String>,
    /// False: as if it did not exist, with a reason.
    #[serde(default = "super::provider::enabled")]
    pub enabled: bool,
}

/// One context tier of a model: requests up to `max_input` tokens may use it with these headers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextVariant {
    /// Input tokens it takes.
    pub max_input: u64,
    /// Headers that switch it on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub add_header: BTreeMap<String, String>,
    /// Another upstream name, when the tier has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
}
