use super::*;
use crate::account::usage::{AttemptRow, Source};
use crate::wire::Usage;
use proptest::prelude::*;

fn attempt(role: Role, index: u32, target: &str, input: u64, output: u64) -> AttemptRow {
    let usage = Usage {
        input_tokens: input,
        output_tokens: output,
        ..Usage::default()
    };
    AttemptRow {
        role,
        index,
        target: target.to_owned(),
        usage,
        cost_usd: price(target).map_or(NanoUsd::ZERO, |price| price.cost(&usage)),
        ..AttemptRow::default()
    }
}

/// `m/3`: three dollars a million tokens in, six out; `m/none` has no price.
fn price(model: &str) -> Option<Price> {
    let dollars: u64 = model.strip_prefix("m/")?.parse().ok()?;
    Some(Price {
        input: dollars.to_string().parse().unwrap(),
        output: (2 * dollars).to_string().parse().unwrap(),
        ..Price::default()
    })
}

fn row(attempts: Vec<AttemptRow>) -> RequestRow {
    RequestRow {
        at: Millis(1000),
        strategy: "fusion".to_owned(),
        requested_model: "clawrouter/fusion".to_owned(),
        kid: "k1".to_owned(),
        attempts,
        ..RequestRow::default()
    }
    .closed()
}

fn fused() -> RequestRow {
    row(vec![
        attempt(Role::Adviser, 0, "m/1", 1000, 100),
        attempt(Role::Adviser, 1, "m/2", 2000, 200),
        attempt(Role::Synthesizer, 0, "m/3", 4000, 400),
    ])
}

/// `A1 m/1`, in order.
fn request(slots: &[(&str, &str)]) -> RepriceRequest {
    let slot = |(name, model): &(&str, &str)| Slot {
        name: (*name).to_owned(),
        role: match name.chars().next() {
            Some('A') => Role::Adviser,
            Some('J') => Role::Judge,
            _ => Role::Synthesizer,
        },
        index: name
            .get(1..)
            .and_then(|number| number.parse::<u32>().ok())
            .map_or(0, |number| number - 1),
        model: (*model).to_owned(),
        price: price(model),
    };
    RepriceRequest {
        model: "clawrouter/fusion".to_owned(),
        since: Millis(1000),
        slots: slots.iter().map(slot).collect(),
    }
}

fn answer(request: &RepriceRequest, rows: &[RequestRow]) -> Repriced {
    let mut part = RepricedPart::default();
    for row in rows {
        part.add(request, row);
    }
    part.complete = true;
    repriced(request, vec![part], Millis(2000))
}

#[test]
fn a_draft_is_priced_with_the_tokens_of_the_requests() {
    let check = |name: &str,
                 slots: &[(&str, &str)],
                 rows: &[RequestRow],
                 expected: (u64, u64, u64),
                 missing: &[(&str, Why, u64)]| {
        let found = answer(&request(slots), rows);
        assert_eq!(
            (found.requests, found.before_usd.0, found.after_usd.0),
            expected,
            "{name}"
        );
        let unpriced: Vec<(&str, Why, u64)> = found
            .unpriced
            .iter()
            .map(|call| (call.slot.as_str(), call.why, call.requests))
            .collect();
        assert_eq!(unpriced, missing, "{name}");
    };
    // Nano-dollars: 1000 in and 100 out at m/1 are 1000*1 + 100*2 = 1200 thousandths of a cent's thousandth, and so on.
    let (a1, a2, s) = (1_200_000, 4_800_000, 14_400_000);
    let before = a1 + a2 + s;
    let same = [("A1", "m/1"), ("A2", "m/2"), ("S", "m/3")];
    check("the same profile", &same, &[fused()], (1, before, before), &[]);
    check(
        "two requests",
        &same,
        &[fused(), fused()],
        (2, 2 * before, 2 * before),
        &[],
    );
    check(
        "a dearer synthesizer",
        &[("A1", "m/1"), ("A2", "m/2"), ("S", "m/6")],
        &[fused()],
        (1, before, a1 + a2 + 2 * s),
        &[],
    );
    check(
        "one adviser fewer",
        &[("A1", "m/1"), ("S", "m/3")],
        &[fused()],
        (1, before, a1 + s),
        &[],
    );
    check(
        "a third adviser is like the first",
        &[("A1", "m/1"), ("A2", "m/2"), ("A3", "m/1"), ("S", "m/3")],
        &[fused()],
        (1, before, before + a1),
        &[],
    );
    check(
        "no price",
        &[("A1", "m/none"), ("A2", "m/2"), ("S", "m/3")],
        &[fused(), fused()],
        (2, 2 * before, 2 * (a2 + s)),
        &[("A1", Why::NoPrice, 2)],
    );
    check(
        "a judge that never ran",
        &[("A1", "m/1"), ("A2", "m/2"), ("J", "m/9"), ("S", "m/3")],
        &[fused()],
        (1, before, before),
        &[("J", Why::NoTokens, 1)],
    );
    let alone = row(vec![attempt(Role::Synthesizer, 0, "m/3", 100, 10)]);
    check(
        "a turn of the synthesizer alone",
        &same,
        &[alone],
        (1, 360_000, 360_000),
        &[],
    );
    check("nothing", &same, &[], (0, 0, 0), &[]);
}

#[test]
fn only_answered_requests_of_callers_count() {
    let others = [
        RequestRow {
            source: Some(Source::TestPrompt),
            ..fused()
        },
        RequestRow {
            at: Millis(999),
            ..fused()
        },
        RequestRow {
            requested_model: "clawrouter/fusion:other".to_owned(),
            ..fused()
        },
        RequestRow {
            strategy: "direct".to_owned(),
            ..fused()
        },
        row(Vec::new()),
        row(vec![AttemptRow {
            outcome: Outcome::Failed,
            ..AttemptRow::default()
        }]),
    ];
    let found = answer(&request(&[("S", "m/3")]), &others);
    assert_eq!((found.requests, found.looked_at), (0, others.len()));
}

proptest! {
    #[test]
    fn an_unchanged_profile_costs_what_it_cost_and_parts_add_up(
        rows in proptest::collection::vec(proptest::collection::vec((0_u32..3, 0_u64..9999, 0_u64..9999), 0..5), 0..12),
        split in 0_usize..12,
    ) {
        let slots = [("A1", "m/1"), ("A2", "m/2"), ("A3", "m/5"), ("S", "m/3")];
        let rows: Vec<RequestRow> = rows.into_iter().map(|advisers| {
            // Retries of an adviser are calls of the same slot.
            let calls = advisers.into_iter().map(|(index, input, output)| {
                attempt(Role::Adviser, index, ["m/1", "m/2", "m/5"][index as usize], input, output)
            });
            let last = attempt(Role::Adviser, 2, "m/5", 1, 1);
            row(calls.chain([last, attempt(Role::Synthesizer, 0, "m/3", 10, 10)]).collect())
        }).collect();
        let request = request(&slots);
        let whole = answer(&request, &rows);
        prop_assert_eq!(whole.before_usd, whole.after_usd);
        prop_assert!(whole.unpriced.is_empty());
        let (one, other) = rows.split_at(split.min(rows.len()));
        let parts = [one, other].map(|rows| {
            let mut part = RepricedPart { complete: true, ..RepricedPart::default() };
            for row in rows {
                part.add(&request, row);
            }
            serde_json::from_str(&serde_json::to_string(&part).unwrap()).unwrap()
        });
        prop_assert_eq!(repriced(&request, parts.to_vec(), Millis(2000)), whole);
    }
}
