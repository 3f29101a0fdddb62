//! What a token of PostgreSQL can start with, byte by byte.
//!
//! One look-up decides which rule of the lexer reads the token.

use super::cursor::starts_word;

/// Whether operators consist of this byte.
pub(super) fn is_operator(byte: u8) -> bool {
    matches!(
        class_of(byte),
        Class::Operator | Class::Minus | Class::Slash
    )
}

/// What can start with a byte.
#[derive(Clone, Copy, Debug)]
pub(super) enum Class {
    Blank,
    End,
    Word,
    /// A letter that also starts strings of a kind of their own, or `U&"…"`.
    Prefix,
    Digit,
    Quote,
    DoubleQuote,
    Dollar,
    Dot,
    Colon,
    Operator,
    Minus,
    Slash,
    Comma,
    Open,
    Close,
    OpenSquare,
    CloseSquare,
    Semicolon,
    /// A byte that starts no token.
    Bad,
}

const fn classify(byte: u8) -> Class {
    match byte {
        b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => Class::Blank,
        b'b' | b'B' | b'e' | b'E' | b'n' | b'N' | b'u' | b'U' | b'x' | b'X' => Class::Prefix,
        b'0'..=b'9' => Class::Digit,
        b'\'' => Class::Quote,
        b'"' => Class::DoubleQuote,
        b'$' => Class::Dollar,
        b'.' => Class::Dot,
        b':' => Class::Colon,
        b'-' => Class::Minus,
        b'/' => Class::Slash,
        b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'+' | b'*' | b'%'
        | b'<' | b'>' | b'=' => Class::Operator,
        b',' => Class::Comma,
        b'(' => Class::Open,
        b')' => Class::Close,
        b'[' => Class::OpenSquare,
        b']' => Class::CloseSquare,
        b';' => Class::Semicolon,
        0 => Class::End,
        _ if starts_word(byte) => Class::Word,
        _ => Class::Bad,
    }
}

#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "compile time"
)]
static CLASSES: [Class; 256] = {
    let mut table = [Class::Blank; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = classify(byte as u8);
        byte += 1;
    }
    table
};

/// What can start with this byte.
#[inline]
pub(super) fn class_of(byte: u8) -> Class {
    match CLASSES.get(usize::from(byte)) {
        Some(&class) => class,
        None => Class::Bad,
    }
}
