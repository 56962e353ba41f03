//! Any events in any order: nothing panics, nothing comes after the end, nothing is said twice, every call is closed.

use super::acts::{Act, Answer, Mishap, Prefill, answer, error, limited, text, unavailable, wrong_key};
use super::world::World;
use crate::route::health::Health;
use crate::run::engine::{AnswerAs, Run};
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

/// Whatever happens, a machine calls under new ids, says nothing twice and nothing after its end, and closes what it opened. After
/// `events` (each so many milliseconds after the one before) it is left alone, and ends by its own deadlines.
pub(super) fn survive<M: Machine>(
    machine: &mut M,
    is_over: impl Fn(&M) -> bool,
    events: Vec<(Event, u64)>,
    mut now: Millis,
    health: &mut Health,
) -> Result<(), TestCaseError> {
    let mut seen = Seen::default();
    seen.look(machine, &is_over)?;
    for (event, wait) in events {
        now = now.plus(Millis(wait));
        if let Event::End { call } | Event::Broken { call, .. } = &event {
            seen.open.remove(call);
        }
        machine.handle(now, event, health);
        seen.look(machine, &is_over)?;
    }
    for _ in 0..400 {
        let Some(wake) = machine.next_wake() else { break };
        prop_assert!(!is_over(machine), "nothing wakes what is over");
        now = now.max(wake);
        machine.handle(now, Event::Tick, health);
        seen.look(machine, &is_over)?;
    }
    prop_assert!(is_over(machine), "it ends");
    prop_assert!(seen.open.is_empty(), "calls left open: {:?}", seen.open);
    Ok(())
}

/// What a machine has done so far.
#[derive(Default)]
struct Seen {
    started: bool,
    finished: bool,
    open: BTreeSet<CallId>,
}

impl Seen {
    fn look<M: Machine>(&mut self, machine: &mut M, is_over: impl Fn(&M) -> bool) -> Result<(), TestCaseError> {
        while let Some(action) = machine.poll() {
            prop_assert!(!self.finished, "{:?} after Finish", action);
            match action {
                Action::Call(request) => prop_assert!(self.open.insert(request.call), "a call id is used once"),
                Action::Cancel(call) => drop(self.open.remove(&call)),
                Action::InPieces(call) => prop_assert!(self.open.contains(&call), "only of a call that is open"),
                Action::Start(_) => prop_assert!(!std::mem::replace(&mut self.started, true), "two Starts"),
                Action::Emit(_) => prop_assert!(self.started, "Emit without Start"),
                Action::Finish => self.finished = true,
            }
        }
        prop_assert_eq!(self.finished, is_over(machine));
        Ok(())
    }
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
        survive(&mut run, Run::ended, events, world.now, &mut world.health)?;
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
