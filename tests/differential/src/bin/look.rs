//! Looks once at a text made of one piece repeated: `look PIECE BYTES`. A test counts what it takes.

use std::hint::black_box;

use orm_split_core::{Dialect, classify, fingerprint};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let piece = arguments.next().unwrap_or_default();
    let bytes = arguments.next().and_then(|bytes| bytes.parse().ok());
    let (Some(bytes), false) = (bytes, piece.is_empty()) else {
        eprintln!("usage: look PIECE BYTES");
        std::process::exit(2);
    };
    let repeated: usize = bytes;
    let text = format!("SELECT {}", piece.repeat(repeated / piece.len()));
    for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
        black_box((classify(dialect, &text), fingerprint(dialect, &text)));
    }
}
