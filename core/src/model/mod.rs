//! The freshness protocol as a model, checked against what is true.
//!
//! Decides whether the rules of `docs/freshness.md` suffice, and whether each of them is needed: a small
//! *world* of servers that replay late, crash further back, are promoted and re-pointed; *processes* in
//! it whose questions and answers are delayed, lost and reordered at will; the *protocol* that they
//! follow, either its smallest form with a switch for each rule, or the very code that is shipped. Must
//! never be told by the protocol what is true.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "nodes, servers and sessions are numbers below those of the scope; what was run is shown"
)]

mod answers;
mod both;
mod by_hand;
mod exhaustive;
mod judge;
mod monitor;
mod mood;
mod process;
mod protocol;
mod real;
mod rules;
mod smallest;
mod system;
mod tests;
mod traces;
mod world;
