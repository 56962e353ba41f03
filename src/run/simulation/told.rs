//! What response headers tell, on answers and on errors.

use super::acts::{error, limited, ok, unavailable};
use super::story::Story;
use super::world::{World, target};
use serde_json::json;

/// Every header that a chain's answer always has.
const ALWAYS: [&str; 8] = [
    "x-clawrouter-strategy",
    "x-clawrouter-attempts",
    "x-clawrouter-retries",
    "x-clawrouter-rotations",
    "x-clawrouter-pinned",
    "x-clawrouter-trace-id",
    "server-timing",
    "content-type",
];

fn has(story: &Story, names: &[&str]) {
    for name in names {
        let count = story.head.as_ref().map_or(0, |head| {
            let same = head.headers.iter().filter(|(known, _)| known == name);
            same.count()
        });
        assert_eq!(count, 1, "{name}: {:?}", story.head);
    }
}

#[test]
fn answers_and_errors_say_what_it_took() {
    for stream in [true, false] {
        let story = World::pf().act("p", [ok(3)]).streaming(stream).request();
        has(&story, &ALWAYS);
        has(&story, &["x-clawrouter-target", "x-clawrouter-fallback-index"]);
        assert_eq!(story.header("x-clawrouter-trace"), None, "only for those who ask");
        assert_eq!(story.header("x-clawrouter-route"), None, "no route was named");
        let story = World::pf()
            .act("p", [limited("30")])
            .act("f", [limited("40")])
            .streaming(stream)
            .request();
        has(&story, &ALWAYS);
        has(&story, &["retry-after"]);
        assert_eq!(story.header("x-clawrouter-target"), None, "nobody answered");
        assert_eq!(story.header("x-clawrouter-attempts"), Some("2"));
    }
}

#[test]
fn the_trace_names_targets_keys_classes_and_pauses() {
    let story = World::pf()
        .act("p", [limited("2")])
        .act("f", [ok(3)])
        .with(|world| world.body["clawrouter"] = json!({"trace": true}))
        .request();
    let trace = story.header("x-clawrouter-trace").unwrap();
    let parts: Vec<&str> = trace.split(';').collect();
    assert_eq!(parts.len(), 3, "{trace}");
    let (first, wait) = parts[0].split_once(",w").unwrap();
    assert_eq!(first, "t0/k1=429.rate_limit");
    let wait: u64 = wait.parse().unwrap();
    assert!((2_000..=2_500).contains(&wait), "{wait}");
    assert_eq!(&parts[1..], ["t0/k1=429.rate_limit", "t1/k1=200"]);
    assert_eq!(story.header("x-clawrouter-retries"), Some("1"));
}

#[test]
fn times_are_of_calls_and_of_the_router() {
    let story = World::pf().act("p", [unavailable()]).act("f", [ok(3)]).request();
    let timing = story.header("server-timing").unwrap();
    let names: Vec<&str> = timing
        .split(',')
        .map(|part| part.split(";dur=").next().unwrap())
        .collect();
    let calls = story.calls.len();
    assert_eq!(names.len(), calls + 1, "{timing}");
    assert_eq!((names[0], *names.last().unwrap()), ("up1", "router"));
    for part in timing.split(',') {
        assert!(part.split_once(";dur=").unwrap().1.parse::<u64>().is_ok(), "{timing}");
    }
}

#[test]
fn no_header_carries_a_word_of_an_upstream() {
    let spiteful = error(500, "secret words of an upstream", "secret_code");
    let world = World::new(vec![target("p")]).act("p", [spiteful]);
    let story = world
        .with(|world| world.body["clawrouter"] = json!({"trace": true}))
        .request();
    for (name, value) in story.head.unwrap().headers {
        assert!(!value.contains("secret"), "{name}: {value}");
    }
}
