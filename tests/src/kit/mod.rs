//! What the tests stand on: real database servers, started in less than a
//! second and broken in the ways servers break.
//!
//! The kit starts, stops and observes servers. It must never leave one behind,
//! touch a process it did not start, or decide anything orm-split decides.
//!
//! It reads `/proc`, so it needs Linux.

pub mod balancer;
pub mod locate;
pub mod mariadb;
pub mod postgres;
pub mod program;
pub mod proxy;

mod account;
mod guard;
mod ports;
mod process;
mod wait;
