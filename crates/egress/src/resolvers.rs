//! Whom the host asks for names.

use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::time::Instant;

/// The host's list.
const FILE: &str = "/etc/resolv.conf";
/// Longest list that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Resolvers that are asked: as many as the C library asks.
const RESOLVERS_MAX: usize = 3;
/// How long a list is believed: a host may be given another network.
const FRESH: Duration = Duration::from_secs(5);

/// The host's resolvers, as they were a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Resolvers {
    known: Vec<IpAddr>,
    read_at: Option<Instant>,
}

impl Resolvers {
    /// Those to ask, best first.
    pub(crate) fn now(&mut self) -> Vec<IpAddr> {
        if self.read_at.is_none_or(|at| at.elapsed() > FRESH) {
            self.read_at = Some(Instant::now());
            let mut text = String::new();
            let read = File::open(FILE).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
            // A list that is just being written: the old one is better than none.
            if read.is_ok() || self.known.is_empty() {
                self.known = parse(&text);
            }
        }
        self.known.clone()
    }
}

fn parse(text: &str) -> Vec<IpAddr> {
    let words = text.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let named = words.filter_map(|words| match words[..] {
        // An address with a zone (`fe80::1%eth0`) is none that can be asked from here.
        ["nameserver", address, ..] => address.parse().ok(),
        _ => None,
    });
    let found: Vec<IpAddr> = named.take(RESOLVERS_MAX).collect();
    // As resolv.conf(5) says of an empty list.
    if found.is_empty() { vec![Ipv4Addr::LOCALHOST.into()] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_as_the_c_library_reads_it() {
        let text = "# nameserver 1.1.1.1\nsearch example.test\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # two\n\
                    nameserver fe80::1%eth0\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n";
        let found: Vec<String> = parse(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1", "2001:db8::1", "192.0.2.3"]);
        assert_eq!(parse(""), [IpAddr::from([127, 0, 0, 1])]);
    }
}
