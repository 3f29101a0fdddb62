//! Carries the bytes of one connection between a client and a server.
//!
//! Decides nothing: who is connected with whom, and for how long, is for whoever holds the connection.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Connects `client` with the server at `backend`, until either closes its connection, or `cut` becomes true.
///
/// # Errors
/// The server cannot be reached, or one of the connections broke.
pub(crate) async fn forward(
    mut client: TcpStream,
    backend: SocketAddr,
    mut cut: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(backend).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    tokio::select! {
        copied = copy_bidirectional(&mut client, &mut server) => copied.map(drop),
        // an error means that nobody can cut it any more, because nobody holds it
        _ = cut.wait_for(|cut| *cut) => Ok(()),
    }
}
