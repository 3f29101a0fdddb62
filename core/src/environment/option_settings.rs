//! The library's options as settings: each has one name, in a file as in a variable.
//!
//! Decides nothing: the ranges are checked where they always are, by `Options::validate`.

use std::sync::Arc;
use std::time::Duration;

use super::reader::{Alias, Reader, Unit};
use super::values::{Limit, Secrets};
use crate::config::{ConfigError, Consistency, Fallback, Options, PrimaryLoss, UserFunctions};
use crate::mode::Mode;
use crate::token::TokenKeys;

/// Settings of the library itself, with the names and meanings that they have in
/// [`Options`](crate::Options). What is not set keeps its default.
macro_rules! option_settings {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)*) => {
        /// The fields of [`Options`](crate::Options), each of which may be left out: then it keeps its default.
        ///
        /// ```
        /// use std::time::Duration;
        /// use orm_split_core::environment::OptionSettings;
        ///
        /// let mut settings = OptionSettings::default();
        /// settings.read_wait = Some(Duration::from_millis(50));
        /// assert_eq!(settings.options()?.read_wait, Duration::from_millis(50));
        /// # Ok::<(), orm_split_core::ConfigError>(())
        /// ```
        #[derive(Clone, Debug, Default, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
        #[non_exhaustive]
        pub struct OptionSettings {
            $(
                $(#[$doc])*
                #[cfg_attr(feature = "serde", serde(deserialize_with = "super::from_file::setting"))]
                pub $field: Option<$type>,
            )*
        }

        impl OptionSettings {
            /// Reads the variable of each field.
            pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), ConfigError> {
                $(self.$field = reader.option(stringify!($field), aliases(stringify!($field)))?;)*
                self.follow_interval(reader);
                Ok(())
            }

            /// The name of each field, and what it accepts.
            pub(super) fn fields() -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($field), <$type as super::values::Value>::ACCEPTED),)*]
            }
        }
    };
}

option_settings! {
    /// See [`Options::consistency`].
    consistency: Consistency,
    /// See [`Options::max_staleness`].
    max_staleness: Limit,
    /// See [`Options::primary_loss`].
    primary_loss: PrimaryLoss,
    /// See [`Options::fallback`].
    fallback: Fallback,
    /// See [`Options::mode`].
    mode: Mode,
    /// See [`Options::read_share`].
    read_share: u8,
    /// See [`Options::hazard_window`].
    hazard_window: Duration,
    /// See [`Options::primary_statement_timeout`].
    primary_statement_timeout: Limit,
    /// See [`Options::replica_statement_timeout`].
    replica_statement_timeout: Limit,
    /// See [`Options::checkout_deadline`].
    checkout_deadline: Duration,
    /// See [`Options::read_wait`].
    read_wait: Duration,
    /// See [`Options::probe_deadline`].
    probe_deadline: Duration,
    /// See [`Options::sample_slow`].
    sample_slow: Duration,
    /// See [`Options::sample_fast`].
    sample_fast: Duration,
    /// See [`Options::probe_reconnect`].
    probe_reconnect: Duration,
    /// See [`Options::raw_pin`].
    raw_pin: Duration,
    /// See [`Options::user_functions`].
    user_functions: UserFunctions,
    /// See [`Options::catalogue_refresh`].
    catalogue_refresh: Duration,
    /// See [`Options::comment_hints`].
    comment_hints: bool,
    /// See [`Options::token_keys`].
    token_keys: Secrets,
    /// How long tokens live, see [`TokenKeys::lifetime`]. Default 5 minutes; 1 s to 30 days.
    token_lifetime: Duration,
    /// See [`Options::zone`].
    zone: Arc<str>,
}

/// Other words for a setting, the first that is set counts.
fn aliases(field: &str) -> &'static [Alias] {
    const QUERY: Alias = Alias("DB_QUERY_TIMEOUT", Unit::ZeroIsOff);
    match field {
        "primary_statement_timeout" => &[QUERY],
        "replica_statement_timeout" => &[Alias("REPLICA_QUERY_TIMEOUT", Unit::ZeroIsOff), QUERY],
        "sample_slow" => &[INTERVAL],
        _ => &[],
    }
}

const INTERVAL: Alias = Alias("REPLICA_HEALTH_CHECK_INTERVAL", Unit::Milliseconds);

/// Sets a field to what is given for it.
fn set<T, U: Clone + Into<T>>(field: &mut T, given: &Option<U>) {
    if let Some(given) = given {
        *field = given.clone().into();
    }
}

impl From<Limit> for Option<Duration> {
    fn from(limit: Limit) -> Self {
        limit.duration()
    }
}

impl OptionSettings {
    /// These settings over the defaults.
    ///
    /// # Errors
    /// The first that is out of its range.
    pub fn options(&self) -> Result<Options, ConfigError> {
        let mut options = Options::default();
        self.apply(&mut options)?;
        options.validate()?;
        Ok(options)
    }

    fn apply(&self, options: &mut Options) -> Result<(), ConfigError> {
        // no `..`: an option that no variable sets does not compile
        let Options {
            consistency,
            max_staleness,
            primary_loss,
            fallback,
            mode,
            read_share,
            hazard_window,
            primary_statement_timeout,
            replica_statement_timeout,
            checkout_deadline,
            read_wait,
            probe_deadline,
            sample_slow,
            sample_fast,
            probe_reconnect,
            raw_pin,
            user_functions,
            catalogue_refresh,
            comment_hints,
            token_keys,
            zone,
            // follows from a hook that an adapter is given: nobody may claim it
            sessions_are_prepared: _,
        } = options;
        set(consistency, &self.consistency);
        set(max_staleness, &self.max_staleness);
        set(primary_loss, &self.primary_loss);
        set(fallback, &self.fallback);
        set(mode, &self.mode);
        set(read_share, &self.read_share);
        set(hazard_window, &self.hazard_window);
        set(primary_statement_timeout, &self.primary_statement_timeout);
        set(replica_statement_timeout, &self.replica_statement_timeout);
        set(checkout_deadline, &self.checkout_deadline);
        set(read_wait, &self.read_wait);
        set(probe_deadline, &self.probe_deadline);
        set(sample_slow, &self.sample_slow);
        set(sample_fast, &self.sample_fast);
        set(probe_reconnect, &self.probe_reconnect);
        set(raw_pin, &self.raw_pin);
        set(user_functions, &self.user_functions);
        set(catalogue_refresh, &self.catalogue_refresh);
        set(comment_hints, &self.comment_hints);
        set(zone, &self.zone);
        *token_keys = self.keys()?;
        Ok(())
    }

    fn keys(&self) -> Result<Option<TokenKeys>, ConfigError> {
        const LEAST: Duration = Duration::from_secs(1);
        const MOST: Duration = Duration::from_secs(30 * 86_400);
        if let Some(lifetime) = self.token_lifetime
            && (lifetime < LEAST || lifetime > MOST || self.token_keys.is_none())
        {
            let accepted = "1s to 30days, beside token_keys";
            return Err(ConfigError::new(
                "token_lifetime",
                format!("{lifetime:?}"),
                accepted,
            ));
        }
        let Some(Secrets(secrets)) = &self.token_keys else {
            return Ok(None);
        };
        let mut secrets = secrets.iter();
        let mut keys = TokenKeys::new(secrets.next().map_or("", String::as_str))?;
        for secret in secrets {
            keys = keys.accept(secret)?;
        }
        Ok(Some(match self.token_lifetime {
            Some(lifetime) => keys.lifetime(lifetime),
            None => keys,
        }))
    }

    /// Whoever has nodes looked at every half minute cannot want to know more of them than that tells, nor
    /// said anything of what else has to fit to it.
    fn follow_interval(&mut self, reader: &Reader<'_>) {
        let Some(interval) = self.sample_slow.filter(|_| reader.is_set(INTERVAL.0)) else {
            return;
        };
        let defaults = Options::default();
        if self.probe_reconnect.is_none() && interval > defaults.probe_reconnect {
            self.probe_reconnect = Some(interval);
        }
        let fits = defaults
            .max_staleness
            .is_none_or(|bound| bound >= interval * 2);
        if self.max_staleness.is_none() && !fits {
            self.max_staleness = Some(Limit::Within(interval * 2));
        }
        if self.sample_fast.is_none() && interval < defaults.sample_fast {
            self.sample_fast = Some(interval);
        }
    }
}
