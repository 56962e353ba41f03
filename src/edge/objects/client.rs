//! How the Worker talks to its own Durable Objects: JSON in, JSON out, an [`ApiError`] as the third case.

use crate::wire::ApiError;
use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use worker::{Env, Stub};

/// Status with which an object answers a designed refusal; its body is an [`ApiError`].
pub(in crate::edge) const REFUSED: u16 = 409;

/// Why an object did not do what was asked.
#[derive(Debug)]
pub(in crate::edge) enum ObjectError {
    /// It decided against it.
    Refused(Box<ApiError>),
    /// It could not be reached or did not understand.
    Unreachable(String),
}

/// Calls `path` of the object `name` under binding `binding`.
pub(in crate::edge) async fn call<Q: Serialize, A: DeserializeOwned>(
    env: &Env,
    binding: &str,
    name: &str,
    path: &str,
    question: &Q,
) -> Result<A, ObjectError> {
    let unreachable = |error: String| ObjectError::Unreachable(format!("{binding}: {error}"));
    let body = serde_json::to_string(question).map_err(|error| unreachable(error.to_string()))?;
    let (status, text) = exchange(env, binding, name, path, &body)
        .await
        .map_err(|error| unreachable(error.to_string()))?;
    match status {
        200 => serde_json::from_str(&text).map_err(|error| unreachable(error.to_string())),
        REFUSED => match serde_json::from_str(&text) {
            Ok(error) => Err(ObjectError::Refused(error)),
            Err(error) => Err(unreachable(error.to_string())),
        },
        other => Err(unreachable(format!("status {other}"))),
    }
}

async fn exchange(env: &Env, binding: &str, name: &str, path: &str, body: &str) -> worker::Result<(u16, String)> {
    let stub: Stub = env.durable_object(binding)?.get_by_name(name)?;
    let init = web_sys::RequestInit::new();
    init.set_method("POST");
    init.set_body(&JsValue::from_str(body));
    let request = web_sys::Request::new_with_str_and_init(&format!("https://object{path}"), &init)?;
    let response: web_sys::Response = stub.fetch_with_request(request.into()).await?.into();
    let text = JsFuture::from(response.text()?).await?;
    Ok((response.status(), text.as_string().unwrap_or_default()))
}

/// The answer of an object's handler.
pub(in crate::edge) fn answer<A: Serialize>(result: Result<A, ApiError>) -> worker::Result<worker::Response> {
    let (status, body) = match result {
        Ok(answer) => (200, serde_json::to_string(&answer)?),
        Err(error) => (REFUSED, serde_json::to_string(&error)?),
    };
    Ok(worker::Response::ok(body)?.with_status(status))
}

/// The question of an object's handler: path and body.
pub(in crate::edge) async fn question(mut request: worker::Request) -> worker::Result<(String, String)> {
    let path = request.path();
    let body = request.text().await?;
    Ok((path, body))
}
