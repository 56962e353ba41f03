//! Router controls in a request: taken apart here, removed before an upstream sees the body. An unknown control is refused by name,
//! because ignoring it would widen what the caller asked for.

use super::Millis;
use super::call::{Controls, FusionOverrides, MaxPrice, ProviderPreferences, ProviderSort};
use super::decimal::{self, BadDecimal};
use super::error::WireError;
use super::json::Kind;
use super::object_view::{ObjectView, ValueView};

/// Most fallback models that one request may name.
const MAX_FALLBACKS: usize = 16;
/// Most entries of one list in `provider`.
const MAX_PREFERENCES: usize = 64;
/// Most advisers that one request may name.
const MAX_ADVISERS: usize = 8;
/// Most plugins that one request may name.
const MAX_PLUGINS: usize = 16;
/// Longest deadline that a request may ask for: an hour, in milliseconds.
const MAX_DEADLINE_MS: u64 = 3_600_000;
/// Decimals of a dollar that a cost has: nano-dollars.
const COST_PLACES: u32 = 9;
/// Decimals of "dollars per million tokens" that a price has: pico-dollars a token.
const PRICE_PLACES: u32 = 6;
/// Most that a request may be allowed to cost: a million dollars.
const MAX_COST_NANO: u64 = 1_000_000_000_000_000;
/// Longest model name, characters: as long as an id of the catalog may be.
pub(crate) const MAX_MODEL_NAME: usize = 200;

/// Top-level fields that are the router's own in every request.
const ROUTER_FIELDS: [&str; 5] = ["clawrouter", "provider", "models", "fallbacks", "session_id"];

/// Reads all controls of a body whose `model` is `model`.
pub(crate) fn read(body: &ObjectView<'_>, model: &str) -> Result<Controls, WireError> {
    let mut controls = Controls {
        fallback_models: fallback_models(body, model)?,
        ..Controls::default()
    };
    if let Some(provider) = body.object("provider")? {
        controls.provider = preferences(&provider)?;
    }
    if let Some(own) = body.object("clawrouter")? {
        read_own(&own, &mut controls)?;
    }
    let fusion_plugin = match body.value("plugins") {
        Some(plugins) => read_plugins(&plugins, &mut controls)?,
        None => false,
    };
    let present = ROUTER_FIELDS.iter().filter(|name| body.mentions(name));
    controls.router_fields = present.map(|name| (*name).to_owned()).collect();
    if fusion_plugin {
        controls.router_fields.push("plugins".to_owned());
    }
    Ok(controls)
}

/// `models`, then `fallbacks`, without blanks, repeats and the requested model itself.
fn fallback_models(body: &ObjectView<'_>, model: &str) -> Result<Vec<String>, WireError> {
    let mut names: Vec<String> = Vec::new();
    for field in ["models", "fallbacks"] {
        let Some(list) = body.value(field) else { continue };
        for item in list.items(MAX_FALLBACKS + 1)? {
            let name = model_name(&item)?;
            if !name.is_empty() && name != model && !names.contains(&name) {
                names.push(name);
            }
        }
        if names.len() > MAX_FALLBACKS {
            return Err(list.must(&format!("and its like may name at most {MAX_FALLBACKS} models")));
        }
    }
    Ok(names)
}

/// `"name"` or `{"model": "name"}`.
fn model_name(value: &ValueView<'_>) -> Result<String, WireError> {
    let name = match value.kind {
        Kind::Object => value.object()?.string("model")?.unwrap_or_default(),
        _ => value.string()?,
    };
    let name = name.trim();
    if name.len() > MAX_MODEL_NAME {
        return Err(value.must(&format!("must be a model name of at most {MAX_MODEL_NAME} characters")));
    }
    Ok(name.to_owned())
}

fn preferences(provider: &ObjectView<'_>) -> Result<ProviderPreferences, WireError> {
    provider.only(&[
        "order",
        "only",
        "ignore",
        "sort",
        "max_price",
        "allow_fallbacks",
        "require_parameters",
        "data_collection",
        "zdr",
        "quantizations",
        "preferred_min_throughput",
        "preferred_max_latency",
    ])?;
    Ok(ProviderPreferences {
        order: provider.strings("order", MAX_PREFERENCES)?,
        only: provider.strings("only", MAX_PREFERENCES)?,
        ignore: provider.strings("ignore", MAX_PREFERENCES)?,
        sort: provider
            .value("sort")
            .map(|sort| read_sort(&sort))
            .transpose()?
            .flatten(),
        max_price: provider
            .object("max_price")?
            .map(|price| max_price(&price))
            .transpose()?,
        allow_fallbacks: provider.boolean("allow_fallbacks")?,
        require_parameters: provider.boolean("require_parameters")?.unwrap_or_default(),
        deny_data_collection: match provider.string("data_collection")?.as_deref() {
            Some("deny") => true,
            None | Some("allow") => false,
            Some(_) => {
                return Err(WireError::field(
                    "provider.data_collection",
                    "must be \"allow\" or \"deny\"",
                ));
            }
        },
        zdr: provider.boolean("zdr")?.unwrap_or_default(),
        quantizations: provider.strings("quantizations", MAX_PREFERENCES)?,
        preferred_min_throughput: provider
            .value("preferred_min_throughput")
            .map(|v| typical(&v))
            .transpose()?
            .flatten(),
        preferred_max_latency: provider
            .value("preferred_max_latency")
            .map(|v| typical(&v))
            .transpose()?
            .flatten(),
    })
}

/// `"price"` or `{"by": "price"}`.
fn read_sort(sort: &ValueView<'_>) -> Result<Option<ProviderSort>, WireError> {
    let word = match sort.kind {
        Kind::Object => {
            let object = sort.object()?;
            object.only(&["by"])?;
            object.string("by")?
        }
        _ => Some(sort.string()?),
    };
    match word.as_deref() {
        None => Ok(None),
        Some("price") => Ok(Some(ProviderSort::Price)),
        Some("throughput") => Ok(Some(ProviderSort::Throughput)),
        Some("latency") => Ok(Some(ProviderSort::Latency)),
        Some(_) => Err(sort.must("must be \"price\", \"throughput\" or \"latency\"")),
    }
}

/// Dollars per million tokens; a side that is absent is unbounded.
fn max_price(price: &ObjectView<'_>) -> Result<MaxPrice, WireError> {
    price.only(&["prompt", "completion", "input", "output"])?;
    let side = |names: [&str; 2]| {
        let named = names.iter().find_map(|name| price.value(name));
        let bound = named.map(|value| amount(&value, PRICE_PLACES, "a price in dollars per million tokens"));
        bound.transpose()
    };
    Ok(MaxPrice {
        input: side(["prompt", "input"])?,
        output: side(["completion", "output"])?,
    })
}

/// Dollars, as a number or a string, in whole units of 10^-`places`: read by their digits, never rounded.
fn amount(value: &ValueView<'_>, places: u32, what: &str) -> Result<u64, WireError> {
    let text = match value.kind {
        Kind::String => value.string()?,
        Kind::Number => value.text(),
        _ => return Err(value.must(&format!("must be {what}, 0 or more"))),
    };
    decimal::parse(&text, places).map_err(|bad| match bad {
        BadDecimal::TooFine { places } => value.must(&format!("must be {what} with at most {places} decimals")),
        BadDecimal::TooLarge => value.must(&format!("must be {what}; this one is too large")),
        BadDecimal::NotANumber | BadDecimal::Negative => value.must(&format!("must be {what}, 0 or more")),
    })
}

/// A number, or the typical one (p50, else the lowest percentile named) of `{"p50": …, "p90": …}`.
fn typical(value: &ValueView<'_>) -> Result<Option<f64>, WireError> {
    let not_negative = |number: f64, at: &ValueView<'_>| {
        if number >= 0.0 {
            Ok(number)
        } else {
            Err(at.must("must be 0 or more"))
        }
    };
    if value.kind != Kind::Object {
        return not_negative(value.number()?, value).map(Some);
    }
    let object = value.object()?;
    let percentiles = ["p50", "p75", "p90", "p99"];
    object.only(&percentiles)?;
    let first = percentiles.iter().find_map(|name| object.value(name));
    first.map(|first| not_negative(first.number()?, &first)).transpose()
}

fn read_own(own: &ObjectView<'_>, controls: &mut Controls) -> Result<(), WireError> {
    own.only(&[
        "trace",
        "dry_run",
        "cost_quality",
        "advisers",
        "judge",
        "synthesizer",
        "max_cost_usd",
        "deadline_ms",
        "usage_total",
    ])?;
    controls.trace = own.boolean("trace")?.unwrap_or_default();
    controls.dry_run = own.boolean("dry_run")?.unwrap_or_default();
    controls.usage_total = own.boolean("usage_total")?.unwrap_or_default();
    controls.deadline = own.whole("deadline_ms", 1..=MAX_DEADLINE_MS)?.map(Millis);
    controls.max_cost_nano_usd = own.value("max_cost_usd").map(|cost| dollars(&cost)).transpose()?;
    controls.cost_quality = own.number("cost_quality")?;
    if controls
        .cost_quality
        .is_some_and(|weight| !(0.0..=10.0).contains(&weight))
    {
        return Err(WireError::field(
            "clawrouter.cost_quality",
            "must be a number from 0 (best) to 10 (cheapest)",
        ));
    }
    let mut fusion = FusionOverrides::default();
    if let Some(list) = own.value("advisers") {
        fusion.advisers = Some(advisers(&list)?);
    }
    // Here null and absent differ: null turns the judge off.
    if own.mentions("judge") {
        fusion.judge = Some(match own.value("judge") {
            None => None,
            Some(value) if value.kind == Kind::Bool && !value.boolean()? => None,
            Some(value) => Some(named_model(&value)?),
        });
    }
    fusion.synthesizer = own.value("synthesizer").map(|value| named_model(&value)).transpose()?;
    if fusion != FusionOverrides::default() {
        controls.fusion = Some(fusion);
    }
    Ok(())
}

fn advisers(list: &ValueView<'_>) -> Result<Vec<String>, WireError> {
    let names: Vec<String> = list
        .items(MAX_ADVISERS)?
        .iter()
        .map(named_model)
        .collect::<Result<_, _>>()?;
    if names.is_empty() {
        Err(list.must("must name at least one model"))
    } else {
        Ok(names)
    }
}

fn named_model(value: &ValueView<'_>) -> Result<String, WireError> {
    let name = model_name(value)?;
    if name.is_empty() {
        Err(value.must("must be a model name"))
    } else {
        Ok(name)
    }
}

/// Decimal dollars in nano-dollars.
fn dollars(value: &ValueView<'_>) -> Result<u64, WireError> {
    let nano = amount(value, COST_PLACES, "an amount in dollars")?;
    if nano > MAX_COST_NANO {
        return Err(value.must("must be an amount in dollars, from 0 to 1000000"));
    }
    Ok(nano)
}

/// Reads the fusion plugin, if it is there; plugins of others stay in the body for an upstream that knows them.
fn read_plugins(plugins: &ValueView<'_>, controls: &mut Controls) -> Result<bool, WireError> {
    let items = plugins.items(MAX_PLUGINS)?;
    let mut found = false;
    for item in &items {
        let plugin = item.object()?;
        if plugin.string("id")?.as_deref() != Some("fusion") {
            continue;
        }
        if items.len() > 1 {
            let message = "The fusion plugin cannot be combined with other plugins; send it alone.".to_owned();
            return Err(WireError::UnsupportedParameter {
                param: plugins.path.clone(),
                message,
            });
        }
        found = true;
        plugin.only(&["id", "enabled", "analysis_models", "model", "preset"])?;
        let mut fusion = controls.fusion.take().unwrap_or_default();
        fusion.from_plugin = true;
        fusion.profile = plugin.string("preset")?.map(std::borrow::Cow::into_owned);
        if let Some(list) = plugin.value("analysis_models") {
            fusion.advisers = Some(advisers(&list)?);
        }
        if let Some(model) = plugin.value("model") {
            fusion.synthesizer = Some(named_model(&model)?);
        }
        if plugin.boolean("enabled")?.unwrap_or(true) {
            controls.fusion = Some(fusion);
        }
    }
    Ok(found)
}
