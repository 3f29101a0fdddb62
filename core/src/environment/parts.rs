//! Nodes that are named part by part: host, port, name, user, password.
//!
//! Decides which parts a node needs, and what it inherits.

use std::collections::BTreeSet;

use super::database_url::{Parts, is_host};
use super::families::Named;
use super::reader::Vars;
use super::values::shown;
use crate::config::ConfigError;

/// How a family of parts is spelled.
#[derive(Clone, Copy)]
pub(super) struct Naming {
    pub(super) primary: &'static str,
    pub(super) replica: &'static str,
    /// The part that names the database.
    name: &'static str,
    /// Where a node is whose host is not said.
    host: Option<&'static str>,
}

pub(super) const NUMBERED: Naming = Naming {
    primary: "DB_MASTER",
    replica: "DB_SLAVE",
    name: "NAME",
    host: None,
};

/// Containers have their ports published on the machine that they run on.
pub(super) const CONTAINERS: Naming = Naming {
    primary: "POSTGRES_MASTER",
    replica: "POSTGRES_SLAVE",
    name: "DB",
    host: Some("localhost"),
};

pub(super) const HOSTS: Naming = Naming {
    primary: "DB",
    replica: "DB_REPLICA",
    name: "NAME",
    host: None,
};

impl Naming {
    pub(super) const fn all(self) -> [&'static str; 5] {
        ["HOST", "PORT", self.name, "USER", "PASSWORD"]
    }
}

pub(super) fn missing(variable: &str, accepted: &str) -> ConfigError {
    ConfigError::new(variable, "nothing", accepted)
}

/// The numbers that replicas have, in their order; some may be left out.
pub(super) fn numbers(vars: &Vars, naming: Naming) -> Result<BTreeSet<u32>, ConfigError> {
    let mut numbers = BTreeSet::new();
    for name in vars.names() {
        let Some((number, part)) = name
            .strip_prefix(naming.replica)
            .and_then(|rest| rest.split_once('_'))
        else {
            continue;
        };
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || !naming.all().contains(&part) {
            continue;
        }
        let parsed = number.parse::<u32>().ok();
        match parsed.filter(|parsed| parsed.to_string() == number) {
            Some(number) => numbers.insert(number),
            None => {
                let accepted = format!("{}1_{part}, and so on", naming.replica);
                return Err(ConfigError::new(
                    name,
                    "a name without a usable number",
                    accepted,
                ));
            }
        };
    }
    Ok(numbers)
}

pub(super) fn of_primary(vars: &Vars, naming: Naming) -> Result<Parts, ConfigError> {
    finished(
        vars_of(vars, naming, naming.primary)?,
        naming,
        naming.primary,
    )
}

pub(super) fn of_replica(
    vars: &Vars,
    naming: Naming,
    prefix: &str,
    primary: &Parts,
) -> Result<Named, ConfigError> {
    let parts = vars_of(vars, naming, prefix)?.inherits(primary);
    let parts = finished(parts, naming, prefix)?;
    Ok(Named::of(format!("{prefix}_HOST"), parts.url()))
}

fn vars_of(vars: &Vars, naming: Naming, prefix: &str) -> Result<Parts, ConfigError> {
    let text = |part: &str| {
        let text = vars.text(&format!("{prefix}_{part}"))?;
        Ok::<_, ConfigError>(text.map(str::to_owned))
    };
    let port_name = format!("{prefix}_PORT");
    let port = vars.text(&port_name)?.map(|port| {
        let number = port.parse::<u16>().ok().filter(|number| *number > 0);
        number.ok_or_else(|| {
            ConfigError::new(&port_name, shown::<u32>(port), "a port from 1 to 65535")
        })
    });
    Ok(Parts {
        host: text("HOST")?.unwrap_or_default(),
        port: port.transpose()?,
        name: text(naming.name)?,
        user: text("USER")?,
        password: vars.raw(&format!("{prefix}_PASSWORD"))?.map(str::to_owned),
    })
}

/// The parts of a node, if they can be those of a URL.
fn finished(mut parts: Parts, naming: Naming, prefix: &str) -> Result<Parts, ConfigError> {
    let variable = format!("{prefix}_HOST");
    if parts.host.is_empty() {
        let host = naming.host.map(str::to_owned);
        parts.host = host.ok_or_else(|| missing(&variable, "a host"))?;
    }
    if !is_host(&parts.host) {
        let accepted = format!(
            "a host name, an address or a folder of sockets, and {prefix}_PORT for its port"
        );
        return Err(ConfigError::new(
            variable,
            shown::<u32>(&parts.host),
            accepted,
        ));
    }
    if parts.user.is_none()
        && parts
            .password
            .as_deref()
            .is_some_and(|text| !text.is_empty())
    {
        let accepted = format!("a user, since {prefix}_PASSWORD is set");
        return Err(missing(&format!("{prefix}_USER"), &accepted));
    }
    Ok(parts)
}
