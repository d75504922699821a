//! Which addresses are of this machine or its private network.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A host and a port, as in a URL: `127.0.0.1:5432`, `[::1]:80`, `db.internal:443`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// In lower case, without brackets.
    host: String,
    port: u16,
}

/// A text is not a host and a port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not HOST:PORT, such as `127.0.0.1:5432` or `[::1]:80`")]
pub struct HostPortError {
    text: String,
}

impl HostPort {
    /// Whether a URL with this authority means it; `default` is the scheme's port.
    pub(crate) fn is_at(&self, authority: &str, default: u16) -> bool {
        let (host, port) = split(authority);
        port.map_or(Some(default), |port| port.parse().ok()) == Some(self.port)
            && plain(host) == self.host
    }
}

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, HostPortError> {
        let wrong = || HostPortError { text: text.to_owned() };
        let (host, port) = split(text);
        let port = port.and_then(|port| port.parse().ok()).filter(|port| *port > 0);
        let host = plain(host);
        let name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let fits = host.parse::<IpAddr>().is_ok() || (!host.is_empty() && host.chars().all(name));
        match port {
            Some(port) if fits => Ok(Self { host, port }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Host and port of an authority.
pub(crate) fn split(authority: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = authority.strip_prefix('[').and_then(|a| a.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn plain(host: &str) -> String {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    // However it is written.
    host.parse::<IpAddr>().map_or(host, |address| address.to_canonical().to_string())
}

/// Whether a host that is written as an address, or as a name that always means this machine, is
/// private.
pub(crate) fn is_private_host(host: &str) -> bool {
    let host = plain(host);
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(is_private)
}

/// Whether an address belongs to this machine or to a private network.
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || a >= 240
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // An address that carries an IPv4 address leads to it: NAT64, 6to4, and the old compatible form.
    let octets = address.octets();
    let v4 = |at: usize| Ipv4Addr::new(octets[at], octets[at + 1], octets[at + 2], octets[at + 3]);
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || (first & 0xfe00) == 0xfc00
        || (first & 0xffc0) == 0xfe80
        || (first & 0xffc0) == 0xfec0
        || (first == 0x64 && second == 0xff9b && is_private_v4(v4(12)))
        || (first == 0x2002 && is_private_v4(v4(2)))
        || (octets[..12] == [0; 12] && is_private_v4(v4(12)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_and_its_network_are_private_however_they_are_written() {
        for private in [
            "127.0.0.1",
            "127.8.8.8",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::ffff:7f00:1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "::7f00:1",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
        ] {
            assert!(is_private_host(private), "{private}");
        }
        for public in [
            "1.1.1.1",
            "100.128.0.1",
            "2606:4700::1111",
            "example.com",
            "172.32.0.1",
            "localhost.evil.test",
        ] {
            assert!(!is_private_host(public), "{public}");
        }
    }

    #[test]
    fn an_exception_is_a_host_with_a_port() {
        for (text, authority, default, expected) in [
            ("127.0.0.1:80", "127.0.0.1", 80, true),
            ("127.0.0.1:80", "127.0.0.1", 443, false),
            ("127.0.0.1:80", "127.0.0.1:80", 443, true),
            ("127.0.0.1:80", "127.0.0.1:8", 80, false),
            ("[::1]:80", "[::1]:80", 443, true),
            ("[0:0::1]:80", "[::1]:80", 443, true),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1", 80, true),
            ("DB.Internal:5432", "db.internal.:5432", 80, true),
            ("db.internal:5432", "db.internal:99999", 5432, false),
        ] {
            let allowed: HostPort = text.parse().unwrap();
            assert_eq!(allowed.is_at(authority, default), expected, "{text} {authority}");
        }
        for bad in ["", "x", "x:", ":80", "x:0", "x:70000", "a b:80", "http://x:80", "::1:80"] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad}");
        }
        assert_eq!("[::1]:80".parse::<HostPort>().unwrap().to_string(), "[::1]:80");
    }
}
