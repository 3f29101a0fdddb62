//! PostgreSQL through `AsyncPgConnection`.
//!
//! Decides nothing: the questions and their answers are core's.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use diesel::pg::{Pg, PgQueryBuilder};
use diesel::query_builder::bind_collector::RawBytesBindCollector;
use diesel::query_builder::{QueryBuilder, QueryFragment};
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{Nullable, Oid, Text};
use diesel::{ConnectionResult, QueryResult};
use diesel_async::{
    AnsiTransactionManager, AsyncConnectionCore, AsyncPgConnection, RunQueryDsl,
    SimpleAsyncConnection,
};
use futures_util::future::BoxFuture;
use orm_split_core::address::{Address, NodeUrl};
use orm_split_core::postgres::{
    COLUMNS, IDENTIFY, READ_CATALOGUE, READ_POSITION, Speaks, Unreadable, catalogue_of,
    identity_of, position_of, wait_for,
};
use orm_split_core::{Catalogue, ConfigError, Dialect, Fault, Identity, Lsn, ProbeError, Reading};
use parking_lot::Mutex;
use tokio_postgres::config::Host;

use crate::error::probe_error;
use crate::node_connection::{Built, NodeConnection, Sealed, sends};
use crate::postgres_types::{self, Oids, PostgresBinds, PostgresTypes};
use crate::postgres_url::PostgresUrl;

impl Sealed for AsyncPgConnection {}

type Column = Nullable<Text>;

/// What is known from [`identity_of`].
#[derive(Debug, Default)]
pub struct PostgresWitness(Mutex<Speaks>);

impl NodeConnection for AsyncPgConnection {
    const DIALECT: Dialect = Dialect::Postgres;
    /// Outside of a transaction each statement begins one, at its own time.
    const IS_IDLE: &'static str = "SELECT 1 / (now() = statement_timestamp())::int";
    type Binds = PostgresBinds;
    type DriverBinds = RawBytesBindCollector<Pg>;
    type OwnedRow = <Self as AsyncConnectionCore>::Row<'static, 'static>;
    type Types = PostgresTypes;
    type Witness = PostgresWitness;

    sends!();

    fn address(field: &str, url: &str) -> Result<Address, ConfigError> {
        let Ok(parsed) = NodeUrl::parse(field, url) else {
            return address_of_pairs(field, url);
        };
        if parsed.dialect() != Dialect::Postgres {
            return Err(parsed.is_not_of(Self::DIALECT));
        }
        let read = PostgresUrl::parse(url).map_err(|error| parsed.mistake(&error))?;
        Ok(parsed.leads_to(place(&read.config)))
    }

    fn build<Q: QueryFragment<Pg>>(
        query: &Q,
        types: &Arc<PostgresTypes>,
    ) -> QueryResult<Built<PostgresBinds>> {
        let mut builder = PgQueryBuilder::default();
        query.to_sql(&mut builder, &Pg)?;
        Ok(Built {
            sql: builder.finish(),
            is_safe_to_cache: query.is_safe_to_cache_prepared(&Pg)?,
            binds: postgres_types::collect(query, types)?,
        })
    }

    fn complete<'c>(
        &'c mut self,
        binds: &'c Arc<PostgresBinds>,
        types: &'c PostgresTypes,
    ) -> BoxFuture<'c, QueryResult<Arc<RawBytesBindCollector<Pg>>>> {
        Box::pin(async move {
            let mut found = Vec::new();
            for missing in &binds.missing {
                let oids = match types.find(&missing.name) {
                    Some(oids) => oids,
                    None => look_up(self, &missing.name).await?,
                };
                types.learn(missing.name.clone(), oids);
                found.push(oids);
            }
            Ok(Arc::new(postgres_types::fill_in(binds, &found)?))
        })
    }

    fn completed(binds: &Arc<PostgresBinds>) -> Option<Arc<RawBytesBindCollector<Pg>>> {
        let is_complete = binds.missing.is_empty();
        is_complete.then(|| Arc::clone(&binds.collected))
    }

    fn forget_types(binds: &PostgresBinds, types: &PostgresTypes, error: &Error) {
        // a type that is gone has no kind of error of its own
        let may_be_gone = matches!(error, Error::DatabaseError(DatabaseErrorKind::Unknown, _));
        if binds.uses_custom && may_be_gone {
            types.forget();
        }
    }

    fn open(url: &str) -> BoxFuture<'_, ConnectionResult<Self>> {
        crate::postgres_url::open(url)
    }

    fn begin_as<'c>(&'c mut self, sql: &'c str) -> BoxFuture<'c, QueryResult<()>> {
        Box::pin(AnsiTransactionManager::begin_transaction_sql(self, sql))
    }

    fn make_read_only(&mut self) -> BoxFuture<'_, QueryResult<()>> {
        Box::pin(self.batch_execute("SET default_transaction_read_only = on"))
    }

    fn witness(_: &str, _: bool) -> PostgresWitness {
        PostgresWitness::default()
    }

    fn identify<'c>(
        &'c mut self,
        witness: &'c PostgresWitness,
    ) -> BoxFuture<'c, Result<Identity, ProbeError>> {
        Box::pin(async move {
            let columns = ask(self).await.map_err(|error| probe_error(&error))?;
            let column = |index: usize| Ok(columns.get(index).cloned().flatten());
            let read: Result<_, Unreadable> = identity_of(column);
            let (identity, speaks) = read.map_err(unreadable)?;
            *witness.0.lock() = speaks;
            Ok(identity)
        })
    }

    fn read_position<'c>(
        &'c mut self,
        witness: &'c PostgresWitness,
    ) -> BoxFuture<'c, Result<Reading, ProbeError>> {
        Box::pin(async move {
            let query = diesel::dsl::sql::<(Column, Column)>(READ_POSITION);
            let answer: QueryResult<(Option<String>, Option<String>)> =
                query.get_result(self).await;
            let (recovery, position) = answer.map_err(|error| probe_error(&error))?;
            let shown = *witness.0.lock();
            let columns = [recovery, position];
            let column = |index: usize| Ok(columns.get(index).cloned().flatten());
            let read: Result<_, Unreadable> = position_of(column, shown.segment);
            let (in_recovery, position) = read.map_err(unreadable)?;
            if in_recovery != shown.in_recovery {
                let message = "the server has been promoted or demoted";
                return Err(ProbeError::new(Fault::ShuttingDown, message));
            }
            Ok(Reading::Position(position))
        })
    }

    fn wait_for<'c>(
        &'c mut self,
        witness: &'c PostgresWitness,
        position: Lsn,
        limit: Duration,
    ) -> BoxFuture<'c, Result<bool, ProbeError>> {
        Box::pin(async move {
            let waits = witness.0.lock().waits;
            if waits {
                // prepared, each position would be another statement to keep
                let sent = self.batch_execute(&wait_for(position, limit)).await;
                sent.map_err(|error| probe_error(&error))?;
            }
            Ok(waits)
        })
    }

    fn read_catalogue(&mut self) -> BoxFuture<'_, Result<Option<Catalogue>, ProbeError>> {
        Box::pin(async move {
            type Columns = (Column, Column, Column, Column);
            type Text = Option<String>;
            let query = diesel::dsl::sql::<Columns>(READ_CATALOGUE);
            let rows: QueryResult<Vec<(Text, Text, Text, Text)>> = query.load(self).await;
            let rows = rows.map_err(|error| probe_error(&error))?;
            let texts = rows
                .iter()
                .map(|(a, b, c, d)| [a, b, c, d].map(Option::as_deref));
            Ok(Some(catalogue_of(texts)))
        })
    }

    fn leads_there(_: &PostgresWitness) -> bool {
        true
    }
}

async fn ask(connection: &mut AsyncPgConnection) -> QueryResult<[Option<String>; COLUMNS]> {
    type Columns = (
        Column,
        Column,
        Column,
        Column,
        Column,
        Column,
        Column,
        Column,
        Column,
    );
    type Text = Option<String>;
    type Texts = (Text, Text, Text, Text, Text, Text, Text, Text, Text);
    let query = diesel::dsl::sql::<Columns>(IDENTIFY);
    let (a, b, c, d, e, f, g, h, i): Texts = query.get_result(connection).await?;
    Ok([a, b, c, d, e, f, g, h, i])
}

fn unreadable(error: Unreadable) -> ProbeError {
    ProbeError::new(Fault::Query, error.to_string())
}

/// The identifiers of a type, asked on the connection that will run the statement: its search path
/// decides which type an unqualified name means.
async fn look_up(
    connection: &mut AsyncPgConnection,
    (schema, name): &(Option<String>, String),
) -> QueryResult<Oids> {
    type Found = (Oid, Oid);
    let found: QueryResult<(u32, u32)> =
        match schema {
            Some(schema) => {
                diesel::dsl::sql::<Found>(
                    "SELECT t.oid, t.typarray FROM pg_catalog.pg_type t \
                 JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.typname = ",
                )
                .bind::<Text, _>(name)
                .sql(" AND n.nspname = ")
                .bind::<Text, _>(schema)
                .get_result(connection)
                .await
            }
            None => diesel::dsl::sql::<Found>(
                "SELECT oid, typarray FROM pg_catalog.pg_type WHERE oid = to_regtype(quote_ident(",
            )
            .bind::<Text, _>(name)
            .sql("))")
            .get_result(connection)
            .await,
        };
    match found {
        Ok((own, array)) => Ok(Oids { own, array }),
        Err(Error::NotFound) => {
            // as the server says it: a replica may not have replayed its creation yet
            let message = format!("type \"{name}\" does not exist");
            let kind = DatabaseErrorKind::Unknown;
            Err(Error::DatabaseError(kind, Box::new(message)))
        }
        Err(other) => Err(other),
    }
}

/// Diesel also takes `host=… user=…`, which is no URL.
fn address_of_pairs(field: &str, text: &str) -> Result<Address, ConfigError> {
    if text.contains("://") || !text.contains('=') {
        // says what is wrong with it as a URL
        return NodeUrl::parse(field, text).and_then(|url| Err(url.unsupported()));
    }
    let read = PostgresUrl::parse(text).map_err(|_| {
        let value = "a PostgreSQL connection string with a mistake";
        ConfigError::new(field, value, "host=db user=app dbname=app, or a URL")
    })?;
    Ok(Address::new(field, Dialect::Postgres, place(&read.config)))
}

/// Hosts and ports: what two URLs of one server share.
fn place(config: &tokio_postgres::Config) -> String {
    let addresses = config.get_hostaddrs().iter().map(IpAddr::to_string);
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    });
    let hosts: Vec<String> = if config.get_hostaddrs().is_empty() {
        hosts.collect()
    } else {
        addresses.collect()
    };
    let ports = config.get_ports();
    let port_of = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
    let places = hosts.iter().enumerate();
    let places: Vec<String> = places
        .map(|(index, host)| format!("{host}:{}", port_of(index)))
        .collect();
    places.join(",")
}
