//! Who is at the other end of a connection.

use std::net::IpAddr;

use axum::http::HeaderMap;

/// Headers that a proxy adds: then the address of the connection is the proxy's own.
const PROXY_HEADERS: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// The address at the other end of the connection. Every request that came over one has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Peer {
    /// Whether the request comes from a program on this machine, and not from somebody behind a proxy on it.
    pub(crate) fn is_here(self, headers: &HeaderMap) -> bool {
        let ip = self.0.to_canonical();
        ip.is_loopback() && !PROXY_HEADERS.iter().any(|name| headers.contains_key(*name))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("127.0.0.1", None, true)]
    #[case("127.9.9.9", None, true)]
    #[case("::1", None, true)]
    #[case("::ffff:127.0.0.1", None, true)]
    #[case("192.0.2.1", None, false)]
    #[case("127.0.0.1", Some("x-forwarded-for"), false)]
    #[case("127.0.0.1", Some("forwarded"), false)]
    fn a_proxy_on_this_machine_is_not_its_client(
        #[case] ip: &str,
        #[case] header: Option<&'static str>,
        #[case] here: bool,
    ) {
        let mut headers = HeaderMap::new();
        if let Some(name) = header {
            headers.insert(name, HeaderValue::from_static("198.51.100.1"));
        }
        assert_eq!(Peer(ip.parse().unwrap()).is_here(&headers), here);
    }
}
