//! How a PostgreSQL URL is opened.
//!
//! `AsyncPgConnection::establish` speaks no TLS and keeps the cause of a failure to itself, so the
//! connection is made here. With the feature `rustls` the URL's `sslmode` decides: `require` encrypts,
//! `verify-ca` also asks for a certificate of a known authority, `verify-full` for one of this host too.

use diesel::connection::{InstrumentationEvent, get_default_instrumentation};
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use tokio_postgres::NoTls;

use crate::error::with_sources;

/// What a URL, or a list of `key=value`, says.
#[derive(Debug)]
pub(crate) struct PostgresUrl {
    pub(crate) config: tokio_postgres::Config,
    pub(crate) tls: Tls,
}

/// What a connection asks of the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// As the driver does without TLS: `disable` and `prefer`.
    Off,
    On {
        asks: Asks,
        /// A file of certificates; the system's authorities if there is none.
        roots: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    Nothing,
    Authority,
    AuthorityAndHost,
}

impl PostgresUrl {
    /// Reads it; an error is in the driver's words, or ours.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut mode = None;
        let mut roots = None;
        let mut is_system = false;
        let rest = without(text, |key, value| match key {
            "sslmode" => {
                mode = Some(value.to_owned());
                value.starts_with("verify-")
            }
            "sslrootcert" => {
                is_system = value == "system";
                roots = Some(value.to_owned()).filter(|_| !is_system);
                true
            }
            _ => false,
        });
        let config = rest.parse::<tokio_postgres::Config>();
        let mut config = config.map_err(|error| with_sources(&error))?;
        let asks = match mode.as_deref() {
            // as libpq has it: any host has a certificate that the system's roots vouch for
            None | Some("verify-full") if is_system => Asks::AuthorityAndHost,
            _ if is_system => {
                return Err("sslrootcert=system needs sslmode=verify-full".to_owned());
            }
            None | Some("disable" | "allow" | "prefer") if roots.is_some() => {
                return Err(
                    "sslrootcert needs sslmode=require, verify-ca or verify-full".to_owned(),
                );
            }
            Some("require") if roots.is_none() => Asks::Nothing,
            Some("require" | "verify-ca") => Asks::Authority,
            Some("verify-full") => Asks::AuthorityAndHost,
            Some(other) if other.starts_with("verify-") => {
                return Err("invalid value for option `sslmode`".to_owned());
            }
            _ => {
                return Ok(Self {
                    config,
                    tls: Tls::Off,
                });
            }
        };
        if !cfg!(feature = "rustls") {
            return Err("sslmode asks for TLS, which needs the feature `rustls`".to_owned());
        }
        config.ssl_mode(tokio_postgres::config::SslMode::Require);
        let tls = Tls::On { asks, roots };
        Ok(Self { config, tls })
    }
}

/// The text without the parameters that `takes` takes.
fn without(text: &str, mut takes: impl FnMut(&str, &str) -> bool) -> String {
    let mut taken = |pair: &str| {
        pair.split_once('=')
            .is_some_and(|(key, value)| takes(key.trim(), value.trim_matches('\'')))
    };
    if !text.contains("://") {
        let pairs = text.split_whitespace().filter(|pair| !taken(pair));
        return pairs.collect::<Vec<_>>().join(" ");
    }
    let Some((place, query)) = text.split_once('?') else {
        return text.to_owned();
    };
    let pairs = query.split('&').filter(|pair| !taken(pair));
    let query = pairs.collect::<Vec<_>>().join("&");
    format!("{place}?{query}")
}

/// Opens a connection as the URL says.
pub(crate) fn open(url: &str) -> BoxFuture<'_, ConnectionResult<AsyncPgConnection>> {
    Box::pin(async move {
        let mut instrumentation = get_default_instrumentation();
        let mut tell = |event: InstrumentationEvent<'_>| {
            if let Some(instrumentation) = &mut instrumentation {
                instrumentation.on_connection_event(event);
            }
        };
        tell(InstrumentationEvent::start_establish_connection(url));
        let opened = connect(url).await;
        let error = opened.as_ref().err();
        tell(InstrumentationEvent::finish_establish_connection(
            url, error,
        ));
        opened
    })
}

async fn connect(url: &str) -> ConnectionResult<AsyncPgConnection> {
    let PostgresUrl { config, tls } =
        PostgresUrl::parse(url).map_err(ConnectionError::InvalidConnectionUrl)?;
    match tls {
        Tls::Off => {
            let connected = config.connect(NoTls).await;
            let (client, connection) = connected.map_err(|error| bad(&error))?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        }
        #[cfg(feature = "rustls")]
        Tls::On { asks, roots } => {
            let connector = crate::tls::connector(asks, roots).await;
            let connector = connector.map_err(ConnectionError::BadConnection)?;
            let connected = config.connect(connector).await;
            let (client, connection) = connected.map_err(|error| bad(&error))?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        }
        #[cfg(not(feature = "rustls"))]
        Tls::On { .. } => Err(ConnectionError::InvalidConnectionUrl(String::new())),
    }
}

/// As diesel-async reports it, with the cause; what a server says names roles and databases, never a
/// password.
fn bad(error: &tokio_postgres::Error) -> ConnectionError {
    ConnectionError::BadConnection(with_sources(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls_of(text: &str) -> Tls {
        PostgresUrl::parse(text).unwrap().tls
    }

    #[test]
    fn a_url_without_a_mode_is_opened_as_before() {
        assert_eq!(tls_of("postgres://app@db/app"), Tls::Off);
        assert_eq!(tls_of("postgres://app@db/app?sslmode=prefer"), Tls::Off);
        assert_eq!(tls_of("host=db user=app"), Tls::Off);
    }

    #[cfg(feature = "rustls")]
    #[test]
    fn the_mode_says_what_is_asked_of_the_certificate() {
        let on = |asks, roots: Option<&str>| Tls::On {
            asks,
            roots: roots.map(str::to_owned),
        };
        let url = |query: &str| tls_of(&format!("postgres://app@db/app?{query}"));
        assert_eq!(url("sslmode=require"), on(Asks::Nothing, None));
        assert_eq!(
            url("sslrootcert=/ca.pem&sslmode=require&connect_timeout=2"),
            on(Asks::Authority, Some("/ca.pem"))
        );
        assert_eq!(
            url("sslmode=verify-full&sslrootcert=system"),
            on(Asks::AuthorityAndHost, None)
        );
        assert_eq!(
            tls_of("host=db user=app sslmode=verify-ca"),
            on(Asks::Authority, None)
        );
    }

    #[cfg(not(feature = "rustls"))]
    #[test]
    fn tls_that_was_not_compiled_in_is_refused_by_name() {
        let error = PostgresUrl::parse("postgres://app@db/app?sslmode=require").unwrap_err();
        assert!(error.contains("feature `rustls`"), "{error}");
    }

    #[test]
    fn an_unknown_mode_is_refused() {
        assert!(PostgresUrl::parse("postgres://app@db/app?sslmode=verify-some").is_err());
        assert!(PostgresUrl::parse("postgres://app@db/app?sslmode=sometimes").is_err());
    }
}
