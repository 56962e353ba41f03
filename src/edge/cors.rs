//! Which browsers may call `/v1/*`: none, unless settings name their origin. The admin API never has CORS headers.

use super::incoming::Incoming;
use super::isolate;
use super::reply::{self, Reply};
use web_sys::Headers;

/// Response headers that a browser script may read.
const EXPOSED: &str = "x-request-id, retry-after, server-timing, x-clawrouter-target, x-clawrouter-route, x-clawrouter-attempts, \
    x-clawrouter-fallback-index, x-clawrouter-retries, x-clawrouter-rotations, x-clawrouter-session, x-clawrouter-pinned, \
    x-clawrouter-strategy, x-clawrouter-cost-usd, x-clawrouter-trace-id, x-clawrouter-trace, \
    x-clawrouter-context-tier, x-clawrouter-fusion, x-clawrouter-fusion-advisers, x-clawrouter-fusion-failed, \
    x-clawrouter-fusion-latency-ms, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, \
    x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens";

/// Adds the headers when the caller's origin is allowed.
pub(super) fn apply(incoming: &Incoming, headers: &Headers) {
    if let Some(origin) = allowed_origin(incoming) {
        let _ = headers.set("access-control-allow-origin", &origin);
        let _ = headers.set("access-control-expose-headers", EXPOSED);
        let _ = headers.append("vary", "origin");
    }
}

/// Answers `OPTIONS`: 204 with or without permission.
pub(super) fn preflight(incoming: &Incoming) -> Reply {
    let mut headers = Vec::new();
    if allowed_origin(incoming).is_some() {
        headers.push((
            "access-control-allow-methods".to_owned(),
            "GET, POST, DELETE".to_owned(),
        ));
        headers.push((
            "access-control-allow-headers".to_owned(),
            "authorization, content-type, x-api-key, x-request-id, x-session-id, x-clawrouter-session-id".to_owned(),
        ));
        headers.push(("access-control-max-age".to_owned(), "600".to_owned()));
    }
    reply::empty(204, &headers)
}

fn allowed_origin(incoming: &Incoming) -> Option<String> {
    if !incoming.path.starts_with("/v1") {
        return None;
    }
    let origins = isolate::world()?.world.catalog.settings.cors_origins.clone();
    if origins.is_empty() {
        return None;
    }
    let origin = incoming.header("origin")?;
    origins
        .iter()
        .any(|allowed| *allowed == origin || allowed == "*")
        .then_some(origin)
}
