//! What Docker holds, against the records. While Docker is away nothing is concluded.

use atoll_types::SandboxId;

use super::{found, leak};
use crate::finding::{Finding, Kind, Severity, Target};
use crate::records::Records;
use crate::world::{InDocker, Thing, World};

/// Before the id of a sandbox in the name of its network.
const NETWORK: &str = "net-";
/// End of the name of the broker's own container.
const FILLER: &str = "-agent";

pub(super) fn docker(world: &World, records: &Records) -> Vec<Finding> {
    let Some(held) = &world.docker else { return Vec::new() };
    let is_known = |id: &SandboxId| records.sandboxes.contains_key(id);
    let mut findings = Vec::new();
    // The container through which the agent's program is put into its volume comes and goes while Atoll runs.
    let is_filler = |one: &Thing| world.supervisor.is_some() && one.name.ends_with(FILLER);
    let unknown = held.containers.iter().filter(|one| !one.sandbox.as_ref().is_some_and(is_known));
    // So do those of builds.
    let is_busy = |one: &Thing| world.supervisor.is_some() && one.is_build;
    for one in unknown.filter(|one| !is_filler(one) && !is_busy(one)) {
        let target = Target::Container(one.id.clone());
        findings.push(leak(Kind::Container, &one.name, unowned(one), target));
    }
    for one in &held.networks {
        let by_name = || one.name.strip_prefix(NETWORK)?.parse().ok();
        if !one.sandbox.clone().or_else(by_name).as_ref().is_some_and(is_known) {
            let target = Target::DockerNetwork(one.id.clone());
            findings.push(leak(Kind::DockerNetwork, &one.name, unowned(one), target));
        }
    }
    findings.extend(volumes(world, held));
    for tag in &held.images {
        if !tag.parse().is_ok_and(|digest| records.images.contains(&digest)) {
            let target = Target::DockerImage(tag.clone());
            findings.push(leak(Kind::DockerImage, tag, "no record knows this image", target));
        }
    }
    for name in held.built.iter().filter(|_| world.supervisor.is_none()) {
        let target = Target::BuiltImage(name.clone());
        findings.push(leak(Kind::DockerImage, name, "a build that was cut off has left it", target));
    }
    findings
}

fn unowned(one: &Thing) -> &'static str {
    match one.sandbox {
        Some(_) => "no record knows its sandbox",
        None if one.is_build => "a build that was cut off has left it",
        None => "it has the label of this installation, and no sandbox",
    }
}

/// Those with the agent's program stay while anything uses them, or may: a broker that runs removes those of other releases.
fn volumes(world: &World, held: &InDocker) -> Vec<Finding> {
    let is_agents = |one: &Thing| one.name.starts_with("atoll-") && one.name.contains("-agent-");
    let idle = world.supervisor.is_none() && held.containers.is_empty();
    let finding = |one: &Thing| {
        let target = Target::DockerVolume(one.id.clone());
        if !is_agents(one) {
            let problem = "it has the label of this installation, and is nothing of ours";
            return Some(leak(Kind::DockerVolume, &one.name, problem, target));
        }
        let problem = "the agent's program for containers, and nothing uses it";
        idle.then(|| found(Severity::Idle, Kind::DockerVolume, &one.name, problem, target))
    };
    held.volumes.iter().filter_map(finding).collect()
}
