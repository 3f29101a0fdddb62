//! URLs of nodes, checked before SeaORM sees them: it prints a whole URL, password included, when it
//! cannot parse one.

use orm_split_core::address::{self, Address, NodeUrl};
use orm_split_core::{ConfigError, Dialect};
use sea_orm::{ConnectOptions, DatabaseConnection, DatabaseConnectionType, DbBackend};

use crate::builder::Primary;

/// Reads the URL given for `field`.
fn address_of(field: &str, text: &str) -> Result<Address, ConfigError> {
    let url = NodeUrl::parse(field, text)?;
    match url.dialect() {
        Dialect::Postgres => postgres(url, text),
        Dialect::Sqlite => sqlite(url, text),
        Dialect::MySql => mysql(url, text),
        _ => Err(url.unsupported()),
    }
}

#[cfg(feature = "postgres")]
fn postgres(url: NodeUrl, text: &str) -> Result<Address, ConfigError> {
    let parsed: Result<sqlx::postgres::PgConnectOptions, _> = text.parse();
    let options = parsed.map_err(|error| url.mistake(&error.to_string()))?;
    let host = options.get_socket().map_or_else(
        || options.get_host().to_owned(),
        |socket| socket.display().to_string(),
    );
    Ok(url.leads_to(format!("{host}:{}", options.get_port())))
}

#[cfg(not(feature = "postgres"))]
fn postgres(url: NodeUrl, _: &str) -> Result<Address, ConfigError> {
    Err(url.needs_feature("postgres"))
}

#[cfg(feature = "mysql")]
fn mysql(url: NodeUrl, text: &str) -> Result<Address, ConfigError> {
    let parsed: Result<sqlx::mysql::MySqlConnectOptions, _> = text.parse();
    let options = parsed.map_err(|error| url.mistake(&error.to_string()))?;
    let place = format!("{}:{}", options.get_host(), options.get_port());
    Ok(url.leads_to(place))
}

#[cfg(not(feature = "mysql"))]
fn mysql(url: NodeUrl, _: &str) -> Result<Address, ConfigError> {
    Err(url.needs_feature("mysql"))
}

#[cfg(feature = "sqlite")]
fn sqlite(url: NodeUrl, text: &str) -> Result<Address, ConfigError> {
    let parsed: Result<sqlx::sqlite::SqliteConnectOptions, _> = text.parse();
    let options = parsed.map_err(|error| url.mistake(&error.to_string()))?;
    let is_in_memory = text.contains(address::MEMORY) || text.contains("mode=memory");
    let file = options.get_filename().to_string_lossy();
    Ok(url.leads_to(if is_in_memory {
        address::MEMORY.to_owned()
    } else {
        file.into_owned()
    }))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(url: NodeUrl, _: &str) -> Result<Address, ConfigError> {
    Err(url.needs_feature("sqlite"))
}

/// The addresses of the nodes that are given as URLs, checked alone and against each other.
pub(crate) fn checked_urls(
    primary: &Primary,
    replicas: &[ConnectOptions],
) -> Result<Vec<Address>, ConfigError> {
    let mut addresses = Vec::new();
    if let Primary::ToConnect(options) = primary {
        addresses.push(address_of("primary", options.get_url())?);
    }
    for (index, options) in replicas.iter().enumerate() {
        let field = format!("replica-{}", index + 1);
        addresses.push(address_of(&field, options.get_url())?);
    }
    address::check(&addresses, !replicas.is_empty())?;
    Ok(addresses)
}

/// The dialect of the primary; `None` if it has no pool of a kind that we know.
pub(crate) fn dialect_of_primary(primary: &Primary, urls: &[Address]) -> Option<Dialect> {
    match primary {
        Primary::ToConnect(_) => urls.first().map(Address::dialect),
        Primary::Connected(connection) => backend_of(connection).and_then(dialect_of_backend),
    }
}

pub(crate) fn dialect_of(primary: &Primary, urls: &[Address]) -> Result<Dialect, ConfigError> {
    let dialect = dialect_of_primary(primary, urls);
    let refused = |value: String| {
        let accepted = "a PostgreSQL, MySQL or SQLite pool, of the kind of its replicas";
        Err(ConfigError::new("primary_connection", value, accepted))
    };
    let Some(dialect) = dialect else {
        return refused("a connection that has no pool".to_owned());
    };
    match urls.iter().find(|url| url.dialect() != dialect) {
        None => Ok(dialect),
        Some(other) => refused(format!(
            "{} with replicas of kind {}",
            address::kind(dialect),
            address::kind(other.dialect())
        )),
    }
}

fn dialect_of_backend(backend: DbBackend) -> Option<Dialect> {
    match backend {
        DbBackend::Postgres => Some(Dialect::Postgres),
        DbBackend::Sqlite => Some(Dialect::Sqlite),
        DbBackend::MySql => Some(Dialect::MySql),
        // no pool of these is followed
        _ => None,
    }
}

/// The back end of a connection that has a pool to take connections from.
pub(crate) fn backend_of(connection: &DatabaseConnection) -> Option<DbBackend> {
    match &connection.inner {
        #[cfg(feature = "postgres")]
        DatabaseConnectionType::SqlxPostgresPoolConnection(_) => Some(DbBackend::Postgres),
        #[cfg(feature = "mysql")]
        DatabaseConnectionType::SqlxMySqlPoolConnection(_) => Some(DbBackend::MySql),
        #[cfg(feature = "sqlite")]
        DatabaseConnectionType::SqlxSqlitePoolConnection(_) => Some(DbBackend::Sqlite),
        // mocks and whatever other features of sea-orm add
        _ => None,
    }
}
