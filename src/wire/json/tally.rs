//! What a string is made of, counted while the scanner passes over it: bytes, characters, and pieces.
//!
//! A piece is what the pre-tokenizers of byte-pair encodings cut text into: a word with the space before it, a run of digits, a run of
//! symbols, a run of white space. Prose has about one piece in five bytes, dense JSON one in two, which no figure per byte tells apart.

/// Counts of one string. Begin with the default; every byte of the meaning goes through [`Tally::count`] or [`Tally::escaped`] once.
#[derive(Default)]
pub(super) struct Tally {
    /// Bytes >= 0x80.
    pub(super) high: u64,
    /// Characters outside ASCII.
    pub(super) wide: u64,
    /// ASCII bytes that are spelling, not meaning.
    pub(super) overhead: u64,
    /// Bytes so far.
    passed: u64,
    /// Bytes among them whose pieces were counted.
    looked_at: u64,
    /// Tokens by pieces in those bytes, times [`WHOLE`].
    weight: u64,
    /// [`CLASSES`] of the byte before.
    before: u8,
}

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Up to here every byte's pieces are counted; of a longer string, one window of 256 bytes in four, and the rest is taken to be alike.
const ALL: u64 = 16 * 1024;

/// One token in [`Tally::weight`]: divides by all that a run's further bytes count as.
const WHOLE: u8 = 30;

const OTHER: u8 = 0;
const LOWER: u8 = 1;
const UPPER: u8 = 2;
const DIGIT: u8 = 3;
const SPACE: u8 = 4;
const BREAK: u8 = 5;
const SYMBOL: u8 = 6;

/// The class of each byte.
#[expect(
    clippy::indexing_slicing,
    reason = "made by the compiler, which refuses an index outside"
)]
const CLASSES: [u8; 256] = {
    let mut table = [OTHER; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = match byte {
            b'a'..=b'z' => LOWER,
            b'A'..=b'Z' => UPPER,
            b'0'..=b'9' => DIGIT,
            b' ' => SPACE,
            0..b' ' => BREAK,
            _ => SYMBOL,
        };
        byte += 1;
    }
    table
};

/// What a byte of one class counts as behind one of another, at `before * 8 + class`.
#[expect(
    clippy::indexing_slicing,
    reason = "made by the compiler, which refuses an index outside"
)]
const WEIGHTS: [u8; 64] = {
    let mut table = [0; 64];
    let mut at = 0_u8;
    while at < 64 {
        table[at as usize] = match (at / 8, at % 8) {
            // A word too long to be one token has about five letters in each. It begins again at `camelCase`.
            (LOWER | UPPER, LOWER) | (UPPER, UPPER) => WHOLE / 5,
            // Up to three digits are a token, and two symbols or more.
            (DIGIT, DIGIT) | (SYMBOL, SYMBOL) => WHOLE / 2,
            // One space belongs to the word behind it; an indentation by four is one token, and line breaks swallow what is around them.
            (SPACE, SPACE) => WHOLE / 3,
            (_, OTHER | SPACE) | (BREAK, BREAK) => 0,
            _ => WHOLE,
        };
        at += 1;
    }
    table
};

impl Tally {
    /// Counts the lowest `bytes` bytes of `word`; more than eight count as eight.
    #[inline]
    pub(super) fn count(&mut self, word: u64, bytes: u32) {
        let bytes = bytes.min(8);
        let word = if bytes == 8 {
            word
        } else {
            word & ((1_u64 << (8 * bytes)) - 1)
        };
        let high = word & HIGH_BITS;
        if high != 0 {
            self.high += u64::from(high.count_ones());
            // A character begins at a byte with both upper bits set.
            self.wide += u64::from((high & (word << 1)).count_ones());
        }
        self.passed += u64::from(bytes);
        if self.passed <= ALL || self.passed & 0x300 == 0 {
            self.weigh(word, bytes);
        }
    }

    #[inline]
    fn weigh(&mut self, word: u64, bytes: u32) {
        self.looked_at += u64::from(bytes);
        for byte in word.to_le_bytes().into_iter().take(bytes as usize) {
            let class = CLASSES.get(usize::from(byte)).copied().unwrap_or_default();
            let pair = usize::from(self.before << 3 | class);
            self.weight += u64::from(WEIGHTS.get(pair).copied().unwrap_or_default());
            self.before = class;
        }
    }

    /// Counts one ASCII character that was written as an escape.
    pub(super) fn escaped(&mut self, meaning: u8) {
        self.count(u64::from(meaning), 1);
    }

    /// Counts what an escape stands for outside ASCII: one character, or none.
    pub(super) fn escaped_wide(&mut self, characters: u64) {
        self.wide += characters;
        self.before = OTHER;
    }

    /// Tokens that the ASCII part takes, by the pieces in it, rounded up.
    pub(super) fn pieces(&self) -> u64 {
        let weight = if self.looked_at == self.passed {
            self.weight
        } else {
            self.weight.saturating_mul(self.passed) / self.looked_at.max(1)
        };
        weight.div_ceil(u64::from(WHOLE))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cursor;
    use proptest::prelude::*;

    fn pieces(literal: &str) -> u64 {
        Cursor::new(literal.as_bytes()).string().expect(literal).pieces
    }

    fn quoted(text: &str) -> String {
        serde_json::to_string(text).expect("writable")
    }

    #[test]
    fn pieces_are_what_a_pre_tokenizer_cuts() {
        // Whole pieces, and further bytes of words, of runs of digits and symbols, of spaces.
        for (text, whole, letters, dense, spaces) in [
            ("", 0, 0, 0, 0),
            ("hi", 1, 1, 0, 0),
            ("Hello, world!", 4, 8, 0, 0),
            ("The quick brown fox jumps over the lazy dog.", 10, 26, 0, 0),
            ("camelCase HTTP", 3, 4 + 3 + 3, 0, 0),
            ("a\n\n    b", 3, 0, 0, 3),
            ("a \n b", 3, 0, 0, 0),
            ("{\"a\":1,\"b\":22}", 9, 0, 1 + 1 + 1 + 1 + 1, 0),
            ("1234567890", 1, 0, 9, 0),
            ("é1é2", 2, 0, 0, 0),
        ] {
            let expected = (whole * 30_u64 + letters * 6 + dense * 15 + spaces * 10).div_ceil(30);
            assert_eq!(pieces(&quoted(text)), expected, "{text:?}");
        }
        assert_eq!(
            pieces("\"a\\u00e9b\\u0031\""),
            3,
            "escapes end a run and go on with one"
        );
    }

    #[test]
    fn a_long_text_is_sampled() {
        let sentence = "The quick brown fox jumps over {\"n\":12345}. ";
        let once = pieces(&quoted(&sentence.repeat(300)));
        let long = pieces(&quoted(&sentence.repeat(30_000)));
        assert!(
            long.abs_diff(once * 100) * 50 < long,
            "{long} instead of {}",
            once * 100
        );
    }

    proptest! {
        #[test]
        fn where_the_eight_bytes_begin_does_not_matter(text in "[ -~\n]{0,60}", before in 0usize..9) {
            let alone = pieces(&quoted(&format!("é{text}")));
            let moved = pieces(&quoted(&format!("{}{text}", "é".repeat(before + 1))));
            prop_assert_eq!(alone, moved);
        }
    }
}
