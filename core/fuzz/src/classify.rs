//! One text: the first byte says whose SQL it is, the others are the statement.

#![no_main]

#[path = "../../tests/invariants/mod.rs"]
mod invariants;

use invariants::DIALECTS;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, text)) = bytes.split_first() else {
        return;
    };
    let dialect = DIALECTS[usize::from(first) % DIALECTS.len()];
    if let Ok(sql) = std::str::from_utf8(text) {
        invariants::check(dialect, sql);
    }
});
