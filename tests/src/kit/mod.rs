//! What the tests stand on: real database servers, started in less than a
//! second and broken in the ways servers break.
//!
//! The kit starts, stops and observes servers, and stands between them and whoever is tested. It must never
//! leave a server behind, touch a process it did not start, or decide anything orm-split decides.
//!
//! Applications are tested with it too: the chapter on testing says how.
//!
//! It reads `/proc`, so it needs Linux.

pub mod assertions;
pub mod balancer;
pub mod locate;
pub mod mariadb;
pub mod postgres;
pub mod program;
pub mod proxy;

#[cfg(feature = "suites")]
#[doc = include_str!("../../../docs/testing.md")]
pub mod guide {}

mod account;
mod guard;
mod ports;
mod process;
mod wait;
