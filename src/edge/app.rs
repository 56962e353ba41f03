//! From method and path to a handler, and from a handler's result to a response.

use super::incoming::Incoming;
use super::reply::{self, Reply};
use super::{admin, completions, cors, listing, page, service, world};
use crate::wire::ApiError;
use crate::wire::CallKind;
use web_sys::Response;
use worker::{Context, Env};

/// Answers one request; never fails.
pub(super) async fn serve(request: web_sys::Request, env: Env, context: Context) -> Response {
    let (incoming, verdict) = Incoming::new(request, env, context);
    let result = match verdict {
        Ok(()) => dispatch(&incoming).await,
        Err(error) => Err(error),
    };
    let response = result.unwrap_or_else(|error| reply::error(&error, &incoming.request_id));
    let headers = response.headers();
    // A response the platform made itself has immutable headers; it then goes out without our own.
    let _ = headers.set("x-request-id", &incoming.request_id);
    cors::apply(&incoming, &headers);
    response
}

async fn dispatch(incoming: &Incoming) -> Reply {
    let path = incoming.path.as_str();
    if let Some(rest) = path.strip_prefix("/admin/api") {
        return admin::serve(incoming, rest).await;
    }
    if path == "/admin" || path.starts_with("/admin/") {
        return page::serve(incoming).await;
    }
    if incoming.method == "OPTIONS" {
        return cors::preflight(incoming);
    }
    match caller_endpoint(path) {
        Some((methods, endpoint)) if methods.contains(&incoming.method.as_str()) => answer(incoming, endpoint).await,
        Some((methods, _)) => Err(ApiError::method_not_allowed(&methods.join(", "))),
        None => Err(ApiError::not_found(path_sentence(path))),
    }
}

/// What a caller can ask for.
enum Endpoint<'a> {
    Completions(CallKind),
    Models,
    Model(&'a str),
    Catalog,
    Route,
    Usage,
    Key,
    Trace(&'a str),
    Health,
    Service,
}

fn caller_endpoint(path: &str) -> Option<(&'static [&'static str], Endpoint<'_>)> {
    const GET: &[&str] = &["GET", "HEAD"];
    const POST: &[&str] = &["POST"];
    Some(match path {
        "/v1/chat/completions" => (POST, Endpoint::Completions(CallKind::Chat)),
        "/v1/embeddings" => (POST, Endpoint::Completions(CallKind::Embeddings)),
        "/v1/models" => (GET, Endpoint::Models),
        "/v1/catalog" => (GET, Endpoint::Catalog),
        "/v1/route" | "/debug/route" => (POST, Endpoint::Route),
        "/v1/usage" => (GET, Endpoint::Usage),
        "/v1/key" => (GET, Endpoint::Key),
        "/healthz" => (GET, Endpoint::Health),
        "/v1" | "/v1/" | "/" => (GET, Endpoint::Service),
        _ => {
            if let Some(model) = path.strip_prefix("/v1/models/") {
                (GET, Endpoint::Model(model))
            } else {
                (GET, Endpoint::Trace(path.strip_prefix("/v1/traces/")?))
            }
        }
    })
}

async fn answer(incoming: &Incoming, endpoint: Endpoint<'_>) -> Reply {
    match endpoint {
        Endpoint::Completions(kind) => completions::serve(incoming, kind).await,
        Endpoint::Models => listing::models(incoming).await,
        Endpoint::Model(id) => listing::model(incoming, id).await,
        Endpoint::Catalog => listing::catalog(incoming).await,
        Endpoint::Route => completions::explain(incoming).await,
        Endpoint::Usage => service::usage(incoming).await,
        Endpoint::Key => service::key(incoming).await,
        Endpoint::Trace(id) => service::trace(incoming, id).await,
        Endpoint::Health => service::health(&world::current(incoming).await),
        Endpoint::Service => service::document(incoming),
    }
}

/// The path is the caller's own text: only a plain one is repeated.
fn path_sentence(path: &str) -> String {
    let plain = path.len() <= 100 && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.".contains(&b));
    if plain {
        format!("There is nothing at {path}; GET /v1 lists what is here.")
    } else {
        "There is nothing at this path; GET /v1 lists what is here.".to_owned()
    }
}
