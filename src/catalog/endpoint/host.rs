//! Hosts: every spelling of an address becomes one form, and every address one zone. Resolves no name.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A host as a URL names it, normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Lower case, no trailing dot, ASCII.
    Name(String),
    /// An IPv4 address, whatever its spelling was.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
}

/// Where a host is, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Zone {
    /// This machine.
    Loopback,
    /// A private network: RFC 1918, CGNAT (100.64/10), unique local IPv6, or a name that only such networks resolve.
    Private,
    /// Anywhere else.
    Public,
    /// Link-local or a cloud metadata service: never.
    Metadata,
    /// Unspecified, multicast, broadcast, reserved: nothing answers there.
    Unroutable,
}

/// Why a text is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHost {
    /// Nothing there.
    #[error("the URL has no host")]
    Empty,
    /// Not ASCII letters, digits, `-`, `_`, `.`; or a label that is empty or longer than 63.
    #[error("a host name has letters, digits, `-` and `.`; write an international name in its xn-- form")]
    BadName,
    /// Ends in a number but is no IPv4 address.
    #[error("this is neither a host name nor an IPv4 address")]
    BadV4,
    /// Brackets around something that is no IPv6 address.
    #[error("this is no IPv6 address")]
    BadV6,
    /// `%` in an IPv6 address.
    #[error("an IPv6 address may not carry a zone id")]
    ZoneId,
}

/// Names of cloud metadata services. Sources: documentation of Google Cloud, AWS, Oracle, Alibaba and Azure.
const METADATA_NAMES: [&str; 7] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
];

/// Addresses of cloud metadata services outside 169.254/16: Alibaba, Oracle, Azure.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// The EC2 metadata service over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Suffixes that public DNS does not have (RFC 6762, RFC 8375, ICANN `.internal`, usual in home and office networks).
const PRIVATE_SUFFIXES: [&str; 6] = [".local", ".internal", ".lan", ".home.arpa", ".home", ".intranet"];

impl Host {
    /// Reads the host part of a URL: `[…]` for IPv6, any spelling of IPv4, a name.
    ///
    /// # Errors
    /// [`BadHost`]
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(BadHost::BadV6)?;
            if inner.contains('%') {
                return Err(BadHost::ZoneId);
            }
            return inner.parse().map(Self::V6).map_err(|_| BadHost::BadV6);
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.is_empty() {
            return Err(BadHost::Empty);
        }
        if ends_in_a_number(&name) {
            return parse_v4(&name).map(Self::V4).ok_or(BadHost::BadV4);
        }
        let good = name.len() <= 253
            && name.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && label
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            });
        if good {
            Ok(Self::Name(name))
        } else {
            Err(BadHost::BadName)
        }
    }

    /// Where it is.
    pub fn zone(&self) -> Zone {
        match self {
            Self::Name(name) => zone_of_name(name),
            Self::V4(address) => zone_of_v4(*address),
            Self::V6(address) => zone_of_v6(*address),
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// The URL standard's test for "this host is meant as IPv4": its last label is a number.
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    !last.is_empty() && (last.bytes().all(|b| b.is_ascii_digit()) || parse_v4_number(last).is_some())
}

/// The URL standard's IPv4 parser: one to four parts, each decimal, octal (`0…`) or hexadecimal (`0x…`); the last part fills what is left.
fn parse_v4(name: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u64> = name.split('.').map(parse_v4_number).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 255) {
        return None;
    }
    let free_bytes = 4_u32.checked_sub(u32::try_from(leading.len()).ok()?)?;
    if *last >= 256_u64.pow(free_bytes) {
        return None;
    }
    let high = leading.iter().fold(0_u64, |sum, part| sum * 256 + part);
    u32::try_from(high * 256_u64.pow(free_bytes) + last)
        .ok()
        .map(Ipv4Addr::from)
}

fn parse_v4_number(part: &str) -> Option<u64> {
    if part.is_empty() || part.len() > 16 {
        return None;
    }
    let (digits, radix) = if let Some(hex) = part.strip_prefix("0x") {
        (hex, 16)
    } else if let Some(octal) = part.strip_prefix('0').filter(|rest| !rest.is_empty()) {
        (octal, 8)
    } else {
        (part, 10)
    };
    if digits.is_empty() {
        return Some(0);
    }
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

fn zone_of_name(name: &str) -> Zone {
    if METADATA_NAMES.contains(&name) {
        Zone::Metadata
    } else if name == "localhost" || name.ends_with(".localhost") {
        Zone::Loopback
    } else if !name.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        Zone::Private
    } else {
        Zone::Public
    }
}

fn zone_of_v4(address: Ipv4Addr) -> Zone {
    let [a, b, ..] = address.octets();
    if address.is_link_local() || METADATA_V4.contains(&address) {
        Zone::Metadata
    } else if address.is_loopback() {
        Zone::Loopback
    } else if address.is_private() || (a == 100 && (64..=127).contains(&b)) {
        Zone::Private
    } else if a == 0 || a >= 224 {
        Zone::Unroutable
    } else {
        Zone::Public
    }
}

fn zone_of_v6(address: Ipv6Addr) -> Zone {
    if let Some(embedded) = embedded_v4(address) {
        return zone_of_v4(embedded);
    }
    let first = address.segments().first().copied().unwrap_or_default();
    if address == METADATA_V6 || first & 0xffc0 == 0xfe80 {
        Zone::Metadata
    } else if address.is_loopback() {
        Zone::Loopback
    } else if first & 0xfe00 == 0xfc00 {
        Zone::Private
    } else if address.is_unspecified() || address.is_multicast() || first & 0xffc0 == 0xfec0 {
        Zone::Unroutable
    } else {
        Zone::Public
    }
}

/// The IPv4 address that an IPv6 address reaches: mapped `::ffff:a.b.c.d`, compatible `::a.b.c.d`, translated `::ffff:0:a.b.c.d`,
/// NAT64 `64:ff9b::a.b.c.d` (RFC 6052) and 6to4 `2002:aabb:ccdd::` (RFC 3056).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => join(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_lands_in_its_zone() {
        use Zone::{Loopback, Metadata, Private, Public, Unroutable};
        let table = [
            ("localhost", Loopback),
            ("LOCALHOST.", Loopback),
            ("ollama.localhost", Loopback),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("127.1", Loopback),
            ("2130706433", Loopback),
            ("0x7f000001", Loopback),
            ("0X7F.1", Loopback),
            ("0177.0.0.01", Loopback),
            ("017700000001", Loopback),
            ("127.0.0.1.", Loopback),
            ("[::1]", Loopback),
            ("[0:0:0:0:0:0:0:1]", Loopback),
            ("[::ffff:127.0.0.1]", Loopback),
            ("[::127.0.0.1]", Loopback),
            ("[64:ff9b::7f00:1]", Loopback),
            ("10.1.2.3", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.0.1", Private),
            ("0xc0a80001", Private),
            ("100.64.0.1", Private),
            ("100.127.255.255", Private),
            ("[fd12:3456::1]", Private),
            ("[fc00::1]", Private),
            ("gpu-box", Private),
            ("gpu.lan", Private),
            ("mac.local", Private),
            ("host.docker.internal", Private),
            ("router.home.arpa", Private),
            ("172.32.0.1", Public),
            ("100.128.0.1", Public),
            ("11.0.0.1", Public),
            ("8.8.8.8", Public),
            ("api.openai.com", Public),
            ("1.example.com", Public),
            ("localhost.example.com", Public),
            ("127.0.0.1.nip.io", Public),
            ("[2606:4700::1111]", Public),
            ("[2002:808:808::]", Public),
            ("169.254.169.254", Metadata),
            ("169.254.0.1", Metadata),
            ("2852039166", Metadata),
            ("0xA9FEA9FE", Metadata),
            ("0251.0376.0251.0376", Metadata),
            ("169.254.43518", Metadata),
            ("[::ffff:169.254.169.254]", Metadata),
            ("[::ffff:a9fe:a9fe]", Metadata),
            ("[::a9fe:a9fe]", Metadata),
            ("[64:ff9b::a9fe:a9fe]", Metadata),
            ("[2002:a9fe:a9fe::1]", Metadata),
            ("[::ffff:0:a9fe:a9fe]", Metadata),
            ("[fe80::1]", Metadata),
            ("[febf::1]", Metadata),
            ("[fd00:ec2::254]", Metadata),
            ("100.100.100.200", Metadata),
            ("192.0.0.192", Metadata),
            ("168.63.129.16", Metadata),
            ("metadata", Metadata),
            ("metadata.google.internal", Metadata),
            ("Metadata.Google.Internal.", Metadata),
            ("instance-data", Metadata),
            ("0.0.0.0", Unroutable),
            ("0", Unroutable),
            ("0x0", Unroutable),
            ("0.1.2.3", Unroutable),
            ("224.0.0.1", Unroutable),
            ("255.255.255.255", Unroutable),
            ("240.0.0.1", Unroutable),
            ("[::]", Unroutable),
            ("[ff02::1]", Unroutable),
            ("[::ffff:0.0.0.0]", Unroutable),
        ];
        for (text, zone) in table {
            let host = Host::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(host.zone(), zone, "{text} is {host:?}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let table = [
            ("", BadHost::Empty),
            (".", BadHost::Empty),
            ("a..b", BadHost::BadName),
            (".a", BadHost::BadName),
            ("-a.com", BadHost::BadName),
            ("a b", BadHost::BadName),
            ("exa%6dple.com", BadHost::BadName),
            ("bücher.example", BadHost::BadName),
            ("１２７.0.0.1x", BadHost::BadName),
            ("a/b", BadHost::BadName),
            ("*.example.com", BadHost::BadName),
            ("1.2.3.4.5", BadHost::BadV4),
            ("256.0.0.1", BadHost::BadV4),
            ("1.2.3.256", BadHost::BadV4),
            ("4294967296", BadHost::BadV4),
            ("1..2", BadHost::BadV4),
            ("example.09", BadHost::BadV4),
            ("a.1", BadHost::BadV4),
            ("[::1", BadHost::BadV6),
            ("[]", BadHost::BadV6),
            ("[gg::1]", BadHost::BadV6),
            ("[127.0.0.1]", BadHost::BadV6),
            ("[fe80::1%eth0]", BadHost::ZoneId),
            ("[fe80::1%25eth0]", BadHost::ZoneId),
        ];
        for (text, expected) in table {
            assert_eq!(Host::parse(text), Err(expected), "{text}");
        }
        assert_eq!(Host::parse(&"a".repeat(64)), Err(BadHost::BadName));
    }

    proptest! {
        #[test]
        fn spellings_of_one_v4_address_agree(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let [a, b, c, d] = address.octets();
            let low = u32::from(c) * 256 + u32::from(d);
            for text in [
                address.to_string(),
                bits.to_string(),
                format!("{bits:#x}"),
                format!("0{bits:o}"),
                format!("{a}.{b}.{low}"),
                format!("{a:#x}.0{b:o}.{c}.{d:#X}").to_lowercase(),
            ] {
                prop_assert_eq!(Host::parse(&text), Ok(Host::V4(address)), "{}", text);
            }
            let mapped = format!("[::ffff:{address}]");
            prop_assert_eq!(Host::parse(&mapped).map(|host| host.zone()), Ok(zone_of_v4(address)));
        }

        #[test]
        fn any_text_is_answered_and_reads_back(text in "\\PC{0,40}") {
            if let Ok(host) = Host::parse(&text) {
                prop_assert_eq!(Host::parse(&host.to_string()), Ok(host));
            }
        }

        #[test]
        fn names_read_back(text in "[a-zA-Z0-9._-]{1,30}") {
            if let Ok(host) = Host::parse(&text) {
                prop_assert_eq!(Host::parse(&host.to_string()), Ok(host));
            }
        }
    }
}
