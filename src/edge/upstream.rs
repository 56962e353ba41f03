//! One upstream call: request out, headers and body chunks in. Knows sockets; decides nothing.

use super::{clock, crossing};
use crate::catalog::Transport;
use crate::run::machine::{TransportFault, UpstreamRequest};
use crate::run::piece::Piece;
use bytes::Bytes;
use js_sys::{IteratorNext, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStream, ReadableStreamDefaultReader, ReadableStreamGetReaderOptions,
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

/// A body, read to its end piece by piece.
pub(super) struct Body {
    reader: Reader,
    /// Bytes still to come, where that was announced.
    left: Option<u64>,
    /// The size of the next piece, once bytes may come in pieces.
    piece: Option<Piece>,
}

enum Reader {
    /// Of a byte stream, with the buffer for its next read: one buffer goes back and forth instead of a new one for each read.
    Bytes(ByteReader, Uint8Array),
    /// Of a stream that a Worker made of arbitrary chunks.
    Chunks(ReadableStreamDefaultReader),
}

#[wasm_bindgen]
extern "C" {
    /// A stream that may refuse to be read as bytes.
    type AnyStream;

    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn byte_reader(this: &AnyStream, options: &ReadableStreamGetReaderOptions) -> Result<ByteReader, JsValue>;

    /// Workers' own extension of the BYOB reader
    /// (<https://developers.cloudflare.com/workers/runtime-apis/streams/readablestreambyobreader/>).
    type ByteReader;

    #[wasm_bindgen(method, catch, js_name = readAtLeast)]
    fn read_at_least(this: &ByteReader, least: u32, into: &Uint8Array) -> Result<Promise, JsValue>;
}

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
    let passed = named
        .filter_map(|name| Some(((*name).to_owned(), get(name)?)))
        .collect();
    let left = announced_length(&headers);
    let body = response.body().map(|stream| Body::new(&stream, left)).transpose()?;
    Ok(Answer {
        status,
        headers: passed,
        body,
    })
}

/// How many bytes the body has, where the answer says so and they arrive as they were sent.
fn announced_length(headers: &Headers) -> Option<u64> {
    let get = |name: &str| headers.get(name).ok().flatten();
    let length = get("content-length")?.parse().ok()?;
    get("content-encoding").is_none().then_some(length)
}

impl Body {
    /// Takes hold of a stream. `length`: the bytes it has, if known; the end is then seen without another read.
    pub(super) fn new(stream: &ReadableStream, length: Option<u64>) -> Result<Self, TransportFault> {
        let options = ReadableStreamGetReaderOptions::new();
        options.set_mode(ReadableStreamReaderMode::Byob);
        let reader = match stream.unchecked_ref::<AnyStream>().byte_reader(&options) {
            Ok(reader) => Reader::Bytes(reader, Uint8Array::new_with_length(Piece::LARGEST)),
            Err(_) => Reader::Chunks(stream.get_reader().dyn_into().map_err(|_| TransportFault::Reset)?),
        };
        Ok(Self {
            reader,
            left: length,
            piece: None,
        })
    }

    /// The next bytes; `None` at the end. In pieces: once there are some, or the end.
    pub(super) async fn read(&mut self, in_pieces: bool) -> Result<Option<Bytes>, TransportFault> {
        if self.left == Some(0) {
            return Ok(None);
        }
        let awaited = in_pieces.then(|| (*self.piece.get_or_insert(Piece::first()), clock::now()));
        let promise = match &self.reader {
            Reader::Bytes(reader, buffer) => {
                let least = awaited.map_or(1, |(piece, _)| piece.bytes());
                reader.read_at_least(least, buffer).map_err(|error| fault_of(&error))?
            }
            Reader::Chunks(reader) => reader.read(),
        };
        let result = JsFuture::from(promise).await.map_err(|error| fault_of(&error))?;
        if let Some((piece, asked_at)) = awaited {
            self.piece = Some(piece.after(clock::now().since(asked_at)));
        }
        let result: IteratorNext = result.unchecked_into();
        let Ok(chunk) = result.value().dyn_into::<Uint8Array>() else {
            return if result.done() {
                Ok(None)
            } else {
                Err(TransportFault::Reset)
            };
        };
        let bytes = chunk.to_vec();
        // An empty view comes with the end of a byte stream.
        if bytes.is_empty() && result.done() {
            return Ok(None);
        }
        if let Reader::Bytes(_, buffer) = &mut self.reader {
            *buffer = Uint8Array::new(&chunk.buffer());
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(bytes.len() as u64);
        }
        Ok(Some(Bytes::from(bytes)))
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
