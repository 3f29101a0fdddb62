//! Settings that come from outside: from variables, or from a file through serde.
//!
//! Decides what they mean, and refuses what cannot be meant, by name. Knows no ORM: an adapter makes pools of
//! what is said here. Never shows a password, neither in an error nor in a `Debug`. Reads the process's
//! environment in one place, [`Settings::from_env`]; everything else takes variables as they are handed in.
//!
//! `docs/configuration.md` lists every variable.

mod database_url;
mod families;
#[cfg(feature = "serde")]
mod from_file;
mod option_settings;
mod parts;
mod pool_settings;
#[cfg(test)]
mod properties;
mod reader;
mod replica_settings;
#[cfg(test)]
mod tests;
mod values;
mod variables;

use std::ffi::OsString;
use std::sync::Arc;

pub use database_url::DatabaseUrl;
pub use families::Family;
pub use option_settings::OptionSettings;
pub use pool_settings::PoolSettings;
pub use replica_settings::ReplicaSettings;
pub use values::{Limit, Policy, Secrets};
pub use variables::{Variable, variables};

use crate::address::{self, Address, NodeUrl};
use crate::config::{ConfigError, Options};
use crate::role::Role;
use crate::select::Select;
use crate::topology::Topology;
use pool_settings::pool_name;
use reader::{Alias, Reader, Sources, Unit, Vars, variable_of};
use values::{Value, list, shown};

/// Everything that can be said from outside about a primary, its replicas and how they are used.
///
/// The same names stand in a file and, in capitals after `ORM_SPLIT_`, in variables. With the feature `serde`
/// it is deserialised by whatever loader the application has:
///
/// ```toml
/// primary = "postgres://app@db-main/app"
/// policy = "adaptive"
///
/// [[replicas]]
/// url = "postgres://app@replica-1/app"
/// zone = "eu-1a"
///
/// [replica_pool]
/// max_connections = 50
/// lifetime = "1h"
///
/// [options]
/// max_staleness = "10s"
/// ```
///
/// From variables:
///
/// ```
/// use orm_split_core::environment::Settings;
///
/// let settings = Settings::from_vars([
///     ("DATABASE_URL", "postgres://app@db-main/app"),
///     ("DATABASE_REPLICA_URLS", "postgres://app@replica-1/app, postgres://app@replica-2/app"),
///     ("ORM_SPLIT_MAX_STALENESS", "10s"),
/// ])?;
/// assert_eq!(settings.replicas.len(), 2);
///
/// let error = Settings::from_vars([
///     ("DATABASE_URL", "postgres://app@db-main/app"),
///     ("ORM_SPLIT_READ_WAIT", "10"),
/// ]);
/// assert_eq!(
///     error.unwrap_err().to_string(),
///     "ORM_SPLIT_READ_WAIT: \"10\" is not accepted; use a time with its unit, such as `500ms`, `30s`, `10m` or `1h`",
/// );
/// # Ok::<(), orm_split_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Settings {
    /// The node that takes writes. Required.
    pub primary: Option<DatabaseUrl>,
    /// The nodes that follow it.
    pub replicas: Vec<ReplicaSettings>,
    /// Whether the replicas are used. Default true. False is as if there were none: none is connected to, and
    /// nothing watches any.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "from_file::setting"))]
    pub use_replicas: Option<bool>,
    /// How one of several replicas is chosen. Default [`Policy::Adaptive`].
    #[cfg_attr(feature = "serde", serde(deserialize_with = "from_file::setting"))]
    pub policy: Option<Policy>,
    /// The pool of the primary.
    pub primary_pool: PoolSettings,
    /// The pool of each replica.
    pub replica_pool: PoolSettings,
    /// Everything else.
    pub options: OptionSettings,
    #[cfg_attr(feature = "serde", serde(skip))]
    sources: Sources,
}

impl Settings {
    /// Of the variables of this process.
    ///
    /// # Errors
    /// The first variable that is missing, contradicts another, or has a value that is not accepted.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(std::env::vars_os())
    }

    /// Of these variables.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_vars<K, V>(vars: impl IntoIterator<Item = (K, V)>) -> Result<Self, ConfigError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let vars = Vars::of(vars);
        let family = match vars.text(FAMILY)? {
            None => Family::of(&vars)?,
            Some(text) => Family::parse(text)
                .ok_or_else(|| ConfigError::new(FAMILY, shown::<Family>(text), Family::ACCEPTED))?,
        };
        Self::read(family, &vars)
    }

    /// Of those of these variables that are of one family, beside those that name no database. For a process
    /// that has connections to several.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env), except that variables of other families do not matter.
    pub fn of_family<K, V>(
        family: Family,
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        Self::read(family, &Vars::of(vars))
    }

    fn read(family: Family, vars: &Vars) -> Result<Self, ConfigError> {
        variables::refuse_unknown(vars)?;
        let mut reader = Reader::of(vars);
        let mut settings = Self {
            use_replicas: reader.option("use_replicas", &[SWITCH])?,
            policy: reader.option("policy", &[])?,
            primary_pool: PoolSettings::read(&mut reader, Role::Primary)?,
            replica_pool: PoolSettings::read(&mut reader, Role::Replica)?,
            ..Self::default()
        };
        settings.options.read(&mut reader)?;
        let wants_replicas = settings.use_replicas != Some(false);
        for (index, node) in family.nodes(vars, wants_replicas)?.into_iter().enumerate() {
            if index == 0 {
                reader.sources.remember("primary", node.variable);
                settings.primary = Some(node.url);
            } else {
                reader
                    .sources
                    .remember(format!("replica-{index}"), node.variable);
                settings.replicas.push(ReplicaSettings::at(node.url));
            }
        }
        if wants_replicas {
            settings.place(&mut reader)?;
        }
        if settings.use_replicas == Some(true) && settings.replicas.is_empty() {
            let name = if reader.is_set(SWITCH.0) {
                SWITCH.0.to_owned()
            } else {
                variable_of("use_replicas")
            };
            let accepted = "it beside a replica that is another server than the primary";
            return Err(ConfigError::new(name, "true", accepted));
        }
        settings.sources = reader.sources;
        settings.validate().map_err(|error| settings.named(error))?;
        Ok(settings)
    }

    /// Zones and weights, in the order of the replicas.
    fn place(&mut self, reader: &mut Reader<'_>) -> Result<(), ConfigError> {
        let zones = of_each(reader.vars, "replica_zones", self.replicas.len())?;
        let weights = of_each(reader.vars, "replica_weights", self.replicas.len())?;
        for (index, replica) in self.replicas.iter_mut().enumerate() {
            replica.zone = zones.get(index).cloned();
            replica.weight = weights.get(index).copied();
            for (field, list) in [("zone", "replica_zones"), ("weight", "replica_weights")] {
                let field = format!("replica-{}.{field}", index + 1);
                reader.sources.remember(field, variable_of(list));
            }
        }
        Ok(())
    }

    /// The replicas, unless they are switched off.
    #[must_use]
    pub fn used_replicas(&self) -> &[ReplicaSettings] {
        match self.use_replicas {
            Some(false) => &[],
            Some(true) | None => &self.replicas,
        }
    }

    /// The policy that is named, or the default.
    #[must_use]
    pub fn select(&self) -> Arc<dyn Select> {
        self.policy.unwrap_or_default().select()
    }

    /// The options of the library.
    ///
    /// # Errors
    /// The first that is out of its range.
    pub fn options(&self) -> Result<Options, ConfigError> {
        self.options.options()
    }

    /// Checks every field, as far as that can be done without a driver.
    ///
    /// # Errors
    /// The first field whose value is not accepted; `primary` also if it is missing.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.options()?;
        self.primary_pool.validate(pool_name(Role::Primary))?;
        self.replica_pool.validate(pool_name(Role::Replica))?;
        let missing = || ConfigError::new("primary", "nothing", "the URL of the primary");
        let primary = self.primary.as_ref().ok_or_else(missing)?;
        let mut addresses = Vec::new();
        addresses.extend(address_of("primary", primary)?);
        let mut placed = Vec::new();
        for (number, replica) in (1..).zip(self.used_replicas()) {
            let name = format!("replica-{number}");
            addresses.extend(address_of(&name, &replica.url)?);
            placed.push((Arc::from(name), replica.placement()));
        }
        Topology::new("primary".into(), &placed, None)?;
        address::check(&addresses, !placed.is_empty())
    }

    /// An error about a setting, with the name of the variable that the setting came from.
    #[must_use]
    pub fn named(&self, error: ConfigError) -> ConfigError {
        self.sources.named(error)
    }
}

const FAMILY: &str = "ORM_SPLIT_FAMILY";

const SWITCH: Alias = Alias("USE_READ_REPLICAS", Unit::Written);

/// Where a URL leads to, as far as it says so itself.
fn address_of(field: &str, url: &DatabaseUrl) -> Result<Option<Address>, ConfigError> {
    let node = NodeUrl::parse(field, url.expose())?;
    let url = url::Url::parse(url.expose()).ok();
    let host = url
        .as_ref()
        .and_then(|url| Some((url.host_str()?, url.port())));
    Ok(host.map(|(host, port)| {
        let port = port.map_or_else(|| "its default port".to_owned(), |port| port.to_string());
        node.leads_to(format!("{host}:{port}"))
    }))
}

/// What a list says of each replica; empty if there is none.
fn of_each<T: Value>(vars: &Vars, setting: &str, count: usize) -> Result<Vec<T>, ConfigError> {
    let name = variable_of(setting);
    let Some(text) = vars.text(&name)? else {
        return Ok(Vec::new());
    };
    let mut values = Vec::new();
    for item in list(text) {
        let refused = || ConfigError::new(&name, shown::<T>(item), T::ACCEPTED);
        values.push(T::parse(item).ok_or_else(refused)?);
    }
    if values.len() != count {
        let value = format!("a list of {}", values.len());
        let accepted = format!("one for each of the {count} replicas");
        return Err(ConfigError::new(name, value, accepted));
    }
    Ok(values)
}
