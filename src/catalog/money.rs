//! Prices and money, in integers. Documents say dollars per million tokens; inside a price is pico-dollars per token, so that
//! $0.003625 per million stays exact, and a call is summed in pico-dollars and rounded up once to nano-dollars.
//!
//! Knows neither budgets nor reservations: those are room `account`.

use crate::wire::Usage;
use crate::wire::decimal::{self, BadDecimal};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Decimals of a dollar that [`NanoUsd`] keeps.
const NANO_PLACES: u32 = 9;
/// Decimals of "dollars per million tokens" that [`PicoUsd`] keeps: 10^-6 dollars / 10^6 tokens = 10^-12.
const PICO_PER_MILLION_PLACES: u32 = 6;
/// Pico-dollars in a nano-dollar.
const PICO_PER_NANO: u128 = 1000;

/// Pico-dollars (10^-12 USD). A price per token. In JSON and text: dollars per million tokens, at most six decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PicoUsd(pub u64);

/// Nano-dollars (10^-9 USD): the unit of every reservation, settlement and budget. Saturating arithmetic only.
/// Plain serde counts nano-dollars; documents use [`usd`], people read [`fmt::Display`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoUsd(pub u64);

/// What a model's tokens cost. In JSON: dollars per million tokens, e.g. `"input": 0.4`, at most six decimals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Per input token.
    pub input: PicoUsd,
    /// Per output token.
    pub output: PicoUsd,
    /// Per input token read from the provider's cache; `None`: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<PicoUsd>,
    /// Per input token written to the provider's cache; `None`: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<PicoUsd>,
    /// Long-context tiers, ascending by threshold. The whole call is billed at the last tier whose threshold it exceeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<PriceTier>,
    /// Day from which the price holds, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<String>,
    /// Where the price was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Prices that hold above a number of input tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTier {
    /// The tier applies when input tokens exceed this.
    pub above_input_tokens: u64,
    /// Per input token.
    pub input: PicoUsd,
    /// Per output token.
    pub output: PicoUsd,
    /// Per cached input token; `None`: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<PicoUsd>,
    /// Per input token written to the cache; `None`: as `input`, but never less than the base price of a write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<PicoUsd>,
}

/// The four prices of one tier, gaps filled.
#[derive(Clone, Copy)]
struct Rates {
    input: PicoUsd,
    output: PicoUsd,
    cached_input: PicoUsd,
    cache_write: PicoUsd,
}

impl Price {
    /// What `usage` costs. Cached and written tokens are part of `input_tokens`; an upstream that counts them on top is billed for all
    /// of them. The tier follows from the input tokens; the sum is rounded up once.
    pub fn cost(&self, usage: &Usage) -> NanoUsd {
        let rates = self.rates_for(usage.input_tokens);
        let plain = usage
            .input_tokens
            .saturating_sub(usage.cached_tokens)
            .saturating_sub(usage.cache_write_tokens);
        round_up(&[
            (plain, rates.input),
            (usage.cached_tokens, rates.cached_input),
            (usage.cache_write_tokens, rates.cache_write),
            (usage.output_tokens, rates.output),
        ])
    }

    /// The most that a call with at most this many input and output tokens can cost, whatever is cached: an upper bound of [`Self::cost`].
    pub fn worst_case(&self, input_tokens: u64, output_tokens: u64) -> NanoUsd {
        let reachable = self.tiers.iter().filter(|tier| input_tokens > tier.above_input_tokens);
        std::iter::once(self.base_rates())
            .chain(reachable.map(|tier| self.tier_rates(tier)))
            .map(|rates| {
                let input = rates.input.max(rates.cached_input).max(rates.cache_write);
                round_up(&[(input_tokens, input), (output_tokens, rates.output)])
            })
            .max()
            .unwrap_or_default()
    }

    /// True when nothing that a call can use costs anything.
    pub fn is_free(&self) -> bool {
        self.worst_case(u64::MAX, u64::MAX) == NanoUsd::ZERO
    }

    fn base_rates(&self) -> Rates {
        Rates {
            input: self.input,
            output: self.output,
            cached_input: self.cached_input.unwrap_or(self.input),
            cache_write: self.cache_write.unwrap_or(self.input),
        }
    }

    fn tier_rates(&self, tier: &PriceTier) -> Rates {
        Rates {
            input: tier.input,
            output: tier.output,
            cached_input: tier.cached_input.unwrap_or(tier.input),
            cache_write: tier
                .cache_write
                .unwrap_or_else(|| tier.input.max(self.cache_write.unwrap_or_default())),
        }
    }

    fn rates_for(&self, input_tokens: u64) -> Rates {
        let tier = self
            .tiers
            .iter()
            .rev()
            .find(|tier| input_tokens > tier.above_input_tokens);
        tier.map_or_else(|| self.base_rates(), |tier| self.tier_rates(tier))
    }
}

fn round_up(parts: &[(u64, PicoUsd)]) -> NanoUsd {
    let pico = parts.iter().fold(0_u128, |sum, (tokens, price)| {
        sum.saturating_add(u128::from(*tokens) * u128::from(price.0))
    });
    NanoUsd(u64::try_from(pico.div_ceil(PICO_PER_NANO)).unwrap_or(u64::MAX))
}

impl NanoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount, about 18.4 billion dollars; what saturated sums become.
    pub const MAX: Self = Self(u64::MAX);

    /// The sum; [`Self::MAX`] when it does not fit.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference; zero when `other` is larger.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The product; [`Self::MAX`] when it does not fit.
    #[must_use]
    pub fn saturating_mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }

    /// The sum, or `None` when it does not fit: for decisions that must not mistake a saturated sum for a real one.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// True when this and `more` together stay within `limit`. A sum that does not fit in 64 bits fits in no limit.
    pub fn fits(self, more: Self, limit: Self) -> bool {
        self.checked_add(more).is_some_and(|sum| sum <= limit)
    }

    /// Dollars for scores and charts; not for sums.
    #[expect(clippy::cast_precision_loss, reason = "documented as approximate")]
    pub fn approximate_usd(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl std::iter::Sum for NanoUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

/// Decimal dollars with up to nine places: `0.0011`, `12`.
impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&decimal::format(self.0, NANO_PLACES))
    }
}

/// Reads decimal dollars.
impl FromStr for NanoUsd {
    type Err = BadDecimal;
    fn from_str(text: &str) -> Result<Self, BadDecimal> {
        decimal::parse(text, NANO_PLACES).map(Self)
    }
}

impl PicoUsd {
    /// Dollars per million tokens, for scores and comparisons with callers' floats; not for sums.
    #[expect(clippy::cast_precision_loss, reason = "documented as approximate")]
    pub fn approximate_usd_per_million(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// Dollars per million tokens: `0.4`.
impl fmt::Display for PicoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&decimal::format(self.0, PICO_PER_MILLION_PLACES))
    }
}

/// Reads dollars per million tokens.
impl FromStr for PicoUsd {
    type Err = BadDecimal;
    fn from_str(text: &str) -> Result<Self, BadDecimal> {
        decimal::parse(text, PICO_PER_MILLION_PLACES).map(Self)
    }
}

impl Serialize for PicoUsd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        decimal::serialize(self.0, PICO_PER_MILLION_PLACES, serializer)
    }
}

impl<'de> Deserialize<'de> for PicoUsd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decimal::deserialize(deserializer, PICO_PER_MILLION_PLACES).map(Self)
    }
}

/// `serde(with)` for a dollar amount with up to nine decimals: a JSON number or string in, a number with the same digits out.
/// Works with `serde_json` (text and [`serde_json::Value`]), not under `flatten` or in a tagged enum, which would round the digits.
pub mod usd {
    use super::{NANO_PLACES, NanoUsd, decimal};
    use serde::{Deserializer, Serializer};
    /// Writes decimal dollars.
    pub fn serialize<S: Serializer>(value: &NanoUsd, serializer: S) -> Result<S::Ok, S::Error> {
        decimal::serialize(value.0, NANO_PLACES, serializer)
    }
    /// Reads decimal dollars.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NanoUsd, D::Error> {
        decimal::deserialize(deserializer, NANO_PLACES).map(NanoUsd)
    }
}

/// [`usd`] for an amount that may be absent or null.
pub mod optional_usd {
    use super::NanoUsd;
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Amount(#[serde(with = "super::usd")] NanoUsd);

    /// Writes decimal dollars or null.
    pub fn serialize<S: Serializer>(value: &Option<NanoUsd>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(amount) => super::usd::serialize(amount, serializer),
            None => serializer.serialize_none(),
        }
    }
    /// Reads decimal dollars or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NanoUsd>, D::Error> {
        Ok(Option::<Amount>::deserialize(deserializer)?.map(|amount| amount.0))
    }
}

#[cfg(test)]
mod tests;
