//! Continues a stream that was cut after the caller has read some of it: text only, once, never a character twice.
//!
//! Two ways: the model is given the begin of the answer and goes on (prefill), or it answers anew and what the caller has already
//! is left out for as long as it is the same (verbatim splice).

use std::collections::VecDeque;

/// A prefilled answer that repeats this many characters of the beginning has not understood and starts over.
const STARTS_OVER: usize = 24;

/// Joins the text of a second call to what the caller has read.
#[derive(Clone, Debug)]
pub struct Joint {
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Prefill: it is not clear yet whether the answer goes on or starts over.
    Undecided { sent: String, held: String, blank: String },
    /// Splice: characters of what was sent that are still expected.
    Swallowing(VecDeque<char>),
    /// Everything that comes is new.
    Joined,
    /// The second answer is another one.
    Diverged,
}

/// What to do with a piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Send this much of it (may be empty).
    Send(String),
    /// The second answer is another one: end with an error.
    Diverged,
}

impl Joint {
    /// For an answer that was given its beginning. `sent` is what the caller has read, white space at its end included.
    pub fn prefill(sent: &str) -> Self {
        let blank = sent.get(prefix_of(sent).len()..).unwrap_or_default().to_owned();
        Self {
            state: State::Undecided {
                sent: sent.to_owned(),
                held: String::new(),
                blank,
            },
        }
    }

    /// For an answer that begins anew.
    pub fn splice(sent: &str) -> Self {
        Self {
            state: if sent.is_empty() {
                State::Joined
            } else {
                State::Swallowing(sent.chars().collect())
            },
        }
    }

    /// True when the caller has everything that was swallowed and the answer may end.
    pub fn settled(&self) -> bool {
        match &self.state {
            State::Undecided { .. } | State::Joined => true,
            State::Swallowing(_) | State::Diverged => false,
        }
    }

    /// What is still held back when the second answer ends.
    pub fn rest(&mut self) -> String {
        match std::mem::replace(&mut self.state, State::Joined) {
            State::Undecided { held, blank, .. } => without_blank(&held, &blank),
            other => {
                self.state = other;
                String::new()
            }
        }
    }

    /// The next piece of the second answer's text.
    pub fn push(&mut self, text: &str) -> Joined {
        match &mut self.state {
            State::Joined => Joined::Send(text.to_owned()),
            State::Diverged => Joined::Diverged,
            State::Swallowing(expected) => {
                let mut rest = text.chars();
                while let Some(next) = expected.pop_front() {
                    match rest.next() {
                        Some(came) if came == next => {}
                        Some(_) => {
                            self.state = State::Diverged;
                            return Joined::Diverged;
                        }
                        None => {
                            expected.push_front(next);
                            return Joined::Send(String::new());
                        }
                    }
                }
                self.state = State::Joined;
                Joined::Send(rest.as_str().to_owned())
            }
            State::Undecided { sent, held, blank } => {
                held.push_str(text);
                let same = held
                    .chars()
                    .zip(sent.chars())
                    .take_while(|(came, was)| came == was)
                    .count();
                let (came, was) = (held.chars().count(), sent.chars().count());
                let starts_over = same >= STARTS_OVER.min(was) && same == came.min(was);
                let unclear = same == came && came < STARTS_OVER.min(was);
                if unclear {
                    return Joined::Send(String::new());
                }
                if starts_over {
                    let (sent, held) = (std::mem::take(sent), std::mem::take(held));
                    *self = Self::splice(&sent);
                    return self.push(&held);
                }
                let new = without_blank(held, blank);
                self.state = State::Joined;
                Joined::Send(new)
            }
        }
    }
}

/// The begin of an answer as a prefill: some models refuse white space at its end.
pub fn prefix_of(sent: &str) -> &str {
    sent.trim_end()
}

/// `text` without the white space at its front that the caller has read already.
fn without_blank(text: &str, blank: &str) -> String {
    let mut rest = text.chars();
    for expected in blank.chars() {
        let mut ahead = rest.clone();
        if ahead.next() == Some(expected) {
            rest = ahead;
        } else {
            break;
        }
    }
    rest.as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn join(mut joint: Joint, pieces: &[&str]) -> Option<String> {
        let mut new = String::new();
        for piece in pieces {
            match joint.push(piece) {
                Joined::Send(text) => new.push_str(&text),
                Joined::Diverged => return None,
            }
        }
        new.push_str(&joint.rest());
        joint.settled().then_some(new)
    }

    #[test]
    fn splices_send_what_is_new() {
        let check = |sent: &str, pieces: &[&str], expected: Option<&str>| {
            assert_eq!(
                join(Joint::splice(sent), pieces).as_deref(),
                expected,
                "{sent:?} {pieces:?}"
            );
        };
        check("one two", &["one ", "two", " three"], Some(" three"));
        check("one two", &["one two three"], Some(" three"));
        check("one two", &["one ", "2"], None);
        check("one two", &["one"], None);
        check("one two", &["one two"], Some(""));
        check("", &["all"], Some("all"));
        check("grüße ☃", &["grü", "ße ☃ und"], Some(" und"));
    }

    #[test]
    fn prefills_go_on_or_start_over() {
        let sent = "The quick brown fox jumps over the lazy dog. ";
        let check = |sent: &str, pieces: &[&str], expected: Option<&str>| {
            assert_eq!(
                join(Joint::prefill(sent), pieces).as_deref(),
                expected,
                "{sent:?} {pieces:?}"
            );
        };
        check(sent, &["Then it", " sleeps."], Some("Then it sleeps."));
        // The space at the end was not part of the prefill, so the model may write it.
        check(sent, &[" Then it sleeps."], Some("Then it sleeps."));
        // An answer that goes on with the same word as it began.
        check(sent, &["The", " end."], Some("The end."));
        // It starts over.
        check(
            sent,
            &["The quick brown", " fox jumps over the lazy dog. ", "Then"],
            Some("Then"),
        );
        check(sent, &["The quick brown fox jumps ", "across the lazy dog."], None);
        check(sent, &[], Some(""));
        check("Hi", &["Hi", " there"], Some(" there"));
    }

    proptest! {
        #[test]
        fn a_splice_of_the_same_answer_completes_it(answer in "\\PC{1,60}", cut in 0usize..60, size in 1usize..7) {
            let chars: Vec<char> = answer.chars().collect();
            let cut = cut.min(chars.len());
            let sent: String = chars[..cut].iter().collect();
            let pieces: Vec<String> = chars.chunks(size).map(|piece| piece.iter().collect()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let new = join(Joint::splice(&sent), &pieces);
            prop_assert_eq!(new.map(|new| format!("{sent}{new}")), Some(answer));
        }

        #[test]
        fn a_prefill_that_starts_over_completes_it_too(answer in "[a-z ]{30,80}", cut in 1usize..30, size in 1usize..7) {
            let sent = &answer[..cut];
            let pieces: Vec<&str> = answer.as_bytes().chunks(size).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
            let mut joint = Joint::prefill(sent);
            let mut new = String::new();
            for piece in pieces {
                if let Joined::Send(text) = joint.push(piece) { new.push_str(&text) }
            }
            new.push_str(&joint.rest());
            prop_assert_eq!(format!("{sent}{new}"), answer);
        }
    }
}
