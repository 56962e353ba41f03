//! The admin API: who is signed in, what they may do, and which call they make (docs/admin-api.md).

mod candidates;
mod content;
mod documents;
mod door;
mod fusion;
mod keys;
mod local;
mod observe;
mod overview;
mod setup;
mod survey;
mod test_prompt;

use super::incoming::Incoming;
use super::isolate::World;
use super::objects::client::{self, ObjectError};
use super::objects::registry;
use super::page;
use super::reply::{self, Reply};
use super::{clock, config, isolate, world};
use crate::access::roles::{Act, Actor};
use crate::catalog::document::parse_json;
use crate::catalog::registry::{AuditRow, Author, RegistryError};
use crate::wire::{ApiError, url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use web_sys::Response;

/// Largest body of an admin call: a whole catalog.
const MAX_BODY: u64 = 8 * 1024 * 1024;

/// A signed-in person's request.
pub(super) struct Admin<'a> {
    pub(super) incoming: &'a Incoming,
    pub(super) actor: Actor,
    pub(super) world: World,
}

/// Answers `/admin/api<rest>` with the security headers of the page.
pub(super) async fn serve(incoming: &Incoming, rest: &str) -> Reply {
    let result = answer(incoming, rest).await;
    let response = result.unwrap_or_else(|error| reply::error(&error, &incoming.request_id));
    secured(&response, incoming);
    Ok(response)
}

fn secured(response: &Response, incoming: &Incoming) {
    page::secure(response, incoming.origin.starts_with("https:"));
    if response.headers().get("cache-control").ok().flatten().is_none() {
        let _ = response.headers().set("cache-control", "no-store");
    }
}

async fn answer(incoming: &Incoming, rest: &str) -> Reply {
    let segments: Vec<String> = rest
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(url::decode)
        .collect();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let method = incoming.method.as_str();
    if let (["session"], "POST") = (path.as_slice(), method) {
        return door::sign_in(incoming).await;
    }
    let world = world::current(incoming).await;
    let actor = match door::actor(incoming).await {
        Ok(actor) => actor,
        Err(error) => {
            if door::is_failed_sign_in(incoming, &error) {
                audit_refusal(incoming, "unknown", "sign_in", "admin", &error);
            }
            return Err(error);
        }
    };
    let admin = Admin { incoming, actor, world };
    let result = route(&admin, &path).await;
    if let Err(error) = &result
        && !matches!(method, "GET" | "HEAD")
    {
        audit_refusal(incoming, &admin.actor.name, method, &path.join("/"), error);
    }
    result
}

/// Leaves an audit row of a refused write or sign-in, after the response and not too many of them.
fn audit_refusal(incoming: &Incoming, actor: &str, action: &str, object: &str, error: &ApiError) {
    if !isolate::may_audit_refusal(clock::now()) {
        return;
    }
    let author = Author {
        actor: actor.to_owned(),
        request_id: incoming.request_id.clone(),
        at: clock::now(),
        note: None,
    };
    let row = AuditRow::refused(&author, action, object, &error.code);
    let env = incoming.env.clone();
    incoming.after_response(async move {
        let told: Result<(), _> = client::call(&env, config::REGISTRY, registry::NAME, "/audit/refused", &row).await;
        if told.is_err() {
            worker::console_error!("a refusal left no audit row");
        }
    });
}

async fn route(admin: &Admin<'_>, path: &[&str]) -> Reply {
    let method = admin.incoming.method.as_str();
    match (path, method) {
        (["session"], "DELETE") => door::sign_out(admin).await,
        (["me"], "GET") => door::me(admin),
        (["setup"], "GET") => setup::checklist(admin).await,
        (["keys"], "GET") => keys::list(admin).await,
        (["keys"], "POST") => keys::mint(admin).await,
        (["keys", kid], "GET" | "HEAD") => keys::one(admin, kid).await,
        (["keys", kid], "PUT") => keys::put(admin, kid).await,
        (["keys", kid], "DELETE") => keys::delete(admin, kid).await,
        (["keys", kid, "history"], "GET") => keys::history(admin, kid).await,
        (["keys", kid, "rollback"], "POST") => keys::rollback(admin, kid).await,
        (["keys", kid, "revoke"], "POST") => keys::revoke(admin, kid).await,
        (["keys", kid, "rotate"], "POST") => keys::rotate(admin, kid).await,
        (["pools", pool, "credentials"], "GET") => documents::credentials(admin, pool).await,
        (["pools", pool, "credentials", label], "PUT") => documents::seal(admin, pool, label).await,
        (["pools", pool, "credentials", label], "DELETE") => documents::unseal(admin, pool, label).await,
        (["pools", pool, "reset"], "POST") => observe::reset(admin, pool).await,
        (["models", "overview"], "GET") => overview::models(admin).await,
        (["models", model, "policies"], "GET") => overview::policies(admin, model),
        (["policies", policy, "effect"], "POST") => survey::effect(admin, policy).await,
        (["models", model, "verify"], "POST") => local::verify(admin, model).await,
        (["local", "discover"], "POST") => local::discover(admin).await,
        (["fusion-profiles", id, call], _) if fusion::is_call(call) => fusion::serve(admin, id, call).await,
        (["candidates"], "GET") => candidates::list(admin).await,
        (["health", "targets"], "GET") => observe::targets(admin),
        (["sessions"], "GET") => observe::sessions(admin).await,
        (["sessions", id], "DELETE") => observe::end_session(admin, id).await,
        (["requests"], "GET") => observe::requests(admin).await,
        (["requests", "figures"], "GET") => survey::figures(admin).await,
        (["requests", id], "GET") => observe::request(admin, id).await,
        (["requests", id, "content"], "GET") => content::read(admin, id).await,
        (["requests", id, "content"], "DELETE") => content::delete(admin, id).await,
        (["usage"], "GET") => observe::usage(admin).await,
        (["metrics"], "GET") => observe::metrics(admin).await,
        (["route", "explain"], "POST") => observe::explain(admin).await,
        (["audit"], "GET") => documents::audit(admin).await,
        (["export"], "GET") => documents::export(admin).await,
        (["import"], "POST") => documents::import(admin).await,
        _ => documents::serve(admin, path).await,
    }
}

impl Admin<'_> {
    /// May this person do that?
    pub(super) fn may(&self, act: Act) -> Result<(), ApiError> {
        self.actor.role.may(act)
    }

    /// Signs what this person writes.
    pub(super) fn author(&self, note: Option<String>) -> Author {
        Author {
            actor: self.actor.name.clone(),
            request_id: self.incoming.request_id.clone(),
            at: clock::now(),
            note,
        }
    }

    /// The JSON body.
    pub(super) async fn body<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let text = self.text().await?;
        let text = if text.trim().is_empty() { "{}" } else { text.as_str() };
        parse_json(text).map_err(|error| RegistryError::Invalid { errors: vec![error] }.into())
    }

    /// The body as text.
    pub(super) async fn text(&self) -> Result<String, ApiError> {
        let bytes = self.incoming.body(MAX_BODY).await?;
        String::from_utf8(bytes.to_vec()).map_err(|_| ApiError::new("invalid_json", "The body is not UTF-8."))
    }

    /// A query parameter.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        url::query(&self.incoming.query, name)
    }

    /// A bounded page size.
    pub(super) fn limit(&self, otherwise: u32, most: u32) -> Result<u32, ApiError> {
        match self.query("limit") {
            None => Ok(otherwise),
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=most).contains(limit))
                .ok_or_else(|| {
                    ApiError::invalid_request(format!("`limit` must be a number from 1 to {most}."), Some("limit"))
                }),
        }
    }

    /// Asks the Registry.
    pub(super) async fn registry<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        question: &Q,
    ) -> Result<A, ApiError> {
        registry_call(self.incoming, path, question).await
    }

    /// Ids of all policies whose Ledgers hold rows: those in force, and deleted ones, because what was spent stays spent.
    pub(super) async fn policies_ever(&self) -> Result<Vec<String>, ApiError> {
        let retired: Vec<String> = self.registry("/documents/retired", &()).await?;
        let live = self.world.catalog.policies.keys().map(ToString::to_string);
        let retired = retired.into_iter().filter(|id| {
            let live = &self.world.catalog.policies;
            !live.contains_key(id.as_str())
        });
        Ok(live.chain(retired).collect())
    }

    /// Uses a write's snapshot at once in this isolate.
    pub(super) async fn adopt(&self, snapshot: &str) {
        world::adopt(&self.incoming.env, snapshot).await;
    }
}

/// Asks the Registry without a signed-in person.
pub(super) async fn registry_call<Q: Serialize, A: DeserializeOwned>(
    incoming: &Incoming,
    path: &str,
    question: &Q,
) -> Result<A, ApiError> {
    client::call(&incoming.env, config::REGISTRY, registry::NAME, path, question)
        .await
        .map_err(|error| match error {
            ObjectError::Refused(error) => *error,
            ObjectError::Unreachable(detail) => {
                worker::console_error!("registry: {detail}");
                ApiError::new(
                    "registry_unavailable",
                    "The Registry does not answer at the moment; try again.",
                )
                .after(crate::wire::Millis(1_000))
            }
        })
}
