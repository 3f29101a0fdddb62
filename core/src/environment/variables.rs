//! The list of all variables: what is documented, and what of ours is known.

use super::FAMILY;
use super::families::{self, Family};
use super::option_settings::OptionSettings;
use super::pool_settings::pool_name;
use super::reader::{OURS, Vars, variable_of};
use super::values::{EXAMPLES, Limit, Policy, Value};
use crate::config::ConfigError;
use crate::role::Role;

/// A name of ours that means nothing is a mistake; others belong to whomever.
pub(super) fn refuse_unknown(vars: &Vars) -> Result<(), ConfigError> {
    let known = variables();
    let is_known = |name: &&str| known.iter().any(|variable| variable.name == *name);
    let mut ours = vars.names().filter(|name| name.starts_with(OURS));
    match ours.find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => Err(ConfigError::new(
            name,
            "a name that means nothing",
            "one that docs/configuration.md lists",
        )),
    }
}

/// A variable that is read, for documentation.
///
/// ```
/// let names: Vec<_> = orm_split_core::environment::variables();
/// assert!(names.iter().any(|variable| variable.name == "ORM_SPLIT_MAX_STALENESS"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Its name; `<n>` stands for a number.
    pub name: String,
    /// What it takes.
    pub accepted: String,
}

/// Every variable that is read.
#[must_use]
pub fn variables() -> Vec<Variable> {
    let variable = |name: String, accepted: &str| Variable {
        name,
        accepted: accepted.replace(EXAMPLES, ""),
    };
    let ours = |setting: &str, accepted| variable(variable_of(setting), accepted);
    let families = families::variables();
    let mut all: Vec<_> = families
        .into_iter()
        .map(|(name, accepted)| variable(name, &accepted))
        .collect();
    all.extend([
        variable(FAMILY.to_owned(), Family::ACCEPTED),
        ours("use_replicas", bool::ACCEPTED),
        ours(
            "replica_zones",
            "names, comma-separated, one for each replica",
        ),
        ours(
            "replica_weights",
            "numbers from 0.01 to 100, comma-separated, one for each replica",
        ),
        ours("policy", Policy::ACCEPTED),
    ]);
    for role in [Role::Primary, Role::Replica] {
        for (field, accepted) in [
            ("max_connections", u32::ACCEPTED),
            ("min_connections", u32::ACCEPTED),
            ("idle_time", Limit::ACCEPTED),
            ("lifetime", Limit::ACCEPTED),
            ("connection_timeout", std::time::Duration::ACCEPTED),
        ] {
            all.push(ours(&format!("{}.{field}", pool_name(role)), accepted));
        }
    }
    let options = OptionSettings::fields().into_iter();
    all.extend(options.map(|(field, accepted)| ours(field, accepted)));
    let time = "a time with its unit";
    for (name, accepted) in [
        ("USE_READ_REPLICAS", bool::ACCEPTED),
        ("DB_MAX_CONNECTIONS", u32::ACCEPTED),
        ("DB_MIN_CONNECTIONS", u32::ACCEPTED),
        ("DB_MAX_IDLE_TIME", "a time with its unit; `0` is `off`"),
        ("DB_MAX_LIFETIME", "a time with its unit; `0` is `off`"),
        ("DB_CONNECTION_TIMEOUT", time),
        ("DB_QUERY_TIMEOUT", "a time with its unit; `0` is `off`"),
        ("REPLICA_CONNECTION_TIMEOUT", time),
        (
            "REPLICA_QUERY_TIMEOUT",
            "a time with its unit; `0` is `off`",
        ),
        (
            "REPLICA_HEALTH_CHECK_INTERVAL",
            "milliseconds, or a time with its unit",
        ),
    ] {
        all.push(variable(name.to_owned(), accepted));
    }
    all
}
