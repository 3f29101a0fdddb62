//! The families of variables that name databases.
//!
//! Decides which family an environment is of, and what its variables say of the nodes. Two families at once
//! are an error: nobody can tell which one is meant.

use super::database_url::DatabaseUrl;
use super::parts::{CONTAINERS, HOSTS, NUMBERED, Naming, missing, numbers, of_primary, of_replica};
use super::reader::Vars;
use super::values::{Value, list};
use crate::config::ConfigError;

/// A way of naming a primary and its replicas in variables.
///
/// ```
/// use orm_split_core::environment::{Family, Settings};
///
/// // a service that has moved, in the environment of one that has not
/// let vars = [
///     ("DB_MASTER_HOST", "db-main"),
///     ("DB_SLAVE1_HOST", "replica-1"),
///     ("DB_HOST", "legacy"),
/// ];
/// let error = Settings::from_vars(vars).unwrap_err().to_string();
/// assert!(error.contains("DB_HOST") && error.contains("DB_MASTER_HOST"));
///
/// let new = Settings::of_family(Family::Numbered, vars)?;
/// let legacy = Settings::of_family(Family::Hosts, vars)?;
/// assert_eq!((new.replicas.len(), legacy.replicas.len()), (1, 0));
/// # Ok::<(), orm_split_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// `urls`: `DATABASE_URL`, `DATABASE_REPLICA_URLS`. Ours.
    Urls,
    /// `write_read`: `WRITE_DATABASE_URL`, `READ_DATABASE_URL`.
    WriteRead,
    /// `numbered`: `DB_MASTER_HOST` …, `DB_SLAVE1_HOST` …
    Numbered,
    /// `containers`: `POSTGRES_MASTER_DB` …, `POSTGRES_SLAVE1_DB` …
    Containers,
    /// `hosts`: `DB_HOST` …, with `DB_REPLICA_HOST` or `READ_REPLICA_CONNECTION_STRING` or neither.
    Hosts,
}

impl Value for Family {
    const ACCEPTED: &'static str = "`urls`, `write_read`, `numbered`, `containers` or `hosts`";

    fn parse(text: &str) -> Option<Self> {
        FAMILIES
            .into_iter()
            .find(|family| family.word().eq_ignore_ascii_case(text))
    }
}

const FAMILIES: [Family; 5] = [
    Family::Urls,
    Family::WriteRead,
    Family::Numbered,
    Family::Containers,
    Family::Hosts,
];

impl Family {
    const fn word(self) -> &'static str {
        match self {
            Self::Urls => "urls",
            Self::WriteRead => "write_read",
            Self::Numbered => "numbered",
            Self::Containers => "containers",
            Self::Hosts => "hosts",
        }
    }

    /// Whether a variable is of the family.
    fn owns(self, name: &str) -> bool {
        let of = |prefix: &str, parts: Naming| {
            let part = name
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_prefix('_'));
            part.is_some_and(|part| parts.all().contains(&part))
        };
        let numbered = |naming: Naming| {
            let rest = name.strip_prefix(naming.replica);
            let rest = rest.map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
            let part = rest.and_then(|rest| rest.strip_prefix('_'));
            of(naming.primary, naming) || part.is_some_and(|part| naming.all().contains(&part))
        };
        match self {
            Self::Urls => matches!(name, "DATABASE_URL" | "DATABASE_REPLICA_URLS"),
            Self::WriteRead => matches!(name, "WRITE_DATABASE_URL" | "READ_DATABASE_URL"),
            Self::Numbered => numbered(NUMBERED),
            Self::Containers => numbered(CONTAINERS),
            Self::Hosts => {
                of(HOSTS.primary, HOSTS) || of(HOSTS.replica, HOSTS) || name == CONNECTION_STRING
            }
        }
    }

    /// The family of which there are variables.
    pub(super) fn of(vars: &Vars) -> Result<Self, ConfigError> {
        let first = |family: Self| vars.names().find(|name| family.owns(name));
        let mut found = FAMILIES
            .into_iter()
            .filter_map(|family| Some((family, first(family)?)));
        let Some((family, name)) = found.next() else {
            let accepted = "a URL, or the variables of another family, such as DB_HOST";
            return Err(ConfigError::new("DATABASE_URL", "nothing", accepted));
        };
        match found.next() {
            None => Ok(family),
            Some((other, beside)) => Err(ConfigError::new(
                name,
                format!("a value beside {beside}"),
                format!(
                    "variables of one family, or say in ORM_SPLIT_FAMILY which counts: `{}` or `{}`",
                    family.word(),
                    other.word()
                ),
            )),
        }
    }

    /// The primary first, then its replicas, unless they are not wanted.
    pub(super) fn nodes(
        self,
        vars: &Vars,
        wants_replicas: bool,
    ) -> Result<Vec<Named>, ConfigError> {
        let mut nodes = match self {
            Self::Urls => urls(vars)?,
            Self::WriteRead => write_read(vars)?,
            Self::Numbered => numbered(vars, NUMBERED, wants_replicas)?,
            Self::Containers => numbered(vars, CONTAINERS, wants_replicas)?,
            Self::Hosts => hosts(vars, wants_replicas)?,
        };
        if !wants_replicas {
            nodes.truncate(1);
        }
        Ok(nodes)
    }
}

/// A node, and the variable that named it.
pub(super) struct Named {
    pub(super) url: DatabaseUrl,
    pub(super) variable: String,
}

impl Named {
    pub(super) fn of(variable: impl Into<String>, url: impl Into<DatabaseUrl>) -> Self {
        Self {
            url: url.into(),
            variable: variable.into(),
        }
    }
}

const CONNECTION_STRING: &str = "READ_REPLICA_CONNECTION_STRING";

fn urls(vars: &Vars) -> Result<Vec<Named>, ConfigError> {
    let name = "DATABASE_URL";
    let primary = vars.text(name)?;
    let primary = primary.ok_or_else(|| missing(name, "the URL of the primary"))?;
    let replicas = vars.text("DATABASE_REPLICA_URLS")?.unwrap_or_default();
    let replicas = list(replicas).map(|url| Named::of("DATABASE_REPLICA_URLS", url));
    Ok(std::iter::once(Named::of(name, primary))
        .chain(replicas)
        .collect())
}

fn write_read(vars: &Vars) -> Result<Vec<Named>, ConfigError> {
    let (write, read) = ("WRITE_DATABASE_URL", "READ_DATABASE_URL");
    let primary = vars.text(write)?;
    let primary = primary.ok_or_else(|| missing(write, "the URL of the primary"))?;
    let primary = Named::of(write, primary);
    let replica = vars.text(read)?.map(|url| Named::of(read, url));
    Ok(unless_same(primary, replica))
}

/// One database that stands for both, as in development, has no replica.
fn unless_same(primary: Named, replica: Option<Named>) -> Vec<Named> {
    let replica = replica.filter(|replica| !leads_to_same(&primary.url, &replica.url));
    std::iter::once(primary).chain(replica).collect()
}

fn leads_to_same(one: &DatabaseUrl, other: &DatabaseUrl) -> bool {
    let (Ok(one), Ok(other)) = (
        url::Url::parse(one.expose()),
        url::Url::parse(other.expose()),
    ) else {
        return false;
    };
    let place = |url: &url::Url| {
        let port = url.port().unwrap_or(5432);
        (
            url.host_str().map(str::to_owned),
            port,
            url.path().to_owned(),
        )
    };
    one.host_str().is_some() && place(&one) == place(&other)
}

fn hosts(vars: &Vars, wants_replicas: bool) -> Result<Vec<Named>, ConfigError> {
    let parts = of_primary(vars, HOSTS)?;
    let primary = Named::of("DB_HOST", parts.url());
    if !wants_replicas {
        return Ok(vec![primary]);
    }
    let by_host = vars.names().find(|name| {
        let part = name.strip_prefix("DB_REPLICA_");
        part.is_some_and(|part| HOSTS.all().contains(&part))
    });
    let replica = match (by_host, vars.text(CONNECTION_STRING)?) {
        (Some(by_host), Some(_)) => {
            let value = format!("a value beside {by_host}");
            let accepted = "the replica named by one of the two";
            return Err(ConfigError::new(CONNECTION_STRING, value, accepted));
        }
        (Some(_), None) => Some(of_replica(vars, HOSTS, HOSTS.replica, &parts)?),
        (None, Some(url)) => Some(Named::of(CONNECTION_STRING, url)),
        (None, None) => None,
    };
    Ok(unless_same(primary, replica))
}

fn numbered(vars: &Vars, naming: Naming, wants_replicas: bool) -> Result<Vec<Named>, ConfigError> {
    let parts = of_primary(vars, naming)?;
    let primary = Named::of(format!("{}_HOST", naming.primary), parts.url());
    let mut nodes = vec![primary];
    if wants_replicas {
        for number in numbers(vars, naming)? {
            let prefix = format!("{}{number}", naming.replica);
            nodes.push(of_replica(vars, naming, &prefix, &parts)?);
        }
    }
    Ok(nodes)
}

/// The names of the families' variables, and what each is.
pub(super) fn variables() -> Vec<(String, String)> {
    let url = "a URL".to_owned();
    let mut variables = vec![
        ("DATABASE_URL".to_owned(), url.clone()),
        (
            "DATABASE_REPLICA_URLS".to_owned(),
            "URLs, comma-separated".to_owned(),
        ),
        ("WRITE_DATABASE_URL".to_owned(), url.clone()),
        ("READ_DATABASE_URL".to_owned(), url.clone()),
    ];
    for (naming, replica) in [
        (NUMBERED, "DB_SLAVE<n>"),
        (CONTAINERS, "POSTGRES_SLAVE<n>"),
        (HOSTS, "DB_REPLICA"),
    ] {
        for prefix in [naming.primary, replica] {
            let texts = [
                "a host",
                "a port from 1 to 65535",
                "a name",
                "a name",
                "any text",
            ];
            let named = naming.all().into_iter().zip(texts);
            variables
                .extend(named.map(|(part, text)| (format!("{prefix}_{part}"), text.to_owned())));
        }
    }
    variables.push((CONNECTION_STRING.to_owned(), url));
    variables
}
