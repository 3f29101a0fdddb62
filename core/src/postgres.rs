//! What is asked of a PostgreSQL server, and how its answers are read.
//!
//! Each question works as an ordinary role and takes one round trip. Every column is text or NULL, so
//! that it can go through the simple protocol too, which a pooler without prepared statements lets pass.
//! The adapter sends the text; the columns come back through a closure.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::classify::{Catalogue, Volatility};
use crate::identity::{Identity, Reading, Server};
use crate::position::Lsn;

/// Who the server is and where it stands: [`COLUMNS`] columns of text, for [`identity_of`]. A primary's
/// timeline stands in the name of its current log file; a standby's in its receiver (visible to
/// `pg_monitor` only) or, later, in the control file.
pub const IDENTIFY: &str = "\
SELECT r::text, \
       CASE WHEN r THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text, \
       pg_size_bytes(current_setting('wal_segment_size'))::text, \
       (SELECT system_identifier FROM pg_control_system())::text, \
       (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint::text, \
       CASE WHEN r THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver), \
                                 nullif((SELECT min_recovery_end_timeline FROM pg_control_recovery()), 0), \
                                 (SELECT timeline_id FROM pg_control_checkpoint())) \
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int END::text, \
       coalesce(inet_server_port(), 0)::text, \
       current_setting('server_version_num'), \
       coalesce(host(inet_server_addr()), '') \
FROM (SELECT pg_is_in_recovery() AS r) AS server";

/// How many columns [`IDENTIFY`] yields.
pub const COLUMNS: usize = 9;

/// Where the server stands: the first two columns of [`IDENTIFY`], for [`position_of`].
pub const READ_POSITION: &str = "\
SELECT r::text, CASE WHEN r THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text \
FROM (SELECT pg_is_in_recovery() AS r) AS server";

/// The first version whose replicas wait for a position themselves.
const WAITS_SINCE: u32 = 190_000;

/// What [`position_of`] and [`wait_for`] need to know of a server, from [`identity_of`].
///
/// ```
/// use orm_split_core::postgres::Speaks;
///
/// // nothing was asked yet
/// assert!(!Speaks::default().waits);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Speaks {
    /// Bytes of a segment of its log.
    pub segment: u64,
    /// Whether it was in recovery.
    pub in_recovery: bool,
    /// Whether it knows `WAIT FOR LSN`.
    pub waits: bool,
}

/// The statement with which a standby waits until it has replayed `position`, for `limit` at most: one row of
/// one column that says how that ended. To be sent outside of a transaction, through the simple protocol. It
/// knows of no timelines, so what it says proves nothing: ask for the position afterwards.
///
/// ```
/// use std::time::Duration;
/// use orm_split_core::postgres::wait_for;
///
/// # fn main() -> Result<(), orm_split_core::ParseLsnError> {
/// let sql = wait_for("0/3000060".parse()?, Duration::from_millis(100));
/// assert_eq!(sql, "WAIT FOR LSN '0/3000060' WITH (TIMEOUT '100ms', NO_THROW)");
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn wait_for(position: Lsn, limit: Duration) -> String {
    // 0 would be no limit
    let limit = limit.as_millis().max(1);
    format!("WAIT FOR LSN '{position}' WITH (TIMEOUT '{limit}ms', NO_THROW)")
}

/// Which functions are the user's, and which names are no plain reads: everything an ordinary role may
/// read. [`CATALOGUE_COLUMNS`] columns of text for [`catalogue_of`]: what it is, schema, name, and what is
/// said of it.
///
/// - `function`: an aggregate is as volatile as the worst function it is made of, since its own
///   column always says IMMUTABLE. What an extension puts into `pg_catalog` is the user's too.
/// - `avoided`: unlogged and foreign tables; sequences, which a replica shows up to 32 values ahead.
/// - `definition`: the query of a view, the condition of a row security policy on reads, and the
///   constraints of a domain, as a query.
pub const READ_CATALOGUE: &str = r"
SELECT 'function', n.nspname::text, p.proname::text,
       max(greatest(p.provolatile::text, (
           SELECT max(part.provolatile::text) FROM pg_catalog.pg_aggregate a
           JOIN pg_catalog.pg_proc part ON part.oid IN (
               a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
               a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
           WHERE a.aggfnoid = p.oid)))
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind <> 'p' AND n.nspname !~ '^pg_temp' AND (n.nspname <> 'pg_catalog' OR p.oid >= 16384)
GROUP BY n.nspname, p.proname
UNION ALL
SELECT 'avoided', n.nspname::text, c.relname::text, ''
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('f', 'S') OR c.relpersistence = 'u' AND c.relkind IN ('r', 'p', 'm')
UNION ALL
SELECT 'definition', n.nspname::text, c.relname::text, pg_catalog.pg_get_viewdef(c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' AND c.oid >= 16384 AND n.nspname !~ '^pg_temp'
UNION ALL
SELECT 'definition', n.nspname::text, c.relname::text,
       'SELECT 1 WHERE ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid)
FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE p.polqual IS NOT NULL AND p.polcmd IN ('r', '*') AND c.relrowsecurity
UNION ALL
SELECT 'definition', n.nspname::text, t.typname::text,
       'SELECT 1 WHERE ' || pg_catalog.pg_get_expr(k.conbin, 0)
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_type t ON t.oid = k.contypid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE k.contype = 'c' AND t.oid >= 16384";

/// How many columns [`READ_CATALOGUE`] yields.
pub const CATALOGUE_COLUMNS: usize = 4;

/// Reads the answer to [`READ_CATALOGUE`].
///
/// ```
/// use orm_split_core::postgres::catalogue_of;
///
/// let rows = [["function", "public", "price_of", "s"].map(Some)];
/// assert_eq!(catalogue_of(rows).functions(), 1);
/// ```
pub fn catalogue_of<'a>(
    rows: impl IntoIterator<Item = [Option<&'a str>; CATALOGUE_COLUMNS]>,
) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for [kind, schema, name, said] in rows {
        let (Some(schema), Some(name)) = (schema, name) else {
            continue; // every object has both
        };
        match (kind, said) {
            (Some("function"), said) => {
                catalogue.add_function(schema, name, volatility(said));
            }
            (Some("definition"), Some(sql)) => catalogue.add_definition(name, sql),
            // dropped while it was read, or of no use to a replica
            _ => catalogue.add_avoided(name),
        }
    }
    catalogue
}

fn volatility(letter: Option<&str>) -> Volatility {
    match letter {
        Some("i") => Volatility::Immutable,
        Some("s") => Volatility::Stable,
        _ => Volatility::Volatile,
    }
}

/// An answer that cannot be read.
///
/// ```
/// use orm_split_core::postgres::{Unreadable, identity_of};
///
/// let answer = identity_of(|_| Ok::<_, Unreadable>(Some("nonsense".to_owned())));
/// assert!(answer.is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unreadable answer to a probe: {0}")]
pub struct Unreadable(String);

/// Reads the answer to [`IDENTIFY`].
///
/// # Errors
/// The closure's, or a column is empty or holds something else than expected.
pub fn identity_of<E: From<Unreadable>>(
    column: impl Fn(usize) -> Result<Option<String>, E>,
) -> Result<(Identity, Speaks), E> {
    let segment = number(&column, 2)?;
    let server = Server::new(
        number(&column, 3)?,
        number(&column, 4)?,
        number(&column, 5)?,
        number(&column, 6)?,
    );
    let (in_recovery, position) = position_of(&column, segment)?;
    let identity = Identity::new(server, in_recovery, Reading::Position(position));
    let version: u32 = number(&column, 7)?;
    let speaks = Speaks {
        segment,
        in_recovery,
        waits: version >= WAITS_SINCE,
    };
    // empty over a socket of the file system
    let host = text(&column, 8)?.parse().ok();
    Ok((identity.on_host(host), speaks))
}

/// Reads the answer to [`READ_POSITION`]: whether the server is in recovery, and its position.
///
/// # Errors
/// As [`identity_of`].
pub fn position_of<E: From<Unreadable>>(
    column: impl Fn(usize) -> Result<Option<String>, E>,
    segment: u64,
) -> Result<(bool, Lsn), E> {
    let in_recovery = text(&column, 0)? == "true";
    let position: Lsn = number(&column, 1)?;
    Ok((in_recovery, position.normalised(segment)))
}

fn number<T: FromStr<Err: Display>, E: From<Unreadable>>(
    column: &impl Fn(usize) -> Result<Option<String>, E>,
    index: usize,
) -> Result<T, E> {
    let text = text(column, index)?;
    text.parse()
        .map_err(|error: T::Err| Unreadable(error.to_string()).into())
}

fn text<E: From<Unreadable>>(
    column: &impl Fn(usize) -> Result<Option<String>, E>,
    index: usize,
) -> Result<String, E> {
    column(index)?.ok_or_else(|| Unreadable(format!("column {index} is empty")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(columns: [Option<&str>; COLUMNS]) -> Result<(Identity, Speaks), Unreadable> {
        identity_of(|index| Ok(columns[index].map(str::to_owned)))
    }

    #[test]
    fn a_standby_is_read_with_its_position_normalised() {
        let columns = [
            "true",
            "0/3000018",
            "16777216",
            "7",
            "9",
            "2",
            "5432",
            "180006",
            "10.0.0.7",
        ];
        let (identity, speaks) = answer(columns.map(Some)).unwrap();
        let segment = speaks.segment;
        assert!(speaks.in_recovery && !speaks.waits);
        assert!(identity.in_recovery);
        assert_eq!(
            (segment, identity.server),
            (1 << 24, Server::new(7, 9, 2, 5432))
        );
        assert_eq!(identity.host, Some("10.0.0.7".parse().unwrap()));
        let at: Lsn = "0/3000018".parse().unwrap();
        assert_eq!(identity.reading, Reading::Position(at.normalised(segment)));
    }

    #[test]
    fn an_empty_column_is_named() {
        let mut columns = ["false", "0/1", "1", "7", "9", "2", "0", "190000", ""].map(Some);
        columns[5] = None;
        let error = answer(columns).unwrap_err();
        assert!(error.to_string().contains("column 5"), "{error}");
    }
}
