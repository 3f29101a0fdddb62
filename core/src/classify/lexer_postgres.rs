//! PostgreSQL's lexical rules, after its `scan.l`.
//!
//! Decides where one token ends and the next begins, exactly as the server does: a lock hidden by
//! a misread quote or comment would become a read. What the server would refuse is `Bad`.

use super::bytes_postgres::{Class, class_of, is_operator};
use super::cursor::{Cursor, continues_word, starts_word};
use super::grammar::Lexer;
use super::token::{Kind, Token};

/// The tokens of a PostgreSQL text.
#[derive(Debug)]
pub(super) struct PostgresLexer<'a> {
    cursor: Cursor<'a>,
    /// Read `'…'` as the server does with `standard_conforming_strings = off`.
    backslash_escapes: bool,
    /// A plain string held a backslash: the two settings may read this text differently.
    saw_backslash: bool,
}

impl<'a> PostgresLexer<'a> {
    pub(super) fn new(sql: &'a [u8], backslash_escapes: bool) -> Self {
        Self {
            cursor: Cursor::new(sql),
            backslash_escapes,
            saw_backslash: false,
        }
    }

    /// Whether the tokens so far depend on `standard_conforming_strings`.
    pub(super) fn saw_backslash(&self) -> bool {
        self.saw_backslash
    }

    /// To the end of the line. A carriage return ends it too.
    fn skip_line(&mut self) {
        self.cursor
            .skip_while(|byte| byte != b'\n' && byte != b'\r');
    }

    /// Behind a comment, which may hold others.
    fn skip_comment(&mut self) -> bool {
        let mut depth = 0_usize;
        loop {
            self.cursor.skip_while(|byte| byte != b'*' && byte != b'/');
            match (self.cursor.peek(0), self.cursor.peek(1)) {
                (b'/', b'*') => depth += 1,
                (b'*', b'/') => depth -= 1,
                (0, _) => return false,
                _ => {
                    self.cursor.at += 1;
                    continue;
                }
            }
            self.cursor.at += 2;
            if depth == 0 {
                return true;
            }
        }
    }

    /// A word, or a string whose prefix looks like one.
    fn word(&mut self) -> Kind {
        let first = self.cursor.peek(0);
        self.cursor.at += 1;
        if self.cursor.peek(0) == b'\'' {
            match first {
                b'e' | b'E' => return self.string(true),
                b'b' | b'B' | b'x' | b'X' | b'n' | b'N' => return self.plain_string(),
                _ => {}
            }
        } else if matches!(first, b'u' | b'U') && self.cursor.peek(0) == b'&' {
            match self.cursor.peek(1) {
                b'\'' => {
                    self.cursor.at += 1;
                    return self.string(false);
                }
                b'"' => {
                    self.cursor.at += 2;
                    return ended(self.cursor.skip_doubled(b'"'), Kind::Unicode);
                }
                _ => {}
            }
        }
        self.cursor.skip_while(continues_word);
        Kind::Word
    }

    fn plain_string(&mut self) -> Kind {
        self.string(self.backslash_escapes)
    }

    /// A string from its opening quote on, with its continuations on later lines: they are read
    /// by the rules of the first part, so `E'a'` goes on escaping behind a line break.
    fn string(&mut self, escapes: bool) -> Kind {
        loop {
            self.cursor.at += 1;
            if !self.string_part(escapes) {
                return Kind::Bad;
            }
            let end = self.cursor.at;
            if !self.reach_continuation() {
                self.cursor.at = end;
                return Kind::Text;
            }
        }
    }

    /// From behind an opening quote to behind the closing one.
    fn string_part(&mut self, escapes: bool) -> bool {
        loop {
            self.cursor
                .skip_while(|byte| byte != b'\'' && byte != b'\\');
            match (self.cursor.peek(0), self.cursor.peek(1)) {
                (b'\\', _) if escapes => self.cursor.at += 2,
                (b'\\', _) => {
                    self.saw_backslash = true;
                    self.cursor.at += 1;
                }
                (b'\'', b'\'') => self.cursor.at += 2,
                (b'\'', _) => {
                    self.cursor.at += 1;
                    return true;
                }
                _ => return false,
            }
        }
    }

    /// Moves to the quote of a continuation: white space with a line break, then a quote.
    fn reach_continuation(&mut self) -> bool {
        let mut line_break = false;
        loop {
            match self.cursor.peek(0) {
                b'\n' | b'\r' => line_break = true,
                b' ' | b'\t' | 0x0b | 0x0c => {}
                b'-' if self.cursor.peek(1) == b'-' => {
                    self.skip_line();
                    continue;
                }
                byte => return line_break && byte == b'\'',
            }
            self.cursor.at += 1;
        }
    }

    /// `$1` or `$tag$…$tag$`.
    fn dollar(&mut self) -> Kind {
        let start = self.cursor.at;
        self.cursor.at += 1;
        if self.cursor.peek(0).is_ascii_digit() {
            self.cursor.skip_while(|byte| byte.is_ascii_digit());
            return Kind::Param;
        }
        if starts_word(self.cursor.peek(0)) {
            self.cursor
                .skip_while(|byte| continues_word(byte) && byte != b'$');
        }
        if self.cursor.peek(0) != b'$' {
            return Kind::Bad;
        }
        self.cursor.at += 1;
        let tag = self.cursor.slice(start, self.cursor.at);
        loop {
            self.cursor.skip_while(|byte| byte != b'$');
            if self.cursor.goes_on_with(tag) {
                self.cursor.at += tag.len();
                return Kind::Text;
            }
            if self.cursor.peek(0) == 0 {
                return Kind::Bad;
            }
            self.cursor.at += 1;
        }
    }

    /// A run of operator characters, up to where a comment starts inside it.
    fn operator(&mut self) -> Kind {
        loop {
            self.cursor.at += 1;
            match (self.cursor.peek(0), self.cursor.peek(1)) {
                (b'-', b'-') | (b'/', b'*') => return Kind::Sign,
                (byte, _) if is_operator(byte) => {}
                _ => return Kind::Sign,
            }
        }
    }

    fn colon(&mut self) -> Kind {
        let (length, kind) = match self.cursor.peek(1) {
            b':' => (2, Kind::Cast),
            b'=' => (2, Kind::Sign),
            _ => (1, Kind::Sign),
        };
        self.cursor.at += length;
        kind
    }

    #[inline]
    fn single(&mut self, kind: Kind) -> Kind {
        self.cursor.at += 1;
        kind
    }

    fn quoted(&mut self) -> Kind {
        self.cursor.at += 1;
        ended(self.cursor.skip_doubled(b'"'), Kind::Quoted)
    }

    /// The token that starts here.
    #[inline(always)]
    fn kind(&mut self, class: Class) -> Kind {
        match class {
            Class::Word => {
                self.cursor.skip_while(continues_word);
                Kind::Word
            }
            Class::Prefix => self.word(),
            Class::DoubleQuote => self.quoted(),
            Class::Comma => self.single(Kind::Comma),
            Class::Open => self.single(Kind::Open),
            Class::Close => self.single(Kind::Close),
            Class::OpenSquare => self.single(Kind::OpenSquare),
            Class::CloseSquare => self.single(Kind::CloseSquare),
            Class::Semicolon => self.single(Kind::Semicolon),
            Class::Dot if !self.cursor.peek(1).is_ascii_digit() => self.single(Kind::Dot),
            Class::Dot | Class::Digit => {
                self.cursor.skip_number();
                Kind::Number
            }
            Class::Operator | Class::Minus | Class::Slash => self.operator(),
            Class::Quote => self.plain_string(),
            Class::Dollar => self.dollar(),
            Class::Colon => self.colon(),
            Class::End => Kind::End,
            Class::Bad | Class::Blank => self.single(Kind::Bad),
        }
    }
}

impl Lexer for PostgresLexer<'_> {
    #[inline(always)]
    fn next(&mut self) -> Token {
        loop {
            let start = self.cursor.at;
            let class = class_of(self.cursor.peek(0));
            match (class, self.cursor.peek(1)) {
                (Class::Blank, _) => self.cursor.at += 1,
                (Class::Minus, b'-') => self.skip_line(),
                (Class::Slash, b'*') => {
                    if !self.skip_comment() {
                        return Token {
                            kind: Kind::Bad,
                            start,
                            end: self.cursor.at,
                        };
                    }
                }
                _ => {
                    let kind = self.kind(class);
                    return Token {
                        kind,
                        start,
                        end: self.cursor.at,
                    };
                }
            }
        }
    }
}

fn ended(ended: bool, kind: Kind) -> Kind {
    if ended { kind } else { Kind::Bad }
}
