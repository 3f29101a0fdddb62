//! How tokens are written: blanks, comments, case and quoting.

use rand::RngExt;
use rand::rngs::StdRng;

/// A text that grows by tokens.
#[derive(Debug)]
pub(super) struct Spelling {
    rng: StdRng,
    text: String,
    /// 0: as a query builder writes; 1: as people do; 2: as nobody should.
    oddness: u32,
}

/// What comments and strings hold to mislead a reader.
const BAIT: &[&str] = &[
    "",
    "x",
    "for update",
    "INSERT INTO t1",
    "it is",
    "nextval",
    ";",
    "; DELETE FROM t1",
    "--",
    "$$",
    "\"",
    "(",
    ")",
    "select",
    "ü",
    "into",
    "$1",
    "a, b",
    "pg_advisory_lock(1)",
];

impl Spelling {
    pub(super) fn new(rng: StdRng) -> Self {
        Self {
            rng,
            text: String::new(),
            oddness: 0,
        }
    }

    pub(super) fn start(&mut self) {
        self.text.clear();
        self.oddness = self.rng.random_range(0..3);
        if self.oddness > 0 && self.one_in(6) {
            self.blank();
        }
    }

    pub(super) fn finish(&mut self) -> String {
        match self.rng.random_range(0..8) {
            0 => self.text.push(';'),
            1 => self.text.push_str(" ; "),
            2 if self.oddness > 0 => self.blank(),
            _ => {}
        }
        if self.oddness > 1 && self.one_in(8) {
            self.text.push_str("-- for update");
        }
        self.text.clone()
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_range(0..n) == 0
    }

    fn bait(&mut self) -> &'static str {
        let at = self.rng.random_range(0..BAIT.len());
        BAIT.get(at).copied().unwrap_or_default()
    }

    /// White space or a comment.
    fn blank(&mut self) {
        if self.oddness == 0 {
            self.text.push(' ');
            return;
        }
        // an operator would swallow the beginning of a comment
        let behind_operator = self
            .text
            .ends_with(|c: char| "+-*/<>=~!@#%^&|`?".contains(c));
        match self.rng.random_range(
            0..if behind_operator {
                5
            } else {
                5 + 3 * self.oddness
            },
        ) {
            0 => self.text.push('\n'),
            1 => self.text.push('\t'),
            2 => self.text.push_str("\r\n  "),
            3 | 4 => self.text.push(' '),
            5 | 8 => self.comment(),
            6 => {
                let bait = self.bait();
                let line_end = if self.one_in(2) { '\n' } else { '\r' };
                self.text.push_str(&format!("--{bait}' {line_end}"));
            }
            _ => self.text.push_str("  "),
        }
    }

    fn comment(&mut self) {
        let bait = self.bait();
        match self.rng.random_range(0..4) {
            0 => self.text.push_str("/**/"),
            1 => self.text.push_str(&format!("/*{bait}'*/")),
            2 => self.text.push_str(&format!("/* {bait} /* \" */ */")),
            _ => self.text.push_str(&format!("/*-- {bait}\n*//*/**/*/")),
        }
    }

    /// Appends a token, with blanks where they are needed and where they are not.
    fn put(&mut self, token: &str) {
        let sort = |c: char| match c {
            _ if c.is_alphanumeric() || matches!(c, '_' | '$' | '.') || !c.is_ascii() => 1,
            '\'' | '"' => 2,
            _ if "+-*/<>=~!@#%^&|`?:".contains(c) => 3,
            _ => 0,
        };
        let last = self.text.chars().next_back().map_or(0, sort);
        let first = token.chars().next().map_or(0, sort);
        // what would run together: two words, a word and a quote (`e'…'`), two operators
        let needs = match (last, first) {
            _ if self.text.ends_with(' ') => {
                self.text.push_str(token);
                return;
            }
            (0, _) | (_, 0) => false,
            (1 | 2, 1 | 2) => true,
            (one, other) => one == other,
        };
        let wants = match self.oddness {
            0 => {
                !matches!(token, "," | ")" | "(" | "." | "[" | "]")
                    && !self.text.ends_with(['(', '.', '['])
            }
            1 => self.one_in(2),
            _ => self.one_in(3),
        };
        if needs || wants && !self.text.is_empty() {
            self.blank();
        }
        self.text.push_str(token);
    }

    /// Keywords, in whatever case.
    pub(super) fn words(&mut self, words: &str) {
        let mut before = "";
        for word in words.split(' ') {
            // the parser under test looks one token ahead here, and trips over a comment
            if matches!(before, "WITH" | "NOT" | "NULLS") {
                self.text.push(' ');
            }
            before = word;
            let written = match (self.oddness, self.rng.random_range(0..4)) {
                (0, _) | (_, 0) => word.to_owned(),
                (1, _) | (_, 1) => word.to_lowercase(),
                _ => self.mixed(word),
            };
            self.put(&written);
        }
    }

    fn mixed(&mut self, word: &str) -> String {
        let upper: Vec<bool> = word.chars().map(|_| self.one_in(2)).collect();
        word.chars()
            .zip(upper)
            .map(|(c, upper)| {
                if upper {
                    c.to_ascii_uppercase()
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect()
    }

    /// Operators, brackets and commas.
    pub(super) fn sign(&mut self, sign: &str) {
        self.put(sign);
    }

    /// A literal, as it is.
    pub(super) fn literal(&mut self, literal: &str) {
        self.put(literal);
    }

    /// A dot with nothing, or anything, around it.
    pub(super) fn dot(&mut self) {
        if self.oddness > 1 && self.one_in(8) {
            self.blank();
        }
        self.text.push('.');
        if self.oddness > 1 && self.one_in(8) {
            self.blank();
        }
    }

    /// A name, quoted or not. `plain`: it needs no quotes.
    pub(super) fn name(&mut self, name: &str, plain: bool) {
        let written = self.spelt(name, plain);
        if self.text.ends_with('.') {
            self.text.push_str(&written);
        } else {
            self.put(&written);
        }
    }

    fn spelt(&mut self, name: &str, plain: bool) -> String {
        match self.rng.random_range(0..6) {
            0..3 if plain => name.to_owned(),
            3 if plain && self.oddness > 1 && name.is_ascii() => self.mixed(name),
            4 if self.oddness > 1 => self.escaped(name),
            _ => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// `U&"…"`, with one or more characters as escapes.
    fn escaped(&mut self, name: &str) -> String {
        let mut text = String::from(if self.one_in(2) { "U&\"" } else { "u&\"" });
        for character in name.chars() {
            match self.rng.random_range(0..4) {
                0 => text.push_str(&format!("\\{:04x}", u32::from(character))),
                1 => text.push_str(&format!("\\+{:06X}", u32::from(character))),
                _ => text.push(character),
            }
        }
        text.push('"');
        text
    }

    /// A string literal with bait in it.
    pub(super) fn string(&mut self) {
        let bait = self.bait().replace('\'', "''");
        let dollars = bait.contains('$');
        let written = match self
            .rng
            .random_range(0..if self.oddness == 0 { 3 } else { 12 })
        {
            0..3 => format!("'{bait}'"),
            3 => format!("E'\\'{bait}\\\\'"),
            4 => format!("e'{bait}\\n'''"),
            5 if !dollars => format!("$${bait}'$$"),
            6 => format!("$tag$ {bait} $$ $ta $tag$"),
            7 if !dollars => format!("$ü1${bait}\"$ü1$"),
            8 => format!("U&'{bait}\\0061'"),
            9 => format!("N'{bait}''--'"),
            10 => format!("'{bait}'\n  '{bait}'"),
            // what this is depends on a setting of the server: such a text is given up
            11 if self.one_in(100) => format!("'{bait}\\'"),
            _ => format!("'it''s {bait} /*'"),
        };
        self.put(&written);
    }
}
