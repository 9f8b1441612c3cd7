//! Which hosts may be asked: those that everybody can ask, where the operator has not named one.
//!
//! Whoever may pull images names hosts, and a registry names others, by redirects and for its tokens. None of them is to make
//! this server ask what only it can reach. A registry that the operator has named is trusted in this.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::{BadAddress, Host};

/// Where a proxy may be said to be.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// How all that are outside are named in a list.
const PUBLIC: &str = "public";

/// Which registries may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Those at addresses that everybody can reach.
    pub public: bool,
    /// These, wherever they are.
    pub named: Vec<Host>,
}

impl FromStr for Allowed {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let words = || text.split(',').map(str::trim);
        let public = words().any(|word| word == PUBLIC);
        let named = words().filter(|word| *word != PUBLIC).map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { public, named })
    }
}

/// A host that may not be asked.
#[derive(Debug, thiserror::Error)]
#[error(
    "{host} has no address outside of private networks: the operator can name it in the setting registries"
)]
pub(crate) struct Inner {
    host: String,
}

/// The address that a URL names instead of a host.
fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

/// Whether a URL names no address inside. Of a name, the addresses are looked at when it is asked.
pub(crate) fn may_be_asked(url: &Url) -> bool {
    url.has_host() && literal(url).is_none_or(is_public)
}

/// Looks at a host before it is asked, so that there is one clear answer; it is looked at again whenever it is.
pub(crate) async fn check(url: &Url) -> Result<(), Inner> {
    let host = url.host_str().unwrap_or_default().to_owned();
    if !may_be_asked(url) {
        return Err(Inner { host });
    }
    if proxies().is_empty() && literal(url).is_none() {
        let found = tokio::net::lookup_host((host.as_str(), 0)).await;
        // A name that is none is told by whoever connects.
        let found: Vec<SocketAddr> = found.map(Iterator::collect).unwrap_or_default();
        if !found.is_empty() && !found.iter().any(|found| is_public(found.ip())) {
            return Err(Inner { host });
        }
    }
    Ok(())
}

/// Finds addresses of names, and none that is inside but a proxy's.
#[derive(Debug)]
pub(crate) struct Outside {
    proxies: Arc<[String]>,
}

impl Outside {
    pub(crate) fn new() -> Self {
        Self { proxies: proxies().into() }
    }
}

impl Resolve for Outside {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let proxy = self.proxies.contains(&host);
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.filter(|found| proxy || is_public(found.ip())).collect();
            if found.is_empty() {
                return Err(Inner { host }.into());
            }
            let found: Addrs = Box::new(found.into_iter());
            Ok(found)
        })
    }
}

/// Hosts of the proxies of this process: they are the operator's, and look names up by themselves.
fn proxies() -> Vec<String> {
    let named = PROXY_VARIABLES.iter().filter_map(|name| std::env::var(name).ok());
    named.filter_map(|proxy| proxy_host(&proxy)).collect()
}

fn proxy_host(proxy: &str) -> Option<String> {
    let url =
        Url::parse(proxy).ok().filter(Url::has_host).or_else(|| Url::parse(&format!("http://{proxy}")).ok());
    url.and_then(|url| url.host_str().map(str::to_owned))
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_4(address),
        IpAddr::V6(address) => is_public_6(address),
    }
}

/// The same that are closed for sandboxes: this network, private ones, providers' own, loopback, link-local, protocols',
/// benchmarks, multicast, reserved, and the metadata that has an address of its own.
fn is_public_4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let closed = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || matches!((a, b), (0 | 224.., _) | (100, 64..=127) | (198, 18 | 19))
        || (a, b, c) == (192, 0, 0)
        || address == Ipv4Addr::new(168, 63, 129, 16);
    !closed
}

/// What lies in the part that is given out to everybody, and stands for no other address that is closed.
fn is_public_6(address: Ipv6Addr) -> bool {
    let words = address.segments();
    let [.., high, low] = words;
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match words {
        [0, 0, 0, 0, 0, 0xFFFF, ..] | [0x64, 0xFF9B, 0, 0, 0, 0, ..] => is_public_4(embedded(high, low)),
        [0x2002, high, low, ..] => is_public_4(embedded(high, low)),
        // Teredo, and what is for documents.
        [0x2001, 0 | 0xDB8, ..] => false,
        [first, ..] => first & 0xE000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_inner_networks_are_told_from_everybodys() {
        for inner in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "0.0.0.0",
            "192.0.0.192",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
            "fec0::1",
        ] {
            assert!(!is_public(inner.parse().unwrap()), "{inner}");
        }
        for public in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "198.20.0.1",
            "192.0.1.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[tokio::test]
    async fn hosts_are_looked_at_however_they_are_written() {
        for inner in ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:10.0.0.1]", "localhost"]
        {
            let url = Url::parse(&format!("https://{inner}:5000/v2/")).unwrap();
            let error = check(&url).await.unwrap_err().to_string();
            assert!(error.contains("the setting registries"), "{inner}: {error}");
        }
        check(&Url::parse("https://1.1.1.1/v2/").unwrap()).await.unwrap();
        let found = Outside::new().resolve("localhost".parse().unwrap()).await;
        assert!(found.is_err_and(|error| error.to_string().contains("localhost")));
    }

    #[test]
    fn a_list_has_hosts_and_the_word_for_all_others() {
        let (one, two) = ("a.example".parse().unwrap(), "localhost:5000".parse().unwrap());
        assert_eq!("public".parse(), Ok(Allowed { public: true, named: vec![] }));
        assert_eq!("a.example".parse(), Ok(Allowed { public: false, named: vec![one] }));
        assert_eq!("localhost:5000, public".parse(), Ok(Allowed { public: true, named: vec![two] }));
        for bad in ["", "a", "public,", "a.example/b"] {
            assert_eq!(bad.parse::<Allowed>(), Err(BadAddress), "{bad}");
        }
    }

    #[test]
    fn the_host_of_a_proxy_is_found() {
        for proxy in
            ["http://me:secret@proxy.corp:3128", "proxy.corp:3128", "socks5://proxy.corp", "proxy.corp"]
        {
            assert_eq!(proxy_host(proxy).as_deref(), Some("proxy.corp"), "{proxy}");
        }
    }
}
