use super::*;
use crate::account::usage::AttemptRow;
use proptest::prelude::*;

/// What one parameter becomes; the limit of `expected` is the usual one where it names none.
fn check(name: &str, value: &str, expected: Result<RequestFilter, &str>) {
    let got = RequestFilter::parse([(name, value)]);
    let base = |filter: RequestFilter| RequestFilter {
        limit: if filter.limit == 0 { DEFAULT_LIMIT } else { filter.limit },
        ..filter
    };
    assert_eq!(
        got.map_err(|error| error.to_string()),
        expected.map(base).map_err(str::to_owned),
        "{name}={value}"
    );
}

#[test]
fn a_query_becomes_a_filter_or_a_named_error() {
    let base = RequestFilter::default;
    check("limit", "200", Ok(RequestFilter { limit: 200, ..base() }));
    check("limit", "201", Err("`limit` is a number from 1 to 200"));
    check("limit", "0", Err("`limit` is a number from 1 to 200"));
    check(
        "status",
        "ok",
        Ok(RequestFilter {
            status: Some(StatusFilter::Ok),
            ..base()
        }),
    );
    check(
        "status",
        "5xx",
        Ok(RequestFilter {
            status: Some(StatusFilter::Hundred(5)),
            ..base()
        }),
    );
    check(
        "status",
        "404",
        Ok(RequestFilter {
            status: Some(StatusFilter::Exactly(404)),
            ..base()
        }),
    );
    check(
        "status",
        "9xx",
        Err("`status` is `ok`, `error`, `degraded`, a status such as `404`, or `4xx`"),
    );
    check(
        "from",
        "1970-01-02",
        Ok(RequestFilter {
            from: Some(Millis(86_400_000)),
            ..base()
        }),
    );
    check(
        "to",
        "yesterday",
        Err("`to` is a date such as `2026-09-30` or a moment such as `2026-09-30T18:00:00Z`"),
    );
    check(
        "q",
        "ABC",
        Ok(RequestFilter {
            q: Some("abc".to_owned()),
            ..base()
        }),
    );
    check("model", "", Ok(base()));
    check(
        "cursor",
        "1.2.team.research",
        Ok(RequestFilter {
            cursor: Some(Position {
                settled: Millis(1),
                policy: "team.research".to_owned(),
                seq: 2,
            }),
            ..base()
        }),
    );
    check("cursor", "1.2", Err("`cursor` is the `next` of an earlier page"));
    check(
        "counts_for",
        "model:a/b:c",
        Ok(RequestFilter {
            counts_for: Some((CallGroup::Model, "a/b:c".to_owned())),
            ..base()
        }),
    );
    for wrong in ["model", "model:", "key:k1"] {
        check(
            "counts_for",
            wrong,
            Err("`counts_for` is `model:` and a model, or `provider:` and a provider"),
        );
    }
    check("colour", "red", Err("`colour` is no parameter of this list"));
    check("q", &"x".repeat(1000), Err("`q` is longer than 256 bytes"));
}

#[test]
fn what_has_no_group_of_its_own_is_refused_with_the_reason() {
    let refused = RequestFilter::parse([("counts_for", "others")]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`counts_for` is `others`, what had no group of its own: its rows cannot be told from the rest; \
         list the period without it"
    );
}

#[test]
fn amounts_durations_and_strategies_are_read_exactly() {
    let base = RequestFilter::default;
    check(
        "cost_over_usd",
        "0.05",
        Ok(RequestFilter {
            cost_over: Some(NanoUsd(50_000_000)),
            ..base()
        }),
    );
    check(
        "duration_over_ms",
        "2000",
        Ok(RequestFilter {
            duration_over: Some(Millis(2000)),
            ..base()
        }),
    );
    check(
        "strategy",
        "fusion",
        Ok(RequestFilter {
            strategy: Some("fusion".to_owned()),
            ..base()
        }),
    );
    for wrong in ["-1", "cheap", "0.0000000001"] {
        let problem = "`cost_over_usd` is an amount of dollars such as `0.05`, with at most nine decimals";
        check("cost_over_usd", wrong, Err(problem));
    }
    check(
        "duration_over_ms",
        "2.5",
        Err("`duration_over_ms` is a whole number of milliseconds"),
    );
}

#[test]
fn filters_match_what_they_name() {
    let row = RequestRow {
        request_id: "req-17".to_owned(),
        at: Millis(1000),
        policy: "team".to_owned(),
        kid: "k1".to_owned(),
        key_label: "CI runner".to_owned(),
        requested_model: "clawrouter/auto".to_owned(),
        served_model: Some("openai/gpt".to_owned()),
        status: 429,
        degraded: true,
        session: Some("s1".to_owned()),
        strategy: "route".to_owned(),
        duration_ms: 2000,
        cost_usd: NanoUsd(50_000_000),
        attempts: vec![AttemptRow {
            target: "groq/llama".to_owned(),
            credential: Some("org1".to_owned()),
            ..AttemptRow::default()
        }],
        ..RequestRow::default()
    };
    let check = |query: &[(&str, &str)], expected: bool| {
        let filter = RequestFilter::parse(query.iter().copied()).unwrap();
        assert_eq!(filter.matches(&row), expected, "{query:?}");
    };
    for query in [
        ("model", "groq/llama"),
        ("model", "openai/gpt"),
        ("model", "clawrouter/auto"),
        ("provider", "groq"),
        ("status", "4xx"),
        ("status", "error"),
        ("status", "429"),
        ("status", "degraded"),
        ("policy", "team"),
        ("key", "k1"),
        ("session", "s1"),
        ("strategy", "route"),
        ("cost_over_usd", "0.049999999"),
        ("duration_over_ms", "1999"),
        ("q", "ci RUN"),
        ("counts_for", "model:openai/gpt"),
        ("counts_for", "model:groq/llama"),
        ("counts_for", "provider:groq"),
        ("counts_for", "provider:openai"),
        ("q", "ORG1"),
        ("q", "req-1"),
        ("from", "1970-01-01T00:00:01Z"),
        ("to", "1970-01-01T00:00:01.001Z"),
    ] {
        check(&[query], true);
    }
    for query in [
        ("model", "groq"),
        ("provider", "openai"),
        ("status", "ok"),
        ("status", "5xx"),
        ("policy", "other"),
        ("key", "k"),
        ("session", "s"),
        ("strategy", "fusion"),
        ("cost_over_usd", "0.05"),
        ("duration_over_ms", "2000"),
        ("counts_for", "model:clawrouter/auto"),
        ("counts_for", "provider:clawrouter"),
        ("q", "nothing"),
        ("from", "1970-01-01T00:00:01.001Z"),
        ("to", "1970-01-01T00:00:01Z"),
    ] {
        check(&[query], false);
    }
    check(&[("status", "429"), ("key", "k1")], true);
    check(&[("status", "429"), ("key", "k2")], false);
}

#[test]
fn a_refused_request_counts_as_refused_and_not_for_the_model_it_named() {
    let row = RequestRow {
        requested_model: "openai/gpt".to_owned(),
        strategy: crate::account::usage::REFUSED.to_owned(),
        status: 402,
        repeats: 2,
        ..RequestRow::default()
    };
    let listed = |query: &str| {
        let filter = RequestFilter::parse([("counts_for", query)]).unwrap();
        let position = Position {
            settled: Millis(1),
            policy: "p".to_owned(),
            seq: 0,
        };
        let items = vec![PlacedRow {
            position,
            row: row.clone(),
        }];
        let items = items.into_iter().filter(|item| filter.matches(&item.row)).collect();
        let page = LedgerPage { items, reached: None };
        let counted = merge(&filter, vec![page], Millis(0)).items;
        counted
            .iter()
            .filter_map(|item| item.counted)
            .map(|sums| (sums.requests, sums.errors))
            .collect::<Vec<_>>()
    };
    assert_eq!(listed("model:refused"), [(3, 3)]);
    assert_eq!(listed("provider:refused"), [(3, 3)]);
    assert_eq!(listed("model:openai/gpt"), []);
}

/// A Ledger's page as the object makes it: it looks at `scan` rows at most.
fn page(ledger: &[PlacedRow], filter: &RequestFilter, scan: usize) -> LedgerPage {
    let mut page = LedgerPage::default();
    let behind = ledger
        .iter()
        .rev()
        .filter(|item| filter.cursor.as_ref().is_none_or(|cursor| item.position < *cursor));
    for (seen, item) in behind.enumerate() {
        if seen >= scan || page.items.len() >= filter.limit {
            return page;
        }
        page.reached = Some(item.position.clone());
        if filter.matches(&item.row) {
            page.items.push(item.clone());
        }
    }
    page.reached = None;
    page
}

proptest! {
    #[test]
    fn pages_of_several_ledgers_show_every_row_once_and_in_order(
        times in proptest::collection::vec((0_usize..3, 0_u64..20, any::<bool>()), 0..60),
        limit in 1_usize..8,
        scan in 1_usize..10,
    ) {
        let mut ledgers = vec![Vec::new(); 3];
        let mut clocks = [0_u64; 3];
        for (number, (which, gap, fails)) in times.into_iter().enumerate() {
            clocks[which] += gap;
            let position = Position { settled: Millis(clocks[which]), policy: format!("p{which}"), seq: ledgers[which].len() as u64 };
            let row = RequestRow { request_id: format!("r{number}"), status: if fails { 500 } else { 200 }, ..RequestRow::default() };
            ledgers[which].push(PlacedRow { position, row });
        }
        let mut expected: Vec<&PlacedRow> = ledgers.iter().flatten().filter(|item| item.row.status == 200).collect();
        expected.sort_by(|a, b| b.position.cmp(&a.position));
        let expected: Vec<String> = expected.into_iter().map(|item| item.row.request_id.clone()).collect();
        let mut filter = RequestFilter { limit, status: Some(StatusFilter::Ok), ..RequestFilter::default() };
        let mut shown = Vec::new();
        for _ in 0..1000 {
            let merged = merge(&filter, ledgers.iter().map(|ledger| page(ledger, &filter, scan)).collect(), Millis(0));
            prop_assert!(merged.items.len() <= limit);
            shown.extend(merged.items.into_iter().map(|item| item.row.request_id));
            match merged.next {
                Some(next) => filter.cursor = Some(next.parse().unwrap()),
                None => break,
            }
        }
        prop_assert_eq!(shown, expected);
    }

    #[test]
    fn any_query_is_read_without_panic(name in "[a-z]{0,8}", value in ".{0,60}") {
        let _ = RequestFilter::parse([(name.as_str(), value.as_str())]);
    }
}
