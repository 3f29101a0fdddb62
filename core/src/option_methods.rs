//! The builder methods that set [`Options`](crate::Options), which every adapter's builder has.
//!
//! Decides nothing: the ranges are checked in one place, `Options::validate`.

/// Methods for a builder with the fields `options: Options` and `policy: Arc<dyn Select>`; for
/// adapters.
#[doc(hidden)]
#[macro_export]
macro_rules! option_methods {
    () => {
        /// How fresh reads have to be. Default `Consistency::Session`: a task, and a
        /// Diesel connection, reads its own writes. With `Consistency::Process` it reads those of all tasks.
        pub fn consistency(mut self, consistency: $crate::Consistency) -> Self {
            self.options.consistency = consistency;
            self
        }

        /// Replicas staler than this take no reads; `None` switches the bound off. Default 30 s, at
        /// least twice the slow sampling interval.
        pub fn max_staleness(mut self, bound: impl Into<Option<::std::time::Duration>>) -> Self {
            self.options.max_staleness = bound.into();
            self
        }

        /// What happens to reads when that bound cannot be kept because the primary is down. Default
        /// `PrimaryLoss::Serve`.
        pub fn primary_loss(mut self, policy: $crate::PrimaryLoss) -> Self {
            self.options.primary_loss = policy;
            self
        }

        /// What happens to reads while no replica is up. Default `Fallback::Capped`: they run on the primary,
        /// on at most half of the connections that its pool holds; what is over waits for
        /// `checkout_deadline` and then fails with `SplitError::Shed`. Reads for which no replica is *fresh* enough are not meant.
        pub fn fallback(mut self, fallback: $crate::Fallback) -> Self {
            self.options.fallback = fallback;
            self
        }

        /// Which reads leave the primary, to begin with; `set_mode` changes it while the application runs.
        /// Default `Mode::Automatic`.
        pub fn mode(mut self, mode: $crate::Mode) -> Self {
            self.options.mode = mode;
            self
        }

        /// How many sessions in a hundred may read from replicas without asking for it, to begin with;
        /// `set_read_share` changes it while the application runs. Default 100, 0 to 100.
        ///
        /// A session draws once, for good, so that its reads do not go back and forth: it is the
        /// surrounding `Session::scope` (a request under the tower layer) if there is one, else the
        /// handle's own session (a Diesel connection, `db.session()`), else the task or thread. Whoever is
        /// within the share stays within it while it is raised.
        pub fn read_share(mut self, percent: u8) -> Self {
            self.options.read_share = percent;
            self
        }

        /// For so long after a write of its session `Mode::Shadow` counts a read as one that follows it, and
        /// as a hazard if a replica might have missed that write. Default 10 s, 1 ms to an hour.
        pub fn hazard_window(mut self, window: ::std::time::Duration) -> Self {
            self.options.hazard_window = window;
            self
        }

        /// How long an attempt waits for a connection to a replica. Default 1 s, 1 ms to 60 s.
        pub fn checkout_deadline(mut self, deadline: ::std::time::Duration) -> Self {
            self.options.checkout_deadline = deadline;
            self
        }

        /// How long one statement may run on the primary, and on a replica, until it yields its result or
        /// the first rows of it. `None` is as long as it likes. Default none; 1 ms to a day.
        ///
        /// One that takes longer is given up, and its connection is closed. A read may run elsewhere,
        /// within the budget of retries; of a write nobody knows what became: it is not sent again, and
        /// its session reads no replica that may lack it. Statements inside transactions are not meant:
        /// let the server bound those.
        pub fn statement_timeouts(
            mut self,
            primary: impl Into<Option<::std::time::Duration>>,
            replica: impl Into<Option<::std::time::Duration>>,
        ) -> Self {
            self.options.primary_statement_timeout = primary.into();
            self.options.replica_statement_timeout = replica.into();
            self
        }

        /// Which functions of the user's may run on replicas, by what PostgreSQL's catalogue says of them.
        /// Default `UserFunctions::Stable`: IMMUTABLE and STABLE ones. One that takes an advisory lock
        /// must be VOLATILE, since a replica grants the lock and excludes nobody.
        pub fn user_functions(mut self, allowed: $crate::UserFunctions) -> Self {
            self.options.user_functions = allowed;
            self
        }

        /// How often the primary is asked for its functions and views. Default 60 s, 1 ms to a day, besides
        /// after each statement outside a transaction that may have changed them.
        pub fn catalogue_refresh(mut self, interval: ::std::time::Duration) -> Self {
            self.options.catalogue_refresh = interval;
            self
        }

        /// The keys of tokens, with which a session's floor travels between processes. Default none.
        pub fn token_keys(mut self, keys: $crate::TokenKeys) -> Self {
            self.options.token_keys = Some(keys);
            self
        }

        /// Whether a comment at the very start of a statement counts. Default `false`.
        ///
        /// `/* orm_split: primary */` keeps a read on the primary; `/* orm_split: replica */` makes a read
        /// of a statement that would stay on the primary only because a function, view or the text itself
        /// is not known to read. Nothing makes a read of a write, lock or session command that the text
        /// shows. The latter also asks for a replica, as `Hint::Replica` does.
        ///
        /// The risk: who can put text in front of a statement, or is wrong about a function, sends to a
        /// replica what belongs on the primary. A write is refused there and run on the primary; an advisory
        /// lock behind a function is granted there, and excludes nobody.
        pub fn comment_hints(mut self, count: bool) -> Self {
            self.options.comment_hints = count;
            self
        }

        /// How long a read may wait, once, for a replica to have what the session wrote before it goes to
        /// the primary. Default 10 ms, 0 to 10 s; 0 switches waiting off. A read that waits holds no
        /// connection, and none waits for a replica that is known to lag by more.
        pub fn read_wait(mut self, limit: ::std::time::Duration) -> Self {
            self.options.read_wait = limit;
            self
        }

        /// How long a probe may take, connecting included. Default 1 s, 1 ms to 60 s.
        pub fn probe_deadline(mut self, deadline: ::std::time::Duration) -> Self {
            self.options.probe_deadline = deadline;
            self
        }

        /// How often each node is asked for its position: when nothing waits (default 1 s, 1 ms to 60 s and
        /// at most `probe_reconnect`), and while a session waits for a replica to replay its write (default
        /// 5 ms, 1 ms to the slow interval).
        pub fn sample_intervals(
            mut self,
            slow: ::std::time::Duration,
            fast: ::std::time::Duration,
        ) -> Self {
            self.options.sample_slow = slow;
            self.options.sample_fast = fast;
            self
        }

        /// How often the monitor replaces its connection to each node, to notice that an address leads
        /// elsewhere. Default 5 s, from the slow sampling interval to a day.
        pub fn probe_reconnect(mut self, interval: ::std::time::Duration) -> Self {
            self.options.probe_reconnect = interval;
            self
        }

        /// How long reads stay on the primary after its raw handle, or connection, was taken. Default 5 s, 1 ms to 5
        /// minutes.
        pub fn raw_pin(mut self, pin: ::std::time::Duration) -> Self {
            self.options.raw_pin = pin;
            self
        }

        /// Where this process runs, in the names that the replicas' zones have (see `Placement`): reads stay in the
        /// zone while a replica there takes them. Default none: zones do not count.
        pub fn zone(mut self, zone: impl Into<::std::sync::Arc<str>>) -> Self {
            self.options.zone = Some(zone.into());
            self
        }

        /// How one of several replicas is chosen. Default `Adaptive`; also `LeastInFlight`, `RoundRobin`,
        /// `Random`, and whatever implements `Select`.
        pub fn policy(mut self, policy: impl $crate::Select + 'static) -> Self {
            self.policy = ::std::sync::Arc::new(policy);
            self
        }
    };
}
