//! Carries the bytes of one connection between a client and a server, as far as the fault of the moment lets
//! them through.
//!
//! Decides nothing of who is connected with whom, and for how long: that is for whoever holds the sender of
//! what is acting. Holds back at most half a megabyte for each way.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::driver::Order;
use super::{Fault, Way};

const CHUNK: usize = 8 * 1_024;
/// Chunks that wait for a fault to end, or for their delay.
const HELD: usize = 64;

/// What acts on connections now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acting {
    fault: Option<Fault>,
    /// Since which order: what is counted is counted from then on.
    since: u64,
    /// How often what was open was reset.
    resets: u64,
}

impl Acting {
    pub(super) fn becomes(&mut self, order: &Order) {
        self.fault.clone_from(&order.fault);
        self.since = order.number;
    }

    pub(super) fn reset(&mut self) {
        self.resets += 1;
    }

    /// Whether nothing gets through that way.
    fn holds(&self, way: Way) -> bool {
        match self.fault {
            Some(Fault::BlackHole) => true,
            Some(Fault::Stall(stalled)) => stalled == way,
            Some(
                Fault::Refuse
                | Fault::Reset
                | Fault::Delay(_)
                | Fault::CutAfter(_)
                | Fault::ResetOn(_)
                | Fault::Flap { .. },
            )
            | None => false,
        }
    }
}

/// How a connection ends that neither side has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
}

/// Connects `client` with the server at `backend`, until either closes its connection, a fault ends it, or
/// nobody holds the sender of what is `acting` any more.
pub(crate) fn carry(
    client: TcpStream,
    backend: SocketAddr,
    acting: watch::Receiver<Acting>,
) -> impl Future<Output = ()> + Send {
    // what is reset before the first poll was open already
    let resets = acting.borrow().resets;
    carry_since(resets, client, backend, acting)
}

async fn carry_since(
    resets: u64,
    mut client: TcpStream,
    backend: SocketAddr,
    mut acting: watch::Receiver<Acting>,
) {
    let ended = ended(acting.clone(), resets);
    let mut server = None;
    let carried = async {
        // who is in a black hole does not even reach the server
        gate(&mut acting, Way::ToServer, Instant::now()).await;
        let dialled = TcpStream::connect(backend).await.map_err(|_| End::Reset)?;
        let server = server.insert(dialled);
        // on a broken connection the next read says so
        let _delayed = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::try_join!(
            pump(from_client, to_server, Way::ToServer, acting.clone()),
            pump(from_server, to_client, Way::ToClient, acting.clone()),
        )
    };
    let end = tokio::select! {
        end = ended => end,
        carried = carried => carried.err().unwrap_or(End::Closed),
    };
    if end == End::Reset {
        for socket in [Some(&client), server.as_ref()].into_iter().flatten() {
            // what is broken already needs no reset
            let _broken = socket.set_zero_linger();
        }
    }
}

async fn ended(mut acting: watch::Receiver<Acting>, resets: u64) -> End {
    let reset = acting.wait_for(|acting| acting.resets != resets).await;
    // an error means that nobody holds it any more
    reset.map_or(End::Closed, |_| End::Reset)
}

/// Waits until what arrived then may go on.
async fn gate(acting: &mut watch::Receiver<Acting>, way: Way, arrived: Instant) {
    loop {
        let now = acting.borrow_and_update().clone();
        let due = match now.fault {
            Some(Fault::Delay(delay)) => arrived + delay,
            _ if now.holds(way) => {
                if acting.changed().await.is_err() {
                    // whoever waits beside us ends it
                    std::future::pending::<()>().await;
                }
                continue;
            }
            _ => return,
        };
        tokio::select! {
            () = sleep_until(due) => return,
            changed = acting.changed() => if changed.is_err() { return },
        }
    }
}

/// Reads on while what was read is held back: that is what delays are, not a slower line.
async fn pump(
    mut from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    way: Way,
    acting: watch::Receiver<Acting>,
) -> Result<(), End> {
    let (held, holding) = mpsc::channel(HELD);
    let watched = acting.clone();
    let reading = async move {
        loop {
            let mut chunk = vec![0; CHUNK];
            let read = from.read(&mut chunk).await.map_err(|_| End::Reset)?;
            chunk.truncate(read);
            if chunk.is_empty() {
                return Ok(());
            }
            if way == Way::ToServer && names(&watched.borrow(), &chunk) {
                return Err(End::Reset);
            }
            if held.send((Instant::now(), chunk)).await.is_err() {
                return Ok(());
            }
        }
    };
    tokio::try_join!(reading, write(holding, to, way, acting)).map(drop)
}

/// Whether the application sends what it is reset for.
fn names(acting: &Acting, chunk: &[u8]) -> bool {
    match &acting.fault {
        Some(Fault::ResetOn(text)) => chunk
            .windows(text.len().max(1))
            .any(|part| part == text.as_bytes()),
        _ => false,
    }
}

async fn write(
    mut holding: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut to: WriteHalf<'_>,
    way: Way,
    mut acting: watch::Receiver<Acting>,
) -> Result<(), End> {
    let (mut since, mut sent) = (0, 0);
    while let Some((arrived, mut chunk)) = holding.recv().await {
        gate(&mut acting, way, arrived).await;
        let now = acting.borrow().clone();
        if now.since != since {
            (since, sent) = (now.since, 0);
        }
        let is_cut = match now.fault {
            Some(Fault::CutAfter(bytes)) if way == Way::ToClient => {
                let left = bytes.saturating_sub(sent);
                let is_more = chunk.len() > left;
                chunk.truncate(left);
                is_more
            }
            _ => false,
        };
        sent += chunk.len();
        to.write_all(&chunk).await.map_err(|_| End::Reset)?;
        if is_cut {
            return Err(End::Reset);
        }
    }
    to.shutdown().await.map_err(|_| End::Reset)
}
