//! A position in the text and the scanning steps both lexers share.
//!
//! Never looks at a byte twice for the same purpose: every step only moves forward, which is what
//! keeps classification linear in the length of the text.

/// A position in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The byte `ahead` of the position; 0 behind the end.
    ///
    /// A NUL byte of the text itself cannot be met: such texts are refused before they are lexed.
    #[inline]
    pub(super) fn peek(&self, ahead: usize) -> u8 {
        match self.bytes.get(self.at + ahead) {
            Some(&byte) => byte,
            None => 0,
        }
    }

    /// Whether the text goes on with these bytes.
    pub(super) fn goes_on_with(&self, bytes: &[u8]) -> bool {
        self.bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(bytes))
    }

    /// The text between two positions.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Moves on while the byte satisfies `wanted`.
    #[inline]
    pub(super) fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.bytes.get(self.at).is_some_and(|&byte| wanted(byte)) {
            self.at += 1;
        }
    }

    /// Moves behind the next `end`, or answers `false` at the end of the text.
    pub(super) fn skip_past(&mut self, end: u8) -> bool {
        self.skip_while(|byte| byte != end);
        let found = self.peek(0) == end;
        self.at += usize::from(found);
        found
    }

    /// From just behind the start of a comment that holds no others to just behind its end. `false`
    /// if the text ends first.
    pub(super) fn skip_flat_comment(&mut self) -> bool {
        while self.skip_past(b'*') {
            if self.peek(0) == b'/' {
                self.at += 1;
                return true;
            }
        }
        false
    }

    /// From just behind an opening quote to just behind the closing one, where a doubled quote
    /// stands for itself. `false` if the text ends first.
    pub(super) fn skip_doubled(&mut self, quote: u8) -> bool {
        while self.skip_past(quote) {
            if self.peek(0) != quote {
                return true;
            }
            self.at += 1;
        }
        false
    }

    /// A decimal number with optional fraction and exponent.
    ///
    /// Stops at the first byte that cannot belong to it: older servers read `1FOR` as two tokens.
    pub(super) fn skip_number(&mut self) {
        self.skip_while(|byte| byte.is_ascii_digit());
        if self.peek(0) == b'.' {
            self.at += 1;
            self.skip_while(|byte| byte.is_ascii_digit());
        }
        let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
        if matches!(self.peek(0), b'e' | b'E') && self.peek(1 + sign).is_ascii_digit() {
            self.at += 1 + sign;
            self.skip_while(|byte| byte.is_ascii_digit());
        }
    }
}

/// Whether a byte may start an unquoted identifier: letters, `_` and everything outside ASCII.
#[inline]
pub(super) const fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// Whether a byte may continue an unquoted identifier.
#[inline]
pub(super) fn continues_word(byte: u8) -> bool {
    match CONTINUES_WORD.get(usize::from(byte)) {
        Some(&continues) => continues,
        None => false,
    }
}

#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "compile time"
)]
static CONTINUES_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = starts_word(b) || b.is_ascii_digit() || b == b'$';
        byte += 1;
    }
    table
};
