//! A rough limit for each key before anything else is asked, where a deployment binds Cloudflare's rate limiter: counted in the same
//! data centre, so it costs no hop. Exact limits (`rate` of a policy) stay with the Ledger.

use super::config;
use crate::access::key::PresentedKey;
use crate::wire::{ApiError, Millis};
use worker::Env;

/// The longest period that the platform's limiter has, and so the longest that a caller must wait.
const PERIOD: Millis = Millis(60_000);

/// Counts one request of this key. A limiter that is absent or does not answer lets everything through.
///
/// # Errors
/// 429 `rate_limited`.
pub(super) async fn check(env: &Env, key: &PresentedKey) -> Result<(), ApiError> {
    let Ok(limiter) = env.rate_limiter(config::RATE_LIMITER) else {
        return Ok(());
    };
    match limiter.limit(key.counted_as()).await {
        Ok(outcome) if !outcome.success => Err(ApiError::new(
            "rate_limited",
            "Too many requests with this key; wait as long as `Retry-After` says.",
        )
        .because("abuse_limit")
        .after(PERIOD)),
        _ => Ok(()),
    }
}
