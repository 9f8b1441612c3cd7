//! The floor's network: a link from this process's namespace into a sandbox's, by as little netlink as that takes
//! (rtnetlink(7), veth(4)).

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use anyhow::{Context, ensure};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};
use rustix::process::Pid;

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
/// Request, acknowledge, make, and fail when it is there.
const MAKE: u16 = 1 | 4 | 0x400 | 0x200;
/// Request, acknowledge.
const CHANGE: u16 = 1 | 4;
const UP: u32 = 1;
const INET: u8 = 2;
/// Number of the sandbox's end; loopback is 1.
const FAR: u32 = 2;
/// The first of the other ends, apart from whatever else the namespace has.
const NEAR_FIRST: u32 = 1_000;
/// The first pair of addresses: nobody routes them here.
const ADDRESS_FIRST: u32 = 0x0a_c8_00_00;

/// Makes the link of a sandbox: one end here, with its address, the other in the namespace of `pid`.
pub(super) fn connect(pid: Pid, slot: u32) -> anyhow::Result<()> {
    let (kernel, near) = (open()?, NEAR_FIRST + slot);
    let peer = [
        link(FAR, 0).to_vec(),
        attribute(3, b"eth0\0"),
        attribute(19, &pid.as_raw_nonzero().get().to_ne_bytes()),
    ]
    .concat();
    let kind = [attribute(1, b"veth"), attribute(2, &attribute(1, &peer))].concat();
    let name = attribute(3, format!("f{slot}\0").as_bytes());
    ask(&kernel, NEW_LINK, MAKE, &[link(near, UP).to_vec(), name, attribute(18, &kind)]).context("veth")?;
    add_address(&kernel, near, pair(slot).0)
}

/// Sets up the sandbox's end, from inside.
pub(super) fn configure(slot: u32) -> anyhow::Result<()> {
    let (kernel, (gateway, own)) = (open()?, pair(slot));
    add_address(&kernel, FAR, own)?;
    ask(&kernel, NEW_LINK, CHANGE, &[link(FAR, UP).to_vec()]).context("eth0 up")?;
    // The main table, set by an administrator, to anywhere.
    let head = vec![INET, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0];
    let (by, out) = (attribute(5, &gateway.octets()), attribute(4, &FAR.to_ne_bytes()));
    ask(&kernel, NEW_ROUTE, MAKE, &[head, by, out]).context("route")
}

/// Addresses of a link: the near and the far end.
fn pair(slot: u32) -> (Ipv4Addr, Ipv4Addr) {
    let near = ADDRESS_FIRST + 2 * slot;
    (Ipv4Addr::from_bits(near), Ipv4Addr::from_bits(near + 1))
}

fn add_address(kernel: &OwnedFd, end: u32, address: Ipv4Addr) -> anyhow::Result<()> {
    let head = [vec![INET, 31, 0, 0], end.to_ne_bytes().to_vec()].concat();
    let address = [attribute(2, &address.octets()), attribute(1, &address.octets())].concat();
    ask(kernel, NEW_ADDRESS, MAKE, &[head, address]).context("address")
}

/// A `struct ifinfomsg`: number, and the flags that are set.
fn link(number: u32, flags: u32) -> [u8; 16] {
    let mut head = [0; 16];
    head[4..8].copy_from_slice(&number.to_ne_bytes());
    head[8..12].copy_from_slice(&flags.to_ne_bytes());
    head[12..16].copy_from_slice(&flags.to_ne_bytes());
    head
}

/// A `struct rtattr`. All of them are a few dozen bytes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    let mut bytes = [&length.to_ne_bytes(), &kind.to_ne_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn open() -> anyhow::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    Ok(socket)
}

/// Sends a request and reads how it went.
fn ask(kernel: &OwnedFd, kind: u16, flags: u16, parts: &[Vec<u8>]) -> anyhow::Result<()> {
    let body = parts.concat();
    let length = u32::try_from(body.len() + 16)?;
    let head = [&kind.to_ne_bytes()[..], &flags.to_ne_bytes(), &[0; 8]].concat();
    send(kernel, &[&length.to_ne_bytes()[..], &head, &body].concat(), SendFlags::empty())?;
    let mut answer = [0_u8; 4096];
    let (length, _) = recv(kernel, &mut answer[..], RecvFlags::empty())?;
    let outcome = answer.get(16..20).filter(|_| length >= 20).and_then(|bytes| bytes.try_into().ok());
    let errno = -i32::from_ne_bytes(outcome.context("a short answer")?);
    ensure!(errno == 0, std::io::Error::from_raw_os_error(errno));
    Ok(())
}
