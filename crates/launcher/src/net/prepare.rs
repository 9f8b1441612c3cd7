//! Namespaces with everything in them, before anybody asks.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde::{Deserialize, Serialize};

use super::Router;
use super::addresses::{LINKS_MAX, link};
use super::links::{self, End, LOOPBACK};
use super::namespace;
use super::netlink::Netlink;
use crate::mounts::make_sys;
use crate::report::{At, Step, StepError, log};
use crate::sys;

/// Numbers of links in the router that are not sandboxes': its own loopback and uplink, and room.
pub(super) const FIRST_NUMBER: u32 = 64;

/// Number of a sandbox's link in its own namespace.
pub(super) const OWN_NUMBER: u32 = 2;

/// A network namespace that a sandbox can enter.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The namespace; it lives as long as this or a process in it.
    pub(crate) namespace: OwnedFd,
    /// Its `/sys`, attached nowhere, where a helper has made it: the kernel looks at all that there are for it.
    pub(crate) sys: Option<OwnedFd>,
    /// Number of its link, from which its addresses come; none: loopback alone.
    pub(crate) link: Option<u32>,
}

impl Prepared {
    /// What a child needs of it.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [Some(&self.namespace), self.sys.as_ref()].into_iter().flatten().map(AsFd::as_fd)
    }

    /// The sandbox's address, where it has one.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        self.link.map(|number| link(number).far)
    }
}

/// How many of each kind a helper is to prepare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// With a link to the router.
    pub(crate) linked: usize,
    /// With loopback alone.
    pub(crate) alone: usize,
}

/// What a helper says of a namespace that it has prepared; the descriptors of the namespace and its `/sys` are beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Number of its link, if it has one.
    pub(crate) link: Option<u32>,
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
pub(crate) fn prepare_many(router: Option<&Router>, from: u32, wanted: Wanted, launcher: &OwnedFd) {
    // The launcher itself makes one with a link where none is ready, and nothing else meanwhile: they come first.
    let linked = router.map_or(Ok(()), |router| prepare_linked(router, from, wanted.linked, launcher));
    let alone = (0..wanted.alone).try_for_each(|_| hand_over(&make_alone()?, launcher));
    for error in [linked, alone].into_iter().filter_map(Result::err) {
        log(&error.to_string());
    }
}

fn prepare_linked(router: &Router, from: u32, count: usize, launcher: &OwnedFd) -> Result<(), StepError> {
    let maker = Maker::new(router)?;
    for link in maker.free(from).take(count) {
        match maker.make(link) {
            Err(StepError { errno: Errno::EXIST, .. }) => {}
            made => hand_over(&made?, launcher)?,
        }
    }
    Ok(())
}

/// Says one to the launcher, with its `/sys`; this process is in it.
fn hand_over(made: &Prepared, launcher: &OwnedFd) -> Result<(), StepError> {
    let sys = make_sys()?;
    let (note, descriptors) = (Note { link: made.link }, [made.namespace.as_fd(), sys.as_fd()]);
    if let Err(error) = atoll_launcher_protocol::send(launcher, &note, &descriptors) {
        log(&format!("could not hand over a prepared network: {error}"));
    }
    Ok(())
}

/// Makes one with loopback alone, and leaves this process in it.
fn make_alone() -> Result<Prepared, StepError> {
    let namespace = namespace::enter_new().at(Step::PrepareNetwork)?;
    sys::loopback_up().at(Step::PrepareNetwork)?;
    Ok(Prepared { namespace, sys: None, link: None })
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
        Ok(Prepared { namespace: own, sys: None, link: Some(number) })
    }
}
