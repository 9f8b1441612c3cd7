//! A small Internet without anybody else in it: a network namespace that is the host, one that is the world behind it, and in
//! the world web servers at every address and a resolver. The machine's own network is not touched.

use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::until;

/// The host's address on the way to the world: a public one, as far as anybody knows.
pub(crate) const HOST: &str = "203.0.113.1";
/// A web server in the world; `web.test` is its name.
pub(crate) const WEB: &str = "203.0.113.80";
/// What a web server says, with its own address and that of who asks.
const SERVERS: &str = include_str!("servers.py");

/// Addresses in the world beside the web server's, in ranges that are closed to sandboxes.
const CLOSED: [&str; 9] = [
    "10.66.0.1",
    "172.16.66.1",
    "192.168.66.1",
    "100.66.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "240.0.0.1",
];

/// The world, and the host at its edge; this thread, and what it starts, is on the host.
#[derive(Debug)]
pub(crate) struct Internet {
    host: String,
    world: String,
    servers: Vec<Child>,
    folder: tempfile::TempDir,
}

fn run(words: &[&str]) -> Output {
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn ip(line: &str) {
    run(&[&["ip"][..], &line.split(' ').collect::<Vec<_>>()].concat());
}

impl Internet {
    /// Makes it, and moves this thread onto its host.
    pub(crate) async fn new() -> Self {
        let name = |what| format!("test-{}-{what}", std::process::id());
        let this = Self {
            host: name("host"),
            world: name("world"),
            servers: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
        };
        this.connect();
        let host = std::fs::File::open(PathBuf::from("/run/netns").join(&this.host)).unwrap();
        move_into_link_name_space(host.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        // As a host is that never gave anybody a network.
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        this.serve().await
    }

    fn connect(&self) {
        let Self { host, world, .. } = self;
        for name in [host, world] {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
        }
        ip(&format!("-n {host} link add name wan type veth peer name wan netns {world}"));
        for (name, address) in [(host, HOST), (world, "203.0.113.2")] {
            ip(&format!("-n {name} address add {address}/24 dev wan"));
            ip(&format!("-n {name} link set wan up"));
        }
        ip(&format!("-n {host} route add default via 203.0.113.2"));
        ip(&format!("-n {world} address add {WEB}/32 dev wan"));
        for address in CLOSED.iter().copied().chain(resolver().as_deref()) {
            ip(&format!("-n {world} address add {address}/32 dev lo"));
        }
    }

    async fn serve(mut self) -> Self {
        let script = self.folder.path().join("servers.py");
        std::fs::write(&script, SERVERS).unwrap();
        let places = [(self.world.clone(), "80", "dns"), (self.host.clone(), "8088", "no-dns")];
        for (namespace, port, dns) in places {
            let log = self.folder.path().join(&namespace);
            let words =
                ["netns", "exec", &namespace, "/usr/bin/python3", script.to_str().unwrap(), port, dns];
            let server = Command::new("ip").args(words).arg(&log).stdout(Stdio::null()).spawn().unwrap();
            self.servers.push(server);
            until("a server", std::time::Duration::from_secs(20), async || log.exists().then_some(())).await;
        }
        self
    }

    /// What the world's resolver was asked: each message as it came, in hexadecimal.
    pub(crate) fn asked(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(&self.world)).unwrap()
    }

    /// Takes the rules away that close what is closed, but not the translation of addresses: what is then reached, the rules
    /// kept away.
    pub(crate) fn open_gates(&self, router: &str) {
        for (namespace, chains) in [(router, ["input", "forward"]), (&self.host, ["input", "forward"])] {
            for chain in chains {
                let nft = ["ip", "netns", "exec", namespace, "nft"];
                run(&[&nft[..], &["flush", "chain", "inet", router, chain]].concat());
                let accept = format!("add chain inet {router} {chain} {{ policy accept; }}");
                run(&[&nft[..], &[&accept]].concat());
            }
        }
    }

    /// Does something with the host's packet filter.
    pub(crate) fn nft(&self, line: &str) -> String {
        let output = run(&["ip", "netns", "exec", &self.host, "nft", line]);
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The machine's own resolver, which the world's stands in for; none where it is on the host itself.
fn resolver() -> Option<String> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let found = text.lines().find_map(|line| line.strip_prefix("nameserver ")).unwrap_or("127.0.0.1");
    Some(found.trim().to_owned()).filter(|address| !address.starts_with("127."))
}

impl Drop for Internet {
    fn drop(&mut self) {
        for server in &mut self.servers {
            drop(server.kill());
            drop(server.wait());
        }
        for name in [&self.host, &self.world] {
            drop(Command::new("ip").args(["netns", "delete", name]).output());
        }
    }
}
