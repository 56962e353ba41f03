//! What is allowed in a fusion profile but may surprise.

use crate::catalog::{FusionProfile, Model, ModelId};
use crate::route::executable::World;
use serde::Serialize;
use std::sync::Arc;

/// One warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// `same_family`, `duplicate_model`, `small_context`, `adviser_timeout`, `unpriced`.
    pub code: &'static str,
    /// A sentence.
    pub text: String,
    /// JSON pointer into the profile.
    pub param: String,
}

pub(super) fn warnings(profile: &FusionProfile, world: &World) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let model = |id: &ModelId| world.catalog.model(id.as_str());
    let judge = profile.judge.as_ref().filter(|judge| judge.enabled);
    let advisers: Vec<Option<Arc<Model>>> = profile.advisers.iter().map(|adviser| model(&adviser.model)).collect();

    for (index, (adviser, found)) in profile.advisers.iter().zip(&advisers).enumerate() {
        let param = format!("/advisers/{index}/model");
        if adviser.model == profile.synthesizer.model {
            let text = format!(
                "Adviser {} is the synthesizer's own model; another one sees other things.",
                index + 1
            );
            warnings.push(Warning {
                code: "duplicate_model",
                text,
                param: param.clone(),
            });
        }
        // Four characters a token on average, and the proposal itself.
        let wanted = profile.max_input_chars / 4 + profile.max_output_tokens;
        if let Some(window) = found
            .as_ref()
            .and_then(|model| model.context_window)
            .filter(|window| *window < wanted)
        {
            let text = format!(
                "{} takes {window} tokens; this profile may send it about {wanted}.",
                adviser.model
            );
            warnings.push(Warning {
                code: "small_context",
                text,
                param,
            });
        }
    }
    if let Some(judge) = judge {
        let param = "/judge/model".to_owned();
        if let Some(index) = profile.advisers.iter().position(|adviser| adviser.model == judge.model) {
            let text = format!("The judge is also adviser {} and judges itself.", index + 1);
            warnings.push(Warning {
                code: "duplicate_model",
                text,
                param: param.clone(),
            });
        }
        let family = model(&judge.model).and_then(|model| model.family.clone());
        let same = |adviser: &Option<Arc<Model>>| adviser.as_ref().is_some_and(|model| model.family == family);
        if let (Some(family), Some(index)) = (&family, advisers.iter().position(same)) {
            let text = format!(
                "Adviser {} and the judge are both {family} models. Judges tend to prefer their own family; choose another judge or accept.",
                index + 1
            );
            warnings.push(Warning {
                code: "same_family",
                text,
                param,
            });
        }
    }
    if profile.adviser_timeout_ms >= profile.deadline_ms {
        let text = "An adviser may take the whole deadline and leave nothing for the synthesizer.".to_owned();
        warnings.push(Warning {
            code: "adviser_timeout",
            text,
            param: "/adviser_timeout_ms".to_owned(),
        });
    }
    if model(&profile.synthesizer.model).is_some_and(|model| model.price.is_none()) {
        let text = format!(
            "{} has no price: keys with a hard budget cannot use this profile.",
            profile.synthesizer.model
        );
        warnings.push(Warning {
            code: "unpriced",
            text,
            param: "/synthesizer/model".to_owned(),
        });
    }
    warnings
}
