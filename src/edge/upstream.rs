//! One upstream call: request out, headers and body chunks in. Knows sockets; decides nothing.

use super::crossing;
use crate::catalog::Transport;
use crate::run::machine::{PIECE, TransportFault, UpstreamRequest};
use bytes::Bytes;
use js_sys::{IteratorNext, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, ReadableStream, ReadableStreamDefaultReader, ReadableStreamGetReaderOptions,
    ReadableStreamReaderMode, RequestInit, RequestRedirect,
};
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

/// Headers that every successful answer is read for: each costs a crossing.
const PASSED_ON_SUCCESS: &[&str] = &["content-type", "retry-after", "x-request-id", "request-id"];

/// How the names of a provider's rate-limit headers begin, and the one that is looked for: where it is, a successful answer says what
/// it left of its quota.
const QUOTA_FAMILIES: [(&str, &str); 2] = [
    ("x-ratelimit-", "x-ratelimit-remaining-requests"),
    ("anthropic-ratelimit-", "anthropic-ratelimit-requests-remaining"),
];

/// A socket to an upstream. Dropping it closes the socket.
pub(super) struct Socket {
    controller: Option<AbortController>,
}

impl Socket {
    /// A call that needs no socket.
    pub(super) fn none() -> Self {
        Self { controller: None }
    }

    /// The upstream has closed it: there is nothing to abort.
    pub(super) fn closed(mut self) {
        self.controller = None;
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
    /// `None`: no body.
    pub(super) body: Option<Body>,
}

/// The body of an answer, read to its end by one reader after the other.
pub(super) struct Body {
    stream: ReadableStream,
    reader: Reader,
}

enum Reader {
    /// Bytes as they come.
    AsTheyCome(ReadableStreamDefaultReader),
    /// Bytes once there are [`PIECE`] of them, or the end.
    InPieces(PieceReader),
}

#[wasm_bindgen]
extern "C" {
    /// Workers' own extension of the BYOB reader
    /// (<https://developers.cloudflare.com/workers/runtime-apis/streams/readablestreambyobreader/>).
    type PieceReader;

    #[wasm_bindgen(method, catch, js_name = readAtLeast)]
    fn read_at_least(this: &PieceReader, least: u32, into: Uint8Array) -> Result<Promise, JsValue>;
}

/// Bytes that one read takes at most when bytes come in pieces.
const BUFFER: u32 = 16 * 1024;

/// Opens a call. The returned future resolves at the response headers.
pub(super) fn open(
    env: &Env,
    request: &UpstreamRequest,
) -> Result<(Socket, impl Future<Output = Result<Answer, TransportFault>> + use<>), TransportFault> {
    let controller = AbortController::new().map_err(|_| TransportFault::Refused)?;
    let promise = send(env, request, &controller).map_err(|_| TransportFault::Refused)?;
    let answer = async move {
        let response = JsFuture::from(promise).await.map_err(|error| fault_of(&error))?;
        let response: web_sys::Response = response.dyn_into().map_err(|_| TransportFault::Reset)?;
        answer_of(&response)
    };
    Ok((
        Socket {
            controller: Some(controller),
        },
        answer,
    ))
}

fn send(env: &Env, request: &UpstreamRequest, controller: &AbortController) -> Result<js_sys::Promise, JsValue> {
    let named = request.headers.iter();
    let headers = crossing::header_pairs(named.map(|(name, value)| (name.as_str(), value.expose())))?;
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

fn answer_of(response: &web_sys::Response) -> Result<Answer, TransportFault> {
    let status = response.status();
    // A redirect from a secured endpoint is a login page or a trap: never followed, never shown.
    if (300..400).contains(&status) {
        return Err(TransportFault::Refused);
    }
    let headers = response.headers();
    let get = |name: &str| headers.get(name).ok().flatten();
    let family = QUOTA_FAMILIES.iter().find(|(_, sign)| get(sign).is_some());
    let wanted = |name: &&&str| {
        status >= 300 || PASSED_ON_SUCCESS.contains(*name) || family.is_some_and(|(family, _)| name.starts_with(family))
    };
    let named = PASSED_HEADERS.iter().filter(wanted);
    let headers = named
        .filter_map(|name| Some(((*name).to_owned(), get(name)?)))
        .collect();
    let body = response.body().map(Body::new).transpose()?;
    Ok(Answer { status, headers, body })
}

impl Body {
    /// Takes hold of a stream.
    pub(super) fn new(stream: ReadableStream) -> Result<Self, TransportFault> {
        let reader = stream.get_reader().dyn_into().map_err(|_| TransportFault::Reset)?;
        Ok(Self {
            stream,
            reader: Reader::AsTheyCome(reader),
        })
    }

    /// The next bytes; `None` at the end. Once `in_pieces` was asked for, it stays so.
    pub(super) async fn read(&mut self, in_pieces: bool) -> Result<Option<Bytes>, TransportFault> {
        if in_pieces && let Reader::AsTheyCome(reader) = &self.reader {
            reader.release_lock();
            let options = ReadableStreamGetReaderOptions::new();
            options.set_mode(ReadableStreamReaderMode::Byob);
            let reader = self.stream.get_reader_with_options(&options);
            self.reader = Reader::InPieces(reader.unchecked_into());
        }
        let promise = match &self.reader {
            Reader::AsTheyCome(reader) => reader.read(),
            Reader::InPieces(reader) => {
                let buffer = Uint8Array::new_with_length(BUFFER);
                reader.read_at_least(PIECE, buffer).map_err(|error| fault_of(&error))?
            }
        };
        let result = JsFuture::from(promise).await.map_err(|error| fault_of(&error))?;
        let result: IteratorNext = result.unchecked_into();
        match result.value().dyn_into::<Uint8Array>() {
            Ok(chunk) if chunk.length() > 0 => Ok(Some(Bytes::from(chunk.to_vec()))),
            // An empty view comes with the end of a stream that is read in pieces.
            _ if result.done() => Ok(None),
            Ok(_) => Ok(Some(Bytes::new())),
            Err(_) => Err(TransportFault::Reset),
        }
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
