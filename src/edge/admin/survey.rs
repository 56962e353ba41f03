//! Questions about many rows at once: figures of a filter, the price of another fusion profile, the effect of another policy. Each asks
//! every Ledger concerned once, which looks at a bounded number of its newest rows.

use super::{Admin, fusion, observe};
use crate::access::roles::Act;
use crate::account::asked::{Asked, AskedRequest};
use crate::account::figures::{FiguresPart, figures as add_figures};
use crate::account::reprice::{PERIOD, RepriceRequest, RepricedPart, repriced, slots};
use crate::catalog::document::{Collection, Document};
use crate::catalog::registry::error::invalid_document;
use crate::catalog::{Policy, PolicyId};
use crate::edge::reply::{self, Reply};
use crate::edge::{clock, ledger, listing};
use crate::route::effect::refused_by;
use crate::route::fusion_model;
use crate::wire::json::RawJson;
use crate::wire::time::rfc3339;
use crate::wire::{ApiError, Millis};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// `GET requests/figures`: of all rows that the filter finds, not of a page.
pub(super) async fn figures(admin: &Admin<'_>) -> Reply {
    let filter = observe::filter(admin).await?;
    let policies = observe::ledgers_of(admin, &filter).await?;
    let env = &admin.incoming.env;
    let parts: Vec<FiguresPart> = ledger::ask_all(env, &policies, "/figures", |_| filter.clone()).await?;
    reply::json(200, &add_figures(&filter, parts, clock::now()))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repricing {
    #[serde(default)]
    draft: Option<RawJson>,
}

/// `POST fusion-profiles/{id}/reprice`: what the last days' requests would have cost with the draft.
pub(super) async fn reprice(admin: &Admin<'_>, id: &str) -> Reply {
    admin.may(Act::Read)?;
    let asked: Repricing = admin.body().await?;
    let draft = fusion::profile(admin, id, asked.draft).await?;
    let now = clock::now();
    let request = RepriceRequest {
        model: fusion_model(id),
        since: Millis(now.0.saturating_sub(PERIOD.0)),
        slots: slots(&draft, &admin.world.catalog),
    };
    let policies = admin.policies_ever().await?;
    let env = &admin.incoming.env;
    let parts: Vec<RepricedPart> = ledger::ask_all(env, &policies, "/reprice", |_| request.clone()).await?;
    reply::json(200, &repriced(&request, parts, now))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Staged {
    document: RawJson,
}

/// `POST policies/{id}/effect`: which of the last days' requests the changed policy would refuse.
pub(super) async fn effect(admin: &Admin<'_>, id: &str) -> Reply {
    admin.may(Act::Read)?;
    let staged: Staged = admin.body().await?;
    if !admin.world.catalog.policies.keys().any(|policy| policy.as_str() == id) {
        return Err(ApiError::not_found(format!("There is no policy {id}.")));
    }
    let live = observe::grant(admin, id)?;
    let changed = crate::access::Grant {
        policy: Arc::new(policy(admin, id, &staged.document)?),
        ..live.clone()
    };
    let now = clock::now();
    let request = AskedRequest {
        since: Millis(now.0.saturating_sub(PERIOD.0)),
    };
    let asked: Asked = ledger::ask(&admin.incoming.env, id, "/asked", &request).await?;
    let refused = listing::decide(admin.incoming, &admin.world, |world| {
        refused_by(&asked.models, &live, &changed, world)
    });
    let sum = refused.iter().fold(0_u64, |sum, row| sum.saturating_add(row.requests));
    reply::json(
        200,
        &json!({"policy": id, "from": rfc3339(request.since), "requests": asked.requests(), "refused": sum, "models": refused,
            "looked_at": asked.looked_at, "complete": asked.complete, "as_of": rfc3339(now)}),
    )
}

/// The policy as it would be stored; what its fallbacks do not name is left out, as on publication.
fn policy(admin: &Admin<'_>, id: &str, text: &RawJson) -> Result<Policy, ApiError> {
    let document = Document::parse(Collection::Policies, text.text()).map_err(|error| invalid_document(&[error]))?;
    match document {
        Document::Policy(mut policy) if PolicyId::parse(id).is_ok_and(|id| policy.id == id) => {
            policy
                .fallbacks
                .retain(|model| admin.world.catalog.model(model.as_str()).is_some());
            Ok(policy)
        }
        _ => Err(ApiError::new("invalid_document", format!("/id: must be {id}")).about("/id")),
    }
}
