//! Environments: named, versioned definitions of sandboxes.

use serde::{Deserialize, Serialize};

use crate::input::{InputError, text_input};
use crate::{
    Capabilities, Command, EnvVars, EnvironmentId, Gpus, GuestPath, GuestUser, HealthCheck, ImageName,
    Isolation, Labels, Limits, Network, OnExpiry, PoolSize, PublishPort, RuntimeChoice, SandboxSpec, bounds,
};

text_input!(
    /// Name that a person gives to an environment. Not unique.
    EnvironmentName, "name", "1 to 63 printable characters, without a space at either end",
    |text| {
        (1..=bounds::NAME_CHARS_MAX).contains(&text.chars().count())
            && text.trim() == text
            && !text.chars().any(char::is_control)
    }
);

/// One version of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentRef {
    /// Which environment.
    pub id: EnvironmentId,
    /// Which version, from 1.
    pub version: u32,
}

/// What a sandbox is to be, where it says so; the rest is left to whatever it is laid over, and in the end to the defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SandboxTemplate {
    /// Image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageName>,
    /// What isolates it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<RuntimeChoice>,
    /// How far apart from the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// Memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// CPU time, in thousandths of a core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u32>,
    /// Processes and threads at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
    /// Size of the writable layer in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Open files of one process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// What its network carries each way, in megabits a second; 0: as much as it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth_mbit: Option<u32>,
    /// What it may reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// GPUs of the host that it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<Gpus>,
    /// Variables of every process; laid over those below, one by one.
    pub env: EnvVars,
    /// What is run with the command as its arguments; an empty list: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Main process, or the arguments of the entry point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// Where processes begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<GuestPath>,
    /// User of execs and of the main process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<GuestUser>,
    /// Capabilities inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Whether the root is read-only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_root: Option<bool>,
    /// For filters; laid over those below, one by one.
    pub labels: Labels,
    /// Life time from its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
    /// What the end of its life does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_expiry: Option<OnExpiry>,
    /// Time without any activity after which it stops; 0: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<u64>,
    /// Ports to publish, all of them; no port inside twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<PublishPort>>,
    /// What tells whether it works; one without a command: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Of an environment: how many of its sandboxes are kept ready. Of itself alone: nothing that is laid over it has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_pool: Option<PoolSize>,
}

impl SandboxTemplate {
    /// This one, and what it leaves open from `base`. Variables and labels are laid over those of `base` one by one. An entry point
    /// of its own leaves no command of `base`, which was meant for another.
    ///
    /// # Errors
    /// When there are too many variables or labels together.
    pub fn over(self, base: Self) -> Result<Self, InputError> {
        let labels: Labels = base.labels.into_iter().chain(self.labels).collect();
        if labels.len() > bounds::LABELS_MAX {
            return Err(InputError { what: "labels", expected: "at most 32, with those of the environment" });
        }
        let below = if self.entrypoint.is_some() { None } else { base.command };
        Ok(Self {
            image: self.image.or(base.image),
            runtime: self.runtime.or(base.runtime),
            isolation: self.isolation.or(base.isolation),
            memory_bytes: self.memory_bytes.or(base.memory_bytes),
            cpu_millis: self.cpu_millis.or(base.cpu_millis),
            pids: self.pids.or(base.pids),
            disk_bytes: self.disk_bytes.or(base.disk_bytes),
            open_files: self.open_files.or(base.open_files),
            bandwidth_mbit: self.bandwidth_mbit.or(base.bandwidth_mbit),
            network: self.network.or(base.network),
            gpus: self.gpus.or(base.gpus),
            env: self.env.over(base.env)?,
            entrypoint: self.entrypoint.or(base.entrypoint),
            command: self.command.or(below),
            cwd: self.cwd.or(base.cwd),
            user: self.user.or(base.user),
            capabilities: self.capabilities.or(base.capabilities),
            read_only_root: self.read_only_root.or(base.read_only_root),
            labels,
            ttl_seconds: self.ttl_seconds.or(base.ttl_seconds),
            on_expiry: self.on_expiry.or(base.on_expiry),
            idle_seconds: self.idle_seconds.or(base.idle_seconds),
            ports: self.ports.or(base.ports),
            health_check: self.health_check.or(base.health_check),
            warm_pool: self.warm_pool,
        })
    }

    /// Everything that a sandbox is.
    #[must_use]
    pub fn of(spec: &SandboxSpec) -> Self {
        Self {
            image: Some(spec.image.clone()),
            runtime: Some(RuntimeChoice::Kind(spec.runtime)),
            isolation: None,
            memory_bytes: Some(spec.limits.memory_bytes),
            cpu_millis: Some(spec.limits.cpu_millis),
            pids: Some(spec.limits.pids),
            disk_bytes: Some(spec.limits.disk_bytes),
            open_files: Some(spec.limits.open_files),
            bandwidth_mbit: Some(spec.limits.bandwidth_mbit),
            network: Some(spec.network),
            gpus: Some(spec.gpus.clone()),
            env: spec.env.clone(),
            entrypoint: (!spec.entrypoint.is_empty()).then(|| spec.entrypoint.clone()),
            command: spec.command.clone(),
            cwd: spec.cwd.clone(),
            user: Some(spec.user.clone()),
            capabilities: Some(spec.capabilities),
            read_only_root: Some(spec.read_only_root),
            labels: spec.labels.clone(),
            ttl_seconds: spec.ttl_seconds,
            on_expiry: Some(spec.on_expiry),
            idle_seconds: Some(spec.idle_seconds),
            ports: Some(spec.ports.clone()),
            health_check: spec.health_check.clone(),
            warm_pool: None,
        }
    }

    /// What it may use, with the defaults where it says nothing.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let usual = Limits::default();
        Limits {
            memory_bytes: self.memory_bytes.unwrap_or(usual.memory_bytes),
            cpu_millis: self.cpu_millis.unwrap_or(usual.cpu_millis),
            pids: self.pids.unwrap_or(usual.pids),
            disk_bytes: self.disk_bytes.unwrap_or(usual.disk_bytes),
            open_files: self.open_files.unwrap_or(usual.open_files),
            bandwidth_mbit: self.bandwidth_mbit.unwrap_or(usual.bandwidth_mbit),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn env(pairs: &[(&str, &str)]) -> EnvVars {
        let map: BTreeMap<_, _> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        EnvVars::new(map).unwrap()
    }

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_is_said_counts_and_the_rest_comes_from_below() {
        let base = SandboxTemplate {
            cpu_millis: Some(500),
            memory_bytes: Some(1 << 28),
            env: env(&[("A", "1"), ("B", "1")]),
            command: Some(Command::Argv(argv(&["serve"]))),
            read_only_root: Some(true),
            ..SandboxTemplate::default()
        };
        let over = SandboxTemplate {
            cpu_millis: Some(1_000),
            env: env(&[("B", "2"), ("C", "2")]),
            read_only_root: Some(false),
            ..SandboxTemplate::default()
        };
        let both = over.over(base.clone()).unwrap();
        assert_eq!((both.cpu_millis, both.memory_bytes), (Some(1_000), Some(1 << 28)));
        assert_eq!(both.env, env(&[("A", "1"), ("B", "2"), ("C", "2")]));
        assert_eq!((both.read_only_root, &both.command), (Some(false), &base.command));
        assert_eq!(SandboxTemplate::default().over(base.clone()).unwrap(), base);
    }

    #[test]
    fn another_entry_point_leaves_the_command_of_the_old_one() {
        let base = SandboxTemplate {
            entrypoint: Some(argv(&["/entry"])),
            command: Some(Command::Argv(argv(&["serve"]))),
            ..SandboxTemplate::default()
        };
        let other = SandboxTemplate { entrypoint: Some(argv(&["/bin/sh"])), ..SandboxTemplate::default() };
        let both = other.over(base).unwrap();
        assert_eq!((both.entrypoint, both.command), (Some(argv(&["/bin/sh"])), None));
    }

    #[test]
    fn too_much_together_is_refused() {
        let many = |prefix: &str| {
            let map = (0..600).map(|n| (format!("{prefix}{n}"), String::new())).collect();
            SandboxTemplate { env: EnvVars::new(map).unwrap(), ..SandboxTemplate::default() }
        };
        assert_eq!(many("A").over(many("B")).unwrap_err().what, "env");
        assert!(many("A").over(many("A")).is_ok());
        let labels = |prefix: &str| {
            let label = |n: u32| format!("{prefix}{n}").parse().unwrap();
            let labels = (0..20).map(|n| (label(n), label(n))).collect();
            SandboxTemplate { labels, ..SandboxTemplate::default() }
        };
        assert_eq!(labels("a").over(labels("b")).unwrap_err().what, "labels");
    }
}
