//! A network that fails: one address in front of one server, whose faults are switched while it is in use.
//!
//! ```no_run
//! use orm_split_tests::kit::proxy::{Fault, FaultProxy};
//!
//! # async fn example(server: &str, port: u16) -> anyhow::Result<()> {
//! let proxy = FaultProxy::start(port).await?;
//! let url = proxy.url(server)?; // what the application connects to
//! // … use it, and then:
//! proxy.befall(Fault::BlackHole).await?;
//! // … see what the application makes of that, and then:
//! proxy.heal().await?;
//! # drop(url);
//! # Ok(())
//! # }
//! ```
//!
//! Decides what gets through, and when; what the bytes mean it does not know.

mod carry;
mod driver;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use carry::{Acting, carry};
use driver::{Driver, Order};

use super::ports::Port;

/// How long a fault may take to be there, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(10);
/// Programs that are no kits may take a port between our look and the start.
const TRIES: usize = 3;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// From the application to the server.
    ToServer,
    /// From the server to the application.
    ToClient,
}

/// What is wrong with the network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nobody listens: connections are refused, and those that are open are reset.
    Refuse,
    /// Connections are accepted, and nothing gets through either way. Nothing is closed. As after packets
    /// were lost, what was sent meanwhile arrives when the fault is over.
    BlackHole,
    /// Connections are accepted and reset at once, and so are those that are open.
    Reset,
    /// Everything takes this much longer, each way.
    Delay(Duration),
    /// Nothing gets through that way. It arrives when the fault is over.
    Stall(Way),
    /// Each connection is reset when the server has sent so many more bytes over it: in the midst of a row,
    /// say.
    CutAfter(usize),
    /// A connection over which the application sends this text is reset, and the server never sees it:
    /// statements that name a table fail at once, while others are answered. A statement that was prepared
    /// before the fault is sent without its text; see [`FaultProxy::reset_open`].
    ResetOn(String),
    /// Refuses for `down`, is well for `up`, and so on, beginning with the former.
    Flap {
        /// How long it is well.
        up: Duration,
        /// How long connections are refused.
        down: Duration,
    },
}

/// An address on 127.0.0.1 in front of one server there, with faults to be switched. Stops, and resets what
/// is open, when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    // held for as long as the proxy lives: nobody else may listen there while connections are refused
    port: Port,
    driver: Arc<Driver>,
    running: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on a free port in front of the server on this one. Nothing is wrong yet.
    ///
    /// # Errors
    /// There is no free port.
    #[expect(
        clippy::disallowed_methods,
        reason = "one task, which is ended by dropping the proxy"
    )]
    pub async fn start(server: u16) -> Result<Self> {
        let mut tries = 1;
        let (port, listener) = loop {
            let port = Port::pick()?;
            match driver::listen(port.number()).await {
                Ok(listener) => break (port, listener),
                Err(_) if tries < TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        };
        let driver = Arc::new(Driver::new(port.number(), server));
        let running = tokio::spawn(Arc::clone(&driver).run(listener));
        Ok(Self {
            port,
            driver,
            running,
        })
    }

    /// The port that it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// The URL of a server, with this address in place of the server's.
    ///
    /// # Errors
    /// It is none.
    pub fn url(&self, of_server: &str) -> Result<String> {
        url_at(of_server, self.port())
    }

    /// Lets something be wrong with the network, instead of whatever was before, and returns as soon as it is.
    ///
    /// # Errors
    /// That takes longer than ten seconds.
    pub async fn befall(&self, fault: Fault) -> Result<()> {
        self.order(Some(fault)).await
    }

    /// Lets everything be well again: returns as soon as connections are accepted.
    ///
    /// # Errors
    /// That takes longer than ten seconds.
    pub async fn heal(&self) -> Result<()> {
        self.order(None).await
    }

    /// Leads new connections to the server on this port, as a virtual IP address or a DNS name does after a
    /// promotion. What is open stays where it is, see [`reset_open`](Self::reset_open).
    pub fn point_to(&self, server: u16) {
        self.driver.point_to(server);
    }

    /// Resets the open connections, once. New ones are led on as before.
    pub fn reset_open(&self) {
        self.driver.reset_open();
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.driver.open()
    }

    async fn order(&self, fault: Option<Fault>) -> Result<()> {
        let number = self.driver.order(fault);
        let mut obeyed: watch::Receiver<u64> = self.driver.obeyed();
        let waited = tokio::time::timeout(PATIENCE, obeyed.wait_for(|done| *done >= number)).await;
        waited
            .context("the proxy's port cannot be listened on")?
            .context("the proxy has stopped")?;
        Ok(())
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.running.abort();
        self.driver.reset_open();
    }
}

/// What the driver is told.
impl Order {
    fn next(&mut self, fault: Option<Fault>) -> u64 {
        self.number += 1;
        self.fault = fault;
        self.number
    }
}

/// A server's URL with another port.
pub(crate) fn url_at(of_server: &str, port: u16) -> Result<String> {
    let (before, after) = of_server.rsplit_once(':').context("no port")?;
    let (_, path) = after.split_once('/').context("no path")?;
    Ok(format!("{before}:{port}/{path}"))
}
