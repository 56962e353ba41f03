//! One HTTP request as handlers see it: method, path, headers, bounded body. Reads each thing once; crossings into JavaScript cost.

use super::{clock, upstream};
use crate::wire::headers::{DEPTH, TraceParent, depth, is_request_id, request_id};
use crate::wire::{ApiError, Millis};
use bytes::Bytes;
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::LocalBoxFuture;
use js_sys::Uint8Array;
use std::rc::Rc;
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use worker::{Context, Env};

/// A request, its deployment and its lifetime.
#[derive(Clone)]
pub(super) struct Incoming {
    /// The platform's request.
    pub(super) request: web_sys::Request,
    /// Bindings and secrets.
    pub(super) env: Env,
    /// For work after the response.
    pub(super) context: Rc<Context>,
    /// `GET`, `POST`…
    pub(super) method: String,
    /// Scheme and host, for links and same-origin checks.
    pub(super) origin: String,
    /// Percent-encoded path.
    pub(super) path: String,
    /// After the `?`, without it.
    pub(super) query: String,
    /// Echoed or generated.
    pub(super) request_id: String,
    /// When the request arrived.
    pub(super) received_at: Millis,
    /// Routers that handed this request on because a fusion asked.
    pub(super) depth: u32,
    headers: web_sys::Headers,
}

impl Incoming {
    /// Takes a platform request apart.
    ///
    /// # Errors
    /// `invalid_request_id` when the caller sent an id that is not one; the id is never reflected. The generated id comes with it.
    pub(super) fn new(request: web_sys::Request, env: Env, context: Context) -> (Self, Result<(), ApiError>) {
        let url = request.url();
        let (origin, rest) = split_url(&url);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let headers = request.headers();
        let presented = headers.get("x-request-id").ok().flatten();
        let valid = presented.as_deref().is_none_or(is_request_id);
        let request_id = match presented {
            Some(id) if valid => id,
            _ => request_id(clock::random::<16>().unwrap_or_default()),
        };
        let incoming = Self {
            method: request.method(),
            origin: origin.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            request_id,
            received_at: clock::now(),
            depth: depth(headers.get(DEPTH).ok().flatten().as_deref()),
            headers,
            request,
            env,
            context: Rc::new(context),
        };
        let verdict = if valid {
            Ok(())
        } else {
            Err(ApiError::invalid_request_id())
        };
        (incoming, verdict)
    }

    /// A request header.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).ok().flatten()
    }

    /// The caller's W3C trace context; one that is not valid counts as none.
    pub(super) fn trace_parent(&self) -> Option<TraceParent> {
        TraceParent::parse(&self.header("traceparent")?)
    }

    /// The whole body, at most `limit` bytes. A body that announces or turns out to be larger is not read to its end.
    ///
    /// # Errors
    /// `request_too_large`, or `invalid_request` when the caller broke off.
    pub(super) async fn body(&self, limit: u64) -> Result<Bytes, ApiError> {
        let announced: u64 = self
            .header("content-length")
            .and_then(|length| length.parse().ok())
            .unwrap_or(0);
        if announced > limit {
            return Err(ApiError::request_too_large(limit));
        }
        if announced > 0 {
            // The platform holds a body to its announced length, so it can be taken in one piece.
            let promise = self.request.array_buffer().map_err(|_| broken_body())?;
            let buffer = JsFuture::from(promise).await.map_err(|_| broken_body())?;
            return Ok(Bytes::from(Uint8Array::new(&buffer).to_vec()));
        }
        let Some(stream) = self.request.body() else {
            return Ok(Bytes::new());
        };
        let mut stream = upstream::Body::new(&stream, None).map_err(|_| broken_body())?;
        let mut body = Vec::new();
        while let Some(chunk) = stream.read(false).await.map_err(|_| broken_body())? {
            body.extend_from_slice(&chunk);
            if body.len() as u64 > limit {
                return Err(ApiError::request_too_large(limit));
            }
        }
        Ok(Bytes::from(body))
    }

    /// Resolves when the caller hangs up.
    pub(super) fn caller_gone(&self) -> LocalBoxFuture<'static, ()> {
        let signal = self.request.signal();
        if signal.aborted() {
            return futures::future::ready(()).boxed_local();
        }
        let (sender, receiver) = oneshot::channel();
        let listener = Closure::once(move || {
            let _ = sender.send(());
        });
        signal.set_onabort(Some(listener.as_ref().unchecked_ref()));
        let listening = Listening {
            signal,
            _listener: listener,
        };
        async move {
            let gone = receiver.await;
            drop(listening);
            if gone.is_err() {
                futures::future::pending::<()>().await;
            }
        }
        .boxed_local()
    }

    /// Runs `work` after the response; it may fail without the caller noticing.
    pub(super) fn after_response(&self, work: impl Future<Output = ()> + 'static) {
        self.context.wait_until(work);
    }
}

/// A listener on the caller's signal; it is taken off before its closure goes, or the runtime would call into nothing.
struct Listening {
    signal: web_sys::AbortSignal,
    _listener: Closure<dyn FnMut()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.signal.set_onabort(None);
    }
}

fn broken_body() -> ApiError {
    ApiError::invalid_request("The request body ended before it was complete; send it again.", None)
}

/// `https://host:port` and the rest beginning with `/`.
fn split_url(url: &str) -> (&str, &str) {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let path = url
        .get(after_scheme..)
        .and_then(|rest| rest.find('/'))
        .map_or(url.len(), |at| after_scheme + at);
    url.split_at_checked(path).unwrap_or((url, "/"))
}
