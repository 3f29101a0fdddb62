//! A number by which a statement is recognised again.
//!
//! It stands for the statement's tokens without its values: literals and parameters are one and
//! the same, a list of them is as long as one, and comments, white space, the case of unquoted
//! words and a closing `;` do not count. So one misrouted statement remembered covers its
//! repetitions with other values. Two statements that share a number by chance cost a read on the
//! primary, never a write on a replica.

use super::grammar::Lexer;
use super::token::{Kind, Token};

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// What all literals and parameters count as.
const VALUE: u8 = 1;
/// What ends every token, so that `a b` and `ab` differ.
const END: u8 = 0;

/// The fingerprint of the tokens of a text.
pub(super) fn of_tokens(sql: &[u8], mut lexer: impl Lexer) -> u64 {
    let mut hash = OFFSET;
    let mut values = Values::None;
    let mut closed = false;
    loop {
        let token = lexer.next();
        match token.kind {
            Kind::End => return hash,
            Kind::Bad => return of_bytes(hash, sql.get(token.start..).unwrap_or_default()),
            Kind::Semicolon => {
                closed = true;
                continue;
            }
            _ if closed => {
                // it closed one statement of several
                hash = byte(hash, b';');
                closed = false;
            }
            _ => {}
        }
        let kind = token.kind;
        values = match (values, is_value(kind)) {
            (Values::Comma, true) => Values::One,
            (Values::One, false) if kind == Kind::Comma => Values::Comma,
            (Values::Comma, false) => {
                // the comma held back did not continue a list of values
                hash = of_token(byte(byte(hash, b','), END), sql, token);
                Values::None
            }
            (_, is_value) => {
                hash = of_token(hash, sql, token);
                if is_value { Values::One } else { Values::None }
            }
        };
    }
}

/// FNV-1a, continued.
fn of_bytes(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &next| byte(hash, next))
}

/// Where the tokens are in a list of values.
#[derive(Clone, Copy)]
enum Values {
    None,
    /// Behind a value.
    One,
    /// Behind a value and a comma that is not counted yet.
    Comma,
}

fn of_token(hash: u64, sql: &[u8], token: Token) -> u64 {
    let hash = match token.kind {
        Kind::Text | Kind::Number | Kind::Param => byte(hash, VALUE),
        Kind::Word => token
            .text(sql)
            .iter()
            .fold(hash, |hash, next| byte(hash, next.to_ascii_lowercase())),
        _ => of_bytes(hash, token.text(sql)),
    };
    byte(hash, END)
}

fn is_value(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Number | Kind::Param)
}

#[inline]
fn byte(hash: u64, next: u8) -> u64 {
    (hash ^ u64::from(next)).wrapping_mul(PRIME)
}
