//! SQLite's lexical rules, after its `tokenize.c`.
//!
//! Decides where one token ends and the next begins. Comments do not nest here, only a line feed
//! ends a `--` comment, and nothing escapes a quote but the quote itself. A `/*` that never ends is
//! legal for SQLite and `Bad` for us: whoever wrote it did not mean what the server will do.

use super::cursor::{Cursor, continues_word, starts_word};
use super::grammar::Scan;
use super::token::Kind;

/// The tokens of an SQLite text.
#[derive(Debug)]
pub(super) struct SqliteLexer<'a> {
    cursor: Cursor<'a>,
}

impl<'a> SqliteLexer<'a> {
    pub(super) fn new(sql: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(sql),
        }
    }

    fn quoted(&mut self, quote: u8, kind: Kind) -> Kind {
        self.cursor.at += 1;
        if self.cursor.skip_doubled(quote) {
            kind
        } else {
            Kind::Bad
        }
    }

    fn word(&mut self) -> Kind {
        if matches!(self.cursor.peek(0), b'x' | b'X') && self.cursor.peek(1) == b'\'' {
            self.cursor.at += 1;
            return self.quoted(b'\'', Kind::Text);
        }
        self.cursor.skip_while(continues_word);
        Kind::Word
    }

    /// `:name`, `@name`, `$name`.
    fn named_parameter(&mut self) -> Kind {
        self.cursor.at += 1;
        if !continues_word(self.cursor.peek(0)) {
            return Kind::Bad;
        }
        self.cursor.skip_while(continues_word);
        Kind::Param
    }

    fn numbered_parameter(&mut self) -> Kind {
        self.cursor.at += 1;
        self.cursor.skip_while(|byte| byte.is_ascii_digit());
        Kind::Param
    }

    fn single(&mut self, kind: Kind) -> Kind {
        self.cursor.at += 1;
        kind
    }
}

impl Scan for SqliteLexer<'_> {
    #[inline(always)]
    fn at(&self) -> usize {
        self.cursor.at
    }

    fn skip_blank(&mut self) -> bool {
        loop {
            match self.cursor.peek(0) {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0c => self.cursor.at += 1,
                b'-' if self.cursor.peek(1) == b'-' => {
                    self.cursor.skip_while(|byte| byte != b'\n');
                }
                b'/' if self.cursor.peek(1) == b'*' => {
                    self.cursor.at += 2;
                    if !self.cursor.skip_flat_comment() {
                        return false;
                    }
                }
                // a byte-order mark is white space where a token could start
                0xef if self.cursor.goes_on_with(b"\xef\xbb\xbf") => self.cursor.at += 3,
                _ => return true,
            }
        }
    }

    #[inline(always)]
    fn kind(&mut self) -> Kind {
        match self.cursor.peek(0) {
            0 => Kind::End,
            byte if starts_word(byte) => self.word(),
            b'\'' => self.quoted(b'\'', Kind::Text),
            quote @ (b'"' | b'`') => self.quoted(quote, Kind::Quoted),
            b'[' => {
                if self.cursor.skip_past(b']') {
                    Kind::Quoted
                } else {
                    Kind::Bad
                }
            }
            b'?' => self.numbered_parameter(),
            b':' | b'@' | b'$' => self.named_parameter(),
            b',' => self.single(Kind::Comma),
            b'(' => self.single(Kind::Open),
            b')' => self.single(Kind::Close),
            b';' => self.single(Kind::Semicolon),
            b'.' if !self.cursor.peek(1).is_ascii_digit() => self.single(Kind::Dot),
            b'.' | b'0'..=b'9' => {
                self.cursor.skip_number();
                Kind::Number
            }
            // one character at a time: no rule asks which operator it is
            b'-' | b'+' | b'*' | b'/' | b'%' | b'=' | b'<' | b'>' | b'!' | b'|' | b'&' | b'~' => {
                self.single(Kind::Sign)
            }
            _ => self.single(Kind::Bad),
        }
    }
}
