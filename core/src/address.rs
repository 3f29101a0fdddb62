//! Where nodes are: URLs, checked alone and against each other before a driver sees, and perhaps prints,
//! them.
//!
//! Never shows a password: of a URL only its scheme and the place that it leads to.

use url::Url;

use crate::classify::Dialect;
use crate::config::ConfigError;

const ACCEPTED: &str = "a URL like postgres://user@host:5432/database, mysql://user@host/database or sqlite://path/to/file";

/// A URL that was given for a node, not yet understood by its driver.
///
/// ```
/// use orm_split_core::Dialect;
/// use orm_split_core::address::NodeUrl;
///
/// let url = NodeUrl::parse("replica-1", "postgres://app:secret@db/app")?;
/// assert_eq!(url.dialect(), Dialect::Postgres);
/// // what a driver says about it may repeat parts of it
/// assert!(!url.mistake("cannot use app:secret").to_string().contains("secret"));
/// # Ok::<(), orm_split_core::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct NodeUrl {
    field: String,
    url: Url,
    dialect: Dialect,
}

impl NodeUrl {
    /// Reads the URL given for `field`.
    ///
    /// # Errors
    /// It is no URL, or its scheme is that of no database we know.
    pub fn parse(field: &str, url: &str) -> Result<Self, ConfigError> {
        let refused = |value: String| ConfigError::new(field, value, ACCEPTED);
        let url = Url::parse(url)
            .map_err(|error| refused(format!("a URL that cannot be parsed ({error})")))?;
        let dialect = match url.scheme() {
            "postgres" | "postgresql" => Dialect::Postgres,
            "mysql" => Dialect::MySql,
            "sqlite" => Dialect::Sqlite,
            other => return Err(refused(format!("a URL of scheme `{other}`"))),
        };
        let field = field.to_owned();
        Ok(Self {
            field,
            url,
            dialect,
        })
    }

    /// The kind of database that its scheme names.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The driver does not accept it and says `message`, which is shown unless it repeats a part that
    /// could be secret.
    #[must_use]
    pub fn mistake(&self, message: &str) -> ConfigError {
        let kind = kind(self.dialect);
        let secrets = [self.url.password(), self.url.query()]
            .into_iter()
            .flatten();
        let mut shown = secrets.filter(|secret| !secret.is_empty());
        let value = if shown.any(|secret| message.contains(secret)) {
            format!("a {kind} URL with a mistake")
        } else {
            format!("a {kind} URL with a mistake ({message})")
        };
        ConfigError::new(&self.field, value, ACCEPTED)
    }

    /// No adapter takes databases of its kind here.
    #[must_use]
    pub fn unsupported(&self) -> ConfigError {
        let value = format!("a URL of scheme `{}`", self.url.scheme());
        ConfigError::new(&self.field, value, ACCEPTED)
    }

    /// The caller's connections are to databases of another kind.
    #[must_use]
    pub fn is_not_of(&self, dialect: Dialect) -> ConfigError {
        let value = format!("a URL of kind {}", kind(self.dialect));
        let accepted = format!("one of kind {}, as its connections are", kind(dialect));
        ConfigError::new(&self.field, value, accepted)
    }

    /// The back end is not compiled in.
    #[must_use]
    pub fn needs_feature(&self, feature: &str) -> ConfigError {
        let value = format!("a URL of scheme `{}`", self.url.scheme());
        let accepted = format!("it with the feature `{feature}` switched on");
        ConfigError::new(&self.field, value, accepted)
    }

    /// The driver understood it: it leads to `place`.
    #[must_use]
    pub fn leads_to(self, place: String) -> Address {
        Address {
            field: self.field,
            dialect: self.dialect,
            place,
        }
    }
}

impl std::fmt::Debug for NodeUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeUrl")
            .field("field", &self.field)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// What a URL says about a node, without its credentials.
///
/// ```
/// use orm_split_core::Dialect;
/// use orm_split_core::address::Address;
///
/// let address = Address::new("primary", Dialect::Sqlite, "app.db");
/// assert_eq!(address.dialect(), Dialect::Sqlite);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    field: String,
    dialect: Dialect,
    /// What two URLs of one server share: host and port, or the file's path.
    place: String,
}

/// The place of an SQLite database that each connection has for itself.
pub const MEMORY: &str = ":memory:";

impl Address {
    /// The node that was given for `field` is at `place`: host and port, or the file's path.
    pub fn new(field: impl Into<String>, dialect: Dialect, place: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            dialect,
            place: place.into(),
        }
    }

    /// The kind of database.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn reject_pair(&self, other: &Self) -> Result<(), ConfigError> {
        if self.dialect != other.dialect {
            let value = format!("a database of kind {}", kind(self.dialect));
            let accepted = format!("the kind of {}, {}", other.field, kind(other.dialect));
            return Err(ConfigError::new(&self.field, value, accepted));
        }
        // readers of one SQLite file are the very point there
        if self.dialect != Dialect::Sqlite && self.place == other.place {
            let value = format!("the server {}", self.place);
            let accepted = format!("another server than {}", other.field);
            return Err(ConfigError::new(&self.field, value, accepted));
        }
        Ok(())
    }
}

/// Checks the nodes of one primary against each other.
///
/// # Errors
/// Two are of different kinds or lead to one server, or several open a database in memory.
pub fn check(addresses: &[Address], has_replicas: bool) -> Result<(), ConfigError> {
    for (index, address) in addresses.iter().enumerate() {
        if address.place == MEMORY && has_replicas {
            let accepted = "a file, which several connections can open";
            let value = "a database in memory";
            return Err(ConfigError::new(&address.field, value, accepted));
        }
        for other in addresses.iter().take(index) {
            address.reject_pair(other)?;
        }
    }
    Ok(())
}

/// The kind of database, for people.
#[must_use]
pub fn kind(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "PostgreSQL",
        Dialect::MySql => "MySQL",
        Dialect::Sqlite => "SQLite",
    }
}
