//! How many tokens a request may take, before anybody counted them.
//!
//! Three figures: `typical` for deciding what fits, `bound` for reserving money, `sure` for refusing without a call. No tokenizer: it
//! would be megabytes, and every provider has its own.

use crate::catalog::{Model, NanoUsd};
use crate::wire::{Call, CallKind, SizeHints};
use serde::{Deserialize, Serialize};

/// Tokens that frame one message (role, separators), at most, over the chat templates of the bundled providers.
const MESSAGE_TOKENS: u64 = 6;

/// Tokens of framing for one tool; its schema's text is counted as text.
const TOOL_TOKENS: u64 = 12;

/// Tokens of an image: OpenAI's high detail takes up to 1,105, Anthropic's largest 1,600.
const IMAGE_TOKENS: u64 = 1_600;

/// Window assumed for content that cannot be sized, of a model whose window is not known.
const UNKNOWN_WINDOW: u64 = 128_000;

/// Output assumed for a model that declares none, tokens.
const DEFAULT_OUTPUT: u64 = 4_096;

/// Estimated input tokens of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Bytes / 3.6 for ASCII, one for each wider character.
    pub typical: u64,
    /// Hardly ever exceeded: bytes / 2.6, or the pieces that a tokenizer cuts where they are more (digits, symbols, JSON); one and a half
    /// for each wider character.
    pub bound: u64,
    /// Hardly ever undercut: bytes / 8, a third for each wider character.
    pub sure: u64,
    /// Something in it cannot be sized: the whole window must be assumed.
    pub unsized_content: bool,
}

/// Estimates a request's input.
pub fn estimate(size: &SizeHints) -> Estimate {
    let framing = u64::from(size.messages) * MESSAGE_TOKENS + u64::from(size.tools) * TOOL_TOKENS + 3;
    let images = u64::from(size.images) * IMAGE_TOKENS;
    let ascii = size.ascii_bytes;
    Estimate {
        typical: ascii.saturating_mul(10) / 36 + size.wide_chars + framing + images,
        bound: (ascii.saturating_mul(10) / 26).max(size.pieces)
            + size.wide_chars.saturating_mul(3) / 2
            + framing
            + images,
        sure: ascii / 8 + size.wide_chars / 3,
        unsized_content: size.unsized_parts > 0,
    }
}

impl Estimate {
    /// Input tokens to reserve money for at this model. `learned`: real tokens divided by typical ones, as this target's usage taught.
    pub fn reserved_input(&self, model: &Model, learned: Option<f64>) -> u64 {
        if self.unsized_content {
            return model.context_window.unwrap_or(UNKNOWN_WINDOW).max(self.bound);
        }
        let bound = match learned {
            // A quarter above what was seen on average covers the spread between requests.
            Some(ratio) => scaled(self.typical, ratio * 1.25).clamp(self.sure, self.bound),
            None => self.bound,
        };
        // More than the window cannot be billed: such a request is refused upstream.
        model.context_window.map_or(bound, |window| bound.min(window))
    }
}

/// Output tokens to reserve money for: what the caller asked at most, or what the model can give, times the choices.
pub fn reserved_output(kind: CallKind, model: &Model, asked: Option<u64>, choices: u32) -> u64 {
    if kind == CallKind::Embeddings {
        return 0;
    }
    let most = model.max_output_tokens.or(model.context_window);
    let each = match (asked, most) {
        (Some(asked), Some(most)) => asked.min(most),
        (Some(asked), None) => asked,
        (None, _) => model
            .max_output_tokens
            .unwrap_or(DEFAULT_OUTPUT)
            .min(most.unwrap_or(u64::MAX)),
    };
    each.saturating_mul(u64::from(choices.max(1)))
}

/// The most that one call of `call` at `model` can cost; `None`: unpriced.
pub fn worst_case(call: &Call, input: &Estimate, model: &Model, learned: Option<f64>) -> Option<NanoUsd> {
    let price = model.price.as_ref()?;
    let output = reserved_output(call.kind, model, call.max_output_tokens, call.choices);
    Some(price.worst_case(input.reserved_input(model, learned), output))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "token counts are far below 2^52 and the factor is clamped to be small and positive"
)]
fn scaled(tokens: u64, factor: f64) -> u64 {
    (tokens as f64 * factor.clamp(0.0, 8.0)).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(ascii_bytes: u64, wide_chars: u64, messages: u32, real_tokens: u64) {
        let size = SizeHints {
            ascii_bytes,
            wide_chars,
            messages,
            ..SizeHints::default()
        };
        let estimate = estimate(&size);
        assert!(estimate.sure <= real_tokens, "{estimate:?} for {real_tokens}");
        assert!(estimate.bound >= real_tokens, "{estimate:?} for {real_tokens}");
        assert!(
            estimate.bound <= real_tokens * 3 + 64,
            "absurd: {estimate:?} for {real_tokens}"
        );
    }

    #[test]
    fn the_bound_holds_and_is_not_absurd() {
        // Real counts: o200k_base over the named text.
        check(2, 0, 1, 8); // "hi" in a chat template
        check(44, 0, 1, 17); // "The quick brown fox jumps over the lazy dog."
        check(4_400, 0, 3, 1_010); // English prose
        check(3_000, 0, 1, 900); // JSON
        check(0, 1_000, 1, 780); // Chinese
    }

    proptest! {
        #[test]
        fn the_figures_are_ordered_and_grow(ascii in 0u64..10_000_000, more in 0u64..1_000_000, wide in 0u64..1_000_000, messages in 0u32..2_048, images in 0u32..64) {
            let of = |ascii_bytes| estimate(&SizeHints { ascii_bytes, wide_chars: wide, messages, images, ..SizeHints::default() });
            let (less, greater) = (of(ascii), of(ascii + more));
            prop_assert!(less.sure <= less.typical && less.typical <= less.bound);
            prop_assert!(less.bound <= greater.bound && less.typical <= greater.typical);
        }
    }
}
