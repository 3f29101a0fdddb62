//! Eight bytes of a text as one number.
//!
//! Finds where a quoted name or a word ends without looking at its bytes one by one, which is most
//! of the work of reading a statement. Each test sets the high bit of every byte that passes it;
//! the lowest such bit is always right, and nothing here looks at another.

use super::cursor::continues_word;

const LENGTH: usize = 8;
const LOW: u64 = u64::from_le_bytes([0x01; LENGTH]);
const HIGH: u64 = u64::from_le_bytes([0x80; LENGTH]);
/// Bit 5 of each byte: set, it folds ASCII letters to lower case.
const FOLD: u64 = u64::from_le_bytes([0x20; LENGTH]);
/// Added to a byte below 0x80, these set its high bit from `a` on and from behind `z` on.
const FROM_A: u64 = u64::from_le_bytes([0x80 - b'a'; LENGTH]);
const BEHIND_Z: u64 = u64::from_le_bytes([0x7f - b'z'; LENGTH]);

/// Eight bytes of a text, the first one lowest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk(u64);

impl Chunk {
    /// The bytes from a position on, unless the text ends before the eighth.
    #[inline(always)]
    pub(super) fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let chunk = bytes.get(at..)?.first_chunk::<LENGTH>()?;
        Some(Self(u64::from_le_bytes(*chunk)))
    }

    /// The length and the key of the word it starts with; `None` if that is no word of letters
    /// alone, or does not end here.
    #[inline(always)]
    pub(super) fn word(self) -> Option<(usize, u64)> {
        let folded = self.0 | FOLD;
        let low = folded & !HIGH;
        let letters = (low + FROM_A) & !(low + BEHIND_Z) & !folded;
        let length = first(!letters & HIGH);
        if length == LENGTH {
            return None;
        }
        let [behind, ..] = (self.0 >> (8 * length)).to_le_bytes();
        let key = folded & !(u64::MAX << (8 * length));
        (!continues_word(behind)).then_some((length, key))
    }

    /// Marks the bytes equal to this one.
    #[inline(always)]
    fn equal(self, byte: u8) -> u64 {
        let differing = self.0 ^ (LOW * u64::from(byte));
        differing.wrapping_sub(LOW) & !differing & HIGH
    }
}

/// How many bytes precede the first one marked; all eight if none is.
#[inline(always)]
fn first(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

/// How many bytes stand before the first of these two; all of them if there is none.
#[inline(always)]
pub(super) fn before(bytes: &[u8], one: u8, other: u8) -> usize {
    let mut rest = bytes;
    while let Some((chunk, tail)) = rest.split_first_chunk::<LENGTH>() {
        let chunk = Chunk(u64::from_le_bytes(*chunk));
        let marks = chunk.equal(one) | chunk.equal(other);
        if marks != 0 {
            return bytes.len() - rest.len() + first(marks);
        }
        rest = tail;
    }
    let wanted = |&byte: &u8| byte == one || byte == other;
    let passed = rest.iter().position(wanted).unwrap_or(rest.len());
    bytes.len() - rest.len() + passed
}
