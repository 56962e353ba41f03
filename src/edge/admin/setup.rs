//! The setup checklist: each row is checked now, none is ticked by hand.

use super::Admin;
use crate::access::roles::{Act, AuthKind};
use crate::account::ledger::query::ListRequest;
use crate::account::listing::{LedgerPage, RequestFilter, merge};
use crate::catalog::Catalog;
use crate::catalog::document::Transport;
use crate::edge::objects::registry::{KeyPage, KeyQuery};
use crate::edge::reply::{self, Reply};
use crate::edge::{clock, discovery, health, isolate, ledger, listing};
use crate::route::executable;
use crate::wire::{ApiError, CallKind, Millis};
use serde_json::{Value, json};

/// `GET setup`
pub(super) async fn checklist(admin: &Admin<'_>) -> Reply {
    admin.may(Act::Read)?;
    let query = KeyQuery {
        limit: 1,
        cursor: None,
        q: String::new(),
        policy: None,
        principal: None,
    };
    let started = clock::now();
    let keys: Result<KeyPage, ApiError> = admin.registry("/keys/list", &query).await;
    let latency = clock::now().since(started);
    let first = first_request(admin).await;
    let catalog = &admin.world.catalog;
    health::hear(admin.incoming).await;
    let policies = catalog.policies.len();
    let minted = keys.as_ref().map_or(0, |page| page.total);
    let way_in = format!("Signed in by {}.", way_in(admin.actor.auth));
    let checks = [
        check("sign_in", true, &way_in, None),
        bindings(keys.as_ref().err(), latency),
        provider(admin),
        verified_model(),
        check(
            "policy",
            policies > 0,
            &format!("Policies: {policies}."),
            Some(("policy", "default", "Create a policy")),
        ),
        check(
            "key",
            minted > 0,
            &format!("Keys minted: {minted}."),
            Some(("key", "", "Create a key")),
        ),
        request(first),
        optional(fusion(catalog)),
        optional(budget(catalog)),
    ];
    reply::json(200, &json!({"checks": checks}))
}

fn bindings(problem: Option<&ApiError>, latency: Millis) -> Value {
    match problem {
        None => check(
            "bindings",
            true,
            &format!("The Registry answered in {} ms.", latency.0),
            None,
        ),
        Some(error) => check("bindings", false, &error.message, None),
    }
}

fn provider(admin: &Admin<'_>) -> Value {
    let connect = Some(("provider", "openai", "Connect a provider"));
    match connected_provider(admin) {
        Some(id) => check("provider", true, &format!("Provider {id} can be called."), connect),
        None if discovery::is_configured(&admin.incoming.env) => check(
            "provider",
            false,
            "The local server is configured but offers no model.",
            connect,
        ),
        None => check(
            "provider",
            false,
            "No provider has a key yet; only the demo provider answers.",
            connect,
        ),
    }
}

fn verified_model() -> Value {
    let verify = Some(("model", "demo/fast", "Verify a model"));
    match isolate::with_verified(|verified| verified.newest().map(|(model, _)| model.clone())) {
        Some(model) => check(
            "verified_model",
            true,
            &format!("{model} answered a real call."),
            verify,
        ),
        None => check(
            "verified_model",
            false,
            "No model has answered a real call in the last 24 hours.",
            verify,
        ),
    }
}

fn request(first: Option<String>) -> Value {
    match first {
        Some(id) => with(
            check("first_request", true, "A request was answered.", None),
            "request_id",
            id.into(),
        ),
        None => check(
            "first_request",
            false,
            "No request yet: try the curl of your key.",
            None,
        ),
    }
}

fn fusion(catalog: &Catalog) -> Value {
    let live = catalog.fusion_profiles.values().find(|profile| profile.enabled);
    let text = live.map_or_else(
        || "No fusion profile is on.".to_owned(),
        |profile| format!("Profile {} is on.", profile.id),
    );
    check(
        "fusion",
        live.is_some(),
        &text,
        Some(("profile", "default", "Set up fusion")),
    )
}

fn budget(catalog: &Catalog) -> Value {
    let limited = catalog.policies.values().find(|policy| !policy.budgets.is_empty());
    let text = limited.map_or_else(
        || "No policy has a budget.".to_owned(),
        |policy| format!("Policy {} has a budget.", policy.id),
    );
    check(
        "budget",
        limited.is_some(),
        &text,
        Some(("policy", "default", "Set a budget")),
    )
}

/// A provider other than the demo with a model that can be executed under the admin policy.
fn connected_provider(admin: &Admin<'_>) -> Option<String> {
    let grant = super::observe::grant(admin, &admin.world.catalog.settings.admin_policy).ok()?;
    listing::decide(admin.incoming, &admin.world, |world| {
        let real = |model: &&std::sync::Arc<crate::catalog::Model>| {
            world
                .catalog
                .providers
                .get(&model.provider)
                .is_some_and(|provider| provider.transport != Transport::Demo)
        };
        let mut models = world.catalog.models.values().filter(real);
        let known = models
            .find(|model| executable(CallKind::Chat, model, &grant, world).is_ok())
            .map(|model| model.provider.to_string());
        known.or_else(|| {
            let mut local = world
                .catalog
                .providers
                .values()
                .filter(|provider| provider.discover.models);
            local
                .find(|provider| isolate::listing(&provider.id).is_some_and(|listing| !listing.models.is_empty()))
                .map(|provider| provider.id.to_string())
        })
    })
}

async fn first_request(admin: &Admin<'_>) -> Option<String> {
    let filter = RequestFilter {
        limit: 1,
        ..RequestFilter::default()
    };
    let question = |policy: &str| ListRequest {
        policy: policy.to_owned(),
        filter: filter.clone(),
    };
    let pages: Vec<LedgerPage> = ledger::ask_all(
        &admin.incoming.env,
        &admin.policies_ever().await.ok()?,
        "/requests",
        question,
    )
    .await
    .ok()?;
    merge(&filter, pages, clock::now())
        .items
        .into_iter()
        .next()
        .map(|listed| listed.row.request_id)
}

fn way_in(auth: AuthKind) -> &'static str {
    match auth {
        AuthKind::Token | AuthKind::Session => "the admin token",
        AuthKind::Access => "Cloudflare Access",
    }
}

/// One row. `fix`: kind, id and words of the repair, told only while the check fails.
fn check(id: &str, ok: bool, text: &str, fix: Option<(&str, &str, &str)>) -> Value {
    let fix = fix
        .filter(|_| !ok)
        .map(|(kind, id, text)| json!({"kind": kind, "id": id, "text": text}));
    json!({"id": id, "ok": ok, "optional": false, "text": text, "fix": fix})
}

fn optional(check: Value) -> Value {
    with(check, "optional", true.into())
}

fn with(mut check: Value, name: &str, value: Value) -> Value {
    if let Some(check) = check.as_object_mut() {
        check.insert(name.to_owned(), value);
    }
    check
}
