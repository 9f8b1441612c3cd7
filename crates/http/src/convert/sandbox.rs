//! Sandboxes to make.

use std::collections::BTreeMap;

use atoll_api_types::CreateSandbox;
use atoll_engine::NewSandbox;
use atoll_types::{
    Capabilities, EnvVars, GuestUser, ImageName, Label, Labels, Limits, Network, OnExpiry, RuntimeKind,
    SandboxName, bounds,
};

use super::exec::command;
use super::port::ports;
use crate::answer::ApiFailure;
use crate::extract::Problems;

/// The checked body of `POST /sandboxes`, and how many to make.
pub(crate) fn new_sandbox(body: CreateSandbox) -> Result<(NewSandbox, Option<u32>), ApiFailure> {
    let mut problems = Problems::default();
    let p = &mut problems;
    let count = p.within("count", body.count, &(1..=bounds::COUNT_MAX));
    let limits = limits(p, &body);
    let env = p.check("env", EnvVars::new(body.env));
    let ports = ports(p, &body.ports);
    let new = NewSandbox {
        name: p.parse::<SandboxName>("name", body.name),
        image: p.parse::<ImageName>("image", body.image),
        runtime: p
            .word("runtime", body.runtime.as_deref(), &[("native", RuntimeKind::Native)])
            .unwrap_or(RuntimeKind::Native),
        limits,
        network: p
            .word("network", body.network.as_deref(), &[("none", Network::None), ("all", Network::All)])
            .unwrap_or(Network::None),
        env: env.unwrap_or_default(),
        command: body.command.and_then(|body| p.check("command", command(body))),
        user: p.parse::<GuestUser>("user", body.user),
        capabilities: p.word("capabilities", body.capabilities.as_deref(), CAPABILITIES).unwrap_or_default(),
        read_only_root: body.read_only_root,
        labels: labels(p, body.labels),
        ttl_seconds: p.within("ttlSeconds", body.ttl_seconds, &(1..=bounds::TTL_SECONDS_MAX)),
        on_expiry: p.word("onExpiry", body.on_expiry.as_deref(), ON_EXPIRY).unwrap_or_default(),
        idle_seconds: p.within("idleTtlSeconds", body.idle_ttl_seconds, &(0..=bounds::TTL_SECONDS_MAX)),
        ports,
    };
    problems.finish(Some((new, count)))
}

const CAPABILITIES: &[(&str, Capabilities)] =
    &[("standard", Capabilities::Standard), ("none", Capabilities::None)];
const ON_EXPIRY: &[(&str, OnExpiry)] = &[("delete", OnExpiry::Delete), ("stop", OnExpiry::Stop)];

fn limits(problems: &mut Problems, body: &CreateSandbox) -> Limits {
    let usual = Limits::default();
    let memory = problems.within("memory", body.memory, &(bounds::MEMORY_MIB_MIN..=bounds::MEMORY_MIB_MAX));
    let disk = problems.within("disk", body.disk, &(bounds::DISK_MIB_MIN..=bounds::DISK_MIB_MAX));
    Limits {
        memory_bytes: memory.map_or(usual.memory_bytes, |mib| mib << 20),
        cpu_millis: cpu_millis(problems, body.cpu).unwrap_or(usual.cpu_millis),
        pids: problems
            .within("pids", body.pids, &(bounds::PIDS_MIN..=bounds::PIDS_MAX))
            .unwrap_or(usual.pids),
        disk_bytes: disk.map_or(usual.disk_bytes, |mib| mib << 20),
        open_files: usual.open_files,
    }
}

/// Thousandths of a core of cores. Not a number is within no bounds.
fn cpu_millis(problems: &mut Problems, cores: Option<f64>) -> Option<u32> {
    let bounds = f64::from(bounds::CPU_MILLIS_MIN) / 1_000.0..=f64::from(bounds::CPU_MILLIS_MAX) / 1_000.0;
    let cores = problems.within("cpu", cores, &bounds)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within 10 to 256,000")]
    Some((cores * 1_000.0).round() as u32)
}

fn labels(problems: &mut Problems, labels: BTreeMap<String, String>) -> Labels {
    if labels.len() > bounds::LABELS_MAX {
        problems.add("labels", format!("must be at most {}", bounds::LABELS_MAX));
        return Labels::new();
    }
    let parsed = labels.into_iter().filter_map(|(key, value)| {
        let field = format!("labels.{key}");
        problems.parse::<Label>(&field, Some(key)).zip(problems.parse::<Label>(&field, Some(value)))
    });
    parsed.collect()
}
