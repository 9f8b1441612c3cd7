//! Sandboxes to make.

use std::collections::BTreeMap;
use std::time::Duration;

use atoll_api_types::{CommandBody, CreateSandbox, Definition, ReplicateSandbox};
use atoll_engine::Base;
use atoll_types::{
    Capabilities, Command, EnvVars, GuestPath, GuestUser, ImageName, Isolation, Label, Labels, Network,
    OnExpiry, RuntimeChoice, RuntimeKind, SandboxName, SandboxTemplate, bounds,
};

use super::environment::{environment_id, warm_pool};
use super::exec::command;
use super::gpu::gpus;
use super::health_check::{health_check, wait_for_healthy};
use super::port::ports;
use crate::answer::ApiFailure;
use crate::extract::Problems;

/// A checked body of `POST /sandboxes`.
#[derive(Debug)]
pub(crate) struct NewSandboxBody {
    pub(crate) name: Option<SandboxName>,
    /// What the rest is laid over.
    pub(crate) base: Base,
    pub(crate) template: SandboxTemplate,
    /// How many to make.
    pub(crate) count: Option<u32>,
    /// How long to wait until they are healthy.
    pub(crate) wait: Option<Duration>,
}

/// The checked body of `POST /sandboxes`.
pub(crate) fn new_sandbox(mut body: CreateSandbox) -> Result<NewSandboxBody, ApiFailure> {
    let mut problems = Problems::default();
    let p = &mut problems;
    let count = p.within("count", body.count, &(1..=bounds::COUNT_MAX));
    let name = p.parse::<SandboxName>("name", body.name.take());
    let version = p.within("environmentVersion", body.environment_version, &(1..=u32::MAX));
    if version.is_some() && body.environment_id.is_none() {
        p.add("environmentVersion", "is only with environmentId");
    }
    let base = match environment_id(p, "environmentId", body.environment_id.take()) {
        Some(id) => Base::Environment { id, version },
        None => Base::Defaults,
    };
    let wait = wait_for_healthy(p, "", body.wait_for.as_deref(), body.wait_seconds);
    let template = template(p, body.into_definition());
    problems.finish(Some(NewSandboxBody { name, base, template, count, wait }))
}

/// The checked body of `POST /sandboxes/{id}/replicate`.
pub(crate) fn replicated(
    mut body: ReplicateSandbox,
) -> Result<(Option<SandboxName>, SandboxTemplate), ApiFailure> {
    let mut problems = Problems::default();
    let name = problems.parse::<SandboxName>("name", body.name.take());
    let template = template(&mut problems, body.into_definition());
    problems.finish(Some((name, template)))
}

/// What is checked of a definition; what is wrong is noted, and left out.
pub(crate) fn template(p: &mut Problems, asked: Definition) -> SandboxTemplate {
    let mib = |p: &mut Problems, field, value, least, most| {
        p.within(field, value, &(least..=most)).map(|mib: u64| mib << 20)
    };
    SandboxTemplate {
        image: p.parse::<ImageName>("image", asked.image),
        runtime: p.word("runtime", asked.runtime.as_deref(), RUNTIMES),
        isolation: p.word("isolation", asked.isolation.as_deref(), ISOLATIONS),
        memory_bytes: mib(p, "memory", asked.memory, bounds::MEMORY_MIB_MIN, bounds::MEMORY_MIB_MAX),
        cpu_millis: cpu_millis(p, asked.cpu),
        pids: p.within("pids", asked.pids, &(bounds::PIDS_MIN..=bounds::PIDS_MAX)),
        disk_bytes: mib(p, "disk", asked.disk, bounds::DISK_MIB_MIN, bounds::DISK_MIB_MAX),
        open_files: p.within("openFiles", asked.open_files, &(bounds::OPEN_FILES_MIN..=bounds::OPEN_FILES)),
        bandwidth_mbit: p.within("bandwidth", asked.bandwidth, &(0..=bounds::BANDWIDTH_MBIT_MAX)),
        network: p.word("network", asked.network.as_deref(), NETWORKS),
        gpus: asked.gpus.and_then(|asked| gpus(p, asked)),
        env: p.check("env", EnvVars::new(asked.env)).unwrap_or_default(),
        entrypoint: asked.entrypoint.and_then(|argv| entrypoint(p, argv)),
        command: asked.command.and_then(|body: CommandBody| p.check("command", command(body))),
        cwd: p.parse::<GuestPath>("cwd", asked.cwd),
        user: p.parse::<GuestUser>("user", asked.user),
        capabilities: p.word("capabilities", asked.capabilities.as_deref(), CAPABILITIES),
        read_only_root: asked.read_only_root,
        labels: labels(p, asked.labels),
        ttl_seconds: p.within("ttlSeconds", asked.ttl_seconds, &(1..=bounds::TTL_SECONDS_MAX)),
        on_expiry: p.word("onExpiry", asked.on_expiry.as_deref(), ON_EXPIRY),
        idle_seconds: p.within("idleTtlSeconds", asked.idle_ttl_seconds, &(0..=bounds::TTL_SECONDS_MAX)),
        ports: asked.ports.map(|asked| ports(p, &asked)),
        health_check: asked.health_check.and_then(|asked| health_check(p, asked)),
        warm_pool: asked.warm_pool.and_then(|asked| warm_pool(p, asked)),
    }
}

const RUNTIMES: &[(&str, RuntimeChoice)] = &[
    ("auto", RuntimeChoice::Auto),
    ("native", RuntimeChoice::Kind(RuntimeKind::Native)),
    ("docker", RuntimeChoice::Kind(RuntimeKind::Docker)),
    ("gvisor", RuntimeChoice::Kind(RuntimeKind::Gvisor)),
];
const ISOLATIONS: &[(&str, Isolation)] = &[("standard", Isolation::Standard), ("strong", Isolation::Strong)];
const NETWORKS: &[(&str, Network)] = &[("none", Network::None), ("all", Network::All)];
const CAPABILITIES: &[(&str, Capabilities)] =
    &[("standard", Capabilities::Standard), ("none", Capabilities::None)];
const ON_EXPIRY: &[(&str, OnExpiry)] = &[("delete", OnExpiry::Delete), ("stop", OnExpiry::Stop)];

/// A program with arguments, or an empty list: none.
fn entrypoint(problems: &mut Problems, argv: Vec<String>) -> Option<Vec<String>> {
    if argv.is_empty() {
        return Some(argv);
    }
    problems.check("entrypoint", Command::argv(argv)).map(|checked| checked.to_argv())
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
