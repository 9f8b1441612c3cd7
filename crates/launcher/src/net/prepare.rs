//! Namespaces with everything in them, before anybody asks.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde::{Deserialize, Serialize};

use super::Router;
use super::addresses::{LINKS_MAX, link};
use super::links::{self, End, LOOPBACK};
use super::namespace;
use super::netlink::Netlink;
use crate::report::{At, Step, StepError, log};

/// Numbers of links in the router that are not sandboxes': its own loopback and uplink, and room.
pub(super) const FIRST_NUMBER: u32 = 64;

/// Number of a sandbox's link in its own namespace.
pub(super) const OWN_NUMBER: u32 = 2;

/// A network namespace that a sandbox can enter.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The namespace; it lives as long as this or a process in it.
    pub(crate) namespace: OwnedFd,
    /// Number of its link, from which its addresses come.
    pub(crate) link: u32,
}

impl Prepared {
    /// The sandbox's address.
    pub(crate) fn address(&self) -> Ipv4Addr {
        link(self.link).far
    }
}

/// What a helper says of a namespace that it has prepared; the namespace's descriptor is beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Number of its link.
    pub(crate) link: u32,
}

/// The way on which helpers say what they have prepared: the launcher's end first.
pub(crate) fn channel() -> Result<(OwnedFd, OwnedFd), StepError> {
    let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let (own, helper) = pair.at(Step::PrepareNetwork)?;
    rustix::io::ioctl_fionbio(&own, true).at(Step::PrepareNetwork)?;
    Ok((own, helper))
}

/// Prepares one in this process, which comes back into its own namespace.
pub(crate) fn prepare(router: &Router, from: u32) -> Result<Prepared, StepError> {
    namespace::and_back(|| {
        let maker = Maker::new(router)?;
        let mut free = maker.free(from);
        loop {
            match maker.make(free.next().ok_or(NONE_FREE)?) {
                // A helper was faster.
                Err(StepError { errno: Errno::EXIST, .. }) => {}
                other => return other,
            }
        }
    })
}

/// Prepares so many and says each to the launcher. For a helper process: it ends in the last namespace that it has made.
pub(crate) fn prepare_many(router: &Router, from: u32, count: usize, launcher: &OwnedFd) {
    let made = Maker::new(router).and_then(|maker| {
        for link in maker.free(from).take(count) {
            let prepared = match maker.make(link) {
                Err(StepError { errno: Errno::EXIST, .. }) => continue,
                other => other?,
            };
            let note = Note { link };
            if let Err(error) = atoll_launcher_protocol::send(launcher, &note, &[prepared.namespace.as_fd()])
            {
                log(&format!("could not hand over a prepared network: {error}"));
            }
        }
        Ok(())
    });
    if let Err(error) = made {
        log(&error.to_string());
    }
}

/// Every link is in use.
pub(crate) const NONE_FREE: StepError = StepError { step: Step::PrepareNetwork, errno: Errno::ADDRNOTAVAIL };

/// What preparing one takes.
struct Maker {
    router: Netlink,
    used: Vec<u32>,
}

impl Maker {
    fn new(router: &Router) -> Result<Self, StepError> {
        let router = router.inside(|| Netlink::routing().at(Step::PrepareNetwork))?;
        // What is there is in use, were it only until the kernel has dropped it.
        let mut used = links::numbers(&router).at(Step::PrepareNetwork)?;
        used.sort_unstable();
        Ok(Self { router, used })
    }

    /// Numbers that no link has, beginning behind those that were given out last: what still comes for a sandbox that is gone
    /// must not reach the next one.
    fn free(&self, from: u32) -> impl Iterator<Item = u32> {
        let all = (0..LINKS_MAX).map(move |step| (from % LINKS_MAX + step) % LINKS_MAX);
        all.filter(|link| self.used.binary_search(&(FIRST_NUMBER + link)).is_err())
    }

    /// Makes one, and leaves this process in it.
    fn make(&self, number: u32) -> Result<Prepared, StepError> {
        let step = Step::PrepareNetwork;
        let own = namespace::enter_new().at(step)?;
        // Before the link comes: it has no address of version 6 for a moment either. Loopback keeps its own.
        namespace::set("ipv6/conf/default/disable_ipv6", "1").at(step)?;
        let netlink = Netlink::routing().at(step)?;
        links::bring_up(&netlink, LOOPBACK).at(step)?;
        let (pair, name) = (link(number), format!("n{number}"));
        let near = End { name: &name, number: FIRST_NUMBER + number };
        links::make(&self.router, near, End { name: "eth0", number: OWN_NUMBER }, own.as_fd()).at(step)?;
        links::add_pair_address(&self.router, near.number, pair.near).at(step)?;
        links::bring_up(&netlink, OWN_NUMBER).at(step)?;
        links::add_pair_address(&netlink, OWN_NUMBER, pair.far).at(step)?;
        links::add_default_route(&netlink, OWN_NUMBER, pair.near).at(step)?;
        Ok(Prepared { namespace: own, link: number })
    }
}
