//! One span for each statement, whichever ORM sends it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use orm_split::sea_orm::SplitConnection;
use orm_split::sea_orm::endpoints::StatusSource;
use orm_split_tests::application::{Application, Settings};
use orm_split_tests::diesel_app::Pool;
use orm_split_tests::outages;
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::watched::{OBSERVERS, Watched, cluster};

type Fields = BTreeMap<&'static str, String>;

/// The closed spans of statements that ran below a span `test`, by what that one is named.
#[derive(Clone, Default)]
pub(crate) struct Spans(Arc<Mutex<Vec<(String, Fields)>>>);

struct Collect<'a>(&'a mut Fields);

impl Visit for Collect<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let before = self.0.insert(field.name(), format!("{value:?}"));
        assert_eq!(before, None, "{} is recorded twice", field.name());
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Collect(&mut fields));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(&mut Collect(fields));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        if span.metadata().target() != "orm_split::statement" {
            return;
        }
        let name = span.scope().from_root().find_map(|outer| {
            let extensions = outer.extensions();
            extensions.get::<Fields>()?.get("test").cloned()
        });
        let fields = span.extensions_mut().remove::<Fields>();
        self.0.lock().extend(name.zip(fields));
    }
}

impl Spans {
    fn of(&self, test: &str) -> Vec<Fields> {
        let all = self.0.lock();
        let named = all.iter().filter(|(name, _)| name == test);
        named.map(|(_, fields)| fields.clone()).collect()
    }
}

/// What a span says of these, in this order; nothing for what it does not say.
fn said<'a>(fields: &'a Fields, names: &[&str]) -> Vec<&'a str> {
    let of = |name: &&str| fields.get(*name).map_or("", String::as_str);
    names.iter().map(of).collect()
}

async fn a_span_says_where_and_why<A: Application + StatusSource>(
    test: &'static str,
) -> Result<()> {
    let (_cluster, database) = cluster(1).await?;
    let watched = Watched::<A>::start(&Settings::of(&database)).await?;
    watched.app.create_counters(3).await?;
    outages::wait_for_replicas(&watched.app, 1).await?;
    let span = tracing::info_span!("a test", test);
    let work = async {
        watched.app.write(1, 1).await?;
        watched.app.read(1).await?;
        let failed = watched.app.send(
            orm_split_tests::application::Way::Execute,
            "SELECT nonsense",
        );
        failed.await.err().context("there is no such column")?;
        anyhow::Ok(())
    };
    tracing::Instrument::instrument(work, span).await?;
    let spans = OBSERVERS.spans.of(test);
    let where_and_why = [
        "db.system.name",
        "db.operation.name",
        "orm_split.node",
        "orm_split.role",
        "orm_split.reason",
        "orm_split.attempt",
        "error.type",
    ];
    let find = |operation: &str, error: &str| {
        let mut all = spans.iter().map(|fields| said(fields, &where_and_why));
        all.find(|said| said.get(1) == Some(&operation) && said.last() == Some(&error))
            .with_context(|| format!("no {operation} {error} in {spans:#?}"))
    };
    let write = find("UPDATE", "")?;
    ensure!(
        write
            == [
                "postgresql",
                "UPDATE",
                "primary",
                "primary",
                "statement",
                "1",
                ""
            ],
        "{write:?}"
    );
    let read = find("SELECT", "")?;
    ensure!(
        read.first() == Some(&"postgresql") && read.get(5) == Some(&"1"),
        "{read:?}"
    );
    // on the replica it is taken for a migration that has not arrived, and asked once more on the primary
    let failed = spans
        .iter()
        .find(|fields| fields.get("error.type").is_some());
    let failed = failed.context("no failure")?;
    ensure!(
        failed
            .get("otel.status_code")
            .is_some_and(|code| code == "ERROR"),
        "{failed:?}"
    );
    ensure!(
        failed
            .get("orm_split.node")
            .is_some_and(|node| node == "primary"),
        "{failed:?}"
    );
    ensure!(
        failed.get("otel.kind").is_some_and(|kind| kind == "client"),
        "{failed:?}"
    );
    watched.close().await
}

#[tokio::test]
async fn a_span_says_where_and_why_under_sea_orm() -> Result<()> {
    a_span_says_where_and_why::<SplitConnection>("sea-orm").await
}

#[tokio::test]
async fn a_span_says_where_and_why_under_diesel() -> Result<()> {
    a_span_says_where_and_why::<Pool>("diesel").await
}
