//! From the name a caller writes to what it names: a model, a configured route, a fusion.

use super::refusal::{FixKind, Refusal, RefusalCode};
use crate::catalog::{Catalog, FusionProfile, Model, Route};
use std::sync::Arc;

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Named {
    /// A catalog or dynamic model.
    Model(Arc<Model>),
    /// `clawrouter/<route>`.
    Route(Arc<Route>),
    /// `clawrouter/fusion`, `clawrouter/fusion:<profile>`.
    Fusion(Arc<FusionProfile>),
}

/// Prefix of virtual models.
const VIRTUAL: &str = "clawrouter/";

/// The virtual name of a profile: `fusion` or `fusion:<id>`; with the prefix it is what callers write.
pub(super) fn fusion_name(profile: &str) -> String {
    if profile == "default" {
        "fusion".to_owned()
    } else {
        format!("fusion:{profile}")
    }
}

/// What callers write to ask a fusion: `clawrouter/fusion`, or `clawrouter/fusion:<id>`.
pub fn fusion_model(profile: &str) -> String {
    format!("{VIRTUAL}{}", fusion_name(profile))
}

/// What `name` names, whoever asks.
pub(super) fn find(catalog: &Catalog, name: &str) -> Result<Named, Refusal> {
    let Some(virtual_name) = name.strip_prefix(VIRTUAL) else {
        return find_model(catalog, name).map(Named::Model);
    };
    if virtual_name == "fusion" {
        return find_profile(catalog, "default").map(Named::Fusion);
    }
    if let Some(profile) = virtual_name.strip_prefix("fusion:") {
        return find_profile(catalog, profile).map(Named::Fusion);
    }
    if let Some(route) = catalog.routes.get(virtual_name) {
        return Ok(Named::Route(Arc::clone(route)));
    }
    if virtual_name == "auto" {
        return Err(Refusal::new(
            RefusalCode::NotAvailable,
            "clawrouter/auto is not part of this version; name a model, a configured route or clawrouter/fusion.",
        ));
    }
    Err(Refusal::new(
        RefusalCode::UnknownRoute,
        format!(
            "There is no route clawrouter/{}; GET /v1/models lists what this key can use.",
            shown(virtual_name)
        ),
    ))
}

/// A profile by id.
pub(super) fn find_profile(catalog: &Catalog, id: &str) -> Result<Arc<FusionProfile>, Refusal> {
    catalog.fusion_profiles.get(id).cloned().ok_or_else(|| {
        Refusal::new(
            RefusalCode::UnknownProfile,
            format!("There is no fusion profile {}.", shown(id)),
        )
    })
}

/// A model by id, never a virtual one.
pub(super) fn find_model(catalog: &Catalog, name: &str) -> Result<Arc<Model>, Refusal> {
    if name.starts_with(VIRTUAL) {
        let text = format!("{} is a virtual model and cannot be used inside another.", shown(name));
        return Err(Refusal::new(RefusalCode::VirtualModel, text));
    }
    catalog.model(name).ok_or_else(|| {
        let tail = format!("/{name}");
        let hint = catalog.models.keys().find(|id| id.as_str().ends_with(&tail));
        let text = match hint {
            Some(id) => format!("There is no model {}; did you mean {id}?", shown(name)),
            None => format!(
                "There is no model {}; GET /v1/models lists what this key can use.",
                shown(name)
            ),
        };
        Refusal::new(RefusalCode::UnknownModel, text).fix(FixKind::Model, shown(name), "Add the model to the catalog")
    })
}

/// A caller's text, bounded and without control characters, for a sentence.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(120).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
