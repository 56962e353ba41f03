//! The world's time and randomness, read here and passed inwards as parameters.

use crate::wire::Millis;
use futures::stream::{FuturesUnordered, StreamExt};
use std::time::Duration;
use worker::Delay;

/// Milliseconds since the Unix epoch. On Workers it advances only when I/O happens.
pub(super) fn now() -> Millis {
    // A date before 1970 or beyond 2^53 ms does not occur; a cast saturates instead of panicking.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "f64 milliseconds fit u64 until the year 287396"
    )]
    Millis(js_sys::Date::now() as u64)
}

/// Sleeps; at least one millisecond so that the clock moves.
///
/// `Delay` wakes the task that polled it first and no other. A request's timers are polled by the handler until the headers are sent
/// and by the response's body from then on, so the delay sits in a set, which wakes whoever polled last.
pub(super) async fn sleep(duration: Millis) {
    let delay = Delay::from(Duration::from_millis(
        duration.0.clamp(1, i32::MAX.unsigned_abs().into()),
    ));
    let mut timer: FuturesUnordered<Delay> = std::iter::once(delay).collect();
    timer.next().await;
}

/// `N` bytes from the runtime's secure generator; zeroes would be answered by a failing request, never by a weak secret.
pub(super) fn random<const N: usize>() -> worker::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| worker::Error::RustError(format!("no randomness: {error}")))?;
    Ok(bytes)
}

/// A seed for decisions that must not be predictable across requests but are no secret.
pub(super) fn seed() -> u64 {
    random::<8>().map_or_else(|_| now().0, u64::from_le_bytes)
}
