//! Room 1: what clients and upstreams speak.
//!
//! Bytes become typed views ([`Call`], [`StreamEvent`]) and views become bytes again. The caller's body stays one immutable buffer;
//! what has to change is a list of byte ranges, so unknown fields survive untouched. Knows no provider, no policy, no clock.

pub mod aggregate;
pub mod api_error;
pub mod base64;
pub mod call;
pub mod chat;
pub mod chat_encode;
pub mod chat_stream;
pub mod civil;
pub mod completion;
mod controls;
pub mod conversation;
pub mod decimal;
pub mod embeddings;
pub mod error;
pub mod event;
pub mod headers;
pub mod json;
mod object_view;
pub mod pattern;
pub mod plain;
pub mod provider_state;
pub mod session;
pub mod sse;
pub mod time;
pub mod upstream_body;
pub mod upstream_error;
pub mod url;
mod usage;

pub use api_error::{ApiError, AttemptSummary};
pub use call::{Call, CallKind, Controls, Limits, Needs, ProviderPreferences, SizeHints};
pub use error::WireError;
pub use event::{FinishReason, StreamEvent, Usage};
pub use time::Millis;
pub use upstream_body::BodyChanges;
