//! How much of an answer that nobody watches is awaited before it is looked at again. Knows sizes and times, no sockets.

use crate::wire::Millis;

/// Bytes that the shell awaits in one read: every look at an answer costs the platform about 50 us.
///
/// The first piece is about six tokens, so that even a model of one token a second is not taken for silent. A piece that came fast
/// makes the next one larger, a slow one starts over: whatever its speed, an answer is looked at about every second, and a model that
/// suddenly becomes ten times slower is still seen well within any stall timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece(u32);

impl Piece {
    /// Bytes of the largest piece, and so of the buffer that takes one.
    pub const LARGEST: u32 = 16 * 1024;
    const SMALLEST: u32 = 1024;
    const GROWTH: u32 = 4;
    /// A piece that came within this time is followed by a larger one.
    const FAST: Millis = Millis(250);

    /// The first piece of an answer.
    #[must_use]
    pub fn first() -> Self {
        Self(Self::SMALLEST)
    }

    /// The piece after this one, which took `took` to come.
    #[must_use]
    pub fn after(self, took: Millis) -> Self {
        if took <= Self::FAST {
            Self(self.0.saturating_mul(Self::GROWTH).min(Self::LARGEST))
        } else {
            Self::first()
        }
    }

    /// Its least size in bytes, 1 to [`Self::LARGEST`].
    #[must_use]
    pub fn bytes(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_grow_while_they_come_fast_and_start_over_when_one_is_slow() {
        let mut piece = Piece::first();
        for (took, bytes) in [
            (0, 4096),
            (250, 16_384),
            (10, 16_384),
            (251, 1024),
            (60_000, 1024),
            (1, 4096),
        ] {
            piece = piece.after(Millis(took));
            assert_eq!(piece.bytes(), bytes, "after a piece of {took} ms");
        }
    }
}
