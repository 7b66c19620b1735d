//! Addresses that golive does not ask on behalf of a runbook: the cloud's metadata services, what is
//! only reachable from its own machine, and what is no machine at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata services that are not on a link-local address, by cloud.
const METADATA_V4: &[Ipv4Addr] = &[
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba
    Ipv4Addr::new(168, 63, 129, 16),   // Azure
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle
];
const METADATA_V6: &[Ipv6Addr] = &[
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), // Amazon
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),  // Google
];

/// What an address is, where that matters for whether it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Another machine.
    Network,
    /// This machine itself: asked only where the runbook allows it by name.
    Loopback,
    /// Never asked, and why.
    Never(&'static str),
}

/// What `address` is.
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => match inside(v6) {
            Some(v4) => reach_v4(v4),
            None if v6.is_loopback() || v6.is_unspecified() => Reach::Loopback,
            None if v6.is_unicast_link_local() => Reach::Never("it is a link-local address"),
            None if v6.is_multicast() => Reach::Never("it is a multicast address"),
            None if METADATA_V6.contains(&v6) => Reach::Never("it is a cloud's metadata service"),
            None => Reach::Network,
        },
    }
}

fn reach_v4(v4: Ipv4Addr) -> Reach {
    if METADATA_V4.contains(&v4) || v4 == Ipv4Addr::new(169, 254, 169, 254) {
        Reach::Never("it is a cloud's metadata service")
    } else if v4.is_link_local() {
        Reach::Never("it is a link-local address")
    } else if v4.is_multicast() || v4.is_broadcast() {
        Reach::Never("it is a multicast or broadcast address")
    } else if v4.is_loopback() || v4.octets().first() == Some(&0) {
        // What is sent to 0.0.0.0 arrives here.
        Reach::Loopback
    } else {
        Reach::Network
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped, compatible, or behind NAT64 or 6to4.
fn inside(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([one, two], [three, four]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(one, two, three, four))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

/// The host and the port of a URL, or of `host:port`: without brackets, in small letters.
pub fn authority(address: &str) -> (String, Option<u16>) {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let rest = rest.get(..end).unwrap_or(rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None if rest.matches(':').count() > 1 => (rest, None),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    (host.trim_end_matches('.').to_ascii_lowercase(), port.and_then(|port| port.parse().ok()))
}

/// Whether one of `allow`, each `host` or `host:port`, is this host and port.
pub fn allowed(allow: &[String], host: &str, port: u16) -> bool {
    allow.iter().any(|entry| {
        let (name, only) = authority(entry);
        name == host && only.is_none_or(|only| only == port)
    })
}

/// What the address of `text`, a URL or `host:port`, is as far as can be said without asking for
/// its name.
pub fn reach_of(text: &str) -> Reach {
    let (host, _) = authority(text);
    let local = host == "localhost" || host.ends_with(".localhost");
    match host.parse::<IpAddr>() {
        Ok(address) => reach(address),
        Err(_) if local => Reach::Loopback,
        Err(_) => Reach::Network,
    }
}

#[cfg(test)]
mod tests {
    use super::{Reach, allowed, authority, reach, reach_of};

    #[test]
    fn metadata_and_link_local_are_never_asked_in_any_spelling() {
        for never in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "fd00:ec2::254",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            assert!(matches!(reach(never.parse().unwrap()), Reach::Never(_)), "{never}");
        }
        for local in ["127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"] {
            assert_eq!(reach(local.parse().unwrap()), Reach::Loopback, "{local}");
        }
        for other in ["10.0.0.1", "192.168.1.1", "93.184.216.34", "fd12::1", "2001:db8::1"] {
            assert_eq!(reach(other.parse().unwrap()), Reach::Network, "{other}");
        }
        assert_eq!(reach_of("http://LOCALHOST:80/x"), Reach::Loopback);
        assert_eq!(reach_of("http://[::1]/x"), Reach::Loopback);
        assert!(matches!(reach_of("http://a@169.254.169.254/"), Reach::Never(_)));
        assert_eq!(reach_of("db.example:5432"), Reach::Network);
    }

    #[test]
    fn a_host_and_its_port_are_found() {
        let of = |text: &str| {
            let (host, port) = authority(text);
            format!("{host} {port:?}")
        };
        assert_eq!(of("https://u:p@Shop.example.:8443/a?b"), "shop.example Some(8443)");
        assert_eq!(of("http://[fe80::1]:80"), "fe80::1 Some(80)");
        assert_eq!(of("::1"), "::1 None");
        assert_eq!(of("localhost"), "localhost None");
        let allow = ["localhost:9090".to_owned(), "127.0.0.1".to_owned()];
        assert!(allowed(&allow, "localhost", 9090) && allowed(&allow, "127.0.0.1", 1));
        assert!(!allowed(&allow, "localhost", 22) && !allowed(&[], "localhost", 9090));
    }
}
