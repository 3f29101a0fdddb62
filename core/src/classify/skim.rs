//! A quick first look at a PostgreSQL text that recognises most plain reads.
//!
//! [`query`](super::query) decides by what stands around a token. Of most tokens of most
//! statements it would accept any neighbour, and this module knows only those: it answers "a read"
//! or that it cannot tell, and then the whole text is read again by all the rules.
//!
//! It must never call a read what those rules would not. So it knows no rule that they do not:
//! keywords, functions and the bytes that tokens start with are those of the same tables, and
//! whatever could start or hide a token of another sort (a comment, `U&"…"`, `E'…'`, `$tag$`, a
//! backslash in a string) is given up. What a keyword permits in its brackets counts only where
//! it does not depend on the words before it.

use super::bytes_postgres::{Class, class_of};
use super::chunk::{Chunk, before};
use super::cursor::{Cursor, continues_word};
use super::functions::{Call, Verdict};
use super::grammar::Grammar;
use super::keyword::Keyword;
use super::keywords_postgres::KEYWORDS;
use super::query::LEVELS;
use super::statement_postgres::Postgres;
use super::token::Kind;

/// What the last token lets follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// A bracket behind it holds no arguments.
    Opens,
    /// As `Opens`; `NOT` behind it means something of its own.
    As,
    /// A word without a qualifier: the name of a function, if a bracket follows.
    Word,
    /// A quoted name without a qualifier.
    Quoted,
    /// A name behind a dot.
    Qualified,
    Dot,
    /// What neither a bracket nor a dot follows.
    Value,
}

/// A position in the text and what matters of the tokens before it.
#[derive(Debug)]
struct Skim<'a> {
    sql: &'a [u8],
    at: usize,
    last: Last,
    /// Where the name met last starts and ends.
    name: (usize, usize),
    depth: usize,
}

/// Whether the text, which holds no NUL byte, is a plain read for certain.
pub(super) fn is_read(sql: &[u8]) -> bool {
    let mut skim = Skim {
        sql,
        at: 0,
        last: Last::Value,
        name: (0, 0),
        depth: 0,
    };
    skim.query().is_some()
}

impl Skim<'_> {
    /// The whole text; `None` where it is not certain.
    #[inline(always)]
    fn query(&mut self) -> Option<()> {
        while matches!(class_of(self.peek(0)), Class::Blank) {
            self.at += 1;
        }
        let (end, keyword) = word_at(self.sql, self.at);
        if !keyword.starts_query() {
            return None;
        }
        self.name = (self.at, end);
        self.at = end;
        self.last = means(keyword)?;
        while let Some(&byte) = self.sql.get(self.at) {
            if byte == b' ' {
                self.at += 1;
            } else {
                self.last = self.token(class_of(byte))?;
            }
        }
        (self.depth == 0).then_some(())
    }

    /// Takes the token that starts here.
    #[inline(always)]
    fn token(&mut self, class: Class) -> Option<Last> {
        match class {
            Class::Blank => Some(self.pass(1, self.last)),
            // a string of a kind of its own, or U&"…"
            Class::Prefix if matches!(self.peek(1), b'\'' | b'&') => None,
            Class::Prefix | Class::Word => self.word(),
            Class::DoubleQuote => self.quoted(),
            Class::Quote => self.string(),
            Class::Dollar if self.peek(1).is_ascii_digit() => {
                self.at += 1;
                self.digits()
            }
            Class::Digit => self.digits(),
            Class::Dot => self.dot(),
            Class::Colon if self.peek(1) == b':' => Some(self.pass(2, Last::Value)),
            Class::Minus if self.peek(1) == b'-' => None,
            Class::Slash if self.peek(1) == b'*' => None,
            Class::Operator | Class::Minus | Class::Slash => Some(self.pass(1, Last::Opens)),
            Class::Comma | Class::OpenSquare => Some(self.pass(1, Last::Opens)),
            Class::CloseSquare => Some(self.pass(1, Last::Value)),
            Class::Open => self.open(),
            Class::Close => {
                self.depth = self.depth.checked_sub(1)?;
                Some(self.pass(1, Last::Opens))
            }
            Class::Semicolon => self.end(),
            Class::Dollar | Class::Colon | Class::Bad | Class::End => None,
        }
    }

    #[inline(always)]
    fn word(&mut self) -> Option<Last> {
        let start = self.at;
        let (end, keyword) = word_at(self.sql, start);
        self.at = end;
        if self.last == Last::Dot {
            return Some(Last::Qualified);
        }
        self.name = (start, end);
        let refused = match keyword {
            Keyword::None => Postgres::is_session_schema(Kind::Word, self.name()),
            // AS NOT MATERIALIZED
            Keyword::Not => self.last == Last::As,
            _ => false,
        };
        if refused { None } else { means(keyword) }
    }

    /// A doubled quote inside makes two names of one here, with the same end.
    #[inline(always)]
    fn quoted(&mut self) -> Option<Last> {
        let start = self.at;
        self.pass_quotes(b'"', b'"')?;
        if self.last == Last::Dot {
            return Some(Last::Qualified);
        }
        let name = self.sql.get(start..self.at)?;
        if Postgres::is_session_schema(Kind::Quoted, name) {
            return None;
        }
        // what an ORM writes most, taken at once
        if self.peek(0) == b'.' && self.peek(1) == b'"' {
            self.at += 1;
            self.pass_quotes(b'"', b'"')?;
            return Some(Last::Qualified);
        }
        Some(Last::Quoted)
    }

    /// A doubled quote inside makes two strings of one here, with the same end. So does a string
    /// that goes on in the next line.
    #[inline(always)]
    fn string(&mut self) -> Option<Last> {
        self.pass_quotes(b'\'', b'\\')?;
        Some(Last::Value)
    }

    /// Moves behind the closing quote, unless this byte stands before it.
    #[inline(always)]
    fn pass_quotes(&mut self, quote: u8, unless: u8) -> Option<()> {
        let inner = self.sql.get(self.at + 1..)?;
        let length = before(inner, quote, unless);
        self.at += length + 2;
        (inner.get(length) == Some(&quote)).then_some(())
    }

    /// Digits with nothing behind them: in `1e5INTO` the number ends inside what looks like a word.
    #[inline(always)]
    fn digits(&mut self) -> Option<Last> {
        while self.peek(0).is_ascii_digit() {
            self.at += 1;
        }
        (!continues_word(self.peek(0))).then_some(Last::Value)
    }

    #[inline(always)]
    fn dot(&mut self) -> Option<Last> {
        match self.last {
            Last::Word | Last::Quoted | Last::Qualified => Some(self.pass(1, Last::Dot)),
            Last::Opens | Last::As | Last::Dot | Last::Value => None,
        }
    }

    #[inline(always)]
    fn open(&mut self) -> Option<Last> {
        let opens = match self.last {
            Last::Opens | Last::As => true,
            Last::Word => self.calls_read(),
            Last::Quoted | Last::Qualified | Last::Dot | Last::Value => false,
        };
        if !opens || self.depth == LEVELS {
            return None;
        }
        self.depth += 1;
        Some(self.pass(1, Last::Opens))
    }

    #[inline(always)]
    fn calls_read(&self) -> bool {
        let call = Call {
            kind: Kind::Word,
            name: self.name(),
            bare: true,
            touches: true,
            schema: None,
        };
        Postgres::function(call) == Verdict::Read
    }

    /// Behind a semicolon there may be blanks.
    fn end(&mut self) -> Option<Last> {
        let rest = self.sql.get(self.at + 1..)?;
        let blank = |&byte: &u8| matches!(class_of(byte), Class::Blank);
        self.at = self.sql.len();
        rest.iter().all(blank).then_some(self.last)
    }

    #[inline(always)]
    fn pass(&mut self, bytes: usize, last: Last) -> Last {
        self.at += bytes;
        last
    }

    #[inline(always)]
    fn name(&self) -> &[u8] {
        self.sql.get(self.name.0..self.name.1).unwrap_or_default()
    }

    /// The byte `ahead` of the position; 0 behind the end.
    #[inline(always)]
    fn peek(&self, ahead: usize) -> u8 {
        match self.sql.get(self.at + ahead) {
            Some(&byte) => byte,
            None => 0,
        }
    }
}

/// What a keyword lets follow it; `None` if it may make a statement no read.
#[inline(always)]
fn means(keyword: Keyword) -> Option<Last> {
    match keyword {
        Keyword::As => Some(Last::As),
        _ if keyword.opens() => Some(Last::Opens),
        // without FOR no lock strength locks
        Keyword::Update
        | Keyword::Modify
        | Keyword::Into
        | Keyword::SessionValue
        | Keyword::For => None,
        _ => Some(Last::Word),
    }
}

/// Where the word that starts here ends, and its role.
#[inline(always)]
fn word_at(sql: &[u8], start: usize) -> (usize, Keyword) {
    if let Some((length, key)) = Chunk::at(sql, start).and_then(Chunk::word) {
        return (start + length, KEYWORDS.role(key.into()));
    }
    long_word_at(sql, start)
}

/// As [`word_at`], for words of eight letters and more, with other characters, and at the end.
#[inline(never)]
fn long_word_at(sql: &[u8], start: usize) -> (usize, Keyword) {
    let mut cursor = Cursor {
        bytes: sql,
        at: start,
    };
    cursor.skip_while(continues_word);
    (cursor.at, KEYWORDS.find(sql, start, cursor.at))
}
