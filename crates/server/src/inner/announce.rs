//! Where the server is to be found.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::InnerError;
use super::folder::Folder;
use crate::config::{AuthMode, Config};
use crate::report;

/// Holds the address, for scripts that started the server on a port that the kernel chose.
const ADDRESS: &str = "address";

/// Says it on standard error and in the file `address` of serve's folder.
pub(super) fn announce(folder: &Folder, config: &Config, bound: SocketAddr) -> Result<(), InnerError> {
    let url = config.public_url.clone().unwrap_or_else(|| format!("http://{}", reachable(bound)));
    // As it mostly is: a disk that is full must not keep serve from starting again.
    if folder.read(ADDRESS)?.as_ref() != Some(&url) {
        folder.write(ADDRESS, &url)?;
    }
    report::line(&format!("listening on {url}"));
    if config.auth == AuthMode::None {
        report::line("authentication is off: whoever can connect from this machine is the one user");
    }
    Ok(())
}

/// An address that can be connected to: "every address" is none.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_shown_as_one_that_answers() {
        assert_eq!(reachable("0.0.0.0:3001".parse().unwrap()).to_string(), "127.0.0.1:3001");
        assert_eq!(reachable("[::]:3001".parse().unwrap()).to_string(), "[::1]:3001");
        assert_eq!(reachable("10.0.0.5:1".parse().unwrap()).to_string(), "10.0.0.5:1");
    }
}
