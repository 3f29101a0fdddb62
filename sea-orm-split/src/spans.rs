//! SeaORM's spans (its feature `tracing-spans`) around the statements that this adapter sends itself.
//!
//! Decides nothing: names, fields and target are SeaORM's, so that filters, dashboards and exporters which
//! were made for a `DatabaseConnection` see the same. What no span showed there shows none here: streams.

/// Awaits `$future` in the span `$name`; `$records` says whether the span shows the statement.
macro_rules! in_span {
    ($name:literal, $backend:expr, $sql:expr, $records:expr, $future:expr) => {{
        #[cfg(feature = "tracing-spans")]
        {
            let sql: &str = $sql;
            let span = tracing::info_span!(
                target: $crate::spans::TARGET,
                $name,
                otel.kind = "client",
                db.system = $crate::spans::system($backend),
                db.operation = $crate::spans::operation(sql),
                db.statement = tracing::field::Empty,
                otel.status_code = tracing::field::Empty,
                exception.message = tracing::field::Empty,
            );
            if $records {
                span.record("db.statement", sql);
            }
            let result = tracing::Instrument::instrument($future, span.clone()).await;
            $crate::spans::record(&span, &result);
            result
        }
        #[cfg(not(feature = "tracing-spans"))]
        {
            // read, so that nothing is unused without the feature
            let _: bool = $records;
            $future.await
        }
    }};
}
pub(crate) use in_span;

#[cfg(feature = "tracing-spans")]
mod fields {
    use sea_orm::{DbBackend, DbErr};
    use tracing::Span;
    use tracing::field::display;

    /// The module in which SeaORM opens its own.
    pub(crate) const TARGET: &str = "sea_orm::database::db_connection";

    pub(crate) const fn system(backend: DbBackend) -> &'static str {
        match backend {
            DbBackend::Postgres => "postgresql",
            DbBackend::Sqlite => "sqlite",
            DbBackend::MySql => "mysql",
            // OpenTelemetry's word for what is not in its list
            _ => "other_sql",
        }
    }

    /// SeaORM goes by the first word.
    pub(crate) fn operation(sql: &str) -> &'static str {
        let first = sql.split_whitespace().next().unwrap_or("");
        let known = ["SELECT", "INSERT", "UPDATE", "DELETE"];
        let known = known.iter().find(|word| word.eq_ignore_ascii_case(first));
        known.unwrap_or(&"EXECUTE")
    }

    pub(crate) fn record<T>(span: &Span, result: &Result<T, DbErr>) {
        match result {
            Ok(_) => {
                span.record("otel.status_code", "OK");
            }
            Err(error) => {
                span.record("otel.status_code", "ERROR");
                span.record("exception.message", display(error));
            }
        }
    }
}
#[cfg(feature = "tracing-spans")]
pub(crate) use fields::{TARGET, operation, record, system};
