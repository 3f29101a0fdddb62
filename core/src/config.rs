//! Settings, their defaults, and what is accepted for each.
//!
//! Decides nothing at run time. Bad values are refused as [`ConfigError`]s that name the field, the
//! value and the accepted range; nothing here panics.

use std::sync::Arc;
use std::time::Duration;

use crate::mode::{self, Mode};
use crate::placement::check_zone;
use crate::token::TokenKeys;

/// How fresh a read has to be, from the weakest to the strictest.
///
/// ```
/// use orm_split_core::{Consistency, Options};
///
/// assert_eq!(Options::default().consistency, Consistency::Session);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Consistency {
    /// Any replica within `max_staleness`: a session may miss its own writes.
    Eventual,
    /// A session reads its own writes. The default.
    #[default]
    Session,
    /// All sessions of this process, or more exactly of one connection and its clones, read what any of them
    /// wrote. For work that moves from task to task: data loaders that batch in a task of their own,
    /// clients whose next request comes over another connection.
    ///
    /// Costs what it promises: after any write every read goes to the primary until a replica has that
    /// write, and a raw handle that anyone takes pins everyone. Where writes follow each other more
    /// closely than the replicas lag, they take no reads.
    Process,
    /// Every read sees whatever was committed before it, by whomever: all run on the primary.
    Strong,
}

/// What to do with reads that no replica within `max_staleness` can take while the primary is down.
///
/// ```
/// use orm_split_core::{Options, PrimaryLoss};
///
/// assert_eq!(Options::default().primary_loss, PrimaryLoss::Serve);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PrimaryLoss {
    /// Serve them from a staler replica, as [`Reason::PrimaryLost`](crate::Reason::PrimaryLost).
    /// Reads whose session wrote something that the replica lacks still fail. The default.
    #[default]
    Serve,
    /// Send them to the primary, so that they fail with its error.
    Fail,
}

/// What happens to reads while no replica is up.
///
/// ```
/// use orm_split_core::{Fallback, Options};
///
/// assert_eq!(Options::default().fallback, Fallback::Capped);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Fallback {
    /// They fail, with [`SplitError::Shed`](crate::SplitError::Shed).
    Never,
    /// They run on the primary, on at most half as many connections as its pool holds, so that writes keep
    /// the other half. A read that finds no place waits for one, but no longer than `checkout_deadline`, or
    /// than pools do (30 s) if some replica is up and only its connections are all in use; then it fails.
    /// The default.
    #[default]
    Capped,
    /// The same with so many places.
    CappedAt(u32),
    /// All of them run on the primary, however many there are.
    Always,
}

/// Which functions of the user's are reads, by what they promise of themselves.
///
/// ```
/// use orm_split_core::{Options, UserFunctions};
///
/// assert_eq!(Options::default().user_functions, UserFunctions::Stable);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum UserFunctions {
    /// None: every call of a user's function goes to the primary.
    None,
    /// IMMUTABLE ones.
    Immutable,
    /// IMMUTABLE and STABLE ones. The default. One that lies is refused by a replica, once: it
    /// then runs on the primary, where its statement stays. But a replica grants advisory locks,
    /// so a function that takes one must be VOLATILE.
    #[default]
    Stable,
}

/// Everything that can be set. Adapters offer each field as a builder method.
///
/// ```
/// use std::time::Duration;
/// use orm_split_core::Options;
///
/// let mut options = Options::default();
/// options.max_staleness = Some(Duration::from_secs(5));
/// assert!(options.validate().is_ok());
///
/// options.sample_fast = Duration::ZERO;
/// assert!(options.validate().is_err());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How fresh a read has to be. Default [`Consistency::Session`].
    pub consistency: Consistency,
    /// Replicas staler than this take no reads; `None` switches the bound off. Default 30 s, so
    /// that a replica that broke a week ago is never silently read.
    pub max_staleness: Option<Duration>,
    /// What to do when the bound cannot be kept because the primary is down. Default
    /// [`PrimaryLoss::Serve`].
    pub primary_loss: PrimaryLoss,
    /// What happens to reads while no replica is up. Default [`Fallback::Capped`]. Reads that run on the
    /// primary because no replica is fresh enough are not meant: they are never shed.
    pub fallback: Fallback,
    /// Which reads leave the primary, to begin with. Default [`Mode::Automatic`].
    pub mode: Mode,
    /// How many sessions in a hundred may read from replicas without asking for it, to begin with. Default
    /// 100, 0 to 100.
    pub read_share: u8,
    /// For so long after a write of its session a read counts as one that follows it, in
    /// [`Mode::Shadow`]. Default 10 s.
    pub hazard_window: Duration,
    /// How long one statement may run on the primary. Default `None`: as long as it likes; else 1 ms to a
    /// day. See [`replica_statement_timeout`](Self::replica_statement_timeout).
    pub primary_statement_timeout: Option<Duration>,
    /// How long one statement may run on a replica, until it yields its result or the first rows of it.
    /// Default `None`: as long as it likes; else 1 ms to a day.
    ///
    /// One that takes longer is given up with [`Fault::Expired`](crate::Fault::Expired), and its connection is closed. A
    /// read may run elsewhere, within the budget of retries; of a write nobody knows what became, so it
    /// marks its session. Statements inside transactions are not meant: those the server bounds
    /// (`statement_timeout`, `transaction_timeout`), since what becomes of a transaction is for it to say.
    pub replica_statement_timeout: Option<Duration>,
    /// How long one attempt may wait for a connection to a replica, and a read that falls back for its place
    /// on the primary. Default 1 s. The primary keeps the time limit of its pool.
    pub checkout_deadline: Duration,
    /// How long a read may wait, once, for a replica to become fresh enough before it goes to the primary.
    /// Default 10 ms, 0 to 10 s; 0 switches waiting off. No read waits for a replica that is known to lag by
    /// more.
    pub read_wait: Duration,
    /// How long a probe may take, connecting included. Default 1 s.
    pub probe_deadline: Duration,
    /// How often nodes are sampled when nothing waits. Default 1 s.
    pub sample_slow: Duration,
    /// How often nodes are sampled while a session's floor is above some replica. Default 5 ms.
    pub sample_fast: Duration,
    /// How often a prober replaces its connection, to notice that its address leads elsewhere.
    /// Default 5 s.
    pub probe_reconnect: Duration,
    /// How long reads stay on the primary after the raw handle of the primary was taken, since what
    /// is written through it cannot be seen. Default 5 s.
    pub raw_pin: Duration,
    /// Which functions of the user's may run on replicas. Default [`UserFunctions::Stable`].
    pub user_functions: UserFunctions,
    /// How often the primary is asked for its functions and views. Default 60 s, besides after each
    /// statement that may have changed them.
    pub catalogue_refresh: Duration,
    /// Whether a comment at the very start of a statement counts: `/* orm_split: primary */` keeps
    /// a read on the primary, `/* orm_split: replica */` makes a read of a statement that would stay
    /// there only because a function, view or the text itself is not known to read. Nothing makes a
    /// read of a write, lock or session command that the text shows. The latter also asks for a replica, as
    /// [`Hint::Replica`](crate::Hint::Replica) does.
    ///
    /// Default `false`. The risk: who can put text in front of a statement, or is wrong about a
    /// function, sends to a replica what belongs on the primary. A write is refused there, run on
    /// the primary and remembered; an advisory lock behind a function is *granted* there, and
    /// excludes nobody.
    pub comment_hints: bool,
    /// The keys of tokens, with which a session's floor travels between processes. Default none: tokens are
    /// neither made nor accepted.
    pub token_keys: Option<TokenKeys>,
    /// Where this process runs, in the names that the replicas' zones have: reads stay in the zone while a
    /// replica there takes them. Default none: zones do not count.
    pub zone: Option<Arc<str>>,
    /// Whether a hook gives every connection the same settings before each use, so that a view or a
    /// row security policy that asks `current_setting` may be read on replicas. Default `false`; an
    /// adapter sets it when it is given such a hook.
    pub sessions_are_prepared: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            consistency: Consistency::default(),
            max_staleness: Some(Duration::from_secs(30)),
            primary_loss: PrimaryLoss::default(),
            fallback: Fallback::default(),
            mode: Mode::default(),
            read_share: 100,
            hazard_window: Duration::from_secs(10),
            primary_statement_timeout: None,
            replica_statement_timeout: None,
            checkout_deadline: Duration::from_secs(1),
            read_wait: Duration::from_millis(10),
            probe_deadline: Duration::from_secs(1),
            sample_slow: Duration::from_secs(1),
            sample_fast: Duration::from_millis(5),
            probe_reconnect: Duration::from_secs(5),
            raw_pin: Duration::from_secs(5),
            user_functions: UserFunctions::default(),
            catalogue_refresh: Duration::from_secs(60),
            comment_hints: false,
            token_keys: None,
            zone: None,
            sessions_are_prepared: false,
        }
    }
}

/// A setting that cannot be used.
///
/// ```
/// use std::time::Duration;
/// use orm_split_core::Options;
///
/// let mut options = Options::default();
/// options.probe_deadline = Duration::from_secs(7200);
/// let error = options.validate().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "probe_deadline: 7200s is not accepted; use 1ms to 60s"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value} is not accepted; use {accepted}")]
#[non_exhaustive]
pub struct ConfigError {
    /// The name of the setting.
    pub field: String,
    /// The value given, without any password.
    pub value: String,
    /// What would be accepted.
    pub accepted: String,
}

impl ConfigError {
    /// `field` was given `value`, but takes `accepted`.
    pub fn new(
        field: impl Into<String>,
        value: impl Into<String>,
        accepted: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            value: value.into(),
            accepted: accepted.into(),
        }
    }
}

impl Options {
    /// Checks every field.
    ///
    /// # Errors
    /// The first field whose value is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        const MS: Duration = Duration::from_millis(1);
        const MINUTE: Duration = Duration::from_secs(60);
        const SHORT: Duration = Duration::from_secs(10);
        const DAY: Duration = Duration::from_secs(86_400);
        let bounds = [
            ("checkout_deadline", self.checkout_deadline, MS, MINUTE),
            ("read_wait", self.read_wait, Duration::ZERO, SHORT),
            ("probe_deadline", self.probe_deadline, MS, MINUTE),
            ("sample_slow", self.sample_slow, MS, MINUTE),
            ("sample_fast", self.sample_fast, MS, self.sample_slow),
            (
                "probe_reconnect",
                self.probe_reconnect,
                self.sample_slow,
                DAY,
            ),
            ("catalogue_refresh", self.catalogue_refresh, MS, DAY),
            ("raw_pin", self.raw_pin, MS, MINUTE * 5),
            ("hazard_window", self.hazard_window, MS, MINUTE * 60),
        ];
        for (field, value, least, most) in bounds {
            if value < least || value > most {
                return Err(ConfigError::new(
                    field,
                    format!("{value:?}"),
                    format!("{least:?} to {most:?}"),
                ));
            }
        }
        let limits = [
            ("primary_statement_timeout", self.primary_statement_timeout),
            ("replica_statement_timeout", self.replica_statement_timeout),
        ];
        for (field, limit) in limits {
            if limit.is_some_and(|limit| limit < MS || limit > DAY) {
                let value = format!("{:?}", limit.unwrap_or_default());
                return Err(ConfigError::new(field, value, "1ms to 86400s, or none"));
            }
        }
        if self.fallback == Fallback::CappedAt(0) {
            let accepted = "CappedAt(1) or more, or Never";
            return Err(ConfigError::new("fallback", "CappedAt(0)", accepted));
        }
        mode::check_share(self.read_share)?;
        if let Some(zone) = &self.zone {
            check_zone("zone", zone)?;
        }
        match self.max_staleness {
            Some(bound) if bound < self.sample_slow * 2 => Err(ConfigError::new(
                "max_staleness",
                format!("{bound:?}"),
                format!("at least {:?}, twice sample_slow", self.sample_slow * 2),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_defaults_are_accepted() {
        assert_eq!(Options::default().validate(), Ok(()));
    }

    #[rstest]
    #[case::checkout_deadline(|o: &mut Options| o.checkout_deadline = Duration::ZERO)]
    #[case::fallback(|o: &mut Options| o.fallback = Fallback::CappedAt(0))]
    #[case::primary_statement_timeout(|o: &mut Options| o.primary_statement_timeout = Some(Duration::ZERO))]
    #[case::replica_statement_timeout(|o: &mut Options| o.replica_statement_timeout = Some(Duration::from_secs(86_401)))]
    #[case::read_wait(|o: &mut Options| o.read_wait = Duration::from_secs(11))]
    #[case::probe_deadline(|o: &mut Options| o.probe_deadline = Duration::from_secs(61))]
    #[case::sample_slow(|o: &mut Options| o.sample_slow = Duration::ZERO)]
    #[case::sample_fast(|o: &mut Options| o.sample_fast = Duration::from_secs(2))]
    #[case::probe_reconnect(|o: &mut Options| o.probe_reconnect = Duration::from_millis(10))]
    #[case::catalogue_refresh(|o: &mut Options| o.catalogue_refresh = Duration::ZERO)]
    #[case::raw_pin(|o: &mut Options| o.raw_pin = Duration::ZERO)]
    #[case::hazard_window(|o: &mut Options| o.hazard_window = Duration::ZERO)]
    #[case::read_share(|o: &mut Options| o.read_share = 101)]
    #[case::zone(|o: &mut Options| o.zone = Some("".into()))]
    #[case::max_staleness(|o: &mut Options| o.max_staleness = Some(Duration::from_millis(1)))]
    fn a_value_out_of_range_is_refused_by_name(#[case] spoil: fn(&mut Options)) {
        let name = std::thread::current().name().unwrap_or("").to_owned();
        let mut options = Options::default();
        spoil(&mut options);
        let error = options.validate().expect_err("refused");
        assert!(name.ends_with(&error.field), "{name}: {error}");
    }
}
