//! Published ports.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use atoll_api_types as api;
use atoll_ports::SandboxRecord;
use atoll_types::{PublishPort, bounds};

use crate::extract::Problems;

/// Ports below this one are root's alone, on a host as it comes.
const PRIVILEGED_BELOW: u16 = 1_024;

/// The checked ports of a request.
pub(super) fn ports(problems: &mut Problems, asked: &[api::PublishPort]) -> Vec<PublishPort> {
    if asked.len() > bounds::PORTS_MAX {
        problems.add("ports", format!("must be at most {}", bounds::PORTS_MAX));
        return Vec::new();
    }
    let (mut inside, mut outside) = (BTreeSet::new(), BTreeSet::new());
    let mut ports = Vec::new();
    for (at, port) in asked.iter().enumerate() {
        let (container_field, host_field) = (format!("ports[{at}].container"), format!("ports[{at}].host"));
        let container = number(problems, &container_field, Some(port.container), 1);
        let host = number(problems, &host_field, port.host, 0);
        if container.is_some_and(|container| !inside.insert(container)) {
            problems.add(&container_field, "is published twice");
        }
        if host.is_some_and(|host| !outside.insert(host)) {
            problems.add(&host_field, "is given twice");
        }
        ports.extend(container.map(|container| PublishPort { container, host }));
    }
    ports
}

/// A port within bounds; zero is none.
fn number(problems: &mut Problems, field: &str, port: Option<u32>, least: u32) -> Option<NonZeroU16> {
    let port = problems.within(field, port, &(least..=u32::from(u16::MAX)))?;
    NonZeroU16::new(u16::try_from(port).ok()?)
}

/// The ports of a sandbox as they are shown.
pub(super) fn port_views(record: &SandboxRecord) -> Vec<api::PublishedPort> {
    record.spec.ports.iter().map(|port| port_view(record, *port)).collect()
}

fn port_view(record: &SandboxRecord, asked: PublishPort) -> api::PublishedPort {
    let given = record.host_ports.iter().find(|port| port.container == asked.container).map(|port| port.host);
    let other = asked.host.filter(|asked| given.is_some_and(|given| given != *asked));
    let note = other.map(|port| {
        if port.get() < PRIVILEGED_BELOW {
            format!("port {port} is root's, as all below {PRIVILEGED_BELOW}, and the server is not root")
        } else {
            format!("port {port} was taken")
        }
    });
    api::PublishedPort {
        container: asked.container.get(),
        host: given.map(NonZeroU16::get),
        requested_host: other.map(NonZeroU16::get),
        note,
    }
}
