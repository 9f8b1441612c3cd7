//! The router: one network namespace of the installation between its sandboxes and the host.

use std::os::fd::{AsFd, OwnedFd};

use atoll_launcher_protocol::bridge_prefix;
use atoll_types::InstallationId;
use rustix::io::Errno;

use super::addresses::{DNS, Pair, UPLINK_TRIES, uplink};
use super::links::{self, End, LOOPBACK};
use super::namespace;
use super::netlink::Netlink;
use super::rules;
use super::watch::has_table;
use crate::report::{At, Step, StepError};

/// Name of the uplink in the router; on the host it has the installation's.
const UPLINK: &str = "uplink";
/// Its number in the router.
const UPLINK_NUMBER: u32 = 2;

/// The router, whole and with its rules.
#[derive(Debug)]
pub(crate) struct Router {
    namespace: OwnedFd,
    name: String,
    /// What the names of the installation's bridges of Docker begin with.
    bridges: String,
    uplink: Pair,
}

impl Router {
    /// The router that an earlier launcher made, with the rules of this release; none where there is none.
    pub(crate) fn find(installation: &InstallationId) -> Result<Option<Self>, StepError> {
        let name = namespace::name(installation);
        let Some(namespace) = namespace::open_pinned(&name).at(Step::FindRouter)? else { return Ok(None) };
        let far = namespace::inside(namespace.as_fd(), || {
            let netlink = Netlink::routing().at(Step::FindRouter)?;
            links::address(&netlink, UPLINK_NUMBER).at(Step::FindRouter)
        })?;
        let Some(far) = far else {
            // Its end on the host was removed, and nothing goes through it any more.
            namespace::unpin(&name).at(Step::FindRouter)?;
            return Ok(None);
        };
        let near = std::net::Ipv4Addr::from_bits(far.to_bits() & !1);
        let bridges = bridge_prefix(installation);
        let router = Self { namespace, name, bridges, uplink: Pair { near, far } };
        router.load_rules()?;
        Ok(Some(router))
    }

    /// Makes the router. What is made before a failure goes with the namespace; rules of the host are replaced by the next
    /// that are made.
    pub(crate) fn make(installation: &InstallationId) -> Result<Self, StepError> {
        let name = namespace::name(installation);
        let host = Netlink::routing().at(Step::MakeRouter)?;
        let uplink = free_uplink(&host, installation)?;
        let namespace = namespace::and_back(|| {
            let namespace = namespace::enter_new().at(Step::MakeRouter)?;
            settings().at(Step::MakeRouter)?;
            Ok(namespace)
        })?;
        let router = Self { namespace, name, bridges: bridge_prefix(installation), uplink };
        // Rules before the first way in or out.
        router.load_rules()?;
        router.connect(&host)?;
        router.inside(|| namespace::pin(&router.name).at(Step::PinRouter))?;
        Ok(router)
    }

    fn connect(&self, host: &Netlink) -> Result<(), StepError> {
        let step = Step::MakeRouter;
        let near = End { name: &self.name, number: 0 };
        // Of a router that lost its name: something may still hold it.
        links::remove(host, &self.name).at(step)?;
        links::make(host, near, End { name: UPLINK, number: UPLINK_NUMBER }, self.namespace.as_fd())
            .at(step)?;
        namespace::set(&format!("ipv6/conf/{}/disable_ipv6", self.name), "1").at(step)?;
        let number = rustix::net::netdevice::name_to_index(host, &self.name).at(step)?;
        links::add_pair_address(host, number, self.uplink.near).at(step)?;
        // As every program does that gives others a network. A host that did not forward sends nothing on that it did not
        // before, unless somebody uses it as a gateway.
        namespace::set("ipv4/ip_forward", "1").at(step)?;
        self.inside(|| {
            let netlink = Netlink::routing().at(step)?;
            links::bring_up(&netlink, LOOPBACK).at(step)?;
            links::add_address(&netlink, LOOPBACK, DNS, 32).at(step)?;
            links::bring_up(&netlink, UPLINK_NUMBER).at(step)?;
            links::add_pair_address(&netlink, UPLINK_NUMBER, self.uplink.far).at(step)?;
            links::add_default_route(&netlink, UPLINK_NUMBER, self.uplink.near).at(step)
        })
    }

    fn load_rules(&self) -> Result<(), StepError> {
        self.inside(|| rules::load(&rules::of_router(&self.name, self.uplink.far)))?;
        self.load_host_rules()
    }

    /// Puts the host's part of the rules in place, whole.
    fn load_host_rules(&self) -> Result<(), StepError> {
        rules::load(&rules::of_host(&self.name, self.uplink.far, &self.bridges))
    }

    /// Puts the host's rules back where they are gone; whether they were.
    pub(crate) fn keep_host_rules(&self) -> Result<bool, StepError> {
        if has_table(&self.name).at(Step::WatchRules)? {
            return Ok(false);
        }
        self.load_host_rules()?;
        Ok(true)
    }

    /// Does something in the router's namespace.
    pub(super) fn inside<T>(&self, act: impl FnOnce() -> Result<T, StepError>) -> Result<T, StepError> {
        namespace::inside(self.namespace.as_fd(), act)
    }
}

/// Settings of the router, before it has any link.
fn settings() -> rustix::io::Result<()> {
    namespace::set("ipv6/conf/all/disable_ipv6", "1")?;
    namespace::set("ipv6/conf/default/disable_ipv6", "1")?;
    namespace::set("ipv4/ip_forward", "1")?;
    // Strict: a packet that comes from another link than its answer would go to is forged.
    namespace::set("ipv4/conf/all/rp_filter", "1")?;
    namespace::set("ipv4/conf/all/send_redirects", "0")?;
    namespace::set("ipv4/conf/default/send_redirects", "0")
}

fn free_uplink(host: &Netlink, installation: &InstallationId) -> Result<Pair, StepError> {
    for attempt in 0..UPLINK_TRIES {
        let pair = uplink(installation, attempt);
        if links::is_free(host, pair.near).at(Step::MakeRouter)? {
            return Ok(pair);
        }
    }
    Err(StepError { step: Step::MakeRouter, errno: Errno::ADDRNOTAVAIL })
}
