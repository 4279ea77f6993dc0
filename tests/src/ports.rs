//! Free ports that stay free: below the range from which the system takes the ports of outgoing connections.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

const FIRST: u16 = 18_000;
const LAST: u16 = 32_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// An address of this machine on which nothing listens, given out once.
pub(crate) fn free() -> SocketAddr {
    // Two test processes at the same time begin at two places.
    let start = u16::try_from(std::process::id() % u32::from(LAST - FIRST)).unwrap();
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(step < LAST - FIRST, "no port is free between {FIRST} and {LAST}");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + (start + step) % (LAST - FIRST)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
