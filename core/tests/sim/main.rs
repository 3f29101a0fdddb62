//! The deterministic simulator: the real router over servers with queues, in virtual time, under an open-loop
//! load. Each test prints what it measured beside what it should reach.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests fail them; the figures are what a reader wants to see"
)]

#[path = "../fake/mod.rs"]
mod fake;
mod farm;
mod load;
mod report;
mod run;
mod statement;

mod faults;
mod latency;
mod long;
mod shutdown;
