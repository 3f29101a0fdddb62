//! One instrumentation for all connections that a handle uses.

use std::fmt;
use std::sync::Arc;

use diesel::connection::{Instrumentation, InstrumentationEvent};
use parking_lot::Mutex;

/// What a user set on a handle; each of its leases gets a clone.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Box<dyn Instrumentation>>>);

impl Shared {
    pub(crate) fn new(instrumentation: impl Instrumentation) -> Self {
        Self(Arc::new(Mutex::new(Box::new(instrumentation))))
    }
}

impl Instrumentation for Shared {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        self.0.lock().on_connection_event(event);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}
