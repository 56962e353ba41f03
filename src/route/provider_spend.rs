//! Which providers a plan may call, what it can spend at each, and the plan without those that have no money left.
//!
//! A fallback spends at its own provider, so every target of a chain counts. Knows no Ledger: that holds the caps.

use super::plan::{Chain, Plan, Shape, Stage, Target};
use crate::catalog::{NanoUsd, Provider};
use std::sync::Arc;

/// What a plan can spend at one provider.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderSpend {
    /// The provider.
    pub provider: Arc<Provider>,
    /// The most, over all calls that may go there. A call counts whole at each provider that may answer it, as it is billed at one.
    pub most: NanoUsd,
    /// True: a call that the answer needs has no target elsewhere.
    pub required: bool,
}

/// Reason code of targets that are left out because their provider's cap is reached.
const NO_MONEY: &str = "budget";

impl Plan {
    /// Providers in the order in which they may be called first.
    pub fn provider_spend(&self) -> Vec<ProviderSpend> {
        let mut spends: Vec<ProviderSpend> = Vec::new();
        for call in &self.calls {
            let main = self.main_targets(call.stage, call.index);
            let mut counted: Vec<&Provider> = Vec::new();
            for target in main.iter().copied().chain(self.side_targets(call.stage)) {
                let provider = &target.provider;
                if counted.iter().any(|known| known.id == provider.id) {
                    continue;
                }
                counted.push(provider);
                let needed = matches!(call.stage, Stage::Answer | Stage::Synthesizer);
                let alone = main.iter().all(|target| target.provider.id == provider.id);
                let (most, required) = (call.worst_case.unwrap_or(NanoUsd(0)), needed && alone);
                match spends.iter_mut().find(|known| known.provider.id == provider.id) {
                    Some(known) => {
                        known.most = known.most.saturating_add(most);
                        known.required |= required;
                    }
                    None => spends.push(ProviderSpend {
                        provider: Arc::clone(provider),
                        most,
                        required,
                    }),
                }
            }
        }
        spends
    }

    /// Takes out what must not be called: calls without money, targets of providers that are over their cap.
    /// False: nobody is left to give the answer, and nothing was changed that matters.
    #[must_use]
    pub fn leave_out(&mut self, unfunded: &[(Stage, u32)], capped: &[String]) -> bool {
        let is_capped = |target: &Target| capped.iter().any(|id| id == target.provider.id.as_str());
        match &mut self.shape {
            Shape::Chain(chain) => {
                let first = chain.targets.first().is_some_and(is_capped);
                leave_out_of(chain, &is_capped);
                if first {
                    self.pinned = false;
                    chain.pinned_credential = None;
                }
                !chain.targets.is_empty()
            }
            Shape::Fusion(fusion) => {
                leave_out_of(&mut fusion.synthesizer, &is_capped);
                let advisers = std::mem::take(&mut fusion.advisers);
                for (slot, target) in advisers {
                    if unfunded.contains(&(Stage::Adviser, slot)) || is_capped(&target) {
                        let id = target.model.id.to_string();
                        fusion.left_out.push((slot, id, NO_MONEY.to_owned()));
                    } else {
                        fusion.advisers.push((slot, target));
                    }
                }
                if unfunded.contains(&(Stage::Judge, 0)) || fusion.judge.as_ref().is_some_and(is_capped) {
                    fusion.judge = None;
                }
                !fusion.synthesizer.targets.is_empty()
            }
        }
    }

    /// Targets that may give the call's result in the ordinary course.
    fn main_targets(&self, stage: Stage, index: u32) -> Vec<&Target> {
        match (&self.shape, stage) {
            (Shape::Chain(chain), _) => chain.targets.iter().collect(),
            (Shape::Fusion(fusion), Stage::Adviser) => {
                let own = fusion.advisers.iter().filter(|(slot, _)| *slot == index);
                own.map(|(_, target)| target).collect()
            }
            (Shape::Fusion(fusion), Stage::Judge) => fusion.judge.iter().collect(),
            (Shape::Fusion(fusion), Stage::Synthesizer | Stage::Answer) => fusion.synthesizer.targets.iter().collect(),
        }
    }

    /// Targets that are asked only after certain failures.
    fn side_targets(&self, stage: Stage) -> impl Iterator<Item = &Target> {
        let chain = match (&self.shape, stage) {
            (Shape::Chain(chain), _) => Some(chain.as_ref()),
            (Shape::Fusion(fusion), Stage::Synthesizer | Stage::Answer) => Some(&fusion.synthesizer),
            (Shape::Fusion(_), Stage::Adviser | Stage::Judge) => None,
        };
        let lanes = chain.map(|chain| chain.context_targets.iter().chain(&chain.content_policy_targets));
        lanes.into_iter().flatten()
    }
}

fn leave_out_of(chain: &mut Chain, is_capped: &impl Fn(&Target) -> bool) {
    let Chain {
        targets,
        context_targets,
        content_policy_targets,
        skipped,
        ..
    } = chain;
    for lane in [targets, context_targets, content_policy_targets] {
        lane.retain(|target| {
            let out = is_capped(target);
            if out {
                skipped.push((target.model.id.to_string(), NO_MONEY.to_owned()));
            }
            !out
        });
    }
}
