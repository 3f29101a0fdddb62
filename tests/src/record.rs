//! Records the statements that the suites send through the library, where it is asked for.
//!
//! `scripts/record-statements` sets `ORM_SPLIT_RECORD` to a file; each statement is appended to it as a
//! line of a case file, and the script keeps one of each. Without it nothing happens.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Once;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// The environment variable that names the file.
const FILE: &str = "ORM_SPLIT_RECORD";

/// Starts recording, once in a process.
pub(crate) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let Some(path) = std::env::var_os(FILE) else {
            return;
        };
        let file = OpenOptions::new().create(true).append(true).open(path);
        if let Ok(file) = file {
            let recorder = tracing_subscriber::registry().with(Recorder(Mutex::new(file)));
            // a test with a subscriber of its own is not recorded
            drop(tracing::subscriber::set_global_default(recorder));
        }
    });
}

struct Recorder(Mutex<File>);

impl<S: tracing::Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "orm_split::statement" {
            event.record(&mut Writer(&self.0));
        }
    }
}

struct Writer<'a>(&'a Mutex<File>);

impl Visit for Writer<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "sql" {
            let line = value
                .replace('\\', "\\\\")
                .replace('\n', "\\n")
                .replace('\r', "\\r");
            drop(self.0.lock().write_all(format!("{line}\n").as_bytes()));
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
