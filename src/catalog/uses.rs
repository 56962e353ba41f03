//! Where a model is used: the profiles, routes and policies that name it.

use super::{Catalog, ModelId};
use serde::Serialize;
use std::collections::BTreeMap;

/// A place that names a model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Use {
    /// What kind of document.
    pub kind: UseKind,
    /// Its id.
    pub id: String,
    /// As what: `adviser`, `judge`, `synthesizer`, `target`, `fallback`.
    #[serde(rename = "as")]
    pub part: &'static str,
}

/// A document that names models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UseKind {
    /// A fusion profile, live or off.
    Fusion,
    /// A fallback route.
    Route,
    /// A policy's fallbacks.
    Policy,
}

/// Every model that is named somewhere, with the places in order, each once.
pub fn uses(catalog: &Catalog) -> BTreeMap<ModelId, Vec<Use>> {
    let mut uses: BTreeMap<ModelId, Vec<Use>> = BTreeMap::new();
    let mut note = |model: &ModelId, kind: UseKind, id: &str, part: &'static str| {
        let id = id.to_owned();
        uses.entry(model.clone()).or_default().push(Use { kind, id, part });
    };
    for profile in catalog.fusion_profiles.values() {
        let id = profile.id.as_str();
        for adviser in &profile.advisers {
            note(&adviser.model, UseKind::Fusion, id, "adviser");
        }
        for judge in profile.judge.iter().filter(|judge| judge.enabled) {
            note(&judge.model, UseKind::Fusion, id, "judge");
        }
        note(&profile.synthesizer.model, UseKind::Fusion, id, "synthesizer");
        for fallback in &profile.synthesizer.fallbacks {
            note(fallback, UseKind::Fusion, id, "fallback");
        }
    }
    for route in catalog.routes.values() {
        for target in &route.targets {
            note(&target.model, UseKind::Route, route.id.as_str(), "target");
        }
    }
    for policy in catalog.policies.values() {
        for fallback in &policy.fallbacks {
            note(fallback, UseKind::Policy, policy.id.as_str(), "fallback");
        }
    }
    for places in uses.values_mut() {
        places.sort();
        places.dedup();
    }
    uses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::document::CatalogDocument;

    #[test]
    fn every_place_that_names_a_model_is_told_once() {
        let text = r#"{
            "providers": [{"id": "p", "base_url": "https://p.example", "pool": "p"}],
            "pools": [{"id": "p", "discover": "P_KEY"}],
            "models": [
                {"id": "p/a", "provider": "p", "upstream": "a", "capabilities": ["chat"]},
                {"id": "p/b", "provider": "p", "upstream": "b", "capabilities": ["chat"]},
                {"id": "p/c", "provider": "p", "upstream": "c", "capabilities": ["chat"]}],
            "routes": [{"id": "r", "targets": [{"model": "p/a"}, {"model": "p/b"}]}],
            "fusion_profiles": [{"id": "f", "advisers": [{"model": "p/a"}], "judge": {"model": "p/c", "enabled": false}, "synthesizer": {"model": "p/b", "fallbacks": ["p/a"]}}],
            "policies": [{"id": "team", "fallbacks": ["p/b"]}]
        }"#;
        let documents: CatalogDocument = serde_json::from_str(text).unwrap();
        let uses = uses(&Catalog::compile(documents, 1).unwrap());
        let of = |model: &str| -> Vec<String> {
            let places = uses.get(model).map(Vec::as_slice).unwrap_or_default();
            places
                .iter()
                .map(|place| format!("{:?} {} {}", place.kind, place.id, place.part))
                .collect()
        };
        assert_eq!(of("p/a"), ["Fusion f adviser", "Fusion f fallback", "Route r target"]);
        assert_eq!(
            of("p/b"),
            ["Fusion f synthesizer", "Route r target", "Policy team fallback"]
        );
        assert_eq!(of("p/c"), Vec::<String>::new());
    }
}
