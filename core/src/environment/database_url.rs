//! The URL of a database: kept from being printed, and put together from its parts.
//!
//! Decides how the parts of a URL are written, so that a user, a password or a name may have any characters.

use std::fmt;
use std::net::Ipv6Addr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The URL of a database, which never prints itself.
///
/// ```
/// use orm_split_core::environment::DatabaseUrl;
///
/// let url = DatabaseUrl::from("postgres://app:hunter2@db-main/app");
/// assert!(!format!("{url:?}").contains("hunter2"));
/// assert_eq!(url.expose(), "postgres://app:hunter2@db-main/app");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(transparent))]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL, password included, for a driver.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<S: Into<String>> From<S> for DatabaseUrl {
    fn from(url: S) -> Self {
        Self(url.into())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(…)")
    }
}

/// What may stand in each part of a URL as it is (the unreserved characters of RFC 3986).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Where a database is and who asks for it, part by part.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) name: Option<String>,
    pub(super) user: Option<String>,
    /// Empty means none, and that it is not inherited.
    pub(super) password: Option<String>,
}

impl Parts {
    /// What is not said of a replica is as it is on the primary.
    pub(super) fn inherits(mut self, primary: &Self) -> Self {
        self.port = self.port.or(primary.port);
        self.name = self.name.or_else(|| primary.name.clone());
        self.user = self.user.or_else(|| primary.user.clone());
        self.password = self.password.or_else(|| primary.password.clone());
        self
    }

    pub(super) fn url(&self) -> DatabaseUrl {
        let encode = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
        let mut url = "postgres://".to_owned();
        if let Some(user) = &self.user {
            url += &encode(user);
            if let Some(password) = self.password.as_deref().filter(|text| !text.is_empty()) {
                url = format!("{url}:{}", encode(password));
            }
            url.push('@');
        }
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<Ipv6Addr>() {
            Ok(address) => url = format!("{url}[{address}]"),
            // a folder of sockets has slashes
            Err(_) => url += &encode(&self.host),
        }
        if let Some(port) = self.port {
            url = format!("{url}:{port}");
        }
        if let Some(name) = &self.name {
            url = format!("{url}/{}", encode(name));
        }
        DatabaseUrl(url)
    }
}

/// Whether a text can be the host of a URL: a name, an address, or a folder of sockets.
pub(super) fn is_host(text: &str) -> bool {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let is_name = |text: &str| {
        text.chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'))
    };
    match bare {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => is_name(text) || text.starts_with('/') || text.parse::<Ipv6Addr>().is_ok(),
    }
}
