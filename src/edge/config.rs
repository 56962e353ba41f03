//! Names of bindings and variables. A tidy test holds the binding names equal to wrangler.toml's.

use worker::Env;

/// KV namespace with catalog snapshots and key records.
pub(super) const KV: &str = "CATALOG";
/// Durable Object: only writer of catalog, policies, keys, settings.
pub(super) const REGISTRY: &str = "REGISTRY";
/// Durable Object: one session's pin, and the index of sessions.
pub(super) const SESSION: &str = "SESSION";
/// Durable Object: budgets, usage and traces of one policy.
pub(super) const LEDGER: &str = "LEDGER";
/// Durable Object: merged health of credentials and targets.
pub(super) const HEALTH_HUB: &str = "HEALTH_HUB";
/// Static files of the admin page.
pub(super) const ASSETS: &str = "ASSETS";

/// Optional R2 bucket: prompts and answers of policies that keep them, encrypted.
pub(super) const CONTENT: &str = "CONTENT";
/// Optional Analytics Engine dataset: one point a request.
pub(super) const ANALYTICS: &str = "ANALYTICS";
/// Optional rate limiter: a rough limit for each key.
pub(super) const RATE_LIMITER: &str = "RATE_LIMITER";

/// A variable or secret by name; `None` when absent or empty.
pub(super) fn variable(env: &Env, name: &str) -> Option<String> {
    let value = js_sys::Reflect::get(env, &name.into()).ok()?.as_string()?;
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// True when the Worker runs on somebody's machine (`ENVIRONMENT=local`): plain http to loopback is allowed.
pub(super) fn is_local(env: &Env) -> bool {
    variable(env, "ENVIRONMENT").as_deref() == Some("local")
}

/// True when the whole deployment answers from the demo provider (`DRY_RUN=1`).
pub(super) fn is_dry_run(env: &Env) -> bool {
    variable(env, "DRY_RUN").is_some_and(|value| value != "0" && value != "false")
}
