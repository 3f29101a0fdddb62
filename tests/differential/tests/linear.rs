//! A megabyte of anything takes linear time, counted in instructions: the same on a busy machine.

#![allow(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a count that cannot be made fails its test"
)]

use std::process::Command;

/// For each byte: three dialects, each reading the text up to three times and fingerprinting it.
const INSTRUCTIONS_A_BYTE: f64 = 600.0;

/// Pieces that open something, and pieces that make a reader start over.
const PIECES: [&str; 10] = [
    "((((", "/*/*/*", "'", "\"", "$$", "$a$b ", "'\\'", "E'\\", "f(", "--x\n",
];

/// Instructions that the whole program takes.
fn counted(piece: &str, bytes: usize) -> f64 {
    let output = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(env!("CARGO_BIN_EXE_look"))
        .args([piece, &bytes.to_string()])
        .output()
        .expect("valgrind runs: scripts/install-test-deps installs it");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{said}");
    let (_, refs) = said.split_once("refs:").expect("a count");
    let number = refs.split_whitespace().next().expect("a number");
    number.replace(',', "").parse().expect("a number")
}

#[test]
fn a_megabyte_of_openings_takes_instructions_in_proportion() {
    const MEGABYTE: usize = 1 << 20;
    for piece in PIECES {
        let (quarter, whole) = (counted(piece, MEGABYTE / 4), counted(piece, MEGABYTE));
        let a_byte = whole / MEGABYTE as f64;
        println!("{piece:?}: {a_byte:.1} instructions a byte");
        assert!(
            a_byte < INSTRUCTIONS_A_BYTE,
            "{piece:?}: {a_byte:.1} a byte"
        );
        assert!(whole < quarter * 4.2, "{piece:?}: {quarter} and {whole}");
    }
}
