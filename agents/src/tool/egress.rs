//! What may be reached: a URL and an address, judged without asking anybody.
//!
//! A URL is judged when a connection is configured, an address each time one is dialed; a name is never trusted for
//! what it resolved to before. Three kinds of address: public ones; private ones, which a connection may be allowed;
//! and those that nobody may ask, above all where clouds hand credentials to whoever can reach them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Ports of public hosts. A private host may listen anywhere.
const PORTS: &[u16] = &[80, 443, 8080, 8443, 9090, 9200];

/// Where clouds serve credentials: AWS, ECS, EKS, Alibaba, Oracle (IPv4).
const METADATA_V4: &[Ipv4Addr] = &[
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The same of IPv6: AWS, EKS, Google.
const METADATA_V6: &[Ipv6Addr] = &[
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Public,
    /// Loopback, private networks, link-local, shared space of carriers.
    Private,
    /// Metadata services, multicast, reserved, unspecified, documentation.
    Never,
}

/// An address that may not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It may be if the connection says so.
    #[error("the address is not public (allow_private is not set)")]
    Private,
    /// It never may.
    #[error("the address may never be reached")]
    Never,
}

/// Judges an address.
pub(crate) fn address(ip: IpAddr, allow_private: bool) -> Result<(), Refused> {
    match kind(ip) {
        Kind::Public => Ok(()),
        Kind::Private if allow_private => Ok(()),
        Kind::Private => Err(Refused::Private),
        Kind::Never => Err(Refused::Never),
    }
}

fn kind(ip: IpAddr) -> Kind {
    match ip {
        IpAddr::V4(ip) => kind_v4(ip),
        IpAddr::V6(ip) => kind_v6(ip),
    }
}

/// By the special-purpose registry of IANA for IPv4.
fn kind_v4(ip: Ipv4Addr) -> Kind {
    if METADATA_V4.contains(&ip) {
        return Kind::Never;
    }
    match ip.octets() {
        [10 | 127, ..] | [192, 168, ..] | [169, 254, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => {
            Kind::Private
        }
        [0, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] => Kind::Never,
        [198, 18..=19, ..] | [224..=255, ..] => Kind::Never,
        _ => Kind::Public,
    }
}

/// By the special-purpose registry of IANA for IPv6. An address that stands for an IPv4 address is judged as that one.
fn kind_v6(ip: Ipv6Addr) -> Kind {
    if METADATA_V6.contains(&ip) {
        return Kind::Never;
    }
    let s = ip.segments();
    let embedded = Ipv4Addr::from((u32::from(s[6]) << 16) | u32::from(s[7]));
    match s {
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Private,
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => kind_v4(embedded),
        [0xfc00..=0xfdff, ..] | [0xfe80..=0xfebf, ..] => Kind::Private,
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => Kind::Never,
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Never,
    }
}

/// Reads and judges a URL.
///
/// # Errors
/// What is wrong with it, as a sentence that does not repeat it: it may hold a credential.
pub(crate) fn url(text: &str, allow_private: bool) -> Result<Url, String> {
    let says = |what: &str| Err(format!("url: {what}"));
    if text.len() > 2_048 || !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('\\') {
        return says("up to 2048 plain ASCII characters, no spaces or backslashes; write a name as punycode");
    }
    let mut url = Url::parse(text).map_err(|error| format!("url: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return says("http or https only");
    }
    if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
        return says("no user name or password in it; use headers");
    }
    if url.fragment().is_some() {
        return says("no fragment");
    }
    let port = url.port_or_known_default().unwrap_or(0);
    match url.host() {
        Some(Host::Ipv4(ip)) => {
            address(ip.into(), allow_private).map_err(|refused| format!("url: {refused}"))?
        }
        Some(Host::Ipv6(ip)) => {
            address(ip.into(), allow_private).map_err(|refused| format!("url: {refused}"))?
        }
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_owned();
            if name.is_empty() {
                return says("a host");
            }
            if !allow_private && (name == "localhost" || name.ends_with(".localhost")) {
                return Err(format!("url: {}", Refused::Private));
            }
            url.set_host(Some(&name)).map_err(|error| format!("url: {error}"))?;
        }
        None => return says("a host"),
    }
    if port == 0 || (!allow_private && !PORTS.contains(&port)) {
        return Err(format!("url: port {port} of a public host is none of {PORTS:?}"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forms of addresses that are not public (S1): the answer, without and with `allow_private`.
    #[test]
    fn addresses_in_urls_are_judged_in_every_spelling() {
        let private = [
            "127.0.0.1",
            "localhost",
            "a.localhost",
            "LOCALHOST.",
            "[::ffff:127.0.0.1]",
            "2130706433",
            "0x7f.1",
            "127.1",
            "0177.0.0.1",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "100.127.0.1",
            "169.254.1.1",
            "[::1]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd12::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[::ffff:7f00:1]",
        ];
        for host in private {
            let text = format!("http://{host}/");
            assert!(url(&text, false).is_err(), "{host}");
            assert!(url(&text, true).is_ok(), "{host} {:?}", url(&text, true));
        }
        let never = [
            "169.254.169.254",
            "[fd00:ec2::254]",
            "0xa9fea9fe",
            "2852039166",
            "[::ffff:169.254.169.254]",
            "[64:ff9b::169.254.169.254]",
            "169.254.170.2",
            "169.254.170.23",
            "100.100.100.200",
            "[fd20:ce::254]",
            "0.0.0.0",
            "0",
            "[::]",
            "[::ffff:0.0.0.0]",
            "224.0.0.1",
            "239.1.1.1",
            "255.255.255.255",
            "240.0.0.1",
            "198.18.0.1",
            "192.0.2.1",
            "[ff02::1]",
            "[2001:db8::1]",
            "[2002:7f00:1::]",
            "[2001::1]",
            "[::127.0.0.1]",
            "[100::1]",
            "①②⑦.0.0.1",
            "exämple.com",
        ];
        for host in never {
            let text = format!("http://{host}/");
            assert!(url(&text, false).is_err(), "{host}");
            assert!(url(&text, true).is_err(), "{host}");
        }
        for host in [
            "8.8.8.8",
            "example.com",
            "[2606:4700::1]",
            "[::ffff:8.8.8.8]",
            "172.32.0.1",
            "100.128.0.1",
            "11.0.0.1",
        ] {
            assert!(url(&format!("https://{host}/v1"), false).is_ok(), "{host}");
        }
    }

    #[test]
    fn urls_are_plain() {
        for text in [
            "file:///etc/passwd",
            "gopher://example.com/",
            "ftp://example.com/",
            "unix:/run/x",
            "data:text/plain,x",
            "javascript:1",
            "ws://example.com",
            "//example.com",
            "example.com",
            "",
            "https://good@example.com/",
            "https://user:secret@example.com/",
            "https://@example.com/",
            "https://a.com\\@b.com/",
            "https://example.com/#x",
            "https://exa\tmple.com/",
            "https://example.com/\r\nx",
            " https://example.com/",
            "https:\\\\example.com",
            "http://",
            "https://./",
            "https://example.com:22/",
            "https://example.com:6379/",
            "http://example.com:25/",
            "http://example.com:0/",
        ] {
            let refused = url(text, false).expect_err(text);
            assert!(!refused.contains("secret"), "{refused}");
        }
        assert_eq!(url("https://EXAMPLE.com./a", false).unwrap().as_str(), "https://example.com/a");
        assert_eq!(url("https://xn--exmple-cua.com:8443/", false).unwrap().port(), Some(8443));
        assert!(url("http://prometheus.monitoring.svc:30900/", true).is_ok());
    }
}
