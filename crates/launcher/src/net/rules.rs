//! The rules, as `nft` reads them. A table is replaced whole, in one transaction: there is no moment without it.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use rustix::io::Errno;

use super::addresses::DNS;
use crate::report::{At, Step, StepError, log};

/// Where no sandbox may go: this network, private ones, providers' own (where 100.100.100.200 and the addresses of links
/// are), loopback, link-local (with 169.254.169.254), 192.0.0.192 and others of its kind, benchmarks, multicast, reserved,
/// and Azure's metadata, which has an address of its own.
const CLOSED: &str = "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 168.63.129.16, 169.254.0.0/16, \
                      172.16.0.0/12, 192.0.0.0/24, 192.168.0.0/16, 198.18.0.0/15, 224.0.0.0/4, 240.0.0.0/4";

/// Connections of one sandbox at once: a browser has some hundred.
const FLOWS_PER_SANDBOX: u32 = 1_024;

/// Connections of all at once: half of what the kernel follows on a machine of a gigabyte, since the host follows them too.
const FLOWS: u32 = 30_000;

/// How what may not pass is refused: at once, and as a router on the way would.
const REFUSE: &str = "reject with icmpx admin-prohibited";

/// Rules of the router: from a sandbox out, or to the DNS forwarder, and nothing else. What is on a bridge of Docker's asks for names at the
/// router's end of the uplink.
pub(super) fn of_router(name: &str, router: Ipv4Addr) -> String {
    table(
        name,
        &format!(
            r#"
  set closed {{ type ipv4_addr; flags interval; elements = {{ {CLOSED} }} }}
  set flows {{ type ipv4_addr; size 65535; flags dynamic; }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    iifname "uplink" ip daddr {router} udp dport 53 dnat ip to {DNS}
    iifname "uplink" ip daddr {router} tcp dport 53 dnat ip to {DNS}
  }}
  chain input {{
    type filter hook input priority filter; policy drop;
    ct state vmap {{ established : accept, related : accept, invalid : drop }}
    iifname "uplink" ct status dnat ip daddr {DNS} accept
    iifname != "n*" drop
    ip daddr {DNS} udp dport 53 accept
    ip daddr {DNS} tcp dport 53 accept
    {REFUSE}
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    meta nfproto != ipv4 drop
    ct state vmap {{ established : accept, related : accept, invalid : drop }}
    iifname != "n*" drop
    oifname != "uplink" {REFUSE}
    ip daddr @closed {REFUSE}
    add @flows {{ ip saddr ct count over {FLOWS_PER_SANDBOX} }} {REFUSE}
    ct count over {FLOWS} {REFUSE}
    accept
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "uplink" masquerade
  }}
"#
        ),
    )
}

/// Rules of the host: what comes from the router goes on, never to the host itself, nor to what the host passes on to its own
/// (a published port of another program, however public its address). For what comes from the installation's bridges of Docker they are
/// all of the rules, as there is no router between: see [`from_bridges`].
pub(super) fn of_host(name: &str, router: Ipv4Addr, bridges: &str) -> String {
    table(
        name,
        &format!(
            r#"
  set closed {{ type ipv4_addr; flags interval; elements = {{ {CLOSED} }} }}
  set flows {{ type ipv4_addr; size 65535; flags dynamic; }}
  chain forged {{
    type filter hook prerouting priority dstnat - 10; policy accept;
    iifname "{bridges}*" fib saddr . iif oif missing drop
  }}
  chain names {{
    type nat hook prerouting priority dstnat - 5; policy accept;
    iifname "{bridges}*" fib daddr type local udp dport 53 dnat ip to {router}
    iifname "{bridges}*" fib daddr type local tcp dport 53 dnat ip to {router}
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname "{name}" {REFUSE}
    iifname "{bridges}*" {REFUSE}
  }}
  chain output {{
    type filter hook output priority filter; policy accept;
    oifname "{bridges}*" ct state new drop
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname "{bridges}*" jump from_bridges
    iifname "{name}" oifname "{bridges}*" ct state established,related accept
    oifname "{bridges}*" ct state new,invalid drop
    iifname "{name}" ct status dnat {REFUSE}
    iifname "{name}" ip daddr @closed {REFUSE}
    oifname "{name}" ct state new,invalid drop
  }}
{}
  chain postrouting {{
    type nat hook postrouting priority srcnat - 5; policy accept;
    ip saddr {router} oifname != "{name}" masquerade
    oifname "{name}" ip daddr {router} udp dport 53 snat ip to ip saddr
    oifname "{name}" ip daddr {router} tcp dport 53 snat ip to ip saddr
  }}
"#,
            from_bridges(name, router)
        ),
    )
}

/// What a packet from a bridge may do: ask for names at the router, and go out. It is accepted for this table alone, Docker's own come
/// after it. Docker would put another source on what asks for names; all sandboxes would be one to who answers.
fn from_bridges(name: &str, router: Ipv4Addr) -> String {
    format!(
        r#"  chain from_bridges {{
    meta nfproto != ipv4 drop
    ct state vmap {{ established : accept, related : accept, invalid : drop }}
    oifname "{name}" ip daddr {router} udp dport 53 accept
    oifname "{name}" ip daddr {router} tcp dport 53 accept
    ct status dnat {REFUSE}
    ip daddr @closed {REFUSE}
    add @flows {{ ip saddr ct count over {FLOWS_PER_SANDBOX} }} {REFUSE}
    ct count over {FLOWS} {REFUSE}
  }}"#
    )
}

/// The first two lines make the transaction work whether the table is there or not.
fn table(name: &str, content: &str) -> String {
    format!("table inet {name} {{}}\ndelete table inet {name}\ntable inet {name} {{{content}}}\n")
}

/// Loads rules into the namespace that this process is in.
pub(super) fn load(rules: &str) -> Result<(), StepError> {
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .at(Step::StartNft)?;
    let mut input = nft.stdin.take();
    let written = input.as_mut().map_or(Ok(()), |input| input.write_all(rules.as_bytes()));
    drop(input);
    let output = nft.wait_with_output().at(Step::LoadRules)?;
    if output.status.success() {
        return written.at(Step::LoadRules);
    }
    log(&format!("nft: {}", String::from_utf8_lossy(&output.stderr).trim()));
    Err(StepError { step: Step::LoadRules, errno: Errno::IO })
}
