//! Links, addresses and routes, by netlink: a program for each would cost more than the link itself.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::{Errno, Result};

use super::addresses::PREFIX;
use super::netlink::{MAKE, Message, Netlink, attributes, number_at, octets, text};

// Types of messages (rtnetlink(7)).
const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;

/// Internet addresses of version 4.
const INET: u8 = 2;
/// A link is up.
const UP: u32 = 1;
/// The main table of routes.
const TABLE: u8 = 254;
/// A route that was set by an administrator's program.
const STATIC: u8 = 4;
/// A route to somewhere.
const UNICAST: u8 = 1;
/// Asks for the route itself and not for what it would do with one address.
const MATCH: u32 = 0x2000;

// Attributes.
const LINK_NAME: u16 = 3;
const LINK_INFO: u16 = 18;
const LINK_NAMESPACE: u16 = 28;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;
const ADDRESS_LOCAL: u16 = 2;
const ADDRESS: u16 = 1;
const ROUTE_TO: u16 = 1;
const ROUTE_OUT: u16 = 4;
const ROUTE_GATEWAY: u16 = 5;

/// Bytes before the attributes of a link, of an address.
const LINK_HEAD_BYTES: usize = 16;
const ADDRESS_HEAD_BYTES: usize = 8;

/// Number of the first link of every namespace: loopback.
pub(super) const LOOPBACK: u32 = 1;

/// One end of a link.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Its number in its namespace; none: the kernel chooses.
    pub(super) number: u32,
}

/// Head of a message about a link that is to be up, or to stay as it is.
fn link_head(number: u32, change: u32) -> [u8; LINK_HEAD_BYTES] {
    let mut head = [0; LINK_HEAD_BYTES];
    head[4..8].copy_from_slice(&number.to_ne_bytes());
    head[8..12].copy_from_slice(&change.to_ne_bytes());
    head[12..16].copy_from_slice(&change.to_ne_bytes());
    head
}

/// Makes a link of two ends, the far one in another namespace. The near one is up; the kernel cannot bring up the far one
/// before both are there.
pub(super) fn make(near: &Netlink, end: End<'_>, far: End<'_>, far_namespace: BorrowedFd<'_>) -> Result<()> {
    let namespace = far_namespace.as_raw_fd().to_ne_bytes();
    let message = Message::new(NEW_LINK, MAKE, &link_head(end.number, UP))
        .attribute(LINK_NAME, &text(end.name))
        .nested(LINK_INFO, &[], |info| {
            info.attribute(INFO_KIND, b"veth").nested(INFO_DATA, &[], |data| {
                data.nested(VETH_PEER, &link_head(far.number, 0), |peer| {
                    peer.attribute(LINK_NAME, &text(far.name)).attribute(LINK_NAMESPACE, &namespace)
                })
            })
        });
    near.ask(message)
}

/// Brings a link up.
pub(super) fn bring_up(netlink: &Netlink, number: u32) -> Result<()> {
    netlink.ask(Message::new(NEW_LINK, 0, &link_head(number, UP)))
}

/// Removes a link; one that is gone is fine.
pub(super) fn remove(netlink: &Netlink, name: &str) -> Result<()> {
    match netlink.ask(Message::new(DELETE_LINK, 0, &[0; LINK_HEAD_BYTES]).attribute(LINK_NAME, &text(name))) {
        Err(Errno::NODEV) => Ok(()),
        other => other,
    }
}

/// Gives a link an address; one that it has is fine.
pub(super) fn add_address(netlink: &Netlink, link: u32, address: Ipv4Addr, prefix: u8) -> Result<()> {
    let mut head = [0; ADDRESS_HEAD_BYTES];
    (head[0], head[1]) = (INET, prefix);
    head[4..8].copy_from_slice(&link.to_ne_bytes());
    let message = Message::new(NEW_ADDRESS, MAKE, &head)
        .attribute(ADDRESS_LOCAL, &octets(address))
        .attribute(ADDRESS, &octets(address));
    match netlink.ask(message) {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// Gives one end of a pair its address.
pub(super) fn add_pair_address(netlink: &Netlink, link: u32, address: Ipv4Addr) -> Result<()> {
    add_address(netlink, link, address, PREFIX)
}

/// Sends everything without a better way through a gateway.
pub(super) fn add_default_route(netlink: &Netlink, link: u32, gateway: Ipv4Addr) -> Result<()> {
    let head = [INET, 0, 0, 0, TABLE, STATIC, 0, UNICAST, 0, 0, 0, 0];
    let message = Message::new(NEW_ROUTE, MAKE, &head)
        .attribute(ROUTE_GATEWAY, &octets(gateway))
        .attribute(ROUTE_OUT, &link.to_ne_bytes());
    netlink.ask(message)
}

/// Whether a namespace has no better way to an address than its default one: then nobody of this host uses it.
pub(super) fn is_free(netlink: &Netlink, address: Ipv4Addr) -> Result<bool> {
    let mut head = [INET, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    head[8..12].copy_from_slice(&MATCH.to_ne_bytes());
    match netlink.get(Message::new(GET_ROUTE, 0, &head).attribute(ROUTE_TO, &octets(address))) {
        // The second byte: how much of the address the way fits.
        Ok(route) => Ok(route.get(1) == Some(&0)),
        Err(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::ACCESS | Errno::INVAL) => Ok(true),
        Err(errno) => Err(errno),
    }
}

/// Numbers of all links of a namespace.
pub(super) fn numbers(netlink: &Netlink) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    netlink
        .list(Message::new(GET_LINK, 0, &[0; LINK_HEAD_BYTES]), |link| found.extend(number_at(link, 4)))?;
    Ok(found)
}

/// Address of a link; none when it has none.
pub(super) fn address(netlink: &Netlink, link: u32) -> Result<Option<Ipv4Addr>> {
    let mut head = [0; ADDRESS_HEAD_BYTES];
    head[0] = INET;
    let mut found = None;
    netlink.list(Message::new(GET_ADDRESS, 0, &head), |entry| {
        if number_at(entry, 4) == Some(link) {
            let local = attributes(entry, ADDRESS_HEAD_BYTES).find(|(kind, _)| *kind == ADDRESS_LOCAL);
            found = local.and_then(|(_, bytes)| Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)));
        }
    })?;
    Ok(found)
}
