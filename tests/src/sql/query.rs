//! Queries of four columns: `int, int, text, bool`.

use super::{Columns, Generator, Source};

impl Generator {
    /// A query, perhaps with common table expressions, order and limit.
    pub(super) fn query(&mut self) {
        if self.chance(80) && self.deeper(|g| g.bracketed(|g| g.query())) {
            return;
        }
        let outer = self.scope.len();
        let named = self.ctes.len();
        if self.chance(200) {
            self.with_list();
        }
        self.body();
        self.tail();
        self.scope.truncate(outer);
        self.ctes.truncate(named);
    }

    /// `(SELECT int …)`
    pub(super) fn scalar_query(&mut self) {
        let outer = self.scope.len();
        self.bracketed(|g| {
            g.out.words("SELECT");
            g.int();
            if g.chance(500) {
                g.from();
            }
            if g.chance(500) {
                g.out.words("WHERE");
                g.bool();
            }
            g.out.words("LIMIT 1");
            g.lock();
        });
        self.scope.truncate(outer);
    }

    fn with_list(&mut self) {
        self.out.words("WITH");
        let recursive = self.chance(150);
        if recursive {
            self.out.words("RECURSIVE");
        }
        for nth in 0..=self.below(2) {
            if nth > 0 {
                self.out.sign(",");
            }
            let name = self.new_alias();
            self.out.name(&name, false);
            self.column_list();
            self.out.words("AS");
            if self.chance(250) {
                let word = self.pick(&["MATERIALIZED", "NOT MATERIALIZED"]);
                self.out.words(word);
            }
            self.bracketed(|g| g.cte_body(recursive.then_some(&name)));
            self.ctes.push(name);
        }
    }

    fn cte_body(&mut self, recursive: Option<&String>) {
        if self.hazard() {
            self.modifying();
            return;
        }
        let Some(name) = recursive else {
            self.query();
            return;
        };
        self.out
            .literal("SELECT 1, 2, 'x'::text, true UNION ALL SELECT id + 1, a, b, c FROM");
        self.out.name(name, false);
        self.out.words("WHERE id < 3");
    }

    /// A statement that changes rows and returns four columns.
    pub(super) fn modifying(&mut self) {
        match self.below(3) {
            0 => {
                self.out.words("INSERT INTO t1");
                self.query();
            }
            1 => {
                self.out.words("UPDATE t1 SET a =");
                self.int();
            }
            _ => {
                self.out.words("DELETE FROM t1 WHERE");
                self.bool();
            }
        }
        self.out.words("RETURNING id, a, b, c");
    }

    pub(super) fn column_list(&mut self) {
        self.bracketed(|g| {
            for (nth, column) in ["id", "a", "b", "c"].iter().enumerate() {
                if nth > 0 {
                    g.out.sign(",");
                }
                g.out.name(column, true);
            }
        });
    }

    fn body(&mut self) {
        let kind = self.below(20);
        let deeper = self.depth > 0;
        match kind {
            0 | 1 if deeper => {
                self.deeper(|g| {
                    g.bracketed(|g| g.query());
                    let word = g.pick(&["UNION ALL", "UNION", "INTERSECT", "EXCEPT ALL"]);
                    g.out.words(word);
                    g.bracketed(|g| g.query());
                });
            }
            3 => {
                self.out.words("VALUES");
                self.bracketed(|g| g.row());
                if self.chance(500) {
                    self.out.sign(",");
                    self.bracketed(|g| g.row());
                }
            }
            4 => {
                self.out.words("TABLE");
                self.table_name();
            }
            5 | 6 => self.aggregate(),
            _ => self.select(),
        }
    }

    pub(super) fn row(&mut self) {
        self.int();
        self.out.sign(",");
        self.int();
        self.out.sign(",");
        self.text();
        self.out.sign(",");
        self.bool();
    }

    /// `SELECT … FROM … WHERE …`; the columns are written when their tables are known, so they come
    /// from a lateral list of values.
    fn select(&mut self) {
        self.out.words("SELECT");
        match self.below(12) {
            0 => self.out.words("DISTINCT"),
            1 => self.out.words("ALL"),
            _ => {}
        }
        let alias = self.new_alias();
        for (nth, column) in ["id", "a", "b", "c"].iter().enumerate() {
            if nth > 0 {
                self.out.sign(",");
            }
            self.out.name(&alias, false);
            self.out.dot();
            self.out.name(column, true);
            if self.chance(150) {
                let name = self.pick(&["id", "update", "n", "for"]);
                self.out.words("AS");
                self.out.name(name, false);
            }
        }
        if self.hazard() {
            let target = self.pick(&[
                "INTO made",
                "INTO TEMP made",
                "INTO UNLOGGED TABLE made",
                "INTO pg_temp.made",
            ]);
            self.out.words(target);
        }
        self.from();
        self.out.words("CROSS JOIN LATERAL");
        self.bracketed(|g| {
            g.out.words("SELECT");
            g.row();
        });
        self.out.words("AS");
        self.out.name(&alias, false);
        self.column_list();
        self.scope.push(Source {
            alias,
            columns: Columns::All,
        });
        self.conditions();
    }

    fn conditions(&mut self) {
        if self.chance(600) {
            self.out.words("WHERE");
            self.bool();
        }
    }

    fn aggregate(&mut self) {
        self.out.words("SELECT");
        self.call("max", |g| g.out.literal("o.id"));
        self.out.sign(",");
        self.call("count", |g| g.out.literal("*"));
        if self.chance(300) {
            self.out.words("FILTER");
            self.bracketed(|g| {
                g.out.words("WHERE");
                g.bool();
            });
        }
        self.out.sign("::");
        self.out.words("int");
        self.out.sign(",");
        self.call("string_agg", |g| g.out.literal("o.b, ',' ORDER BY o.b"));
        self.out.sign(",");
        self.call("bool_or", |g| g.out.literal("o.c"));
        self.out.words("FROM");
        self.table_name();
        self.out.words("o");
        if self.chance(600) {
            let list = self.pick(&[
                "GROUP BY a",
                "GROUP BY ( a )",
                "GROUP BY ROLLUP ( a, b )",
                "GROUP BY CUBE ( a, ( b, c ) )",
                "GROUP BY GROUPING SETS ( ( a ), ( ) )",
                "GROUP BY DISTINCT a, b",
            ]);
            self.out.words(list);
        }
        if self.chance(300) {
            self.out.words("HAVING count(*) >");
            self.int();
        }
    }

    fn tail(&mut self) {
        if self.chance(250) {
            let order = self.pick(&[
                "ORDER BY 1",
                "ORDER BY 2 DESC NULLS LAST, 1",
                "ORDER BY 3 USING >",
                "ORDER BY 1, 2, 3",
            ]);
            self.out.words(order);
        }
        if self.chance(200) {
            match self.below(4) {
                0 => self.out.words("FETCH FIRST 5 ROWS ONLY"),
                1 => {
                    self.out.words("OFFSET");
                    self.bracketed(|g| g.out.literal("1 + 0"));
                    self.out.words("ROWS FETCH NEXT ROW ONLY");
                }
                2 => {
                    self.out.words("LIMIT");
                    self.out.literal("(SELECT 5)");
                }
                _ => self.out.words("LIMIT ALL OFFSET 0"),
            }
        }
        self.lock();
    }

    fn lock(&mut self) {
        if self.hazard() {
            let lock = self.pick(&[
                "FOR UPDATE",
                "FOR NO KEY UPDATE",
                "FOR SHARE",
                "FOR KEY SHARE",
                "FOR UPDATE NOWAIT",
                "FOR SHARE SKIP LOCKED",
            ]);
            self.out.words(lock);
        } else if self.chance(10) {
            self.out.words("FOR READ ONLY");
        }
    }
}
