//! Whole statements.

use super::Generator;

/// Statements that are no queries.
const OTHERS: &[&str] = &[
    "BEGIN",
    "COMMIT",
    "SET search_path = app",
    "SHOW search_path",
    "VACUUM t1",
    "LISTEN c",
    "NOTIFY c",
    "CREATE TABLE made AS SELECT 1 AS x",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DECLARE cur CURSOR FOR SELECT 1",
    "COPY t1 TO STDOUT",
    "COPY ( SELECT 1 ) TO STDOUT",
    "LOCK TABLE t1",
    "TRUNCATE t1",
    "DO $$ BEGIN END $$",
    "CALL p()",
    "DISCARD ALL",
    "REFRESH MATERIALIZED VIEW m",
    "EXPLAIN ANALYZE DELETE FROM t1",
    "EXPLAIN CREATE TABLE m AS SELECT 1",
    "MERGE INTO t1 USING t1 s ON false WHEN MATCHED THEN DELETE",
];

impl Generator {
    pub(super) fn any_statement(&mut self) {
        match self.below(20) {
            0 if self.hazards > 0 => {
                let other = self.pick(OTHERS);
                self.out.literal(other);
            }
            1 if self.hazards > 0 => self.modifying(),
            2 if self.hazards > 0 => {
                self.query();
                self.out.sign(";");
                let other = self.pick(OTHERS);
                self.out.literal(other);
            }
            3 => {
                self.explain_options();
                self.query();
            }
            _ => self.query(),
        }
    }

    fn explain_options(&mut self) {
        self.out.words("EXPLAIN");
        match self.below(4) {
            0 => self.out.words("ANALYZE"),
            1 => self.out.words("VERBOSE"),
            2 => {
                self.bracketed(|g| g.out.words("COSTS OFF, FORMAT JSON"));
            }
            _ => {}
        }
    }
}
