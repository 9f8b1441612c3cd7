//! Networks of sandboxes: for each that has one a bridge of its own.
//!
//! ```text
//!  container eth0 ── bridge atd<installation><number> ── the host's rules of the launcher ── the host's own ways out
//! ```
//! Docker lets a container reach the host, whatever the host can reach, and in part other containers. What keeps a sandbox from
//! that are rules of the launcher's for every interface whose name begins like this. So before a container is connected it is made sure
//! that they are in place, and that the bridge is where they are: a Docker with a network of its own, in a virtual machine or a
//! container, would pass them by. Neither is believed of anybody: the router's uplink, which is made after the rules, and the bridge must be seen here.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::net::Ipv4Addr;

use atoll_broker_protocol::{Failure, FailureKind};
use atoll_launcher_protocol::{bridge_prefix, uplink_name};
use atoll_types::{InstallationId, SandboxId};
use bollard::models::{Ipam, IpamConfig, Network, NetworkCreateRequest};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder};
use ipnet::Ipv4Net;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::daemon::Daemon;
use crate::fail::{asked, failure, unless};
use crate::names;
use crate::requests::Broker;
use crate::subnets::{Subnets, routes};

/// Docker's name for the option that names a bridge.
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
/// How many ranges are tried: somebody else may take one between the look and the making.
const TRIES: usize = 16;
/// Bytes of the kernel's table of routes that are read: some thousands.
const ROUTES_BYTES_MAX: u64 = 1 << 20;
/// Docker's answer about a network that is gone.
const NOT_FOUND: u16 = 404;

/// A sandbox's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    /// Docker's id of it, which nobody else's network has.
    pub(crate) id: String,
    /// Where names are asked for.
    pub(crate) gateway: Ipv4Addr,
}

/// Whether there is an interface of this name in the network of this program, which is the launcher's.
pub(crate) fn is_here(name: &str) -> bool {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
    socket.and_then(|socket| rustix::net::netdevice::name_to_index(&socket, name)).is_ok()
}

/// Name of a bridge: the number in four characters of base 36.
fn bridge(installation: &InstallationId, number: u32) -> String {
    let digit = |place: u32| char::from_digit(number / 36_u32.pow(place) % 36, 36).unwrap_or('0');
    format!("{}{}", bridge_prefix(installation), (0..4).rev().map(digit).collect::<String>())
}

fn subnet(network: &Network) -> Option<&IpamConfig> {
    network.ipam.as_ref()?.config.as_ref()?.first()
}

fn gateway(network: &Network) -> Option<Ipv4Addr> {
    let config = subnet(network)?;
    let given = config.gateway.as_deref().and_then(|text| text.parse().ok());
    // Docker says only what it was told, and takes the first address by itself.
    given.or_else(|| config.subnet.as_deref()?.parse::<Ipv4Net>().ok()?.hosts().next())
}

/// What there is to know of a network that is there, and its bridge.
fn described(network: &Network) -> Result<(Joined, String), Failure> {
    match (&network.id, gateway(network), bridge_of(network)) {
        (Some(id), Some(gateway), Some(bridge)) => {
            Ok((Joined { id: id.clone(), gateway }, bridge.to_owned()))
        }
        _ => Err(refused("Docker does not say what its addresses are")),
    }
}

fn bridge_of(network: &Network) -> Option<&str> {
    network.options.as_ref()?.get(BRIDGE_NAME).map(String::as_str)
}

/// Why sandboxes of Docker's cannot have a network here, as far as that can be said before one is made.
pub(crate) async fn hindrance(daemon: &Daemon) -> Result<Option<String>, Failure> {
    if daemon.subnets().is_none() {
        return Ok(Some("Docker is another machine, whose network Atoll cannot guard".to_owned()));
    }
    let all = asked(daemon.docker().await?.list_networks(None)).await?;
    let mut bridges = all.iter().filter_map(bridge_of).peekable();
    let elsewhere = bridges.peek().is_some() && !bridges.any(is_here);
    Ok(elsewhere.then(elsewhere_text))
}

fn elsewhere_text() -> String {
    "Docker's networks are not this machine's, as where it runs in a virtual machine or a container, so Atoll cannot guard them".to_owned()
}

fn refused(text: impl Into<String>) -> Failure {
    failure(FailureKind::Invalid, format!("the network 'all' is not to be had: {}", text.into()))
}

impl Broker {
    /// The sandbox's network, made where it is missing. Whoever calls has the sandbox's turn.
    pub(crate) async fn join(&self, sandbox: &SandboxId) -> Result<Joined, Failure> {
        let daemon = &self.daemon;
        let installation = daemon.installation();
        let Some(subnets) = daemon.subnets() else {
            return Err(refused("Docker is another machine, whose network Atoll cannot guard"));
        };
        if !is_here(&uplink_name(installation)) {
            return Err(refused("the rules that keep it from this machine are not in place"));
        }
        let (joined, bridge) = match self.network(sandbox).await? {
            Some(found) => described(&found)?,
            None => self.make_network(sandbox, subnets).await?,
        };
        let guarded = bridge.starts_with(&bridge_prefix(installation)) && is_here(&bridge);
        if guarded { Ok(joined) } else { Err(refused(elsewhere_text())) }
    }

    /// The installation's network of a sandbox.
    async fn network(&self, sandbox: &SandboxId) -> Result<Option<Network>, Failure> {
        let name = names::network(sandbox);
        Ok(self.networks().await?.into_iter().find(|network| network.name.as_deref() == Some(&name)))
    }

    /// All of the installation's.
    async fn networks(&self) -> Result<Vec<Network>, Failure> {
        let filters = names::filter(self.daemon.installation());
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        asked(self.daemon.docker().await?.list_networks(Some(options))).await
    }

    /// Makes it, and tells the name of its bridge.
    async fn make_network(&self, sandbox: &SandboxId, subnets: Subnets) -> Result<(Joined, String), Failure> {
        let docker = self.daemon.docker().await?;
        let all = asked(docker.list_networks(None)).await?;
        let ranges = all.iter().filter_map(|network| subnet(network)?.subnet.as_deref()?.parse().ok());
        let taken: Vec<Ipv4Net> = ranges.chain(own_routes()).collect();
        let from = getrandom::u32().map_err(|error| failure(FailureKind::System, error.to_string()))?;
        let mut last = refused("every address of dockerSubnets is in use");
        for (number, range) in subnets.free(from, &taken).take(TRIES) {
            let name = bridge(self.daemon.installation(), number);
            if is_here(&name) {
                continue;
            }
            let Some(gateway) = range.hosts().next() else { continue };
            match asked(docker.create_network(self.request(sandbox, &name, range, gateway))).await {
                Ok(made) => return Ok((Joined { id: made.id, gateway }, name)),
                Err(failed) if failed.kind == FailureKind::Unavailable => return Err(failed),
                // Somebody was faster.
                Err(failed) => last = failed,
            }
        }
        Err(last)
    }

    fn request(
        &self,
        sandbox: &SandboxId,
        bridge: &str,
        range: Ipv4Net,
        gateway: Ipv4Addr,
    ) -> NetworkCreateRequest {
        let config = IpamConfig {
            subnet: Some(range.to_string()),
            gateway: Some(gateway.to_string()),
            ..IpamConfig::default()
        };
        NetworkCreateRequest {
            name: names::network(sandbox),
            driver: Some("bridge".to_owned()),
            internal: Some(false),
            attachable: Some(false),
            ipam: Some(Ipam { config: Some(vec![config]), ..Ipam::default() }),
            enable_ipv6: Some(false),
            options: Some([(BRIDGE_NAME.to_owned(), bridge.to_owned())].into()),
            labels: Some(names::network_labels(self.daemon.installation(), sandbox)),
            ..NetworkCreateRequest::default()
        }
    }

    /// Removes the sandbox's network, if it has one. Its container is gone.
    pub(crate) async fn leave(&self, sandbox: &SandboxId) -> Result<(), Failure> {
        let Some(id) = self.network(sandbox).await?.and_then(|network| network.id) else { return Ok(()) };
        let removed = self.daemon.docker().await?.remove_network(&id).await;
        asked(async { unless(&[NOT_FOUND], removed) }).await
    }

    /// Removes networks whose containers are gone.
    pub(crate) async fn sweep_networks(&self) -> Result<(), Failure> {
        let installation = self.daemon.installation();
        let networks = self.networks().await?;
        if networks.is_empty() {
            return Ok(());
        }
        let options =
            ListContainersOptionsBuilder::default().all(true).filters(&names::filter(installation)).build();
        let containers = asked(self.daemon.docker().await?.list_containers(Some(options))).await?;
        let owners: HashSet<SandboxId> = containers
            .into_iter()
            .filter_map(|one| names::owner(installation, &one.labels?).map(|(sandbox, _)| sandbox))
            .collect();
        let left = networks.iter().filter_map(|network| names::network_owner(network.labels.as_ref()?));
        for sandbox in left.filter(|sandbox| !owners.contains(sandbox)) {
            // One that is being made has no container yet.
            let _turn = self.locks.hold(&sandbox).await;
            if crate::sandbox::look(&self.daemon, &sandbox).await?.is_none() {
                self.leave(&sandbox).await?;
            }
        }
        Ok(())
    }
}

fn own_routes() -> Vec<Ipv4Net> {
    let mut table = String::new();
    let read = File::open("/proc/self/net/route")
        .and_then(|file| file.take(ROUTES_BYTES_MAX).read_to_string(&mut table));
    if let Err(error) = read {
        crate::log(&format!("cannot read this machine's routes: {error}"));
    }
    routes(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridges_have_names_of_their_own_that_the_kernel_takes() {
        let installation = InstallationId::random();
        let name = |number| bridge(&installation, number);
        assert_eq!(name(0), format!("atd{installation}0000"));
        assert_eq!(name(36), format!("atd{installation}0010"));
        // The most that a range of /8 has.
        assert_eq!(name((1 << 20) - 1), format!("atd{installation}mh33"));
        assert_eq!(name(0).len(), 15);
    }

    #[test]
    fn an_interface_is_here_or_not() {
        assert!(is_here("lo"));
        assert!(!is_here("atdnothere0000") && !is_here("a name that is too long for one"));
    }

    #[test]
    fn the_gateway_is_what_was_told_or_the_first_address() {
        let network = |config: IpamConfig| Network {
            ipam: Some(Ipam { config: Some(vec![config]), ..Ipam::default() }),
            ..Network::default()
        };
        let range = IpamConfig { subnet: Some("10.1.2.16/28".to_owned()), ..IpamConfig::default() };
        assert_eq!(gateway(&network(range.clone())), Some(Ipv4Addr::new(10, 1, 2, 17)));
        let told = IpamConfig { gateway: Some("10.1.2.20".to_owned()), ..range };
        assert_eq!(gateway(&network(told)), Some(Ipv4Addr::new(10, 1, 2, 20)));
        assert_eq!(gateway(&Network::default()), None);
    }
}
