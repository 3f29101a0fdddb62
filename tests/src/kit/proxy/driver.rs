//! Accepts connections, or does not, as the fault of the moment wants it.
//!
//! Decides who is led to the server. Must never hold the port while connections are to be refused.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Fault;
use super::carry::{Acting, carry};

/// A port that cannot be listened on is tried again after this.
const AGAIN: Duration = Duration::from_millis(10);

/// What is to be wrong from now on.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    pub(super) number: u64,
    pub(super) fault: Option<Fault>,
}

/// Shared by whoever holds the proxy and the task that listens.
#[derive(Debug)]
pub(super) struct Driver {
    port: u16,
    server: AtomicU16,
    orders: watch::Sender<Order>,
    obeyed: watch::Sender<u64>,
    acting: watch::Sender<Acting>,
    open: Arc<AtomicUsize>,
}

pub(super) async fn listen(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

impl Driver {
    pub(super) fn new(port: u16, server: u16) -> Self {
        Self {
            port,
            server: AtomicU16::new(server),
            orders: watch::Sender::default(),
            obeyed: watch::Sender::new(0),
            acting: watch::Sender::default(),
            open: Arc::default(),
        }
    }

    pub(super) fn order(&self, fault: Option<Fault>) -> u64 {
        let mut number = 0;
        self.orders.send_modify(|order| number = order.next(fault));
        number
    }

    pub(super) fn obeyed(&self) -> watch::Receiver<u64> {
        self.obeyed.subscribe()
    }

    pub(super) fn point_to(&self, server: u16) {
        self.server.store(server, Ordering::Relaxed);
    }

    pub(super) fn reset_open(&self) {
        self.acting.send_modify(Acting::reset);
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Obeys one order after the other, until it is dropped.
    pub(super) async fn run(self: Arc<Self>, listener: TcpListener) {
        let mut orders = self.orders.subscribe();
        let mut listener = Some(listener);
        loop {
            let order = orders.borrow_and_update().clone();
            tokio::select! {
                () = self.obey(&order, &mut listener) => {}
                changed = orders.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Never ends by itself.
    async fn obey(&self, order: &Order, listener: &mut Option<TcpListener>) {
        self.acting.send_modify(|acting| acting.becomes(order));
        let done = || {
            self.obeyed.send_replace(order.number);
        };
        match order.fault {
            Some(Fault::Refuse) => {
                self.refuse(listener);
                done();
                std::future::pending().await
            }
            Some(Fault::Flap { up, down }) => loop {
                self.refuse(listener);
                done();
                sleep(down).await;
                let accepting = async { self.accept(self.listener(listener).await, false).await };
                // it accepts for as long as it is let
                let _up: Result<(), _> = timeout(up, accepting).await;
            },
            Some(Fault::Reset) => {
                let listener = self.listener(listener).await;
                self.reset_open();
                done();
                self.accept(listener, true).await;
            }
            Some(
                Fault::BlackHole
                | Fault::Delay(_)
                | Fault::Stall(_)
                | Fault::CutAfter(_)
                | Fault::ResetOn(_),
            )
            | None => {
                let listener = self.listener(listener).await;
                done();
                self.accept(listener, false).await;
            }
        }
    }

    fn refuse(&self, listener: &mut Option<TcpListener>) {
        drop(listener.take());
        self.reset_open();
    }

    async fn listener<'a>(&self, listener: &'a mut Option<TcpListener>) -> &'a TcpListener {
        let bound = match listener.take() {
            Some(bound) => bound,
            None => loop {
                match listen(self.port).await {
                    Ok(bound) => break bound,
                    Err(_) => sleep(AGAIN).await,
                }
            },
        };
        listener.insert(bound)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "one task for each connection, which ends with it or with the proxy"
    )]
    async fn accept(&self, listener: &TcpListener, is_reset: bool) {
        loop {
            let Ok((client, _)) = listener.accept().await else {
                // no file is left, say
                sleep(AGAIN).await;
                continue;
            };
            if is_reset {
                // reset by being dropped; one that is gone already needs none
                let _gone = client.set_zero_linger();
                continue;
            }
            let server = self.server.load(Ordering::Relaxed);
            let open = Counted::one(&self.open);
            let backend = SocketAddr::from((Ipv4Addr::LOCALHOST, server));
            let carried = carry(client, backend, self.acting.subscribe());
            tokio::spawn(async move {
                carried.await;
                drop(open);
            });
        }
    }
}

/// One open connection.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn one(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
