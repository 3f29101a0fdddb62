//! SeaORM's spans, as a subscriber sees them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Once};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

pub(crate) type Fields = BTreeMap<&'static str, String>;
type Spans = Arc<Mutex<Vec<(u64, &'static str, Fields)>>>;

tokio::task_local! {
    static SPANS: Spans;
}

/// Name and fields of each span of SeaORM's own names that opens in a future, in the order of opening.
pub(crate) async fn spans_in<F: Future>(future: F) -> (F::Output, Vec<(&'static str, Fields)>) {
    // for the whole process: what a scoped subscriber sees depends on what other threads do meanwhile
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Collector);
        let set = tracing::subscriber::set_global_default(subscriber);
        assert!(set.is_ok(), "another subscriber of the process");
    });
    let spans = Spans::default();
    let output = SPANS.scope(Arc::clone(&spans), future).await;
    let seen = spans
        .lock()
        .drain(..)
        .map(|(_, name, fields)| (name, fields))
        .collect();
    (output, seen)
}

struct Collector;

struct Collect<'a>(&'a mut Fields);

impl Visit for Collect<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl<S: tracing::Subscriber> Layer<S> for Collector {
    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let (name, target) = (span.metadata().name(), span.metadata().target());
        if !name.starts_with("sea_orm.") {
            return;
        }
        let mut fields = Fields::from([("target", target.to_owned())]);
        span.record(&mut Collect(&mut fields));
        let opened = (id.into_u64(), name, fields);
        // nobody listens outside of `spans_in`
        SPANS.try_with(|spans| spans.lock().push(opened)).ok();
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, _: Context<'_, S>) {
        let fill = |spans: &Spans| {
            // the latest: the registry gives an identifier again
            let mut spans = spans.lock();
            let found = spans
                .iter_mut()
                .rev()
                .find(|(open, ..)| *open == id.into_u64());
            if let Some((_, _, fields)) = found {
                record.record(&mut Collect(fields));
            }
        };
        SPANS.try_with(fill).ok();
    }
}
