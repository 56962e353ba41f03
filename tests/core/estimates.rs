//! Estimates against counts: reservations must hold and must not be absurd. Prints the distribution (`cargo test --no-default-features
//! --test core estimates -- --nocapture`) over every text of the fixtures, the guides and the sources, in pieces of many sizes.
//!
//! No tokenizer is at hand (it would be megabytes, and every provider has its own), so the count is a model of byte-pair encoding: text
//! is cut where the pre-tokenizers of the large vocabularies cut it, and long pieces count as several tokens. Sentences whose real
//! counts are known hold the model to within a fifth.

use bytes::Bytes;
use clawrouter::route::estimate::estimate;
use clawrouter::wire::{Limits, chat};
use std::fs;
use std::path::Path;

/// Letters of one token of a word that is too long to be one itself.
const LETTERS: usize = 5;
/// Letters up to which a word is one token.
const WORD: usize = 7;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Lower,
    Upper,
    Digit,
    Space,
    Symbol,
    Wide,
}

fn class(c: char) -> Class {
    match c {
        'a'..='z' => Class::Lower,
        'A'..='Z' => Class::Upper,
        '0'..='9' => Class::Digit,
        c if c.is_ascii_whitespace() => Class::Space,
        c if c.is_ascii() => Class::Symbol,
        _ => Class::Wide,
    }
}

/// Tokens of a text, by the model.
fn count(text: &str) -> u64 {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut tokens) = (0, 0);
    while at < chars.len() {
        let kind = class(chars[at]);
        let mut end = at + 1;
        while end < chars.len() && goes_on(kind, chars[end - 1], chars[end]) {
            end += 1;
        }
        let length = end - at;
        tokens += match kind {
            Class::Lower | Class::Upper if length <= WORD => 1,
            Class::Lower | Class::Upper => length.div_ceil(LETTERS),
            Class::Digit => length.div_ceil(3),
            // One space belongs to the word behind it.
            Class::Space => usize::from(length > 1 || chars[at] != ' '),
            Class::Symbol => length.div_ceil(2),
            Class::Wide => length,
        };
        at = end;
    }
    tokens as u64
}

fn goes_on(kind: Class, before: char, next: char) -> bool {
    match (kind, class(before), class(next)) {
        (Class::Lower | Class::Upper, _, Class::Lower) | (Class::Upper, Class::Upper, Class::Upper) => true,
        (kind, _, next) => kind == next && !matches!(kind, Class::Lower | Class::Upper),
    }
}

#[test]
fn the_model_of_a_tokenizer_is_close_to_known_counts() {
    // o200k_base.
    for (text, real) in [
        ("The quick brown fox jumps over the lazy dog.", 10),
        ("Hello, world!", 4),
        ("hi", 1),
        ("1234567890", 4),
    ] {
        let counted = count(text);
        assert!(
            counted.abs_diff(real) * 5 <= real.max(5),
            "{text}: {counted} instead of {real}"
        );
    }
}

fn texts(folder: &Path, extensions: &[&str], found: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .expect("part of the repository")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            texts(&path, extensions, found);
        } else if path
            .extension()
            .is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted))
        {
            found.push(fs::read_to_string(&path).expect("text"));
        }
    }
}

/// The first `bytes` of a text, cut at a character.
fn piece(text: &str, bytes: usize) -> Option<&str> {
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end))?;
    (text.len() >= bytes).then(|| text.get(..end))?
}

struct Ratios {
    bound: Vec<f64>,
    typical: Vec<f64>,
    sure: Vec<f64>,
}

#[expect(clippy::cast_precision_loss, reason = "ratios of small counts")]
fn ratios(texts: &[String]) -> Ratios {
    let mut ratios = Ratios {
        bound: Vec::new(),
        typical: Vec::new(),
        sure: Vec::new(),
    };
    for text in texts {
        for bytes in [40, 160, 640, 2_560, 10_240, 40_960] {
            let Some(text) = piece(text, bytes) else { continue };
            let body = serde_json::json!({"model": "a/b", "messages": [{"role": "user", "content": text}]}).to_string();
            let call = chat::parse(Bytes::from(body), &Limits::default()).expect("a chat request");
            let estimate = estimate(&call.size);
            // A message is framed by about four tokens, an answer by three.
            let counted = (count(text) + 7) as f64;
            ratios.bound.push(estimate.bound as f64 / counted);
            ratios.typical.push(estimate.typical as f64 / counted);
            ratios.sure.push(estimate.sure as f64 / counted);
        }
    }
    for list in [&mut ratios.bound, &mut ratios.typical, &mut ratios.sure] {
        list.sort_by(f64::total_cmp);
    }
    ratios
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index into a short list"
)]
fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q) as usize]
}

#[test]
fn estimates_are_bounds_but_not_absurd() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (kind, folder, extensions) in [
        ("fixtures (JSON)", "tests/fixtures", &["json"][..]),
        ("guides (prose)", "docs", &["md"][..]),
        ("sources (code)", "src", &["rs"][..]),
    ] {
        let mut found = Vec::new();
        texts(&root.join(folder), extensions, &mut found);
        let ratios = ratios(&found);
        assert!(ratios.bound.len() > 30, "{kind}: only {} pieces", ratios.bound.len());
        println!("{kind}, {} pieces: estimate / count", ratios.bound.len());
        for (name, list) in [
            ("bound", &ratios.bound),
            ("typical", &ratios.typical),
            ("sure", &ratios.sure),
        ] {
            let at = |q| quantile(list, q);
            println!(
                "  {name:8} least {:.2}  p5 {:.2}  p10 {:.2}  p50 {:.2}  p95 {:.2}  most {:.2}",
                at(0.0),
                at(0.05),
                at(0.1),
                at(0.5),
                at(0.95),
                at(1.0)
            );
        }
        // Money is reserved by the bound. What was really used is charged either way.
        let (least, half, most) = (
            quantile(&ratios.bound, 0.0),
            quantile(&ratios.bound, 0.5),
            quantile(&ratios.bound, 1.0),
        );
        assert!(least >= 1.0, "{kind}: the bound is no bound");
        assert!(half <= 1.6 && most <= 2.0, "{kind}: the bound is absurd");
        let typical = quantile(&ratios.typical, 0.5);
        assert!((0.6..=1.6).contains(&typical), "{kind}: typical is {typical}");
        // A request is refused without a call by what it surely has: never more than it has.
        assert!(quantile(&ratios.sure, 1.0) <= 1.0, "{kind}: sure is not sure");
    }
}
