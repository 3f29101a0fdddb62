//! An address that leads to a server, and to another one when a test says so: what a virtual IP address or
//! a DNS name does after a promotion. Never looks at what it carries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// A port of 127.0.0.1 whose connections lead to another one. Closed, with all of them, when dropped.
///
/// ```no_run
/// use orm_split_tests::kit::forward::Forward;
///
/// # async fn example() -> anyhow::Result<()> {
/// let address = Forward::to(5432).await?;
/// // … connect to `address.port()`, then let it lead elsewhere:
/// address.point_to(5433);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Forward {
    port: u16,
    backend: Arc<AtomicU16>,
    accepting: AbortHandle,
}

impl Forward {
    /// Leads to `port` of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no free port.
    #[expect(clippy::disallowed_methods, reason = "ends when it is dropped")]
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let backend = Arc::new(AtomicU16::new(port));
        let port = listener.local_addr()?.port();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&backend)));
        Ok(Self {
            port,
            backend,
            accepting: accepting.abort_handle(),
        })
    }

    /// The port to connect to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// A URL of 127.0.0.1 with this port in it.
    ///
    /// # Errors
    /// When it names no port of 127.0.0.1.
    pub fn url(&self, url: &str) -> Result<String> {
        let (before, after) = url.split_once("127.0.0.1:").context("no such address")?;
        let (_, path) = after.split_once('/').context("no path")?;
        Ok(format!("{before}127.0.0.1:{}/{path}", self.port))
    }

    /// Connections that are opened from now on lead there; those that are open stay where they are.
    pub fn point_to(&self, port: u16) {
        self.backend.store(port, Ordering::SeqCst);
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Ends with its last connection, or when it is aborted, and then its connections end too.
async fn accept(listener: TcpListener, backend: Arc<AtomicU16>) {
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let port = backend.load(Ordering::SeqCst);
        connections.spawn(async move {
            // refused as the server itself would refuse: by closing
            let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
            copy_bidirectional(&mut client, &mut server).await
        });
        while connections.try_join_next().is_some() {}
    }
}
