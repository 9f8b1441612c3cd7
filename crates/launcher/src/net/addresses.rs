//! Which addresses stand where. All of them are of 100.64.0.0/10, which no sandbox may reach beyond its router and the
//! Internet does not know.

use std::net::Ipv4Addr;

use atoll_types::InstallationId;

/// Where sandboxes ask for names; on the router's loopback.
pub(crate) const DNS: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 53);

/// First address of the links; those before it are the router's own.
const LINKS: u32 = 0x6440_0100;

/// Links at once: as many as there can be sandboxes, and as many again for those that are being dropped or are made ahead.
pub(crate) const LINKS_MAX: u32 = 8_192;

/// First address of the uplinks: 100.127.0.0/16, apart from where VPNs and clouds put their services.
const UPLINKS: u32 = 0x647F_0000;

/// Pairs of addresses for uplinks.
const UPLINK_PAIRS: u32 = 32_768;

/// How many pairs are tried: a host has none of them, or one in use by another installation.
pub(super) const UPLINK_TRIES: u32 = 64;

/// Length of the prefix of every link: two addresses.
pub(super) const PREFIX: u8 = 31;

/// Both ends of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    /// The end that is nearer to the host.
    pub(super) near: Ipv4Addr,
    /// The end that is farther from it.
    pub(super) far: Ipv4Addr,
}

const fn pair(base: u32, number: u32) -> Pair {
    Pair { near: Ipv4Addr::from_bits(base + 2 * number), far: Ipv4Addr::from_bits(base + 2 * number + 1) }
}

/// Addresses of a sandbox's link: the router's and the sandbox's.
pub(super) const fn link(number: u32) -> Pair {
    pair(LINKS, number % LINKS_MAX)
}

/// Addresses of the uplink at a try: the host's and the router's. Installations begin at different ones.
pub(super) fn uplink(installation: &InstallationId, attempt: u32) -> Pair {
    // FNV-1a: short, and spreads well enough.
    let hash = installation
        .as_str()
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    pair(UPLINKS, hash.wrapping_add(attempt) % UPLINK_PAIRS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_pairs_that_do_not_overlap_each_other_or_the_router() {
        let text = |pair: Pair| (pair.near.to_string(), pair.far.to_string());
        assert_eq!(text(link(0)), ("100.64.1.0".to_owned(), "100.64.1.1".to_owned()));
        assert_eq!(text(link(LINKS_MAX - 1)), ("100.64.64.254".to_owned(), "100.64.64.255".to_owned()));
        assert_eq!(link(LINKS_MAX), link(0));
        assert!(DNS < link(0).near);
    }

    #[test]
    fn uplinks_stay_in_their_range_and_differ() {
        let installation: InstallationId = "00000000".parse().unwrap();
        let pairs: Vec<Pair> = (0..UPLINK_TRIES).map(|attempt| uplink(&installation, attempt)).collect();
        for (number, pair) in pairs.iter().enumerate() {
            assert_eq!(pair.near.octets()[..2], [100, 127]);
            assert_eq!(pair.near.to_bits() & 1, 0);
            assert_eq!(pair.near.to_bits() + 1, pair.far.to_bits());
            assert!(!pairs[..number].contains(pair));
        }
    }
}
