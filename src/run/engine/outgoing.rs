//! Bytes on their way out of a stream: neighbours of one chunk leave as one slice of it, everything else is put together first, so
//! that the caller's side is crossed once a chunk.

use crate::run::machine::Action;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::ops::Range;

/// What one chunk of an upstream lets out.
pub(super) struct Outgoing {
    chunk: Bytes,
    held: Held,
}

enum Held {
    Nothing,
    /// Of the chunk.
    Slice(Range<usize>),
    One(Bytes),
    Several(BytesMut),
}

impl Outgoing {
    /// For the events of `chunk`.
    pub(super) fn new(chunk: Bytes) -> Self {
        Self {
            chunk,
            held: Held::Nothing,
        }
    }

    /// Lets `raw` out.
    pub(super) fn pass(&mut self, raw: &Bytes, outbox: &mut VecDeque<Action>) {
        let place = raw.as_ptr().addr().checked_sub(self.chunk.as_ptr().addr());
        let place = place
            .map(|start| start..start.saturating_add(raw.len()))
            .filter(|place| place.end <= self.chunk.len());
        match (&mut self.held, place) {
            (Held::Slice(held), Some(place)) if held.end == place.start => held.end = place.end,
            (_, Some(place)) => {
                self.flush(outbox);
                self.held = Held::Slice(place);
            }
            (Held::Several(held), None) => held.extend_from_slice(raw),
            (Held::One(held), None) => {
                let mut both = BytesMut::with_capacity(held.len() + raw.len());
                both.extend_from_slice(held);
                both.extend_from_slice(raw);
                self.held = Held::Several(both);
            }
            (Held::Nothing | Held::Slice(_), None) => {
                self.flush(outbox);
                self.held = Held::One(raw.clone());
            }
        }
    }

    /// Lets out what is held.
    pub(super) fn flush(&mut self, outbox: &mut VecDeque<Action>) {
        let bytes = match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => return,
            Held::Slice(place) => self.chunk.slice(place),
            Held::One(bytes) => bytes,
            Held::Several(bytes) => bytes.freeze(),
        };
        outbox.push_back(Action::Emit(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emitted(outbox: VecDeque<Action>) -> Vec<Bytes> {
        let bytes = |action| match action {
            Action::Emit(bytes) => bytes,
            other => panic!("{other:?}"),
        };
        outbox.into_iter().map(bytes).collect()
    }

    #[test]
    fn neighbours_leave_as_one_slice_without_a_copy() {
        let chunk = Bytes::from(b"aabbccdd".to_vec());
        let mut outbox = VecDeque::new();
        let mut outgoing = Outgoing::new(chunk.clone());
        for range in [0..2, 2..4, 6..8] {
            outgoing.pass(&chunk.slice(range), &mut outbox);
        }
        outgoing.flush(&mut outbox);
        let sent = emitted(outbox);
        assert_eq!(sent, [Bytes::from_static(b"aabb"), Bytes::from_static(b"dd")]);
        assert_eq!(sent[0].as_ptr(), chunk.as_ptr());
    }

    #[test]
    fn bytes_of_elsewhere_are_put_together_in_order() {
        let chunk = Bytes::from(b"cc".to_vec());
        let mut outbox = VecDeque::new();
        let mut outgoing = Outgoing::new(chunk.clone());
        for raw in [
            Bytes::from_static(b"a"),
            Bytes::from_static(b"b"),
            chunk.clone(),
            Bytes::from_static(b"d"),
        ] {
            outgoing.pass(&raw, &mut outbox);
        }
        outgoing.flush(&mut outbox);
        outgoing.flush(&mut outbox);
        assert_eq!(emitted(outbox), ["ab", "cc", "d"]);
    }
}
