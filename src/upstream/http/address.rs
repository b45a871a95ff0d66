//! Which addresses may be reached; asked for every connection, after the name was resolved (T120, T121).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    Private,
    Loopback,
    /// Link-local, multicast, unspecified, reserved: never a tool server.
    Never,
}

/// Which kinds of address may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) public: bool,
    pub(super) private: bool,
    pub(super) loopback: bool,
}

impl Rule {
    /// Whether this address may be reached.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        match kind(address) {
            Kind::Public => self.public,
            Kind::Private => self.private,
            Kind::Loopback => self.loopback,
            Kind::Never => false,
        }
    }
}

fn kind(address: IpAddr) -> Kind {
    match address.to_canonical() {
        IpAddr::V4(address) => kind4(address),
        IpAddr::V6(address) => kind6(address),
    }
}

fn kind4(address: Ipv4Addr) -> Kind {
    match address.octets() {
        [127, ..] => Kind::Loopback,
        [10, ..] | [192, 168, ..] => Kind::Private,
        [172, second, ..] if (16..32).contains(&second) => Kind::Private,
        // Shared address space (RFC 6598).
        [100, second, ..] if (64..128).contains(&second) => Kind::Private,
        [0, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [224..=255, ..] => Kind::Never,
        _ => Kind::Public,
    }
}

fn kind6(address: Ipv6Addr) -> Kind {
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        // NAT64 (RFC 6052): the address within decides, and only a public one may be meant.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            if kind4(Ipv4Addr::new(a, b, c, d)) == Kind::Public { Kind::Public } else { Kind::Never }
        }
        // Local NAT64, 6to4, Teredo, IPv4-compatible, documentation: tunnels to who knows where.
        [0x64, 0xff9b, ..] | [0x2002, ..] | [0x2001, 0 | 0xdb8, ..] | [0, 0, 0, 0, 0, 0, ..] => Kind::Never,
        [0xfc00..=0xfdff, ..] => Kind::Private,
        // Link-local, site-local, multicast.
        [0xfe80..=0xffff, ..] => Kind::Never,
        _ => Kind::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::Rule;

    /// T120
    #[test]
    fn every_spelling_of_an_inner_address_is_an_inner_address() {
        let outside = Rule { public: true, private: false, loopback: false };
        for inner in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "fd00::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!outside.allows(inner.parse().unwrap()), "{inner}");
        }
        for public in ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "172.32.0.1", "100.128.0.1"] {
            assert!(outside.allows(public.parse().unwrap()), "{public}");
        }
        let inside = Rule { public: false, private: true, loopback: true };
        assert!(inside.allows("127.0.0.1".parse().unwrap()) && inside.allows("fd00::1".parse().unwrap()));
        for never in ["169.254.169.254", "0.0.0.0", "fe80::1", "1.1.1.1"] {
            assert!(!inside.allows(never.parse().unwrap()), "{never}");
        }
    }
}
