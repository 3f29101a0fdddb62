//! The lexical rules of MySQL and MariaDB, after their `sql_lex`.
//!
//! Decides where one token ends and the next begins. `--` starts a comment only before a blank, `#`
//! always does, comments do not nest, and an identifier may start with a digit. A comment that the
//! server executes (`/*! … */`, `/*M! … */`) is `Bad`: which server executes it, the text does not
//! say. So are `{d '…'}` and `\N`.
//!
//! Whether a backslash escapes depends on `sql_mode`, and whether `"x"` is a name: the text is read
//! under each [`Escapes`] that makes a difference.

use super::cursor::{Cursor, continues_word, starts_word};
use super::grammar::Scan;
use super::token::Kind;

/// In which quotes a backslash escapes, by `sql_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    /// In both sorts of strings: the default.
    Both,
    /// Only in `'…'`: `ANSI_QUOTES`, where `"…"` is a name.
    Single,
    /// In none: `NO_BACKSLASH_ESCAPES`.
    None,
}

/// The tokens of a MySQL text.
#[derive(Debug)]
pub(super) struct MySqlLexer<'a> {
    cursor: Cursor<'a>,
    escapes: Escapes,
    saw_backslash: bool,
}

impl<'a> MySqlLexer<'a> {
    pub(super) fn new(sql: &'a [u8], escapes: Escapes) -> Self {
        Self {
            cursor: Cursor::new(sql),
            escapes,
            saw_backslash: false,
        }
    }

    /// Whether the tokens so far depend on `sql_mode`.
    pub(super) fn saw_backslash(&self) -> bool {
        self.saw_backslash
    }

    fn skip_line(&mut self) {
        self.cursor.skip_while(|byte| byte != b'\n');
    }

    fn skip_comment(&mut self) -> bool {
        self.cursor.at += 2;
        let starts = (self.cursor.peek(0), self.cursor.peek(1));
        if matches!(starts, (b'!', _) | (b'M' | b'm', b'!')) {
            return false;
        }
        self.cursor.skip_flat_comment()
    }

    fn string(&mut self, quote: u8) -> Kind {
        let escapes = match self.escapes {
            Escapes::Both => true,
            Escapes::Single => quote == b'\'',
            Escapes::None => false,
        };
        self.cursor.at += 1;
        loop {
            self.cursor
                .skip_while(|byte| byte != quote && byte != b'\\');
            match (self.cursor.peek(0), self.cursor.peek(1)) {
                (b'\\', _) => {
                    self.saw_backslash = true;
                    self.cursor.at += 1 + usize::from(escapes);
                }
                (0, _) => return Kind::Bad,
                (_, next) if next == quote => self.cursor.at += 2,
                _ => {
                    self.cursor.at += 1;
                    return Kind::Text;
                }
            }
        }
    }

    fn backticks(&mut self) -> Kind {
        self.cursor.at += 1;
        if self.cursor.skip_doubled(b'`') {
            Kind::Quoted
        } else {
            Kind::Bad
        }
    }

    fn word(&mut self) -> Kind {
        self.cursor.skip_while(continues_word);
        Kind::Word
    }

    /// A number, or a name that starts with digits: `1x`, but not `1e5`.
    fn number(&mut self) -> Kind {
        let start = self.cursor.at;
        self.cursor.skip_while(|byte| byte.is_ascii_digit());
        let sign = usize::from(matches!(self.cursor.peek(1), b'+' | b'-'));
        let is_exponent = matches!(self.cursor.peek(0), b'e' | b'E')
            && self.cursor.peek(1 + sign).is_ascii_digit();
        if continues_word(self.cursor.peek(0)) && !is_exponent {
            return self.word();
        }
        self.cursor.at = start;
        self.cursor.skip_number();
        Kind::Number
    }

    /// `.5`; behind a name it could also be the name `5x`, which is then not looked at.
    fn fraction(&mut self) -> Kind {
        self.cursor.skip_number();
        if continues_word(self.cursor.peek(0)) {
            Kind::Bad
        } else {
            Kind::Number
        }
    }

    /// `@x`, `@'x'`, `@@x`: a word that starts with `@`.
    fn variable(&mut self) -> Kind {
        self.cursor.skip_while(|byte| byte == b'@');
        match self.cursor.peek(0) {
            quote @ (b'\'' | b'"') => match self.string(quote) {
                Kind::Bad => Kind::Bad,
                _ => Kind::Word,
            },
            b'`' => match self.backticks() {
                Kind::Bad => Kind::Bad,
                _ => Kind::Word,
            },
            _ => self.word(),
        }
    }

    fn single(&mut self, kind: Kind) -> Kind {
        self.cursor.at += 1;
        kind
    }
}

/// What makes `--` a comment: a blank or control character, or the end.
fn is_blank_behind_dashes(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

impl Scan for MySqlLexer<'_> {
    #[inline(always)]
    fn at(&self) -> usize {
        self.cursor.at
    }

    fn skip_blank(&mut self) -> bool {
        loop {
            match (self.cursor.peek(0), self.cursor.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.cursor.at += 1,
                (b'#', _) => self.skip_line(),
                (b'-', b'-') if is_blank_behind_dashes(self.cursor.peek(2)) => self.skip_line(),
                (b'/', b'*') => {
                    if !self.skip_comment() {
                        return false;
                    }
                }
                _ => return true,
            }
        }
    }

    #[inline(always)]
    fn kind(&mut self) -> Kind {
        match self.cursor.peek(0) {
            0 => Kind::End,
            byte if starts_word(byte) || byte == b'$' => self.word(),
            quote @ (b'\'' | b'"') => self.string(quote),
            b'`' => self.backticks(),
            b'@' => self.variable(),
            b'?' => self.single(Kind::Param),
            b',' => self.single(Kind::Comma),
            b'(' => self.single(Kind::Open),
            b')' => self.single(Kind::Close),
            b';' => self.single(Kind::Semicolon),
            b'.' if !self.cursor.peek(1).is_ascii_digit() => self.single(Kind::Dot),
            b'.' => self.fraction(),
            b'0'..=b'9' => self.number(),
            // one character at a time: no rule asks which operator it is
            b'-' | b'+' | b'*' | b'/' | b'%' | b'=' | b'<' | b'>' | b'!' | b'|' | b'&' | b'~'
            | b'^' | b':' => self.single(Kind::Sign),
            _ => self.single(Kind::Bad),
        }
    }
}
