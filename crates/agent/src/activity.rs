//! What goes on in the sandbox: for idle detection and the list of ports.
//!
//! Activity is a command that starts, runs, writes, is written to or ends. The main process counts only by what it
//! writes: a sandbox whose main process merely waits is idle. A health check is none. What a command left in the background counts no more.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::sync::Mutex;
use std::time::Duration;

use crate::clock::{Instant, now};
use crate::lock::lock;

/// Sockets of the sandbox's own network namespace.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
/// Largest part of a table that is read, in bytes. The kernel lists what listens first.
const TABLE_BYTES_MAX: u64 = 1 << 20;
/// Most ports that are told.
const PORTS_MAX: usize = 1_024;
/// State of a socket that listens, as the tables write it.
const LISTENING: &str = "0A";

/// When something last happened.
#[derive(Debug)]
pub(crate) struct Activity(Mutex<Instant>);

impl Activity {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(now()))
    }

    pub(crate) fn touch(&self) {
        *lock(&self.0) = now();
    }

    pub(crate) fn idle(&self) -> Duration {
        lock(&self.0).elapsed()
    }
}

/// TCP ports that something listens on, in order.
pub(crate) fn listening_ports() -> Vec<u32> {
    let mut ports = BTreeSet::new();
    for table in TABLES.into_iter().filter_map(|path| std::fs::File::open(path).ok()) {
        read_table(BufReader::new(table.take(TABLE_BYTES_MAX)), &mut ports);
    }
    ports.into_iter().map(u32::from).collect()
}

fn read_table(table: impl BufRead, ports: &mut BTreeSet<u16>) {
    for line in table.lines().skip(1).map_while(Result::ok) {
        if ports.len() == PORTS_MAX {
            return;
        }
        ports.extend(parse_listening(&line));
    }
}

/// The local port of a line `sl local rem state …`, where the socket listens.
fn parse_listening(line: &str) -> Option<u16> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let (_, port) = local.rsplit_once(':')?;
    u16::from_str_radix(port, 16).ok().filter(|_| state == LISTENING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_listens_is_a_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n\
                     0: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000\n\
                     1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000\n\
                     2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0\n\
                     rubbish\n\n3: x:y z 0A\n";
        let mut ports = BTreeSet::new();
        read_table(table.as_bytes(), &mut ports);
        assert_eq!(ports.into_iter().collect::<Vec<_>>(), [80, 3001]);
    }

    #[test]
    fn a_listener_of_ours_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = u32::from(listener.local_addr().unwrap().port());
        assert!(listening_ports().contains(&port));
    }
}
