//! What is accepted as a route document: our own fields, and HybridClaw's spelling of a fallback chain, which becomes our fields.
//!
//! `primaryModel` (or `routing.primaryModel`) with `fallbackModels` or `fallbacks` appends targets, one order after the other, behind
//! those that the document names; `adaptiveContextTierDowngradeOn429` or `contextTierDowngradeOn429` is our `always` or `off`. Nothing
//! downstream knows these names: what is stored, exported and shown has ours.

use super::route::{ContextDowngrade, FallbackOn, Hedge, Retry, Route, RouteTarget};
use crate::catalog::{ModelId, RouteId};
use crate::wire::Millis;
use serde::Deserialize;

/// A route document as it may be written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a document")]
pub(super) struct RouteForm {
    id: RouteId,
    targets: Option<Vec<RouteTarget>>,
    #[serde(default)]
    context_targets: Vec<ModelId>,
    #[serde(default)]
    content_policy_targets: Vec<ModelId>,
    #[serde(default)]
    retry: Retry,
    adaptive_context_downgrade: Option<ContextDowngrade>,
    #[serde(default)]
    trim: bool,
    #[serde(default = "super::provider::enabled")]
    stream_recovery: bool,
    #[serde(default)]
    fallback_on: FallbackOn,
    #[serde(default)]
    hedge: Hedge,
    #[serde(default = "super::provider::enabled")]
    swap_in_tool_loop: bool,
    deadline_ms: Option<Millis>,
    #[serde(default = "super::provider::enabled")]
    enabled: bool,
    #[serde(rename = "primaryModel")]
    primary_model: Option<PrimaryModel>,
    routing: Option<Routing>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Routing {
    #[serde(rename = "primaryModel")]
    primary_model: PrimaryModel,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PrimaryModel {
    /// The primary itself, for documents without `targets`.
    model: Option<String>,
    #[serde(rename = "fallbackModels", alias = "fallbacks")]
    fallback_models: Vec<String>,
    #[serde(rename = "adaptiveContextTierDowngradeOn429", alias = "contextTierDowngradeOn429")]
    downgrade_on_429: Option<bool>,
}

impl TryFrom<RouteForm> for Route {
    type Error = String;

    fn try_from(form: RouteForm) -> Result<Self, String> {
        let foreign = match (form.primary_model, form.routing) {
            (Some(_), Some(_)) => return Err("give `primaryModel` or `routing`, not both".to_owned()),
            (Some(primary), None) => primary,
            (None, Some(routing)) => routing.primary_model,
            (None, None) => PrimaryModel::default(),
        };
        let downgrade = match (form.adaptive_context_downgrade, foreign.downgrade_on_429) {
            (Some(_), Some(_)) => {
                return Err(
                    "give `adaptive_context_downgrade` or `adaptiveContextTierDowngradeOn429`, not both".to_owned(),
                );
            }
            (Some(own), None) => own,
            (None, Some(true)) => ContextDowngrade::Always,
            (None, Some(false)) => ContextDowngrade::Off,
            (None, None) => ContextDowngrade::default(),
        };
        let named = form.targets.is_some() || foreign.model.is_some();
        let mut targets = form.targets.unwrap_or_default();
        for name in foreign.model.iter().chain(&foreign.fallback_models) {
            append(&mut targets, name.trim())?;
        }
        if !named {
            // The words by which a reader of errors knows a missing field.
            return Err("missing field `targets`".to_owned());
        }
        Ok(Self {
            id: form.id,
            targets,
            context_targets: form.context_targets,
            content_policy_targets: form.content_policy_targets,
            retry: form.retry,
            adaptive_context_downgrade: downgrade,
            trim: form.trim,
            stream_recovery: form.stream_recovery,
            fallback_on: form.fallback_on,
            hedge: form.hedge,
            swap_in_tool_loop: form.swap_in_tool_loop,
            deadline_ms: form.deadline_ms,
            enabled: form.enabled,
        })
    }
}

/// Adds a model behind all others. Blanks are dropped, of repeated ones the first stays.
fn append(targets: &mut Vec<RouteTarget>, name: &str) -> Result<(), String> {
    if name.is_empty() || targets.iter().any(|target| target.model.as_str() == name) {
        return Ok(());
    }
    let model = ModelId::parse(name).map_err(|error| format!("`{name}` is no model of the catalog: {error}"))?;
    let order = targets.iter().map(|target| target.order.saturating_add(1)).max();
    targets.push(RouteTarget {
        model,
        order: order.unwrap_or(0),
        weight: 1,
        pool: None,
        context_window: None,
        context_variants: Vec::new(),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::catalog::document::{CatalogDocument, Collection, Document, DocumentErrorCode};
    use serde_json::{Value, json};

    fn stored(route: &Value) -> Value {
        let document =
            Document::parse(Collection::Routes, &route.to_string()).unwrap_or_else(|e| panic!("{route}: {e}"));
        serde_json::from_str(&document.to_json()).unwrap()
    }

    #[test]
    fn hybridclaw_spelling_becomes_ours() {
        let own = json!({"id": "r", "targets": [{"model": "a/x"}, {"model": "b/y", "order": 1}, {"model": "c/z", "order": 2}],
            "adaptive_context_downgrade": "always"});
        let primary =
            json!({"model": "a/x", "fallbackModels": ["b/y", "c/z"], "adaptiveContextTierDowngradeOn429": true});
        let spellings = [
            json!({"id": "r", "primaryModel": primary}),
            json!({"id": "r", "routing": {"primaryModel": primary}}),
            json!({"id": "r", "primaryModel": {"model": "a/x", "fallbacks": ["b/y", "c/z"], "contextTierDowngradeOn429": true}}),
            json!({"id": "r", "targets": [{"model": "a/x"}],
                "primaryModel": {"fallbackModels": [" b/y ", "", "a/x", "c/z", "b/y"], "contextTierDowngradeOn429": true}}),
            json!({"id": "r", "targets": [{"model": "a/x"}, {"model": "b/y", "order": 1}], "adaptive_context_downgrade": "always",
                "primaryModel": {"fallbacks": ["c/z"]}}),
        ];
        for spelling in spellings {
            assert_eq!(stored(&spelling), stored(&own), "{spelling}");
            let catalog = json!({"routes": [spelling]}).to_string();
            let again = serde_json::to_value(CatalogDocument::parse(&catalog).unwrap()).unwrap();
            assert_eq!(again["routes"][0], stored(&own), "an import, too");
        }
        for (flag, word) in [(json!(true), "always"), (json!(false), "off")] {
            let route = json!({"id": "r", "primaryModel": {"model": "a/x", "adaptiveContextTierDowngradeOn429": flag}});
            assert_eq!(stored(&route)["adaptive_context_downgrade"], word);
        }
        let plain = stored(&json!({"id": "r", "targets": [{"model": "a/x"}]}));
        assert_eq!(plain["adaptive_context_downgrade"], "auto");
        assert!(plain.get("primaryModel").is_none());
    }

    #[test]
    fn what_is_ambiguous_or_unknown_is_refused_by_name() {
        use DocumentErrorCode::{Duplicate, InvalidValue, MissingField, UnknownField};
        let x = json!([{"model": "a/x"}]);
        for (route, path, code) in [
            (json!({"id": "r"}), "/targets", MissingField),
            (
                json!({"id": "r", "primaryModel": {"fallbacks": ["a/x"]}}),
                "/targets",
                MissingField,
            ),
            (
                json!({"id": "r", "targets": x, "primaryModel": {"fallback": []}}),
                "/primaryModel/fallback",
                UnknownField,
            ),
            (
                json!({"id": "r", "targets": x, "primarymodel": {}}),
                "/primarymodel",
                UnknownField,
            ),
            (
                json!({"id": "r", "targets": x, "primaryModel": {"fallbacks": [7]}}),
                "/primaryModel/fallbacks/0",
                InvalidValue,
            ),
            (
                json!({"id": "r", "targets": x, "primaryModel": {"fallbacks": ["no slash"]}}),
                "",
                InvalidValue,
            ),
            (
                json!({"id": "r", "targets": x, "primaryModel": {}, "routing": {"primaryModel": {}}}),
                "",
                InvalidValue,
            ),
            (
                json!({"id": "r", "targets": x, "primaryModel": {"fallbacks": [], "fallbackModels": []}}),
                "/primaryModel/fallbackModels",
                Duplicate,
            ),
            (
                json!({"id": "r", "targets": x, "adaptive_context_downgrade": "off", "primaryModel": {"contextTierDowngradeOn429": true}}),
                "",
                InvalidValue,
            ),
        ] {
            let error = Document::parse(Collection::Routes, &route.to_string()).unwrap_err();
            assert_eq!((error.path.as_str(), error.code), (path, code), "{route}: {error}");
        }
    }
}
