//! Tests of orm-split against real servers, and the kit that starts and breaks them.

#[cfg(feature = "suites")]
pub mod app;
#[cfg(feature = "suites")]
pub mod application;
#[cfg(feature = "suites")]
pub mod bad_input;
#[cfg(feature = "suites")]
pub mod cases;
#[cfg(feature = "suites")]
pub mod deployments;
#[cfg(feature = "suites")]
pub mod diesel_app;
#[cfg(feature = "suites")]
pub mod groups;
#[cfg(feature = "suites")]
pub mod history;
#[cfg(feature = "suites")]
pub mod jobs;
pub mod kit;
#[cfg(feature = "suites")]
pub mod outages;
mod record;
#[cfg(feature = "suites")]
pub mod rollout;
#[cfg(feature = "suites")]
pub mod sent_cases;
#[cfg(feature = "suites")]
pub mod served;
#[cfg(feature = "suites")]
pub mod sql;
#[cfg(feature = "suites")]
pub mod topology;
