//! Responses: status, headers and body handed to the platform.

use super::{body, crossing};
use crate::wire::ApiError;
use crate::wire::json::RawJson;
use bytes::Bytes;
use futures::Stream;
use js_sys::Uint8Array;
use serde::Serialize;
use web_sys::{Response, ResponseInit};

/// Anything that stops a handler.
pub(super) type Reply = Result<Response, ApiError>;

/// A JSON body.
pub(super) fn json<T: Serialize>(status: u16, value: &T) -> Reply {
    let text = serde_json::to_string(value).map_err(|_| ApiError::internal("The answer could not be written."))?;
    text_of(status, "application/json", &text, &[])
}

/// A text body of any type with further headers.
pub(super) fn text_of(status: u16, content_type: &str, text: &str, headers: &[(String, String)]) -> Reply {
    let init = init(status, Some(content_type), headers)?;
    Response::new_with_opt_str_and_init(Some(text), &init).map_err(|_| platform())
}

/// A body of bytes.
pub(super) fn bytes(status: u16, headers: &[(String, String)], body: &Bytes) -> Reply {
    let init = init(status, None, headers)?;
    let body = Uint8Array::from(body.as_ref());
    Response::new_with_opt_buffer_source_and_init(Some(&body), &init).map_err(|_| platform())
}

/// No body.
pub(super) fn empty(status: u16, headers: &[(String, String)]) -> Reply {
    let init = init(status, None, headers)?;
    Response::new_with_opt_str_and_init(None, &init).map_err(|_| platform())
}

/// A body that is produced while it is read. Dropping it (the caller left) drops `body`.
pub(super) fn stream(status: u16, headers: &[(String, String)], body: impl Stream<Item = Bytes> + 'static) -> Reply {
    let body = body::stream(body).map_err(|_| platform())?;
    let init = init(status, None, headers)?;
    Response::new_with_opt_readable_stream_and_init(Some(&body), &init).map_err(|_| platform())
}

/// An error in the OpenAI shape.
pub(super) fn error(error: &ApiError, request_id: &str) -> Response {
    let mut headers = vec![("cache-control".to_owned(), "no-store".to_owned())];
    if let Some(wait) = error.retry_after {
        headers.push(("retry-after".to_owned(), wait.0.div_ceil(1000).max(1).to_string()));
    }
    if let Some(allowed) = error.details.get("allow").and_then(RawJson::string) {
        headers.push(("allow".to_owned(), allowed));
    }
    headers.extend(error.headers.iter().cloned());
    let body = error.to_json(request_id);
    text_of(error.status, "application/json", &body, &headers)
        .or_else(|_| Response::new_with_opt_str(Some("{}")).map_err(|_| platform()))
        .unwrap_or_else(|_| Response::error())
}

fn init(status: u16, content_type: Option<&str>, headers: &[(String, String)]) -> Result<ResponseInit, ApiError> {
    let content_type = content_type.map(|kind| ("content-type", kind));
    let named = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let pairs = crossing::header_pairs(content_type.into_iter().chain(named)).map_err(|_| platform())?;
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(&pairs);
    Ok(init)
}

fn platform() -> ApiError {
    ApiError::internal("The platform refused to build the response.")
}
