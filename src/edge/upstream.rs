//! One upstream call: request out, headers and body chunks in. Knows sockets; decides nothing.

use crate::catalog::Transport;
use crate::run::machine::{TransportFault, UpstreamRequest};
use crate::run::quota;
use bytes::Bytes;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Headers, ReadableStreamDefaultReader, RequestInit, RequestRedirect};
use worker::Env;

/// Response headers that classification, usage and the caller may need; everything else of an upstream stays outside wasm.
const PASSED_HEADERS: &[&str] = &[
    "content-type",
    "retry-after",
    "retry-after-ms",
    "x-ms-retry-after-ms",
    "x-should-retry",
    "x-request-id",
    "request-id",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
    "anthropic-ratelimit-input-tokens-limit",
    "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-input-tokens-reset",
    "anthropic-ratelimit-output-tokens-limit",
    "anthropic-ratelimit-output-tokens-remaining",
    "anthropic-ratelimit-output-tokens-reset",
    "openai-processing-ms",
    "openai-version",
];

/// Headers that a successful answer is read for; the long list is only worth its crossings when something failed.
const PASSED_ON_SUCCESS: usize = 7;

/// A socket to an upstream. Dropping it closes the socket.
pub(super) struct Socket {
    controller: Option<AbortController>,
}

impl Socket {
    /// A call that needs no socket.
    pub(super) fn none() -> Self {
        Self { controller: None }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(controller) = &self.controller {
            controller.abort();
        }
    }
}

/// What a call answered with.
pub(super) struct Answer {
    /// HTTP status.
    pub(super) status: u16,
    /// Lower-case names.
    pub(super) headers: Vec<(String, String)>,
    /// The body's reader; `None`: no body.
    pub(super) body: Option<ReadableStreamDefaultReader>,
}

/// Opens a call. The returned future resolves at the response headers.
pub(super) fn open(
    env: &Env,
    request: &UpstreamRequest,
) -> Result<(Socket, impl Future<Output = Result<Answer, TransportFault>> + use<>), TransportFault> {
    let controller = AbortController::new().map_err(|_| TransportFault::Refused)?;
    let promise = send(env, request, &controller).map_err(|_| TransportFault::Refused)?;
    let quota_headers = request.quota_headers;
    let answer = async move {
        let response = JsFuture::from(promise).await.map_err(|error| fault_of(&error))?;
        let response: web_sys::Response = response.dyn_into().map_err(|_| TransportFault::Reset)?;
        answer_of(&response, quota_headers)
    };
    Ok((
        Socket {
            controller: Some(controller),
        },
        answer,
    ))
}

fn send(env: &Env, request: &UpstreamRequest, controller: &AbortController) -> Result<js_sys::Promise, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in &request.headers {
        headers.set(name, value.expose())?;
    }
    let init = RequestInit::new();
    init.set_method(if request.body.is_empty() { "GET" } else { "POST" });
    init.set_headers(&headers);
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(&controller.signal()));
    if !request.body.is_empty() {
        init.set_body(&Uint8Array::from(request.body.as_ref()));
    }
    let target: JsValue = match &request.transport {
        Transport::Binding { name } => Reflect::get(env, &name.as_str().into())?,
        Transport::Fetch | Transport::Demo => js_sys::global().into(),
    };
    let fetch: js_sys::Function = Reflect::get(&target, &"fetch".into())?.dyn_into()?;
    fetch.call2(&target, &request.url.expose().into(), &init)?.dyn_into()
}

fn answer_of(response: &web_sys::Response, quota_headers: bool) -> Result<Answer, TransportFault> {
    let status = response.status();
    // A redirect from a secured endpoint is a login page or a trap: never followed, never shown.
    if (300..400).contains(&status) {
        return Err(TransportFault::Refused);
    }
    let source = response.headers();
    let (wanted, windows): (_, &[(&str, &str)]) = match (status < 300, quota_headers) {
        (true, false) => (PASSED_ON_SUCCESS, &[]),
        (true, true) => (PASSED_ON_SUCCESS, &quota::WINDOWS),
        (false, _) => (PASSED_HEADERS.len(), &[]),
    };
    let windows = windows.iter().flat_map(|(left, limit)| [left, limit]);
    let headers = PASSED_HEADERS
        .iter()
        .take(wanted)
        .chain(windows)
        .filter_map(|name| Some(((*name).to_owned(), source.get(name).ok()??)))
        .collect();
    let body = match response.body() {
        Some(stream) => Some(stream.get_reader().dyn_into().map_err(|_| TransportFault::Reset)?),
        None => None,
    };
    Ok(Answer { status, headers, body })
}

/// Reads the next chunk; `None` at the end.
pub(super) async fn read(reader: &ReadableStreamDefaultReader) -> Result<Option<Bytes>, TransportFault> {
    let result = JsFuture::from(reader.read()).await.map_err(|error| fault_of(&error))?;
    let value = Reflect::get(&result, &"value".into()).map_err(|_| TransportFault::Reset)?;
    match value.dyn_into::<Uint8Array>() {
        Ok(chunk) => Ok(Some(Bytes::from(chunk.to_vec()))),
        Err(_) => Ok(None),
    }
}

/// The platform tells causes apart only by its message; anything unknown is a lost connection.
fn fault_of(error: &JsValue) -> TransportFault {
    let message = Reflect::get(error, &"message".into())
        .ok()
        .and_then(|m| m.as_string())
        .unwrap_or_default()
        .to_lowercase();
    let is = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if is(&["dns", "name resolution", "name not resolved", "getaddrinfo"]) {
        TransportFault::Dns
    } else if is(&["certificate", "tls", "ssl"]) {
        TransportFault::Tls
    } else if is(&["connection refused", "connect", "unreachable"])
        && !is(&["connection lost", "disconnected", "reset"])
    {
        TransportFault::Connect
    } else {
        TransportFault::Reset
    }
}
