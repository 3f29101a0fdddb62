//! What a server says of itself when a connection to it is opened.
//!
//! Decides nothing. Evidence belongs to a running server, not to an address, so every opened
//! connection asks once and hands the answer to [`Freshness`](crate::freshness::Freshness).

use std::net::IpAddr;

use serde::Serialize;

use crate::position::Lsn;

/// One running server: an address may lead to another one tomorrow, or after a crash.
///
/// ```
/// use orm_split_core::Server;
///
/// let before = Server::new(7_234_567, 1_000_000, 1, 5432);
/// let restarted = Server::new(7_234_567, 2_000_000, 1, 5432);
/// assert_ne!(before, restarted);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Server {
    /// Identifier of the cluster (PostgreSQL: `pg_control_system().system_identifier`; SQLite: the
    /// file's device and inode).
    pub system: u64,
    /// When the server started, in microseconds since 1970 on *its* clock. Only compared for
    /// equality.
    pub started: i64,
    /// The timeline that it writes, or follows.
    pub timeline: u32,
    /// Port on which the server itself listens, 0 if unknown. Two servers of one cluster can start
    /// in the same microsecond; they cannot share a port on one host.
    pub port: u32,
}

impl Server {
    /// A server of the cluster `system` that started at `started` and is on `timeline`.
    #[must_use]
    pub const fn new(system: u64, started: i64, timeline: u32, port: u32) -> Self {
        Self {
            system,
            started,
            timeline,
            port,
        }
    }

    /// Whether this is the same running server, perhaps on a later timeline.
    pub(crate) fn is_same_run(&self, other: &Self) -> bool {
        (self.system, self.started, self.port) == (other.system, other.started, other.port)
    }
}

/// The answer to the question asked on every newly opened connection.
///
/// ```
/// use orm_split_core::{Identity, Reading, Server};
///
/// let standby = Identity::new(Server::new(7, 1, 1, 5432), true, Reading::Position("0/3000060".parse()?));
/// assert!(standby.in_recovery);
/// # Ok::<(), orm_split_core::ParseLsnError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// Which running server answered.
    pub server: Server,
    /// Whether it follows another server now.
    pub in_recovery: bool,
    /// Where it is in the write history.
    pub reading: Reading,
    /// The address that the connection has at the server's end, if that is known. Behind one address of
    /// ours there may be several servers that were started in the same microsecond, as copies of one
    /// virtual machine are.
    pub host: Option<IpAddr>,
}

impl Identity {
    /// The answer of `server`, which is at `reading`.
    #[must_use]
    pub const fn new(server: Server, in_recovery: bool, reading: Reading) -> Self {
        Self {
            server,
            in_recovery,
            reading,
            host: None,
        }
    }

    /// The same, of a server that has this address.
    #[must_use]
    pub const fn on_host(self, host: Option<IpAddr>) -> Self {
        Self { host, ..self }
    }
}

/// Which of the running servers behind an address answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) server: Server,
    host: Option<IpAddr>,
}

impl Run {
    pub(crate) fn of(identity: &Identity) -> Self {
        Self {
            server: identity.server,
            host: identity.host,
        }
    }

    /// An address that is not known tells nothing apart.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let hosts = self.host.zip(other.host);
        self.server.is_same_run(&other.server) && hosts.is_none_or(|(one, other)| one == other)
    }
}

/// Where a server is in the write history.
///
/// ```
/// use orm_split_core::Reading;
///
/// let replayed = Reading::Position("0/3000060".parse()?);
/// assert_ne!(replayed, Reading::Shared);
/// # Ok::<(), orm_split_core::ParseLsnError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "adapters build these; a back end either has positions or shares its file"
)]
pub enum Reading {
    /// Primary: the insert position, which also covers commits with `synchronous_commit = off`.
    /// Replica: the replayed position. Both normalised.
    Position(Lsn),
    /// The node reads the very file that the primary writes (SQLite in WAL mode): a statement that
    /// starts now sees everything committed before now.
    Shared,
}
