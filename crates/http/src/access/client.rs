//! Where a request comes from.

use std::net::{IpAddr, Ipv4Addr};

use atoll_engine::Visitor;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, header};
use ipnet::IpNet;

use super::Peer;
use crate::Api;
use crate::answer::ApiFailure;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Proxies in a row that are followed: more than anybody has.
const HOPS_MAX: usize = 16;

/// The client that asks.
#[derive(Debug, Clone)]
pub(crate) struct Client(pub(crate) Visitor);

impl FromRequestParts<Api> for Client {
    type Rejection = ApiFailure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiFailure> {
        let agent = parts.headers.get(header::USER_AGENT).map(|value| value.to_str().unwrap_or_default());
        let address = client_address(api, &parts.headers, &parts.extensions);
        Ok(Self(Visitor { address, agent: agent.unwrap_or_default().to_owned() }))
    }
}

/// Address of the client of a request.
pub(crate) fn client_address(api: &Api, headers: &HeaderMap, extensions: &Extensions) -> IpAddr {
    // Without a connection, as in tests of the router alone, it is this machine.
    let peer = extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0);
    behind(peer, headers, &api.settings().access.protection.trusted_proxies)
}

/// The last address that a trusted proxy vouches for. What stands further left anybody may have written.
fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut client = peer.to_canonical();
    let lines = headers.get_all(FORWARDED_FOR).iter().collect::<Vec<_>>();
    let hops = lines.iter().rev().flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for hop in hops.take(HOPS_MAX) {
        if !is_trusted(client) {
            break;
        }
        // A hop that is no address: who vouched for it is all that is known.
        let Some(address) = address(hop.trim()) else { break };
        client = address;
    }
    client
}

/// An address as proxies write it: some with its port.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    plain.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("192.0.2.1", &["203.0.113.9"], "192.0.2.1")]
    #[case("127.0.0.1", &[], "127.0.0.1")]
    #[case("127.0.0.1", &["203.0.113.9"], "203.0.113.9")]
    #[case("127.0.0.1", &["6.6.6.6, 203.0.113.9"], "203.0.113.9")]
    #[case("127.0.0.1", &["6.6.6.6, 203.0.113.9, 10.1.2.3"], "203.0.113.9")]
    #[case("127.0.0.1", &["6.6.6.6", "203.0.113.9,10.1.2.3"], "203.0.113.9")]
    #[case("127.0.0.1", &["10.1.2.3"], "10.1.2.3")]
    #[case("127.0.0.1", &["203.0.113.9, nonsense"], "127.0.0.1")]
    #[case("::ffff:127.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1")]
    #[case("127.0.0.1", &["203.0.113.9:5555"], "203.0.113.9")]
    fn only_what_trusted_proxies_say_counts(
        #[case] peer: &str,
        #[case] lines: &[&'static str],
        #[case] client: &str,
    ) {
        let trusted = ["127.0.0.0/8", "10.0.0.0/8"].map(|text| text.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        assert_eq!(behind(peer.parse().unwrap(), &headers, &trusted), client.parse::<IpAddr>().unwrap());
    }
}
