//! Any events in any order, for a whole fusion; and the same seed gives the same story.

use crate::run::fusion::machine::Fusion;
use crate::run::machine::{Event, Machine};
use crate::run::report::Outcome;
use crate::run::simulation::acts::unavailable;
use crate::run::simulation::fuzz;
use crate::run::simulation::panel::{Panel, after};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn the_same_seed_gives_the_same_story() {
    let play = || {
        let told = Panel::new()
            .judged()
            .act("a2", unavailable())
            .act("a3", after(400, 9))
            .ask();
        (told.path(), told.story.took, told.story.body)
    };
    assert_eq!(play(), play());
}

fn any_event() -> impl Strategy<Value = Event> {
    let calls = proptest::sample::select(vec![
        0_u32, 0, 1, 32, 32, 64, 64, 256, 256, 288, 288, 288, 289, 320, 7_000,
    ]);
    prop_oneof![40 => calls.prop_flat_map(fuzz::event), 1 => Just(Event::CallerGone)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_events_in_any_order(
        events in proptest::collection::vec((any_event(), 0_u64..2_000), 0..80),
        (stream, judged, traced, fatal, failing) in any::<(bool, bool, bool, bool, bool)>(),
        quorum in proptest::option::of(1_u32..4),
    ) {
        let mut panel = Panel::new().streaming(stream).set("quorum", json!(quorum)).set("straggler_grace_ms", 700);
        panel = panel.asking("clawrouter", json!({"trace": traced, "usage_total": traced}));
        panel = panel.set("on_no_adviser", if fatal { "error" } else { "synthesizer_alone" });
        panel = panel.set("on_synthesizer_error", if failing { "error" } else { "best_draft" });
        panel.judged = judged;
        let mut fusion = Fusion::new(panel.input(), panel.world.now, &mut panel.world.health);
        fuzz::survive(&mut fusion, Fusion::is_over, events, panel.world.now, &mut panel.world.health)?;
        for part in fusion.stages() {
            let ended = part.report.attempts.iter().all(|attempt| attempt.ended.is_some());
            prop_assert!(ended, "{:#?}", part.report);
        }
        prop_assert!(fusion.report().outcome != Outcome::Running);
    }
}
