//! What an operator sees of an application: endpoints, the page in a browser, metrics, dashboards and alerts.

mod browser;
mod endpoints;
mod exported;
mod files;
mod page;
mod spans;
mod watched;
