//! How a transaction ends, in the words both dialects share.
//!
//! Decides whether `COMMIT`, `END`, `ROLLBACK` or `ABORT` leaves a transaction. Must never answer
//! `TransactionEnd` while one stays open: reads would leave it.

use super::grammar::Lexer;
use super::names::Name;
use super::statement::Tokens;
use crate::intent::Cause;

/// The cause of a statement that begins with `COMMIT`, `END`, `ROLLBACK` or `ABORT`.
///
/// - `… PREPARED 'id'` applies a transaction of some other session: a write.
/// - `… TO name` goes back to a savepoint.
/// - `… AND CHAIN` opens the next transaction at once, so the session stays inside one.
pub(super) fn end<L: Lexer>(tokens: &mut Tokens<'_, L>) -> Cause {
    loop {
        match tokens.next_word().as_ref().map(Name::as_str) {
            Some("prepared") => return Cause::Write,
            Some("to" | "chain") => return Cause::TransactionControl,
            Some("work" | "transaction" | "and") => {}
            _ => return Cause::TransactionEnd,
        }
    }
}
