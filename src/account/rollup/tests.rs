use super::*;
use crate::account::usage::AttemptRow;
use crate::wire::Usage;
use proptest::prelude::*;

fn row(hour: u64, kid: u8, attempts: Vec<(u8, u64)>, failed: bool) -> RequestRow {
    let attempt = |(model, cost): (u8, u64)| AttemptRow {
        target: format!("p{}/m{model}", model % 2),
        cost_usd: NanoUsd(cost),
        usage: Usage {
            input_tokens: cost,
            ..Usage::default()
        },
        ..AttemptRow::default()
    };
    RequestRow {
        at: Millis(hour * HOUR + 5),
        kid: format!("k{kid}"),
        status: if failed { 502 } else { 200 },
        requested_model: "clawrouter/auto".to_owned(),
        attempts: attempts.into_iter().map(attempt).collect(),
        ..RequestRow::default()
    }
    .closed()
}

fn rows() -> impl Strategy<Value = Vec<RequestRow>> {
    let attempts = proptest::collection::vec((0_u8..4, 0_u64..1_000_000), 0..4);
    let one = (1_u64..60, 0_u8..3, attempts, any::<bool>())
        .prop_map(|(hour, kid, attempts, failed)| row(hour, kid, attempts, failed));
    proptest::collection::vec(one, 0..40)
}

proptest! {
    #[test]
    fn every_grouping_adds_up_to_the_rows(rows in rows(), from in 0_u64..60, length in 0_u64..60, split in 0_usize..40) {
        let within = |row: &&RequestRow| (from..from + length).contains(&hour_of(row.at));
        let cost: NanoUsd = rows.iter().filter(within).map(|row| row.cost_usd).sum();
        let requests = rows.iter().filter(within).count() as u64;
        let errors = rows.iter().filter(within).filter(|row| row.is_error()).count() as u64;
        for group_by in [Grouping::Policy, Grouping::Key, Grouping::Model, Grouping::Provider, Grouping::Day] {
            let query = UsageQuery { group: group_by, from: Millis(from * HOUR), to: Millis((from + length) * HOUR), kids: None };
            let (one, other) = rows.split_at(split.min(rows.len()));
            let parts = [one, other].map(|rows| {
                let mut hours: BTreeMap<u64, Rollup> = BTreeMap::new();
                for row in rows {
                    hours.entry(hour_of(row.at)).or_default().add(row);
                }
                group(&query, "team", &hours.into_iter().collect::<Vec<_>>())
            });
            let report = report(&query, parts.to_vec(), Millis(0));
            prop_assert_eq!(report.total.cost_usd, cost);
            prop_assert_eq!((report.total.requests, report.total.errors), (requests, errors));
        }
    }

    #[test]
    fn a_rollup_survives_json(rows in rows()) {
        let mut rollup = Rollup::default();
        for row in &rows {
            rollup.add(row);
        }
        let text = serde_json::to_string(&rollup).unwrap();
        prop_assert_eq!(serde_json::from_str::<Rollup>(&text).unwrap(), rollup);
    }
}

proptest! {
    #[test]
    fn the_rows_of_a_group_add_up_to_it(rows in rows()) {
        let mut rollup = Rollup::default();
        for row in &rows {
            rollup.add(row);
        }
        for group_by in [Grouping::Model, Grouping::Provider] {
            let query = UsageQuery { group: group_by, from: Millis(HOUR), to: Millis(2 * HOUR), kids: None };
            let of = if group_by == Grouping::Model { CallGroup::Model } else { CallGroup::Provider };
            for (id, sums) in group(&query, "team", &[(1, rollup.clone())]) {
                let mut total = Sums::default();
                for share in rows.iter().filter_map(|row| share(row, of, &id)) {
                    total.add(&share);
                }
                prop_assert_eq!(total, sums, "{}", id);
            }
        }
    }
}

#[test]
fn groups_beyond_the_bound_keep_the_total() {
    let mut rollup = Rollup::default();
    for number in 0..MAX_GROUPS as u64 + 10 {
        let mut row = row(1, 0, vec![(0, 1)], false);
        row.kid = format!("k{number}");
        rollup.add(&row);
    }
    assert_eq!(rollup.total().requests, MAX_GROUPS as u64 + 10);
    assert_eq!(rollup.total().cost_usd, NanoUsd(MAX_GROUPS as u64 + 10));
    assert_eq!(rollup.groups().count(), MAX_GROUPS + 1);
}

#[test]
fn what_has_no_group_of_its_own_says_that_it_cannot_be_opened() {
    let mut rollup = Rollup::default();
    for number in 0..=MAX_GROUPS as u64 {
        let mut row = row(1, 0, vec![(0, 1)], false);
        row.kid = format!("k{number}");
        rollup.add(&row);
    }
    for (group_by, told) in [
        (Grouping::Key, true),
        (Grouping::Model, true),
        (Grouping::Provider, true),
        (Grouping::Policy, false),
        (Grouping::Day, false),
    ] {
        let query = UsageQuery {
            group: group_by,
            from: Millis(HOUR),
            to: Millis(2 * HOUR),
            kids: None,
        };
        let report = report(&query, vec![group(&query, "others", &[(1, rollup.clone())])], Millis(0));
        assert_eq!(report.note.is_some(), told, "{group_by:?}");
        assert_eq!(report.total.requests, MAX_GROUPS as u64 + 1);
        let others = report.groups.iter().find(|group| group.id == OTHERS);
        let filter = others.map(|group| group.filter.as_str()).unwrap_or_default();
        assert_eq!(
            filter.starts_with("counts_for=others&from=1970-01-01T01:00:00Z"),
            told,
            "{filter}"
        );
    }
}

#[test]
fn a_group_says_which_rows_it_is() {
    let query = UsageQuery {
        group: Grouping::Model,
        from: Millis(HOUR + 1),
        to: Millis(2 * HOUR + 1),
        kids: None,
    };
    let part = group(
        &query,
        "team",
        &[(1, {
            let mut r = Rollup::default();
            r.add(&row(1, 0, vec![(0, 5)], false));
            r
        })],
    );
    let report = report(&query, vec![part], Millis(0));
    assert_eq!(
        report.groups[0].filter,
        "counts_for=model:p0/m0&from=1970-01-01T01:00:00Z&to=1970-01-01T03:00:00Z"
    );
    assert_eq!(escape("a b&c=d"), "a%20b%26c%3Dd");
}
