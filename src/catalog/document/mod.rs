//! The documents people write: the same shapes in `catalog/*.json`, the admin API and KV. Unknown fields are refused.
//!
//! A document by itself may name things that do not exist; [`super::Catalog`] is the place where they are known to.

mod collection;
mod error;
mod fusion_profile;
mod model;
mod parse;
mod policy;
mod pool;
mod provider;
mod route;
mod route_form;
mod set;
mod settings;

pub use collection::{Collection, DocumentName, SETTINGS_ID};
pub use error::{DocumentError, DocumentErrorCode};
pub use fusion_profile::{AdviseOn, Adviser, FusionProfile, Judge, OnNoAdviser, OnSynthesizerError, Synthesizer};
pub use model::{ContextVariant, Model};
pub use parse::{Document, MAX_CATALOG_BYTES, MAX_DOCUMENT_BYTES, parse_json};
pub use policy::{Budget, BudgetScope, BudgetWindow, Policy, PolicySet, RateLimit};
pub use pool::{Pool, PoolKey, PoolStrategy, Stickiness};
pub use provider::{
    Auth, CacheHint, DataPolicy, Dialects, Discover, ModelDefaults, ParamRule, Provider, Timeouts, Transport,
};
pub use route::{ContextDowngrade, FallbackOn, Hedge, Retry, Route, RouteTarget};
pub use settings::Settings;

pub(in crate::catalog) use error::pointer_segment;

use serde::{Deserialize, Serialize};

/// The export format: one object of arrays. Any key may be absent. Keys and secrets are never in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogDocument {
    /// Providers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<Provider>,
    /// Models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<Model>,
    /// Credential pools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<Pool>,
    /// Configured routes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Fusion profiles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fusion_profiles: Vec<FusionProfile>,
    /// Policies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Policy>,
    /// Deployment-wide settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
}
