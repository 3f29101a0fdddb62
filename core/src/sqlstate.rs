//! What a server's error code says about the node, whichever driver reports it.
//!
//! Decides from the SQLSTATE (and, for the codes that a standby shares with other errors, from whether the
//! message speaks of recovery). An unknown code is the statement's own error, which is never repeated.

use crate::fault::Fault;

/// Whose fault an error with this SQLSTATE of PostgreSQL (five characters) or extended result code of
/// SQLite (a number) is.
///
/// ```
/// use orm_split_core::{Fault, sqlstate};
///
/// assert_eq!(sqlstate::fault_of("25006", "cannot execute UPDATE"), Fault::ReadOnly);
/// assert_eq!(sqlstate::fault_of("42601", "syntax error"), Fault::Query);
/// ```
#[must_use]
pub fn fault_of(code: &str, message: &str) -> Fault {
    match code {
        "25006" => Fault::ReadOnly,
        "0A000" | "55000" | "XX000" if speaks_of_recovery(message) => Fault::ReadOnly,
        "42P01" | "42703" | "42704" | "42883" | "3F000" => Fault::SchemaLag,
        // on a primary nothing is repeated, so there it is the statement's error all the same
        "40001" => Fault::Conflict,
        "57P01" | "57P02" | "57P03" => Fault::ShuttingDown,
        "53300" => Fault::Saturated,
        // a statement with too few values
        "08P01" => Fault::Query,
        _ if code.len() == 5 && code.starts_with("08") => Fault::Unreachable,
        _ if code.len() == 5 => Fault::Query,
        _ => fault_of_sqlite(code),
    }
}

fn speaks_of_recovery(message: &str) -> bool {
    message.contains("recovery") || message.contains("standby")
}

/// SQLite: the low byte of an extended code is the primary one. READONLY alone speaks of the statement;
/// its extended codes (a log that must be recovered, say) speak of the file's state.
fn fault_of_sqlite(code: &str) -> Fault {
    let Ok(code) = code.parse::<u32>() else {
        return Fault::Query;
    };
    match (code, code & 0xFF) {
        (8, _) => Fault::ReadOnly,
        (_, 5 | 6 | 8) => Fault::Conflict,
        (_, 10 | 14) => Fault::Unreachable,
        _ => Fault::Query,
    }
}

/// Whose fault an error is of which a driver shows the message and no code. Only messages that no
/// statement can provoke are recognised, in English and only as the server words them; anything else is
/// the statement's own error.
///
/// ```
/// use orm_split_core::{Fault, sqlstate};
///
/// let closing = "terminating connection due to administrator command";
/// assert_eq!(sqlstate::fault_of_message(closing), Fault::ShuttingDown);
/// assert_eq!(sqlstate::fault_of_message("division by zero"), Fault::Query);
/// ```
#[must_use]
pub fn fault_of_message(message: &str) -> Fault {
    // the server's texts for errors of the codes above
    const KNOWN: [(&str, Fault); 17] = [
        (
            "terminating connection due to conflict with recovery",
            Fault::Conflict,
        ),
        (
            "canceling statement due to conflict with recovery",
            Fault::Conflict,
        ),
        ("terminating connection", Fault::ShuttingDown),
        ("terminating background worker", Fault::ShuttingDown),
        ("the database system is", Fault::ShuttingDown),
        ("sorry, too many clients already", Fault::Saturated),
        ("remaining connection slots are reserved", Fault::Saturated),
        ("too many connections for", Fault::Saturated),
        ("recovery is in progress", Fault::ReadOnly),
        (
            "cannot access temporary or unlogged relations during recovery",
            Fault::ReadOnly,
        ),
        (
            "cannot use serializable mode in a hot standby",
            Fault::ReadOnly,
        ),
        ("cannot acquire lock mode", Fault::ReadOnly),
        (
            "cannot assign TransactionIds during recovery",
            Fault::ReadOnly,
        ),
        ("cannot execute ", Fault::ReadOnly),
        ("attempt to write a readonly database", Fault::ReadOnly),
        ("database is locked", Fault::Conflict),
        ("disk I/O error", Fault::Unreachable),
    ];
    if message.ends_with(" does not exist") {
        return Fault::SchemaLag;
    }
    let known = KNOWN.iter().find(|(start, _)| message.starts_with(start));
    match known {
        Some(("cannot execute " | "cannot acquire lock mode", fault))
            if speaks_of_read_only(message) =>
        {
            *fault
        }
        Some(("cannot execute " | "cannot acquire lock mode", _)) | None => Fault::Query,
        Some((_, fault)) => *fault,
    }
}

fn speaks_of_read_only(message: &str) -> bool {
    message.contains("read-only transaction") || speaks_of_recovery(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_a_standby_are_told_from_errors_of_the_statement() {
        let cases = [
            (
                "25006",
                "cannot execute UPDATE in a read-only transaction",
                Fault::ReadOnly,
            ),
            (
                "0A000",
                "cannot access temporary or unlogged relations during recovery",
                Fault::ReadOnly,
            ),
            (
                "0A000",
                "cannot use serializable mode in a hot standby",
                Fault::ReadOnly,
            ),
            (
                "0A000",
                "set-returning functions are not allowed in CASE",
                Fault::Query,
            ),
            ("55000", "recovery is in progress", Fault::ReadOnly),
            (
                "55000",
                "currval of sequence \"s\" is not yet defined in this session",
                Fault::Query,
            ),
            (
                "40001",
                "canceling statement due to conflict with recovery",
                Fault::Conflict,
            ),
            (
                "40001",
                "could not serialize access due to concurrent update",
                Fault::Conflict,
            ),
            (
                "57P01",
                "terminating connection due to administrator command",
                Fault::ShuttingDown,
            ),
            ("08006", "connection failure", Fault::Unreachable),
            (
                "08P01",
                "bind message supplies 0 parameters, but prepared statement requires 1",
                Fault::Query,
            ),
            ("42601", "syntax error", Fault::Query),
            ("42P01", "relation \"t\" does not exist", Fault::SchemaLag),
            ("42703", "column \"c\" does not exist", Fault::SchemaLag),
            ("42704", "type \"t\" does not exist", Fault::SchemaLag),
            ("42883", "function f() does not exist", Fault::SchemaLag),
            ("3F000", "schema \"s\" does not exist", Fault::SchemaLag),
            ("8", "attempt to write a readonly database", Fault::ReadOnly),
            (
                "264",
                "attempt to write a readonly database",
                Fault::Conflict,
            ),
            ("517", "database is locked", Fault::Conflict),
            ("1", "no such table: t", Fault::Query),
            ("2067", "UNIQUE constraint failed", Fault::Query),
        ];
        for (code, message, fault) in cases {
            assert_eq!(fault_of(code, message), fault, "{code} {message}");
        }
    }

    #[test]
    fn without_a_code_the_message_of_the_server_is_recognised() {
        let cases = [
            (
                "terminating connection due to conflict with recovery",
                Fault::Conflict,
            ),
            (
                "terminating connection due to unexpected postmaster exit",
                Fault::ShuttingDown,
            ),
            ("the database system is starting up", Fault::ShuttingDown),
            ("cannot execute nextval() during recovery", Fault::ReadOnly),
            (
                "cannot execute UPDATE in a read-only transaction",
                Fault::ReadOnly,
            ),
            ("cannot execute a nonsense", Fault::Query),
            ("sorry, too many clients already", Fault::Saturated),
            (
                "relation \"terminating connection\" does not exist",
                Fault::SchemaLag,
            ),
            ("there is no recovery is in progress", Fault::Query),
        ];
        for (message, fault) in cases {
            assert_eq!(fault_of_message(message), fault, "{message}");
        }
    }
}
