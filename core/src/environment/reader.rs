//! Reading variables: one at a time, by name, each error naming the variable.
//!
//! Decides what counts as set: a variable that is empty, or all blanks, is not, except a password, which is
//! taken as it is. Must never show a password.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::values::{Value, shown};
use crate::config::ConfigError;

/// What our own variables begin with.
pub(super) const OURS: &str = "ORM_SPLIT_";

/// The variables that there are.
#[derive(Default)]
pub(super) struct Vars(BTreeMap<String, OsString>);

impl Vars {
    /// Names that are no UTF-8 are nobody's that we know.
    pub(super) fn of<K, V>(vars: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let vars = vars.into_iter();
        let named =
            vars.filter_map(|(name, value)| Some((name.into().into_string().ok()?, value.into())));
        Self(named.collect())
    }

    /// A variable, trimmed; `None` if it is not set.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        let text = self.raw(name)?.map(str::trim);
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// A variable as it is, even if it is empty.
    pub(super) fn raw(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let text = value
            .to_str()
            .ok_or_else(|| ConfigError::new(name, "a value that is not UTF-8", "text in UTF-8"))?;
        Ok(Some(text))
    }

    /// Whether a variable has a value, whatever it is.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| {
            // what is no UTF-8 is no blank either, and an error when it is read
            value.to_str().is_none_or(|text| !text.trim().is_empty())
        })
    }

    /// The names of those that have a value, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.0.keys().map(String::as_str);
        names.filter(|name| self.has(name))
    }
}

/// Another word for a setting, of a deployment that was there before us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alias(pub(super) &'static str, pub(super) Unit);

/// How such a word is written where that differs from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// As ours.
    Written,
    /// A bare number is of milliseconds.
    Milliseconds,
    /// No time is no limit.
    ZeroIsOff,
}

impl Unit {
    fn as_ours(self, text: &str) -> String {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let is_zero = || humantime::parse_duration(text).is_ok_and(|time| time.is_zero());
        match self {
            Self::Milliseconds if is_number => format!("{text}ms"),
            Self::ZeroIsOff if is_zero() => "off".to_owned(),
            Self::Written | Self::Milliseconds | Self::ZeroIsOff => text.to_owned(),
        }
    }

    const fn accepted(self) -> &'static str {
        match self {
            Self::Written => "",
            Self::Milliseconds => "; a bare number is of milliseconds",
            Self::ZeroIsOff => "; `0` is `off`",
        }
    }
}

/// Which variable each setting came from, so that whatever is wrong with it later names that variable.
#[derive(Clone, Default)]
pub(super) struct Sources {
    by_setting: BTreeMap<String, String>,
    /// Whether variables were read at all.
    is_environment: bool,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sources")
    }
}

impl Sources {
    pub(super) fn remember(&mut self, setting: impl Into<String>, variable: impl Into<String>) {
        self.by_setting.insert(setting.into(), variable.into());
    }

    /// The error with the name of the variable that its setting came from, or would come from.
    pub(super) fn named(&self, error: ConfigError) -> ConfigError {
        if !self.is_environment {
            return error;
        }
        let field = match self.by_setting.get(&error.field) {
            Some(variable) => variable.clone(),
            None if error.field.starts_with("replica-") || error.field == "replica" => {
                let of_any = self.by_setting.get("replica-1");
                of_any
                    .cloned()
                    .unwrap_or_else(|| "DATABASE_REPLICA_URLS".to_owned())
            }
            None => variable_of(&error.field),
        };
        ConfigError { field, ..error }
    }
}

/// Our variable for a setting.
pub(super) fn variable_of(setting: &str) -> String {
    let name = setting.replace("_pool.", "_").to_ascii_uppercase();
    format!("{OURS}{name}")
}

/// Reads settings, and remembers where they came from.
pub(super) struct Reader<'v> {
    pub(super) vars: &'v Vars,
    pub(super) sources: Sources,
}

impl<'v> Reader<'v> {
    pub(super) fn of(vars: &'v Vars) -> Self {
        let sources = Sources {
            is_environment: true,
            ..Sources::default()
        };
        Self { vars, sources }
    }

    /// An option of the library, in our words or in others.
    pub(super) fn option<T: Value>(
        &mut self,
        field: &str,
        aliases: &[Alias],
    ) -> Result<Option<T>, ConfigError> {
        self.setting(field, aliases)
    }

    /// A limit of a pool.
    pub(super) fn of_pool<T: Value>(
        &mut self,
        pool: &str,
        field: &str,
        aliases: &[Alias],
    ) -> Result<Option<T>, ConfigError> {
        self.setting(&format!("{pool}.{field}"), aliases)
    }

    fn setting<T: Value>(
        &mut self,
        setting: &str,
        aliases: &[Alias],
    ) -> Result<Option<T>, ConfigError> {
        let ours = variable_of(setting);
        let theirs = aliases.iter().find(|alias| self.vars.has(alias.0));
        let (name, unit) = match theirs {
            Some(Alias(theirs, _)) if self.vars.has(&ours) => {
                let value = format!("a value beside {theirs}, which sets the same");
                return Err(ConfigError::new(ours, value, "one of the two"));
            }
            Some(Alias(theirs, unit)) => ((*theirs).to_owned(), *unit),
            None => (ours, Unit::Written),
        };
        let Some(text) = self.vars.text(&name)? else {
            return Ok(None);
        };
        let value = parse(&name, text, unit)?;
        self.sources.remember(setting, name);
        Ok(Some(value))
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.vars.has(name)
    }
}

/// The value of the variable `name`.
fn parse<T: Value>(name: &str, text: &str, unit: Unit) -> Result<T, ConfigError> {
    T::parse(&unit.as_ours(text)).ok_or_else(|| {
        let accepted = format!("{}{}", T::ACCEPTED, unit.accepted());
        ConfigError::new(name, shown::<T>(text), accepted)
    })
}
