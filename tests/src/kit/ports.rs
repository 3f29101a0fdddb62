//! Picks a port that stays the server's own, even while the server is stopped.
//!
//! Port 0 would hand out ports that the next outgoing connection of any process
//! may take as soon as the server stops, and a test that restarts a server then
//! fails once in a thousand runs. So ports are drawn below the range of outgoing
//! connections, and held on a second loopback address that only kits bind: two
//! kits never meet, and the kernel lets go whatever way the process ends.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

const LOWEST: u16 = 15_000;
const RESERVED_ON: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);
const TRIES: usize = 500;

/// A port of 127.0.0.1 that no other kit uses while this value lives.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _reservation: TcpListener,
}

impl Port {
    /// Draws a free port.
    pub(crate) fn pick() -> Result<Self> {
        let end = first_outgoing();
        for _ in 0..TRIES {
            let number = rand::random_range(LOWEST..end);
            let Ok(reservation) = TcpListener::bind((RESERVED_ON, number)) else {
                continue;
            };
            // Programs that are not kits do not know of the reservation.
            if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self {
                    number,
                    _reservation: reservation,
                });
            }
        }
        bail!("no free port between {LOWEST} and {end} in {TRIES} tries")
    }

    pub(crate) const fn number(&self) -> u16 {
        self.number
    }
}

fn first_outgoing() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let first = range
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok());
    // An unusual range that starts low leaves nothing below: overlap is then the lesser evil.
    first
        .filter(|&first| first >= LOWEST + 1_000)
        .unwrap_or(32_768)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picked_port_is_free_for_the_server_and_taken_for_other_kits() {
        let port = Port::pick().unwrap();
        TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).unwrap();
        TcpListener::bind((RESERVED_ON, port.number())).unwrap_err();
    }
}
