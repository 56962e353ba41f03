//! Any events in any order: nothing panics, nothing comes after the end, nothing is said twice, every call is closed.

use super::acts::{Act, Answer, Mishap, Prefill, answer, error, limited, text, unavailable, wrong_key};
use super::world::World;
use crate::run::engine::AnswerAs;
use crate::run::machine::{Action, CallId, Event, Machine, TransportFault};
use crate::run::report::Outcome;
use crate::wire::Millis;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeSet;

pub(super) fn event(call: u32) -> impl Strategy<Value = Event> {
    let call = CallId(call);
    let chunk = |text: &'static str| Bytes::from_static(text.as_bytes());
    let pieces = prop_oneof![
        Just(chunk(
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n"
        )),
        Just(chunk(
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"
        )),
        Just(chunk(
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
        )),
        Just(chunk(
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n"
        )),
        Just(chunk("data: {\"error\":{\"message\":\"no\",\"code\":429}}\n\n")),
        Just(chunk("data: {\"id\":\"c\",\"choi")),
        Just(chunk("\n\n: ping\n\n")),
        Just(chunk("{\"choices\":[{\"message\":{\"content\":\"a\"}}]}")),
        Just(chunk("")),
    ];
    let status = prop_oneof![
        Just(200u16),
        Just(400),
        Just(401),
        Just(404),
        Just(429),
        Just(500),
        Just(529)
    ];
    let kind = prop_oneof![Just("text/event-stream"), Just("application/json"), Just("")];
    let fault = prop_oneof![
        Just(TransportFault::Dns),
        Just(TransportFault::Connect),
        Just(TransportFault::Reset),
        Just(TransportFault::Tls),
        Just(TransportFault::Refused)
    ];
    prop_oneof![
        3 => (status, kind).prop_map(move |(status, kind)| Event::Headers {
            call, status, headers: vec![("content-type".to_owned(), kind.to_owned()), ("retry-after".to_owned(), "1".to_owned())],
        }),
        6 => pieces.prop_map(move |bytes| Event::Data { call, bytes }),
        1 => Just(Event::End { call }),
        1 => fault.prop_map(move |fault| Event::Broken { call, fault }),
        2 => Just(Event::Tick),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![40 => (0u32..6).prop_flat_map(event), 1 => Just(Event::CallerGone)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_events_in_any_order(
        events in proptest::collection::vec((any_event(), 0u64..4_000), 0..60),
        stream in any::<bool>(),
        collect in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut world = World::pf().streaming(stream);
        world.targets[0].keys = vec!["k1", "k2"];
        world.seed = seed;
        world.answer = if collect { AnswerAs::Text { max_chars: 3 } } else { AnswerAs::Asked };
        let mut run = world.start();
        let (mut starts, mut finishes) = (0, 0);
        let mut open: BTreeSet<CallId> = BTreeSet::new();
        let mut now = world.now;
        let mut check = |run: &mut crate::run::engine::Run, open: &mut BTreeSet<CallId>| {
            while let Some(action) = run.poll() {
                prop_assert_eq!(finishes, 0, "{:?} after Finish", action);
                match action {
                    Action::Call(request) => prop_assert!(open.insert(request.call), "a call id is used once"),
                    Action::Cancel(call) => { open.remove(&call); }
                    Action::InPieces(call) => prop_assert!(open.contains(&call), "only of a call that is open"),
                    Action::Start(_) => starts += 1,
                    Action::Emit(_) => prop_assert_eq!(starts, 1, "Emit without Start"),
                    Action::Finish => finishes += 1,
                }
            }
            prop_assert!(starts <= 1);
            prop_assert_eq!(finishes == 1, run.ended());
            Ok(())
        };
        check(&mut run, &mut open)?;
        for (event, wait) in events {
            now = now.plus(Millis(wait));
            if let Event::End { call } | Event::Broken { call, .. } = &event { open.remove(call); }
            run.handle(now, event, &mut world.health);
            check(&mut run, &mut open)?;
        }
        // Left alone it ends by its own deadlines.
        for _ in 0..200 {
            let Some(wake) = run.next_wake() else { break };
            prop_assert!(!run.ended());
            now = now.max(wake);
            run.handle(now, Event::Tick, &mut world.health);
            check(&mut run, &mut open)?;
        }
        prop_assert!(run.ended(), "a run ends");
        prop_assert!(open.is_empty(), "calls left open: {:?}", open);
        let ended = run.report().attempts.iter().all(|attempt| attempt.ended.is_some());
        prop_assert!(ended, "{:#?}", run.report());
    }

    #[test]
    fn whatever_the_upstreams_do_the_text_comes_once_or_with_an_error(
        first in act(), second in act(), third in act(), fallback in act(), stream in any::<bool>(), seed in any::<u64>(),
    ) {
        let mut world = World::pf().act("p", [first, second, third]).act("f", [fallback]).streaming(stream);
        world.targets[1].capabilities.push("prefill");
        world.seed = seed;
        for _ in 0..3 {
            let story = world.request();
            prop_assert!(story.took < Millis(120_000));
            prop_assert!(!story.body.contains("secret-"));
            match story.report.outcome {
                Outcome::Answered => {
                    prop_assert_eq!(story.status(), 200);
                    prop_assert_eq!(story.text(), text(30));
                }
                Outcome::FailedInStream => {
                    prop_assert!(text(30).starts_with(&story.text()), "{}", story.text());
                    prop_assert!(!story.done());
                    prop_assert!(story.events().last().unwrap()["error"].is_object());
                }
                Outcome::Failed => {
                    prop_assert!(story.status() >= 400);
                    prop_assert!(story.json()["error"]["message"].is_string(), "{}", story.body);
                }
                Outcome::Running | Outcome::CallerGone => prop_assert!(false, "{:?}", story.report.outcome),
            }
        }
    }
}

fn act() -> impl Strategy<Value = Act> {
    let mishap = prop_oneof![
        Just(Mishap::Reset),
        Just(Mishap::End),
        Just(Mishap::Silence),
        Just(Mishap::Stall(Millis(20_000))),
        Just(Mishap::Event("data: {\"broken\n\n".to_owned())),
        Just(Mishap::Event(
            "data: {\"error\":{\"message\":\"x\",\"type\":\"overloaded_error\"}}\n\n".to_owned()
        )),
    ];
    let prefill = prop_oneof![Just(Prefill::Ignore), Just(Prefill::Continue), Just(Prefill::Reject)];
    let broken = (
        proptest::option::of((0usize..=30, mishap)),
        prefill,
        any::<bool>(),
        any::<bool>(),
        0u64..12_000,
    );
    prop_oneof![
        6 => broken.prop_map(|(after, prefill, done, usage, first_token)| {
            Act::Answer(Answer { after, prefill, done, usage, first_token: Millis(first_token), ..answer(30) })
        }),
        1 => Just(limited("1")),
        1 => Just(limited("60")),
        1 => Just(wrong_key()),
        1 => Just(unavailable()),
        1 => Just(error(500, "boom", "")),
        1 => Just(error(400, "Invalid 'messages'", "invalid_value")),
        1 => Just(Act::Silence),
        1 => Just(Act::Broken(TransportFault::Reset)),
        1 => Just(Act::Broken(TransportFault::Dns)),
        1 => Just(Act::Raw { content_type: "text/html", body: "<html>".to_owned() }),
    ]
}
