//! Looks once at a text made of one piece repeated: `look DIALECT PIECE BYTES`. A test counts what it
//! takes.

use std::hint::black_box;

use orm_split_core::{Dialect, classify, fingerprint};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dialect = match arguments.next().as_deref() {
        Some("postgres") => Some(Dialect::Postgres),
        Some("mysql") => Some(Dialect::MySql),
        Some("sqlite") => Some(Dialect::Sqlite),
        _ => None,
    };
    let piece = arguments.next().unwrap_or_default();
    let bytes = arguments.next().and_then(|bytes| bytes.parse().ok());
    let (Some(dialect), Some(bytes), false) = (dialect, bytes, piece.is_empty()) else {
        eprintln!("usage: look postgres|mysql|sqlite PIECE BYTES");
        std::process::exit(2);
    };
    let repeated: usize = bytes;
    let text = format!("SELECT {}", piece.repeat(repeated / piece.len()));
    black_box((classify(dialect, &text), fingerprint(dialect, &text)));
}
