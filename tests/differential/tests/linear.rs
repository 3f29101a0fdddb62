//! A megabyte of anything takes linear time, counted in instructions: the same on a busy machine.

#![allow(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a count that cannot be made fails its test"
)]

use std::process::Command;

/// For each byte: the text is looked at, read up to three times, and fingerprinted.
const INSTRUCTIONS_A_BYTE: f64 = 300.0;

/// Pieces that open something, and pieces that make a reader start over.
const PIECES: [&str; 10] = [
    "((((", "/*/*/*", "'", "\"", "$$", "$a$b ", "'\\'", "E'\\", "f(", "--x\n",
];

/// Instructions that the whole program takes.
fn counted(dialect: &str, piece: &str, bytes: usize) -> f64 {
    let output = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(env!("CARGO_BIN_EXE_look"))
        .args([dialect, piece, &bytes.to_string()])
        .output()
        .expect("valgrind runs: scripts/install-test-deps installs it");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{said}");
    let (_, refs) = said.split_once("refs:").expect("a count");
    let number = refs.split_whitespace().next().expect("a number");
    number.replace(',', "").parse().expect("a number")
}

fn takes_instructions_in_proportion(dialect: &str) {
    const MEGABYTE: usize = 1 << 20;
    for piece in PIECES {
        let counted = |bytes| counted(dialect, piece, bytes);
        let (quarter, whole) = (counted(MEGABYTE / 4), counted(MEGABYTE));
        let a_byte = whole / MEGABYTE as f64;
        println!("{dialect}, {piece:?}: {a_byte:.1} instructions a byte");
        assert!(
            a_byte < INSTRUCTIONS_A_BYTE,
            "{dialect}, {piece:?}: {a_byte:.1} a byte"
        );
        assert!(
            whole < quarter * 4.2,
            "{dialect}, {piece:?}: {quarter} and {whole}"
        );
    }
}

#[test]
fn a_megabyte_of_openings_takes_postgres_instructions_in_proportion() {
    takes_instructions_in_proportion("postgres");
}

#[test]
fn a_megabyte_of_openings_takes_mysql_instructions_in_proportion() {
    takes_instructions_in_proportion("mysql");
}

#[test]
fn a_megabyte_of_openings_takes_sqlite_instructions_in_proportion() {
    takes_instructions_in_proportion("sqlite");
}
