//! One address in front of several servers, as a Kubernetes service, HAProxy or a reader endpoint is.
//!
//! ```no_run
//! use orm_split_tests::kit::balancer::Balancer;
//!
//! # async fn example(ports: [u16; 2]) -> anyhow::Result<()> {
//! let balancer = Balancer::start(&ports).await?;
//! let url = balancer.url("postgres://app@127.0.0.1:5432/app")?;
//! // … connect to it, then take a server out:
//! balancer.remove(ports[0]);
//! balancer.cut(ports[0]);
//! # drop(url);
//! # Ok(())
//! # }
//! ```

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use parking_lot::Mutex;
use rand::seq::SliceRandom;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::proxy::{Acting, carry, url_at};

/// Leads each new connection to the next of its servers, all on 127.0.0.1, each once in a round. Stops, and cuts what is open,
/// when it is dropped.
#[derive(Debug)]
pub struct Balancer {
    port: u16,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    backends: Mutex<Backends>,
}

#[derive(Debug, Default)]
struct Backends {
    ports: Vec<u16>,
    /// How many connections were led to each port.
    led: Vec<(u16, u64)>,
    /// Those of a round that are still to come.
    round: Vec<u16>,
    open: Vec<(u16, watch::Sender<Acting>)>,
}

impl Balancer {
    /// Listens on a free port in front of the servers on these ports.
    ///
    /// # Errors
    /// There is no free port.
    #[expect(
        clippy::disallowed_methods,
        reason = "one task, which is ended by dropping the balancer"
    )]
    pub async fn start(ports: &[u16]) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        shared.backends.lock().ports = ports.to_vec();
        let accepting = accept(listener, Arc::clone(&shared));
        Ok(Self {
            port,
            shared,
            listening: tokio::spawn(accepting),
        })
    }

    /// The port that it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a server, with this address in place of the server's.
    ///
    /// # Errors
    /// It is none.
    pub fn url(&self, of_server: &str) -> Result<String> {
        url_at(of_server, self.port)
    }

    /// From now on new connections are led there, too.
    pub fn add(&self, port: u16) {
        self.shared.backends.lock().ports.push(port);
    }

    /// From now on no new connection is led there. What is open stays open.
    pub fn remove(&self, port: u16) {
        self.shared
            .backends
            .lock()
            .ports
            .retain(|other| *other != port);
    }

    /// From now on all new connections are led there and nowhere else: what a virtual IP address or a DNS name
    /// does after a promotion. What is open stays where it is.
    pub fn point_to(&self, port: u16) {
        self.shared.backends.lock().ports = vec![port];
    }

    /// Cuts the open connections that lead there.
    pub fn cut(&self, port: u16) {
        let open = std::mem::take(&mut self.shared.backends.lock().open);
        let (cut, kept) = open.into_iter().partition(|(to, _)| *to == port);
        self.shared.backends.lock().open.extend::<Vec<_>>(kept);
        drop::<Vec<_>>(cut);
    }

    /// How many connections were led there since the start.
    #[must_use]
    pub fn led_to(&self, port: u16) -> u64 {
        let backends = self.shared.backends.lock();
        let led = backends.led.iter().find(|(to, _)| *to == port);
        led.map_or(0, |(_, count)| *count)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.listening.abort();
        self.shared.backends.lock().open.clear();
    }
}

impl Backends {
    /// The next of the round. Each round has an order of its own: two clients that take turns must not
    /// always get one each.
    fn next(&mut self) -> Option<u16> {
        let ports = &self.ports;
        self.round.retain(|port| ports.contains(port));
        if self.round.is_empty() {
            self.round.clone_from(&self.ports);
            self.round.shuffle(&mut rand::rng());
        }
        self.round.pop()
    }
}

impl Shared {
    /// The next server in turn; `None` if there is none.
    fn lead(&self) -> Option<(u16, watch::Receiver<Acting>)> {
        let mut backends = self.backends.lock();
        let port = backends.next()?;
        match backends.led.iter_mut().find(|(to, _)| *to == port) {
            Some((_, count)) => *count += 1,
            None => backends.led.push((port, 1)),
        }
        backends.open.retain(|(_, cut)| cut.receiver_count() > 0);
        let (cut, cutting) = watch::channel(Acting::default());
        backends.open.push((port, cut));
        Some((port, cutting))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "one task for each connection, which ends with it or with the balancer"
)]
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        // without a server it is closed at once, as a balancer does
        if let Some((port, cutting)) = shared.lead() {
            let backend = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            tokio::spawn(carry(client, backend, cutting));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::kit::wait::until;

    /// Says one letter to whoever connects, and then what it is told, until it is told nothing.
    async fn server(letter: u8) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    client.write_all(&[letter]).await.unwrap();
                    let (mut from, mut to) = client.split();
                    let _ended = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        port
    }

    async fn connect(balancer: &Balancer) -> (TcpStream, u8) {
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, balancer.port()))
            .await
            .unwrap();
        let letter = client.read_u8().await.unwrap();
        (client, letter)
    }

    #[tokio::test]
    async fn connections_are_led_to_the_servers_in_rounds_and_carried_both_ways() {
        let ports = [server(b'a').await, server(b'b').await];
        let balancer = Balancer::start(&ports).await.unwrap();
        let mut letters = Vec::new();
        for _ in 0..4 {
            let (mut client, letter) = connect(&balancer).await;
            client.write_all(b"hello").await.unwrap();
            let mut answer = [0; 5];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"hello");
            letters.push(letter);
        }
        for round in letters.chunks_mut(2) {
            round.sort_unstable();
            assert_eq!(round, b"ab");
        }
        assert_eq!(ports.map(|port| balancer.led_to(port)), [2, 2]);
    }

    #[tokio::test]
    async fn a_server_that_is_removed_keeps_what_is_open_until_it_is_cut() {
        let ports = [server(b'a').await, server(b'b').await];
        let balancer = Balancer::start(&ports).await.unwrap();
        let mut both = [connect(&balancer).await, connect(&balancer).await];
        both.sort_by_key(|(_, letter)| *letter);
        let [(mut to_a, _), (mut to_b, _)] = both;
        balancer.remove(ports[0]);
        for _ in 0..3 {
            assert_eq!(connect(&balancer).await.1, b'b');
        }
        to_a.write_all(b"x").await.unwrap();
        assert_eq!(to_a.read_u8().await.unwrap(), b'x');
        balancer.cut(ports[0]);
        assert_eq!(to_a.read(&mut [0]).await.unwrap_or(0), 0, "closed");
        to_b.write_all(b"y").await.unwrap();
        assert_eq!(to_b.read_u8().await.unwrap(), b'y');
        balancer.add(ports[0]);
        let letters = [connect(&balancer).await.1, connect(&balancer).await.1];
        assert!(letters.contains(&b'a'), "{letters:?}");
    }

    #[tokio::test]
    async fn nothing_is_left_of_one_that_is_dropped() {
        let ports = [server(b'a').await];
        let balancer = Balancer::start(&ports).await.unwrap();
        let (mut client, _) = connect(&balancer).await;
        let port = balancer.port();
        drop(balancer);
        assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0, "closed");
        let gone = until("nobody listens", Duration::from_secs(10), || async {
            Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                .await
                .is_err())
        });
        gone.await.unwrap();
    }
}
