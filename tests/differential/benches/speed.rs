//! What it takes to look at a statement: ours against other people's parsers, in one run.
//!
//!     cargo bench --manifest-path tests/differential/Cargo.toml --features pg_query
//!
//! With `-- --gate` it only counts instructions at 200 characters, and fails if another parser takes
//! less than so many times of ours: see [`TIMES`].
//!
//! Prints nanoseconds (the median of many batches) and, where valgrind is installed, instructions
//! (counted, so the same on a busy machine) for statements of 50 to 20,000 characters.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_types,
    missing_docs,
    reason = "a benchmark that cannot measure fails; nothing here runs in virtual time"
)]

use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use orm_split_core::{Dialect, classify};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

const LENGTHS: [usize; 4] = [50, 200, 2_000, 20_000];
/// A way to look at a statement, by name.
type Way = (&'static str, fn(&str));

const WAYS: &[Way] = &[
    ("classify", |sql| {
        black_box(classify(Dialect::Postgres, black_box(sql)));
    }),
    ("pg_raw_parse", |sql| {
        black_box(pg_raw_parse::parse(black_box(sql)).unwrap());
    }),
    #[cfg(feature = "pg_query")]
    ("pg_query", |sql| {
        black_box(pg_query::parse(black_box(sql), 0).unwrap());
    }),
    ("sqlparser", |sql| {
        black_box(Parser::parse_sql(&PostgreSqlDialect {}, black_box(sql)).unwrap());
    }),
];

/// How many times our instructions each of the others takes at least, at 200 characters.
const TIMES: [(&str, u64); 3] = [("pg_raw_parse", 10), ("pg_query", 50), ("sqlparser", 50)];

/// What an ORM writes, of about this many characters.
fn statement(length: usize) -> String {
    let tail = r#" FROM "cake" WHERE "cake"."id" = $1 LIMIT $2"#;
    let mut sql = r#"SELECT "id""#.to_owned();
    let mut column = 0;
    while sql.len() + tail.len() < length {
        sql.push_str(&format!(r#", "cake"."column_{column}""#));
        column += 1;
    }
    sql + tail
}

/// Nanoseconds a call: the median of batches of about two milliseconds.
fn nanoseconds(look: fn(&str), sql: &str) -> f64 {
    let timed = |calls: u32| {
        let started = Instant::now();
        (0..calls).for_each(|_| look(sql));
        started.elapsed()
    };
    let mut calls = 1;
    while timed(calls) < Duration::from_millis(2) {
        calls *= 2;
    }
    let mut batches: Vec<Duration> = (0..101).map(|_| timed(calls)).collect();
    batches.sort_unstable();
    batches[batches.len() / 2].as_secs_f64() * 1e9 / f64::from(calls)
}

/// Instructions a call: what ten more calls add to a run of this program under valgrind.
fn instructions(way: usize, length: usize) -> Option<u64> {
    let run = |calls: u32| {
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().ok()?)
            .args(["--count", &format!("{way},{length},{calls}")])
            .stdout(Stdio::null());
        let said = String::from_utf8(command.output().ok()?.stderr).ok()?;
        let (_, collected) = said.split_once("Collected : ")?;
        collected.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some((run(20)? - run(10)?) / 10)
}

/// Fails unless each of the others takes [`TIMES`] as many instructions.
fn gate() {
    let counted = |way| instructions(way, 200).expect("valgrind counts");
    let ours = counted(0);
    for (way, &(name, _)) in WAYS.iter().enumerate().skip(1) {
        let taken = counted(way);
        println!("{name}: {taken} instructions, ours {ours}");
        let times = TIMES.iter().find(|(other, _)| *other == name);
        assert!(times.is_some_and(|(_, times)| taken >= ours * times));
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--count") {
        let numbers: Vec<usize> = arguments[at + 1]
            .split(',')
            .map(|n| n.parse().unwrap())
            .collect();
        let sql = statement(numbers[1]);
        (0..numbers[2]).for_each(|_| WAYS[numbers[0]].1(&sql));
        return;
    }
    if arguments.iter().any(|argument| argument == "--gate") {
        gate();
        return;
    }
    println!(
        "{:>10}  {:>13}  {:>12}  {:>12}  {:>9}",
        "characters", "", "ns", "instructions", "x classify"
    );
    for length in LENGTHS {
        let sql = statement(length);
        let ours = nanoseconds(WAYS[0].1, &sql);
        for (way, &(name, look)) in WAYS.iter().enumerate() {
            let taken = if way == 0 {
                ours
            } else {
                nanoseconds(look, &sql)
            };
            let counted =
                instructions(way, length).map_or_else(|| "-".to_owned(), |n| n.to_string());
            println!(
                "{:>10}  {name:>13}  {taken:>12.0}  {counted:>12}  {:>9.1}",
                sql.len(),
                taken / ours
            );
        }
    }
}
