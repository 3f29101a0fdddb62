//! How each kind of setting is written, in a variable as in a file.
//!
//! Decides what a text means. Must never let a secret into an error: see [`Value::IS_SECRET`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Consistency, Fallback, PrimaryLoss, UserFunctions};
use crate::mode::Mode;
use crate::select::{Adaptive, LeastInFlight, Random, RoundRobin, Select};

/// A setting that is written as text.
pub(super) trait Value: Sized {
    /// What is accepted, for errors and for the documentation.
    const ACCEPTED: &'static str;
    /// Whether a text that is not accepted is kept out of errors.
    const IS_SECRET: bool = false;

    /// `None` if the text is not accepted. It is trimmed and not empty.
    fn parse(text: &str) -> Option<Self>;

    /// The same from a list, as files have them.
    #[cfg(feature = "serde")]
    fn parse_list(_: Vec<String>) -> Option<Self> {
        None
    }
}

/// A text as it may be shown: bounded, on one line, and never with what may be the password of a URL.
pub(super) fn shown<T: Value>(text: &str) -> String {
    if T::IS_SECRET || text.contains('@') || text.contains("://") {
        return "a value that is not shown".to_owned();
    }
    let head: String = text.chars().take(60).collect();
    match head.len() < text.len() {
        true => format!("{head:?}…"),
        false => format!("{head:?}"),
    }
}

/// A word as it is compared.
fn word(text: &str) -> String {
    text.to_ascii_lowercase().replace('-', "_")
}

/// Values that are one word of several.
macro_rules! words {
    ($type:ty, $accepted:literal, { $($word:pat => $value:expr,)* }) => {
        impl Value for $type {
            const ACCEPTED: &'static str = $accepted;

            fn parse(text: &str) -> Option<Self> {
                match word(text).as_str() {
                    $($word => Some($value),)*
                    _ => None,
                }
            }
        }
    };
}

words!(bool, "`true` or `false`", {
    "true" | "1" | "yes" | "on" => true,
    "false" | "0" | "no" | "off" => false,
});

words!(Consistency, "`eventual`, `session`, `process` or `strong`", {
    "eventual" => Self::Eventual,
    "session" => Self::Session,
    "process" => Self::Process,
    "strong" => Self::Strong,
});

words!(PrimaryLoss, "`serve` or `fail`", {
    "serve" => Self::Serve,
    "fail" => Self::Fail,
});

words!(Mode, "`automatic`, `opt_in` or `shadow`", {
    "automatic" => Self::Automatic,
    "opt_in" => Self::OptIn,
    "shadow" => Self::Shadow,
});

words!(UserFunctions, "`none`, `immutable` or `stable`", {
    "none" => Self::None,
    "immutable" => Self::Immutable,
    "stable" => Self::Stable,
});

impl Value for Fallback {
    const ACCEPTED: &'static str =
        "`never`, `capped`, `always`, or how many places there are, from 1";

    fn parse(text: &str) -> Option<Self> {
        match word(text).as_str() {
            "never" => Some(Self::Never),
            "capped" => Some(Self::Capped),
            "always" => Some(Self::Always),
            number => number.parse().ok().filter(|n| *n > 0).map(Self::CappedAt),
        }
    }
}

/// Which policy chooses among replicas, as far as it can be named.
///
/// ```
/// use orm_split_core::environment::Settings;
///
/// let settings = Settings::from_vars([
///     ("DATABASE_URL", "postgres://app@db-main/app"),
///     ("ORM_SPLIT_POLICY", "round_robin"),
/// ])?;
/// assert_eq!(settings.policy, Some(orm_split_core::environment::Policy::RoundRobin));
/// # Ok::<(), orm_split_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// [`Adaptive`](crate::Adaptive), the default.
    #[default]
    Adaptive,
    /// [`LeastInFlight`](crate::LeastInFlight).
    LeastInFlight,
    /// [`RoundRobin`](crate::RoundRobin).
    RoundRobin,
    /// [`Random`](crate::Random).
    Random,
}

impl Policy {
    /// The policy that is named.
    #[must_use]
    pub fn select(self) -> Arc<dyn Select> {
        match self {
            Self::Adaptive => Arc::new(Adaptive),
            Self::LeastInFlight => Arc::new(LeastInFlight),
            Self::RoundRobin => Arc::new(RoundRobin::default()),
            Self::Random => Arc::new(Random),
        }
    }
}

words!(Policy, "`adaptive`, `least_in_flight`, `round_robin` or `random`", {
    "adaptive" => Self::Adaptive,
    "least_in_flight" => Self::LeastInFlight,
    "round_robin" => Self::RoundRobin,
    "random" => Self::Random,
});

/// Of times, for errors.
pub(super) const EXAMPLES: &str = ", such as `500ms`, `30s`, `10m` or `1h`";

impl Value for Duration {
    const ACCEPTED: &'static str = "a time with its unit, such as `500ms`, `30s`, `10m` or `1h`";

    fn parse(text: &str) -> Option<Self> {
        humantime::parse_duration(text).ok()
    }
}

/// A time that something may take, or no limit to it.
///
/// ```
/// use std::time::Duration;
/// use orm_split_core::environment::Limit;
///
/// assert_eq!(Limit::from(Duration::from_secs(5)).duration(), Some(Duration::from_secs(5)));
/// assert_eq!(Limit::Off.duration(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// None.
    Off,
    /// So much.
    Within(Duration),
}

impl Limit {
    /// The time; `None` if there is no limit.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::Within(limit) => Some(limit),
        }
    }
}

impl From<Duration> for Limit {
    fn from(limit: Duration) -> Self {
        Self::Within(limit)
    }
}

impl Value for Limit {
    const ACCEPTED: &'static str =
        "a time with its unit, such as `500ms`, `30s`, `10m` or `1h`, or `off`";

    fn parse(text: &str) -> Option<Self> {
        match word(text).as_str() {
            "off" | "none" => Some(Self::Off),
            _ => Duration::parse(text).map(Self::Within),
        }
    }
}

impl Value for u8 {
    const ACCEPTED: &'static str = "a number from 0 to 100";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for u32 {
    const ACCEPTED: &'static str = "a number";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for f64 {
    const ACCEPTED: &'static str = "a number from 0.01 to 100";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for Arc<str> {
    const ACCEPTED: &'static str = "a name";

    /// A name is shown where it is used: what may be a URL with its password is none.
    fn parse(text: &str) -> Option<Self> {
        let may_be_url = text.contains('@') || text.contains("://");
        (!may_be_url).then(|| text.into())
    }
}

/// The secrets of tokens, of at least 32 bytes each: the first signs, all are accepted. Never printed.
///
/// ```
/// use orm_split_core::environment::Secrets;
///
/// let secrets = Secrets::from(["a secret of at least thirty-two bytes"]);
/// assert!(!format!("{secrets:?}").contains("thirty"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets(pub(super) Vec<String>);

impl<S: Into<String>, const N: usize> From<[S; N]> for Secrets {
    fn from(secrets: [S; N]) -> Self {
        Self(secrets.map(Into::into).into())
    }
}

impl fmt::Debug for Secrets {
    /// How many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Value for Secrets {
    const ACCEPTED: &'static str =
        "secrets of at least 32 bytes each, comma-separated; the first signs, all are accepted";
    const IS_SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        Some(Self(list(text).map(str::to_owned).collect())).filter(|secrets| !secrets.0.is_empty())
    }

    #[cfg(feature = "serde")]
    fn parse_list(items: Vec<String>) -> Option<Self> {
        Some(Self(items)).filter(|secrets| !secrets.0.is_empty())
    }
}

/// The items of a list: separated by commas, trimmed, empty ones left out.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}
