//! The variables of deployments, for the databases of a test.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use anyhow::{Context, Result};

use crate::kit::postgres::Database;

/// Names and values.
pub type Vars = Vec<(String, String)>;

/// A server's URL, part by part, as deployments have it. Printed without them.
#[non_exhaustive]
#[derive(Clone)]
pub struct Server {
    /// Its part of the URL.
    pub host: String,
    /// Its part of the URL.
    pub port: String,
    /// Its part of the URL.
    pub name: String,
    /// Its part of the URL.
    pub user: String,
    /// Its part of the URL.
    pub password: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    /// What a URL says.
    ///
    /// # Errors
    /// It lacks a part.
    pub fn of(url: &str) -> Result<Self> {
        let config = tokio_postgres::Config::from_str(url)?;
        let port = config.get_ports().first().context("a port")?;
        let password = config.get_password().context("a password")?;
        Ok(Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST).to_string(),
            port: port.to_string(),
            name: config.get_dbname().context("a database")?.to_owned(),
            user: config.get_user().context("a user")?.to_owned(),
            password: String::from_utf8(password.to_vec())?,
        })
    }

    /// A variable for each part; `name` is that of the database's.
    #[must_use]
    pub fn vars(&self, prefix: &str, name: &str) -> Vars {
        [
            ("HOST", &self.host),
            ("PORT", &self.port),
            (name, &self.name),
            ("USER", &self.user),
            ("PASSWORD", &self.password),
        ]
        .map(|(part, value)| (format!("{prefix}_{part}"), value.clone()))
        .into()
    }
}

/// What a deployment of the family sets, and how many replicas it then has.
///
/// # Errors
/// There is no such family, or the database has no replica.
pub fn variables(family: &str, database: &Database) -> Result<(Vars, usize)> {
    let primary = Server::of(database.primary_url())?;
    let urls = database.replica_urls();
    let replicas: Vec<_> = urls
        .iter()
        .map(|url| Server::of(url))
        .collect::<Result<_>>()?;
    let (first, url) = replicas.first().zip(urls.first()).context("a replica")?;
    let one = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let numbered = |prefix: &str, name: &str| {
        let numbers = replicas.iter().zip(1..);
        let of_each = numbers.map(|(it, number)| it.vars(&format!("{prefix}{number}"), name));
        of_each.flatten().collect::<Vars>()
    };
    Ok(match family {
        "ours" => {
            let mut vars = one("DATABASE_URL", database.primary_url());
            vars.extend(one("DATABASE_REPLICA_URLS", &urls.join(",")));
            vars.extend(one("ORM_SPLIT_CONSISTENCY", "session"));
            (vars, urls.len())
        }
        "a" => (
            [
                primary.vars("DB_MASTER", "NAME"),
                numbered("DB_SLAVE", "NAME"),
            ]
            .concat(),
            urls.len(),
        ),
        "a, containers" => {
            let vars = [
                primary.vars("POSTGRES_MASTER", "DB"),
                numbered("POSTGRES_SLAVE", "DB"),
            ];
            let mut vars = vars.concat();
            // published on this machine
            vars.retain(|(name, _)| !name.ends_with("_HOST"));
            (vars, urls.len())
        }
        "b" => {
            let mut vars = one("WRITE_DATABASE_URL", database.primary_url());
            vars.extend(one("READ_DATABASE_URL", url));
            (vars, 1)
        }
        "d" => {
            let mut vars = primary.vars("DB", "NAME");
            vars.extend(one("DB_REPLICA_HOST", &first.host));
            // the replicas' service has a port of its own here, since all servers share one machine
            vars.extend(one("DB_REPLICA_PORT", &first.port));
            (vars, 1)
        }
        "e" => {
            let mut vars = primary.vars("DB", "NAME");
            vars.extend(one("READ_REPLICA_CONNECTION_STRING", url));
            for (name, value) in [
                ("USE_READ_REPLICAS", "true"),
                ("DB_MAX_CONNECTIONS", "4"),
                ("DB_MIN_CONNECTIONS", "1"),
                ("DB_MAX_IDLE_TIME", "10m"),
                ("DB_MAX_LIFETIME", "1h"),
                ("DB_CONNECTION_TIMEOUT", "30s"),
                ("DB_QUERY_TIMEOUT", "60s"),
                ("REPLICA_HEALTH_CHECK_INTERVAL", "2000"),
                ("REPLICA_QUERY_TIMEOUT", "60s"),
                ("REPLICA_CONNECTION_TIMEOUT", "30s"),
            ] {
                vars.extend(one(name, value));
            }
            (vars, 1)
        }
        other => anyhow::bail!("no family {other}"),
    })
}
