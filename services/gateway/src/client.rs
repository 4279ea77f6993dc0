//! Where a request comes from: the address of the socket, or what a trusted proxy says.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Whose request it is, as far as the network tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
}

impl Client {
    /// Proxies append to `x-forwarded-for`: read from its end, the first address that is not a trusted proxy's is the
    /// client's. What stands before it anyone may have written.
    pub(crate) fn of(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let is_proxy = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
        let mut address = peer.ip().to_canonical();
        let said: Vec<_> = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
        for text in said.iter().rev().flat_map(|line| line.rsplit(',')) {
            if !is_proxy(&address) {
                break;
            }
            let Some(next) = parse(text.trim()) else { break };
            address = next;
        }
        Self { address }
    }

    /// What limits count: one address of IPv4, or the /64 that a household of IPv6 has to itself.
    pub(crate) fn bucket(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(_) => self.address,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        }
    }
}

/// An address, perhaps with a port.
fn parse(text: &str) -> Option<IpAddr> {
    let address = text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, said: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for line in said {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        Client::of(SocketAddr::new(peer.parse().unwrap(), 1), &headers, &trusted).address.to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["6.6.6.6, 198.51.100.1, 10.2.3.4"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["6.6.6.6", "198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1, junk"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("::ffff:10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn a_household_is_one_bucket() {
        let bucket = |text: &str| Client { address: text.parse().unwrap() }.bucket().to_string();
        assert_eq!(bucket("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(bucket("198.51.100.7"), "198.51.100.7");
    }
}
