//! A provider: where it is, how it wants to be spoken to, which pool pays.

use crate::catalog::{NanoUsd, PoolId, Price, ProviderId};
use crate::wire::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A provider document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Id; models of it are `<id>/<name>`.
    pub id: ProviderId,
    /// Path per dialect, beginning with `/`, may carry `${NAME}` templates.
    #[serde(default)]
    pub dialects: Dialects,
    /// Base URL without trailing slash, may carry `${NAME}` templates; absent for `binding` and `demo` transports that need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// How it is reached.
    #[serde(default)]
    pub transport: Transport,
    /// How a credential is presented.
    #[serde(default)]
    pub auth: Auth,
    /// The pool whose credentials pay; absent when `auth` is `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolId>,
    /// True: without any credential in the pool the provider is called without authentication (loopback model servers).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub credential_optional: bool,
    /// Further headers of every call; values may carry `${NAME}` templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Deadlines of a call.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Parameter spellings by model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub param_rules: Vec<ParamRule>,
    /// How the provider is told which calls share a prompt cache; absent: it is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_hint: Option<CacheHint>,
    /// What may be asked of the provider's own listing.
    #[serde(default)]
    pub discover: Discover,
    /// What dynamic models inherit, when `discover.models` is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<ModelDefaults>,
    /// Hosts that a templated base URL or a binding may reach, when not empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_hosts: Vec<String>,
    /// False: as if it did not exist, with a reason.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Monthly cap over all callers, dollars.
    #[serde(
        default,
        with = "crate::catalog::money::optional_usd",
        skip_serializing_if = "Option::is_none"
    )]
    pub budget: Option<NanoUsd>,
    /// What the provider does with prompts.
    #[serde(default)]
    pub data_policy: DataPolicy,
}

pub(super) fn enabled() -> bool {
    true
}

/// Path per dialect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dialects {
    /// OpenAI chat completions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// OpenAI Responses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responses: Option<String>,
    /// Anthropic Messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<String>,
    /// OpenAI embeddings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<String>,
    /// Legacy completions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completions: Option<String>,
    /// OpenAI-style listing, used by discovery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<String>,
}

/// How a provider is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", from = "tagged::Transport")]
pub enum Transport {
    /// Global fetch.
    #[default]
    Fetch,
    /// A Fetcher binding: VPC service, VPC network, mTLS certificate or service.
    Binding {
        /// Name of the binding in wrangler.toml.
        name: String,
    },
    /// The built-in demo provider; nothing leaves the Worker.
    Demo,
}

/// How a credential is presented.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "snake_case", from = "tagged::Auth")]
pub enum Auth {
    /// `Authorization: Bearer <credential>`
    #[default]
    Bearer,
    /// `<name>: <credential>`
    Header {
        /// Header name.
        name: String,
    },
    /// `?<name>=<credential>`
    Query {
        /// Parameter name.
        name: String,
    },
    /// None.
    None,
    /// Cloudflare Access service token: `CF-Access-Client-Id` and `CF-Access-Client-Secret`.
    AccessServiceToken {
        /// Secret that holds the client id.
        id_secret: String,
        /// Secret that holds the client secret.
        secret_secret: String,
    },
}

/// The same shapes for reading. serde refuses unknown fields of a tagged enum only in variants with braces, so every variant has them.
mod tagged {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
    pub(super) enum Transport {
        Fetch {},
        Binding { name: String },
        Demo {},
    }

    impl From<Transport> for super::Transport {
        fn from(read: Transport) -> Self {
            match read {
                Transport::Fetch {} => Self::Fetch,
                Transport::Binding { name } => Self::Binding { name },
                Transport::Demo {} => Self::Demo,
            }
        }
    }

    #[derive(Deserialize)]
    #[serde(tag = "scheme", rename_all = "snake_case", deny_unknown_fields)]
    pub(super) enum Auth {
        Bearer {},
        Header { name: String },
        Query { name: String },
        None {},
        AccessServiceToken { id_secret: String, secret_secret: String },
    }

    impl From<Auth> for super::Auth {
        fn from(read: Auth) -> Self {
            match read {
                Auth::Bearer {} => Self::Bearer,
                Auth::Header { name } => Self::Header { name },
                Auth::Query { name } => Self::Query { name },
                Auth::None {} => Self::None,
                Auth::AccessServiceToken {
                    id_secret,
                    secret_secret,
                } => Self::AccessServiceToken {
                    id_secret,
                    secret_secret,
                },
            }
        }
    }
}

/// Deadlines, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// To the response headers.
    pub headers_ms: Millis,
    /// To the first content event.
    pub first_token_ms: Millis,
    /// The same for models with capability `reasoning`.
    pub first_token_reasoning_ms: Millis,
    /// Without a byte in a running stream.
    pub stall_ms: Millis,
    /// Of the whole call.
    pub total_ms: Millis,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            headers_ms: Millis(10_000),
            first_token_ms: Millis(10_000),
            first_token_reasoning_ms: Millis(60_000),
            stall_ms: Millis(15_000),
            total_ms: Millis(600_000),
        }
    }
}

/// Parameter spellings for models whose upstream name matches `models`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParamRule {
    /// Pattern with `*` over the upstream model name.
    pub models: String,
    /// Top-level fields to rename: from, to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
    /// Top-level fields to drop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
}

/// Where a provider takes a name for calls that share a prompt cache. The value is a hash of the session, its own for each provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheHint {
    /// Top-level field of a chat body, `prompt_cache_key`; one that the caller has written stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Header, `x-session-affinity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// What may be asked of the provider's own listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Discover {
    /// `<id>/<anything>` is a model; names come from the listing.
    pub models: bool,
}

/// What dynamic models of a provider inherit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelDefaults {
    /// Capabilities.
    pub capabilities: Vec<String>,
    /// Tokens, input plus output.
    pub context_window: u64,
    /// Tokens.
    pub max_output_tokens: u64,
    /// Declared price; zero means known and free, never unpriced.
    #[serde(default)]
    pub price: Price,
}

/// What a provider does with prompts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataPolicy {
    /// Zero data retention.
    pub zdr: bool,
    /// Trains on prompts.
    pub trains: bool,
}
