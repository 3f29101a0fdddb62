//! One replica, as settings have it.

use std::sync::Arc;

use super::database_url::DatabaseUrl;
use crate::placement::Placement;

/// A replica: where it is, and what else is said of it (see [`Placement`]).
///
/// ```
/// use orm_split_core::environment::ReplicaSettings;
///
/// let mut replica = ReplicaSettings::at("postgres://app@replica-1/app");
/// replica.zone = Some("eu-1a".into());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[non_exhaustive]
pub struct ReplicaSettings {
    /// Its URL.
    pub url: DatabaseUrl,
    /// Where it stands. Default nowhere.
    #[cfg_attr(
        feature = "serde",
        serde(default, deserialize_with = "super::from_file::setting")
    )]
    pub zone: Option<Arc<str>>,
    /// How much it takes in proportion to the others. Default 1; 0.01 to 100.
    #[cfg_attr(
        feature = "serde",
        serde(default, deserialize_with = "super::from_file::setting")
    )]
    pub weight: Option<f64>,
}

impl ReplicaSettings {
    /// One of which nothing else is said.
    pub fn at(url: impl Into<DatabaseUrl>) -> Self {
        Self {
            url: url.into(),
            zone: None,
            weight: None,
        }
    }

    /// Its weight and zone.
    #[must_use]
    pub fn placement(&self) -> Placement {
        let placement = match &self.zone {
            Some(zone) => Placement::new().zone(Arc::clone(zone)),
            None => Placement::new(),
        };
        match self.weight {
            Some(weight) => placement.weight(weight),
            None => placement,
        }
    }
}
