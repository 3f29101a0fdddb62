//! Expressions of three types, and calls.

use super::{Columns, Generator};

/// Functions of text that only read, with one argument.
const OF_TEXT: &[&str] = &[
    "lower",
    "upper",
    "initcap",
    "reverse",
    "md5",
    "btrim",
    "quote_ident",
    "quote_literal",
];
/// Functions of an integer that only read.
const OF_INT: &[&str] = &["abs", "sign", "factorial"];
/// Calls that a plain read must not make; each answers an integer.
const HAZARDS: &[(&str, &str)] = &[
    ("nextval", "'s1'"),
    ("setval", "'s1', 3"),
    ("currval", "'s1'"),
    ("lastval", ""),
    ("txid_current", ""),
    ("pg_backend_pid", ""),
    ("pg_current_xact_id", ""),
    ("pg_current_wal_lsn", ""),
    ("pg_advisory_lock", "1"),
    ("pg_try_advisory_xact_lock", "1, 2"),
    ("pg_notify", "'c', 'm'"),
    ("lo_create", "0"),
    ("set_config", "'a.b', 'c', false"),
    ("pg_export_snapshot", ""),
    ("query_to_xml", "'SELECT nextval(''s1'')', true, true, ''"),
    ("writes", "1"),
    ("made_up", "1"),
];

impl Generator {
    pub(super) fn int(&mut self) {
        if self.hazard() {
            self.hazardous_int();
            return;
        }
        let nested = self.below(10);
        if nested < 6 || !self.deeper(|g| g.int_nested(nested)) {
            self.int_atom();
        }
    }

    fn int_atom(&mut self) {
        match self.below(8) {
            0 | 1 => self.out.literal("1"),
            2 => {
                let literal = self.pick(&["0", "42", "007", "3"]);
                self.out.literal(literal);
            }
            3 if self.parameters => {
                let parameter = self.pick(&["$1", "$2", "$17"]);
                self.out.literal(parameter);
            }
            4 => {
                self.call("length", |g| g.text_atom());
            }
            _ => self.column(&["id", "a"], "x", "7"),
        }
    }

    fn int_nested(&mut self, kind: usize) {
        match (kind, self.below(4)) {
            (6, 0) => self.bracketed(|g| g.int()),
            (6, 1) => {
                self.int();
                let sign = self.pick(&["+", "-", "*", "%", "&", "|", "#"]);
                self.out.sign(sign);
                self.bracketed(|g| g.int());
            }
            (6, _) => {
                self.out.sign("-");
                self.bracketed(|g| g.int());
            }
            (7, 0) => self.case(|g| g.int()),
            (7, 1) => self.cast("int", |g| g.int()),
            (7, 2) => self.syntax_int(),
            (7, _) => self.list_call(&["coalesce", "greatest", "least"], |g| g.int()),
            (8, 0 | 1) => {
                let function = self.pick(OF_INT);
                self.cast("int", |g| {
                    g.call(function, |g| g.out.literal("3"));
                });
            }
            (8, 2) if self.user_functions => self.user_call(),
            (8, _) => self.array_element(),
            (_, 0) => self.cast("int", |g| {
                g.call("extract", |g| {
                    g.out.words("YEAR FROM");
                    g.now();
                })
            }),
            _ => self.scalar_query(),
        }
    }

    fn user_call(&mut self) {
        if self.chance(500) {
            self.out.name("tools", true);
            self.out.dot();
            self.out.name("adds", true);
        } else {
            self.out.name("reads", true);
        }
        self.bracketed(|g| g.int());
    }

    /// Words of the grammar that take brackets.
    fn syntax_int(&mut self) {
        match self.below(3) {
            0 => self.call("position", |g| {
                g.text_atom();
                g.out.words("IN");
                g.text_atom();
            }),
            1 => self.call("nullif", |g| {
                g.int();
                g.out.sign(",");
                g.int();
            }),
            _ => self.call("char_length", |g| g.text()),
        }
    }

    fn array_element(&mut self) {
        self.bracketed(|g| {
            g.out.words("ARRAY");
            g.out.sign("[");
            g.int();
            g.out.sign(",");
            g.int();
            g.out.sign("]");
        });
        self.out.sign("[");
        self.out.literal("1");
        self.out.sign("]");
    }

    fn hazardous_int(&mut self) {
        let at = self.below(HAZARDS.len());
        let (name, arguments) = HAZARDS.get(at).copied().unwrap_or(("nextval", "'s1'"));
        let user = matches!(name, "writes" | "made_up");
        if self.chance(300) {
            let schema = if user { "public" } else { "pg_catalog" };
            self.out.name(schema, true);
            self.out.dot();
        }
        self.out.name(name, true);
        self.bracketed(|g| {
            if !arguments.is_empty() {
                g.out.literal(arguments);
            }
        });
        self.out.sign("::");
        self.out.words("text");
        self.out.sign("::");
        self.out.words("int");
    }

    pub(super) fn text(&mut self) {
        let nested = self.below(8);
        if nested < 4 || !self.deeper(|g| g.text_nested(nested)) {
            self.text_atom();
        }
    }

    fn text_atom(&mut self) {
        if self.chance(500) {
            self.out.string();
        } else {
            self.column(&["b"], "x", "'x'");
        }
    }

    fn text_nested(&mut self, kind: usize) {
        match kind {
            4 => {
                let function = self.pick(OF_TEXT);
                self.call(function, |g| g.text());
            }
            5 => {
                self.text();
                self.out.sign("||");
                self.bracketed(|g| g.text());
            }
            6 if self.chance(500) => self.cast("text", |g| g.int()),
            6 => self.case(|g| g.text()),
            _ => match self.below(4) {
                0 => self.call("substring", |g| {
                    g.text();
                    g.out.words("FROM");
                    g.out.literal("1");
                    g.out.words("FOR");
                    g.out.literal("3");
                }),
                1 => self.call("trim", |g| {
                    g.out.words("BOTH FROM");
                    g.text();
                }),
                2 => self.call("to_char", |g| {
                    g.now();
                    g.out.sign(",");
                    g.out.literal("'YYYY'");
                }),
                _ => self.call("concat_ws", |g| {
                    g.text();
                    g.out.sign(",");
                    g.int();
                }),
            },
        }
    }

    fn now(&mut self) {
        match self.below(4) {
            0 => self.out.words("CURRENT_TIMESTAMP"),
            1 => {
                self.out.words("CURRENT_TIMESTAMP");
                self.bracketed(|g| g.out.literal("3"));
            }
            2 => self.call("date_trunc", |g| {
                g.out.literal("'day'");
                g.out.sign(",");
                g.call("clock_timestamp", |_| {});
            }),
            _ => self.call("now", |_| {}),
        }
    }

    pub(super) fn bool(&mut self) {
        let kind = self.below(14);
        if kind < 3 || !self.deeper(|g| g.bool_nested(kind)) {
            let literal = self.pick(&["true", "FALSE", "True"]);
            self.out.words(literal);
        }
    }

    fn bool_nested(&mut self, kind: usize) {
        match kind {
            3 | 4 => {
                self.int();
                let sign = self.pick(&["=", "<>", "<", ">=", "!="]);
                self.out.sign(sign);
                self.int();
            }
            5 => {
                self.bracketed(|g| g.bool());
                let word = self.pick(&["AND", "OR", "AND NOT"]);
                self.out.words(word);
                self.bracketed(|g| g.bool());
            }
            6 => {
                self.out.words("NOT");
                self.bracketed(|g| g.bool());
            }
            7 => {
                self.text();
                let word = self.pick(&["LIKE", "NOT ILIKE", "="]);
                self.out.words(word);
                self.text();
            }
            8 | 9 => {
                self.int();
                self.out.words("IN");
                if self.chance(500) {
                    self.bracketed(|g| {
                        g.int();
                        g.out.sign(",");
                        g.int();
                    });
                } else {
                    self.scalar_query();
                }
            }
            10 => {
                let word = self.pick(&["EXISTS", "NOT EXISTS"]);
                self.out.words(word);
                self.bracketed(|g| g.query());
            }
            11 => {
                self.int();
                self.out.words("BETWEEN");
                self.out.literal("1");
                self.out.words("AND");
                self.bracketed(|g| g.int());
            }
            12 => {
                self.int();
                let word = self.pick(&["= ANY", "<> ALL"]);
                self.out.words(word);
                self.scalar_query();
            }
            _ => {
                self.text();
                let word = self.pick(&[
                    "IS NULL",
                    "IS NOT NULL",
                    "IS DISTINCT FROM 'x'",
                    "SIMILAR TO 'a%'",
                ]);
                self.out.words(word);
            }
        }
    }

    fn case(&mut self, value: impl Fn(&mut Self)) {
        self.out.words("CASE WHEN");
        self.bool();
        self.out.words("THEN");
        value(self);
        self.out.words("ELSE");
        value(self);
        self.out.words("END");
    }

    fn cast(&mut self, to: &str, value: impl Fn(&mut Self)) {
        if self.chance(500) {
            self.bracketed(value);
            self.out.sign("::");
            self.out.words(to);
        } else {
            self.call("cast", |g| {
                value(g);
                g.out.words("AS");
                g.out.words(to);
            });
        }
    }

    fn list_call(&mut self, names: &[&str], value: impl Fn(&mut Self)) {
        let name = self.pick(names);
        self.out.words(name);
        self.bracketed(|g| {
            value(g);
            g.out.sign(",");
            value(g);
        });
    }

    /// A call of a built-in function, or of a word of the grammar that looks like one.
    pub(super) fn call(&mut self, name: &str, arguments: impl FnOnce(&mut Self)) {
        let is_syntax = matches!(
            name,
            "cast" | "nullif" | "position" | "substring" | "trim" | "extract"
        );
        if is_syntax {
            self.out.words(name);
        } else {
            if self.chance(120) {
                self.out.name("pg_catalog", true);
                self.out.dot();
            }
            self.out.name(name, true);
        }
        self.bracketed(arguments);
    }

    /// A column of a table in scope, or else a literal.
    fn column(&mut self, of_table: &[&str], of_series: &str, literal: &str) {
        if self.scope.is_empty() || self.chance(200) {
            self.out.literal(literal);
            return;
        }
        let at = self.below(self.scope.len());
        let Some(source) = self.scope.get(at).cloned() else {
            return;
        };
        let wants_text = of_table == ["b"];
        let column = match source.columns {
            Columns::All => self.pick(of_table),
            Columns::Series if wants_text => {
                self.out.literal(literal);
                return;
            }
            Columns::Series => of_series,
        };
        self.out.name(&source.alias, false);
        self.out.dot();
        self.out.name(column, true);
    }
}
