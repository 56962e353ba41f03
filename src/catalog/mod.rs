//! Room 2: providers, models, prices, pools, routes, fusion profiles, policies.
//!
//! Documents (what people write) become one [`Catalog`] in which every reference resolves and every bound holds; [`Vault`] adds what a
//! deployment's secrets make usable. Knows no caller and no clock.

pub mod document;
pub mod endpoint;
pub mod ids;
pub mod money;
pub mod registry;
pub mod template;
pub mod uses;
pub mod vault;

mod bundled;
pub mod compile;

pub use bundled::bundled;
pub use document::{
    Auth, Collection, ContextVariant, Document, DocumentError, DocumentName, FusionProfile, Model, Policy, Pool,
    Provider, Route, Settings, Transport,
};
pub use ids::{CredentialId, ModelId, PolicyId, PoolId, ProfileId, ProviderId, RouteId};
pub use money::{NanoUsd, PicoUsd, Price};
pub use vault::{Credential, Secret, Vault};

use std::collections::BTreeMap;
use std::sync::Arc;

/// A whole, validated catalog. Only [`Catalog::compile`] makes one, so holders need not check references again.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Revision of the Registry that published it; 0 for the bundled catalog alone.
    pub revision: u64,
    /// Providers by id.
    pub providers: BTreeMap<ProviderId, Arc<Provider>>,
    /// Models by id, static ones only; dynamic `local/<model>` are made by [`Catalog::model`].
    pub models: BTreeMap<ModelId, Arc<Model>>,
    /// Credential pools by id.
    pub pools: BTreeMap<PoolId, Arc<Pool>>,
    /// Configured routes by id.
    pub routes: BTreeMap<RouteId, Arc<Route>>,
    /// Fusion profiles by id.
    pub fusion_profiles: BTreeMap<ProfileId, Arc<FusionProfile>>,
    /// Policies by id.
    pub policies: BTreeMap<PolicyId, Arc<Policy>>,
    /// Deployment-wide settings.
    pub settings: Arc<Settings>,
    /// What was skipped while compiling (an unresolvable fallback target), for people.
    pub warnings: Vec<String>,
}
