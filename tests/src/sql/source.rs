//! What stands behind `FROM`.

use super::{Columns, Generator, Source};

/// Tables, and whether each name needs no quotes.
const TABLES: &[(&str, bool)] = &[
    ("t1", true),
    ("Order", false),
    ("for update", false),
    ("größe", true),
];

impl Generator {
    pub(super) fn from(&mut self) {
        self.out.words("FROM");
        let first = self.scope.len();
        let with_commas = self.chance(300);
        self.sibling(first);
        for _ in 0..self.below(2) {
            if with_commas {
                self.out.sign(",");
                self.sibling(first);
                continue;
            }
            let join = self.pick(&["JOIN", "LEFT JOIN", "LEFT OUTER JOIN", "INNER JOIN"]);
            self.out.words(join);
            self.sibling(first);
            self.out.words("ON");
            self.bracketed(|g| g.bool());
        }
    }

    /// A source that does not see the other ones of its list.
    fn sibling(&mut self, first: usize) {
        let mut siblings = self.scope.split_off(first);
        self.source();
        siblings.append(&mut self.scope.split_off(first));
        self.scope.append(&mut siblings);
    }

    fn source(&mut self) {
        let alias = self.new_alias();
        let columns = match self.below(10) {
            0 | 1 if self.depth > 0 => {
                self.deeper(|g| g.bracketed(|g| g.query()));
                self.alias(&alias, true);
                Columns::All
            }
            2 => {
                self.call("generate_series", |g| g.out.literal("1, 3"));
                self.out.words("AS");
                self.out.name(&alias, false);
                self.bracketed(|g| g.out.name("x", true));
                Columns::Series
            }
            3 => {
                self.call("unnest", |g| g.out.literal("ARRAY[1, 2]"));
                self.out.words("WITH ORDINALITY");
                self.out.name(&alias, false);
                self.bracketed(|g| g.out.literal("x, n"));
                Columns::Series
            }
            4 => {
                self.call("json_to_recordset", |g| g.out.literal("'[{\"x\":1}]'"));
                self.out.words("AS");
                self.out.name(&alias, false);
                self.out.literal("(x int, y varchar(20), z numeric(10, 2))");
                Columns::Series
            }
            5 => {
                self.bracketed(|g| {
                    g.out.words("VALUES");
                    g.bracketed(|g| g.row());
                });
                self.alias(&alias, true);
                Columns::All
            }
            _ => {
                let stored = self.table_name();
                self.alias(&alias, false);
                if stored && self.chance(60) {
                    self.out.words("TABLESAMPLE SYSTEM (50)");
                }
                Columns::All
            }
        };
        self.scope.push(Source { alias, columns });
    }

    fn alias(&mut self, alias: &str, with_columns: bool) {
        if self.chance(500) {
            self.out.words("AS");
        }
        self.out.name(alias, false);
        if with_columns || self.chance(100) {
            self.column_list();
        }
    }

    /// Answers whether it is a table and not a common table expression.
    pub(super) fn table_name(&mut self) -> bool {
        if !self.ctes.is_empty() && self.chance(400) {
            let at = self.below(self.ctes.len());
            let name = self.ctes.get(at).cloned().unwrap_or_default();
            self.out.name(&name, false);
            return false;
        }
        let at = self.below(TABLES.len());
        let (name, plain) = TABLES.get(at).copied().unwrap_or(("t1", true));
        if self.chance(150) {
            let schema = if name == "t1" && self.chance(500) {
                "tools"
            } else {
                "public"
            };
            self.out.name(schema, true);
            self.out.dot();
        }
        self.out.name(name, plain);
        true
    }
}
