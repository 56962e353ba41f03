//! Fusion profiles: drafts, readiness, enable, disable, test prompts.

use super::{Admin, overview, survey, test_prompt};
use crate::access::KeyIdentity;
use crate::access::key::KeyRecord;
use crate::access::roles::Act;
use crate::account::ledger::message::BudgetState;
use crate::catalog::document::{Collection, Document};
use crate::catalog::registry::draft::{DraftView, profile_name};
use crate::catalog::registry::error::invalid_document;
use crate::catalog::{FusionProfile, NanoUsd, Policy};
use crate::edge::isolate::World;
use crate::edge::objects::registry::{Applied, DraftCall, KeyPage, KeyQuery};
use crate::edge::reply::{self, Reply};
use crate::edge::{health, isolate, ledger, listing};
use crate::route::readiness::{self, PolicyQuestion};
use crate::wire::ApiError;
use crate::wire::json::RawJson;
use serde::Deserialize;
use std::sync::Arc;
use worker::Env;

/// Keys that one readiness answer looks at.
const MAX_KEYS: u32 = 500;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    draft: Option<RawJson>,
    #[serde(default)]
    keys: bool,
    #[serde(default)]
    policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    draft: RawJson,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Enable {
    #[serde(default)]
    base_revision: u64,
    #[serde(default)]
    note: Option<String>,
}

/// Is this the last segment of one of these calls?
pub(super) fn is_call(segment: &str) -> bool {
    matches!(
        segment,
        "draft" | "readiness" | "reprice" | "preview" | "listing" | "enable" | "disable" | "test"
    )
}

/// `fusion-profiles/{id}/{call}`
pub(super) async fn serve(admin: &Admin<'_>, id: &str, call: &str) -> Reply {
    match (call, admin.incoming.method.as_str()) {
        ("draft", "GET") => {
            admin.may(Act::Read)?;
            draft_call(admin, "/drafts/get", id, String::new()).await
        }
        ("draft", "PUT") => {
            admin.may(Act::WriteDocuments)?;
            let saved: Saved = admin.body().await?;
            draft_call(admin, "/drafts/put", id, saved.draft.text().to_owned()).await
        }
        ("draft", "DELETE") => {
            admin.may(Act::WriteDocuments)?;
            draft_call(admin, "/drafts/delete", id, String::new()).await
        }
        ("readiness", "POST") => readiness(admin, id).await,
        ("reprice", "POST") => survey::reprice(admin, id).await,
        ("preview", "POST") => overview::preview(admin, id).await,
        ("listing", "GET") => overview::edge_listing(admin, id).await,
        ("enable", "POST") => {
            admin.may(Act::WriteDocuments)?;
            let wish: Enable = admin.body().await?;
            switch(admin, "/drafts/enable", id, wish).await
        }
        ("disable", "POST") => {
            admin.may(Act::Operate)?;
            let wish: Enable = admin.body().await?;
            switch(admin, "/drafts/disable", id, wish).await
        }
        ("test", "POST") => test_prompt::serve(admin, id).await,
        ("draft", _) => Err(ApiError::method_not_allowed("GET, PUT, DELETE")),
        ("listing", _) => Err(ApiError::method_not_allowed("GET")),
        _ => Err(ApiError::method_not_allowed("POST")),
    }
}

async fn draft_call(admin: &Admin<'_>, path: &str, id: &str, text: String) -> Reply {
    let call = DraftCall {
        id: id.to_owned(),
        text,
        base_revision: 0,
        author: admin.author(None),
    };
    let view: RawJson = admin.registry(path, &call).await?;
    reply::json(200, &view)
}

async fn switch(admin: &Admin<'_>, path: &str, id: &str, wish: Enable) -> Reply {
    let call = DraftCall {
        id: id.to_owned(),
        text: String::new(),
        base_revision: wish.base_revision,
        author: admin.author(wish.note),
    };
    let applied: Applied = admin.registry(path, &call).await?;
    admin.adopt(&applied.snapshot).await;
    reply::json(200, &applied.answer)
}

async fn readiness(admin: &Admin<'_>, id: &str) -> Reply {
    admin.may(Act::Read)?;
    let asked: Asked = admin.body().await?;
    let draft = profile(admin, id, asked.draft.clone()).await?;
    let records = keys_of(admin, asked.policy.as_deref()).await?;
    let questions = questions(admin, &asked, &records).await?;
    let live = admin.world.catalog.fusion_profiles.get(id).cloned();
    // What answered on other isolates counts too.
    health::hear(admin.incoming).await;
    let verified = isolate::with_verified(|verified| verified.clone());
    let answer = listing::decide(admin.incoming, &admin.world, |world| {
        readiness::readiness(&draft, live.as_deref(), &questions, &verified, world)
    });
    reply::json(200, &answer)
}

/// What is asked for each policy: how many keys it has, what its budgets have left, and its keys one by one when that was asked.
async fn questions(admin: &Admin<'_>, asked: &Asked, records: &[KeyRecord]) -> Result<Vec<PolicyQuestion>, ApiError> {
    let env = &admin.incoming.env;
    let mut questions = Vec::new();
    for policy in admin
        .world
        .catalog
        .policies
        .values()
        .filter(|policy| asked.policy.as_deref().is_none_or(|only| only == policy.id.as_str()))
    {
        let own: Vec<&KeyRecord> = records.iter().filter(|record| record.policy == policy.id).collect();
        let key_rows = if asked.keys {
            of_keys(env, policy, &own).await?
        } else {
            Vec::new()
        };
        let remaining = least(&ledger::budgets(env, policy, None).await?);
        questions.push(PolicyQuestion {
            policy: Arc::clone(policy),
            keys: own.len() as u64,
            remaining,
            key_rows,
        });
    }
    Ok(questions)
}

/// The keys of a policy, each with what its own budgets have left: one question to the Ledger, and none where nothing is limited.
async fn of_keys(
    env: &Env,
    policy: &Policy,
    own: &[&KeyRecord],
) -> Result<Vec<(KeyIdentity, Option<NanoUsd>)>, ApiError> {
    let kids: Vec<String> = own.iter().map(|record| record.kid.clone()).collect();
    let states = if policy.budgets.is_empty() || kids.is_empty() {
        Vec::new()
    } else {
        ledger::key_states(env, policy, &kids).await?
    };
    let row = |(index, record): (usize, &&KeyRecord)| {
        let identity = KeyIdentity {
            kid: record.kid.clone(),
            label: record.label.clone(),
            principal: record.principal.clone(),
        };
        (identity, states.get(index).and_then(|state| least(&state.budgets)))
    };
    Ok(own.iter().enumerate().map(row).collect())
}

/// The least that any hard budget has left.
pub(super) fn least(budgets: &[BudgetState]) -> Option<NanoUsd> {
    budgets
        .iter()
        .filter(|budget| budget.hard)
        .map(|budget| budget.remaining_usd)
        .min()
}

/// The profile that is asked about: the body's, else the saved draft, else the live one.
pub(super) async fn profile(admin: &Admin<'_>, id: &str, draft: Option<RawJson>) -> Result<FusionProfile, ApiError> {
    let draft = match draft {
        Some(draft) => draft,
        None => {
            let call = DraftCall {
                id: id.to_owned(),
                text: String::new(),
                base_revision: 0,
                author: admin.author(None),
            };
            let view: DraftView = admin.registry("/drafts/get", &call).await?;
            view.draft
        }
    };
    let document =
        Document::parse(Collection::FusionProfiles, draft.text()).map_err(|error| invalid_document(&[error]))?;
    match document {
        Document::FusionProfile(profile) if document_is(&profile, id) => {
            crate::catalog::compile::check_fusion_draft(&profile).map_err(|errors| invalid_document(&errors))?;
            Ok(profile)
        }
        _ => Err(ApiError::new("invalid_document", format!("/id: must be {}", profile_name(id).id)).about("/id")),
    }
}

/// The catalog as it would be with this draft in force.
pub(super) fn with_draft(admin: &Admin<'_>, draft: &FusionProfile) -> World {
    let mut catalog = (*admin.world.catalog).clone();
    let live = FusionProfile {
        enabled: true,
        ..draft.clone()
    };
    catalog.fusion_profiles.insert(live.id.clone(), Arc::new(live));
    World {
        catalog: Arc::new(catalog),
        ..admin.world.clone()
    }
}

fn document_is(profile: &FusionProfile, id: &str) -> bool {
    profile.id.as_str() == id
}

async fn keys_of(admin: &Admin<'_>, policy: Option<&str>) -> Result<Vec<KeyRecord>, ApiError> {
    let query = KeyQuery {
        limit: MAX_KEYS,
        cursor: None,
        q: String::new(),
        policy: policy.map(str::to_owned),
        principal: None,
    };
    let page: KeyPage = admin.registry("/keys/list", &query).await?;
    Ok(page
        .items
        .into_iter()
        .filter(|record| record.enabled && record.revoked_at.is_none())
        .collect())
}
