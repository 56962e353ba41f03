//! Money: exact in, exact out, bounds that hold.

use super::*;
use proptest::prelude::*;

fn price(json: &str) -> Price {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn usage(input: u64, cached: u64, written: u64, output: u64) -> Usage {
    Usage {
        input_tokens: input,
        output_tokens: output,
        cached_tokens: cached,
        cache_write_tokens: written,
        reasoning_tokens: 0,
    }
}

#[test]
fn calls_cost_what_the_price_list_says() {
    let plain = r#"{"input":0.4,"output":1.6,"cached_input":0.1}"#;
    let writes = r#"{"input":3,"output":15,"cached_input":0.3,"cache_write":3.75}"#;
    let tiered = r#"{"input":1.25,"output":10,"cached_input":0.125,"cache_write":2,
        "tiers":[{"above_input_tokens":200000,"input":2.5,"output":15},{"above_input_tokens":272000,"input":4,"output":20,"cached_input":0.4}]}"#;
    let table = [
        ("nothing used", plain, usage(0, 0, 0, 0), 0),
        ("a million in", plain, usage(1_000_000, 0, 0, 0), 400_000_000),
        ("input and output", plain, usage(1000, 0, 0, 500), 400_000 + 800_000),
        (
            "cached part is cheaper",
            plain,
            usage(1000, 600, 0, 0),
            160_000 + 60_000,
        ),
        (
            "one token rounds up once",
            r#"{"input":0.003625,"output":0.003625}"#,
            usage(1, 0, 0, 1),
            8,
        ),
        (
            "tiny price stays exact",
            r#"{"input":0.003625,"output":0}"#,
            usage(1_000_000, 0, 0, 0),
            3_625_000,
        ),
        (
            "cached without a price costs as input",
            r#"{"input":1,"output":1}"#,
            usage(10, 10, 0, 0),
            10_000,
        ),
        (
            "cache writes",
            writes,
            usage(1000, 200, 300, 0),
            1_500_000 + 60_000 + 1_125_000,
        ),
        (
            "cached on top of input is billed in full",
            writes,
            usage(100, 500, 0, 0),
            150_000,
        ),
        (
            "writes on top of input are billed in full",
            writes,
            usage(100, 0, 500, 0),
            1_875_000,
        ),
        ("at the threshold: base", tiered, usage(200_000, 0, 0, 0), 250_000_000),
        (
            "above it: the tier, whole call",
            tiered,
            usage(200_001, 0, 0, 1),
            500_002_500 + 15_000,
        ),
        (
            "last tier that is exceeded",
            tiered,
            usage(272_001, 1, 0, 0),
            1_088_000_000 + 400,
        ),
        (
            "tier without cached price: its input",
            tiered,
            usage(200_001, 200_001, 0, 0),
            500_002_500,
        ),
        (
            "tier without write price: no less than base",
            tiered,
            usage(200_001, 0, 200_001, 0),
            500_002_500,
        ),
        (
            "saturates",
            r#"{"input":1000000,"output":1}"#,
            usage(u64::MAX, 0, 0, 0),
            u64::MAX,
        ),
    ];
    for (name, json, usage, expected) in table {
        assert_eq!(price(json).cost(&usage), NanoUsd(expected), "{name}");
    }
}

#[test]
fn price_documents_are_strict() {
    let table = [
        (r#"{"input":1}"#, "missing field `output`"),
        (r#"{"input":1,"output":1,"reasoning":2}"#, "unknown field `reasoning`"),
        (r#"{"input":0.0000001,"output":1}"#, "at most 6 decimals"),
        (r#"{"input":-1,"output":1}"#, "cannot be negative"),
        (r#"{"input":null,"output":1}"#, "decimal number"),
        (r#"{"input":[1],"output":1}"#, "decimal number"),
        (r#"{"input":true,"output":1}"#, "decimal number"),
        (r#"{"input":"a lot","output":1}"#, "decimal number"),
        (r#"{"input":1e30,"output":1}"#, "too large"),
        (
            r#"{"input":1,"output":1,"tiers":[{"above_input_tokens":1,"input":1}]}"#,
            "missing field `output`",
        ),
    ];
    for (json, expected) in table {
        let error = serde_json::from_str::<Price>(json).expect_err(json).to_string();
        assert!(error.contains(expected), "{json}: {error}");
    }
}

#[test]
fn price_documents_round_trip_with_their_digits() {
    for json in [
        r#"{"input":0.4,"output":1.6,"cached_input":0.1,"effective":"2026-05-01","source":"https://example.com/prices"}"#,
        r#"{"input":2,"output":0,"cache_write":0.003625}"#,
        r#"{"input":1,"output":1,"tiers":[{"above_input_tokens":272000,"input":2.5,"output":15,"cached_input":0.25}]}"#,
    ] {
        let parsed = price(json);
        assert_eq!(serde_json::to_string(&parsed).ok().as_deref(), Some(json));
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(
            serde_json::from_value::<Price>(value).ok(),
            Some(parsed),
            "through a Value: {json}"
        );
    }
    assert_eq!(
        price(r#"{"input":"0.40","output":" 1.6 ","cache_write":null}"#),
        price(r#"{"input":0.4,"output":1.6}"#)
    );
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Amounts {
    #[serde(with = "usd")]
    limit: NanoUsd,
    #[serde(default, with = "optional_usd", skip_serializing_if = "Option::is_none")]
    cap: Option<NanoUsd>,
}

#[test]
fn dollar_fields_keep_nine_decimals() {
    let table = [
        (
            r#"{"limit":50}"#,
            Amounts {
                limit: NanoUsd(50_000_000_000),
                cap: None,
            },
            r#"{"limit":50}"#,
        ),
        (
            r#"{"limit":"0.000000001","cap":null}"#,
            Amounts {
                limit: NanoUsd(1),
                cap: None,
            },
            r#"{"limit":0.000000001}"#,
        ),
        (
            r#"{"limit":9007199.254740993,"cap":"12.50"}"#,
            Amounts {
                limit: NanoUsd(9_007_199_254_740_993),
                cap: Some(NanoUsd(12_500_000_000)),
            },
            r#"{"limit":9007199.254740993,"cap":12.5}"#,
        ),
    ];
    for (json, expected, written) in table {
        let parsed: Amounts = serde_json::from_str(json).unwrap();
        assert_eq!(parsed, expected);
        assert_eq!(serde_json::to_string(&parsed).unwrap(), written);
    }
    for bad in [
        r#"{"limit":null}"#,
        r#"{"limit":1,"cap":-1}"#,
        r#"{"limit":0.0000000001}"#,
        r#"{"limit":{}}"#,
    ] {
        assert!(serde_json::from_str::<Amounts>(bad).is_err(), "{bad}");
    }
}

fn prices() -> impl Strategy<Value = Price> {
    let rate = || (0_u64..100_000_000).prop_map(PicoUsd);
    let tier = (
        1_u64..1_000_000,
        rate(),
        rate(),
        proptest::option::of(rate()),
        proptest::option::of(rate()),
    )
        .prop_map(
            |(above_input_tokens, input, output, cached_input, cache_write)| PriceTier {
                above_input_tokens,
                input,
                output,
                cached_input,
                cache_write,
            },
        );
    let tiers = proptest::collection::vec(tier, 0..3).prop_map(|mut tiers| {
        tiers.sort_by_key(|tier| tier.above_input_tokens);
        tiers
    });
    (
        rate(),
        rate(),
        proptest::option::of(rate()),
        proptest::option::of(rate()),
        tiers,
    )
        .prop_map(|(input, output, cached_input, cache_write, tiers)| Price {
            input,
            output,
            cached_input,
            cache_write,
            tiers,
            effective: None,
            source: None,
        })
}

proptest! {
    #[test]
    fn worst_case_bounds_every_call(
        price in prices(),
        input in 0_u64..2_000_000,
        output in 0_u64..1_000_000,
        cached_share in 0_u64..=100,
        written_share in 0_u64..=100,
        slack in 0_u64..1000,
    ) {
        let cached = input * cached_share / 100;
        let written = (input - cached) * written_share / 100;
        let bound = price.worst_case(input + slack, output + slack);
        prop_assert!(price.cost(&usage(input, cached, written, output)) <= bound);
    }

    #[test]
    fn rounding_up_costs_less_than_one_nano_dollar(price in prices(), input in 0_u64..150_000, output in 0_u64..1_000_000) {
        let price = Price { tiers: Vec::new(), ..price };
        let exact = u128::from(input) * u128::from(price.input.0) + u128::from(output) * u128::from(price.output.0);
        let billed = u128::from(price.cost(&usage(input, 0, 0, output)).0) * 1000;
        prop_assert!(billed >= exact && billed - exact < 1000);
    }

    #[test]
    fn more_output_never_costs_less(price in prices(), input in 0_u64..1_000_000, output in 0_u64..1_000_000, more in 0_u64..1000) {
        prop_assert!(price.cost(&usage(input, 0, 0, output)) <= price.cost(&usage(input, 0, 0, output + more)));
    }

    #[test]
    fn prices_round_trip(price in prices()) {
        let text = serde_json::to_string(&price).unwrap();
        prop_assert_eq!(serde_json::from_str::<Price>(&text).unwrap(), price);
    }

    #[test]
    fn dollars_round_trip(nano: u64) {
        prop_assert_eq!(NanoUsd(nano).to_string().parse(), Ok(NanoUsd(nano)));
        let text = serde_json::to_string(&Amounts { limit: NanoUsd(nano), cap: Some(NanoUsd(nano)) }).unwrap();
        prop_assert_eq!(serde_json::from_str::<Amounts>(&text).unwrap().cap, Some(NanoUsd(nano)));
    }

    #[test]
    fn arithmetic_never_wraps(a: u64, b: u64, limit: u64) {
        let (a, b, limit) = (NanoUsd(a), NanoUsd(b), NanoUsd(limit));
        prop_assert!(a.saturating_add(b) >= a.max(b));
        prop_assert!(a.saturating_sub(b) <= a);
        prop_assert_eq!(a.saturating_sub(b).saturating_add(b), a.max(b));
        prop_assert_eq!(a.fits(b, limit), u128::from(a.0) + u128::from(b.0) <= u128::from(limit.0));
        prop_assert_eq!([a, b].into_iter().sum::<NanoUsd>(), a.saturating_add(b));
    }
}
