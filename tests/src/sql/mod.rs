//! Statements made at random from a grammar: nested, commented, quoted and oddly spaced.
//!
//! Most are plain reads; the others hide one of the things that a plain read must not hold, at any
//! depth. What a statement is, the generator does not say: whoever asks has an oracle for that. All
//! of them name the objects of [`SCHEMA`], and have types that fit, so that a server can run them.

mod expression;
mod query;
mod source;
mod spelling;
mod statement;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use spelling::Spelling;

/// What the statements name.
pub const SCHEMA: &str = r#"
CREATE TABLE t1 (id int PRIMARY KEY, a int, b text, c bool);
CREATE TABLE "Order" (id int PRIMARY KEY, a int, b text, c bool);
CREATE TABLE "for update" (id int PRIMARY KEY, a int, b text, c bool);
CREATE TABLE größe (id int PRIMARY KEY, a int, b text, c bool);
CREATE SCHEMA tools;
CREATE TABLE tools.t1 (id int PRIMARY KEY, a int, b text, c bool);
INSERT INTO t1 SELECT n, n * 3, 'row ' || n, n % 2 = 0 FROM generate_series(1, 5) n;
INSERT INTO "Order" SELECT * FROM t1;
INSERT INTO "for update" SELECT * FROM t1;
INSERT INTO größe SELECT * FROM t1;
INSERT INTO tools.t1 SELECT * FROM t1;
CREATE SEQUENCE s1;
CREATE FUNCTION reads(n int) RETURNS int STABLE LANGUAGE sql AS 'SELECT count(*)::int + n FROM t1';
CREATE FUNCTION tools.adds(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT n + 1';
CREATE FUNCTION writes(n int) RETURNS int VOLATILE LANGUAGE sql AS 'UPDATE t1 SET a = n RETURNING a';
"#;

/// Makes statements, the same ones from the same seed.
#[derive(Debug)]
pub struct Generator {
    rng: StdRng,
    out: Spelling,
    /// The tables in scope, innermost last.
    scope: Vec<Source>,
    /// Common table expressions in scope.
    ctes: Vec<String>,
    /// How much deeper queries and expressions may still nest.
    depth: u32,
    /// In how many of a thousand places something is put that a plain read must not hold.
    hazards: u32,
    /// Bind parameters are used.
    parameters: bool,
    /// Calls of functions that only the catalogue knows are used.
    user_functions: bool,
    aliases: usize,
}

/// What a `FROM` item has columns of.
#[derive(Clone, Debug)]
struct Source {
    alias: String,
    columns: Columns,
}

/// The columns of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Columns {
    /// `id int, a int, b text, c bool`
    All,
    /// `x int`
    Series,
}

impl Generator {
    /// A generator whose statements only a parser has to understand.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut seeds = StdRng::seed_from_u64(seed);
        Self {
            out: Spelling::new(StdRng::seed_from_u64(seeds.random())),
            rng: seeds,
            scope: Vec::new(),
            ctes: Vec::new(),
            depth: 0,
            hazards: 0,
            parameters: true,
            user_functions: false,
            aliases: 0,
        }
    }

    /// No bind parameters: a server can run each statement as it is.
    #[must_use]
    pub fn without_parameters(mut self) -> Self {
        self.parameters = false;
        self
    }

    /// Calls of the user's functions of [`SCHEMA`] too.
    #[must_use]
    pub fn with_user_functions(mut self) -> Self {
        self.user_functions = true;
        self
    }

    /// The next statement.
    pub fn statement(&mut self) -> String {
        self.scope.clear();
        self.ctes.clear();
        self.aliases = 0;
        self.depth = self.rng.random_range(1..6);
        self.hazards = if self.chance(600) {
            0
        } else {
            self.rng.random_range(5..120)
        };
        self.out.start();
        self.any_statement();
        self.out.finish()
    }

    /// True in so many of a thousand cases.
    fn chance(&mut self, of_a_thousand: u32) -> bool {
        self.rng.random_range(0..1_000) < of_a_thousand
    }

    /// Whether to put a hazard here.
    fn hazard(&mut self) -> bool {
        self.hazards > 0 && self.chance(self.hazards)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.random_range(0..bound)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let at = self.below(from.len());
        from.get(at).copied().unwrap_or_default()
    }

    fn new_alias(&mut self) -> String {
        self.aliases += 1;
        let stem = self.pick(&[
            "x", "q", "sub", "update", "nextval", "e", "u", "größe", "A b",
        ]);
        format!("{stem}{}", self.aliases)
    }

    /// Runs one level deeper, or answers `false` at the bottom.
    fn deeper(&mut self, inner: impl FnOnce(&mut Self)) -> bool {
        if self.depth == 0 {
            return false;
        }
        self.depth -= 1;
        inner(self);
        self.depth += 1;
        true
    }

    fn bracketed(&mut self, inner: impl FnOnce(&mut Self)) {
        self.out.sign("(");
        inner(self);
        self.out.sign(")");
    }
}
