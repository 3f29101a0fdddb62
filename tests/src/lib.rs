//! Tests of orm-split against real servers, and the kit that starts and breaks them.

pub mod app;
pub mod cases;
pub mod diesel_app;
pub mod kit;
mod record;
pub mod sql;
