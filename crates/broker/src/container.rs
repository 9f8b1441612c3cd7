//! The configuration of a container: all of it is decided here.

use std::collections::HashMap;

use atoll_broker_protocol::StartSandbox;
use atoll_launcher_protocol::agent_socket_name;
use atoll_types::{AgentSocketId, Capabilities, Gpus, InstallationId, Limits, RuntimeKind, bounds};
use bollard::models::{
    ContainerCreateBody, DeviceRequest, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum,
    HostConfigLogConfig, Mount, MountType, MountVolumeOptions, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};

use crate::names;
use crate::network::Joined;

/// Where the agent is in a container: a folder of ours that no image has, read-only.
pub(crate) const AGENT_FOLDER: &str = "/.atoll";
/// Its file there.
pub(crate) const AGENT_FILE: &str = "agent";
/// Its argument before the name under which it listens in its network.
const LISTEN: &str = "--listen";
/// Name by which Docker knows gVisor.
pub(crate) const RUNSC: &str = "runsc";

/// What the root of a sandbox has.
const STANDARD: [&str; 8] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "NET_BIND_SERVICE"];
/// What the agent itself needs where its sandbox has none: to become a command's user, to give it a home, and to signal it.
const AGENT_ONLY: [&str; 4] = ["CHOWN", "KILL", "SETGID", "SETUID"];
/// Threads and processes of gVisor's own, which Docker's limit counts with those of the sandbox, several for each of its; without room for
/// them the whole sandbox ends.
const GVISOR_THREADS: i64 = 1_024;
/// Fewest open files of a process: the agent, which is under the same limit, needs some twenty for a terminal. Who asks may have no
/// fewer than [`bounds::OPEN_FILES_MIN`]; public sessions have.
const OPEN_FILES_LEAST: u64 = 16;
/// Size of `/dev/shm`, in bytes: as Docker has it; databases and browsers use some.
const SHM_BYTES: i64 = 64 << 20;

/// Whether what is asked is within our bounds.
///
/// # Errors
/// What is not.
pub(crate) fn check(start: &StartSandbox) -> Result<(), &'static str> {
    use bounds::{
        CPU_MILLIS_MAX, CPU_MILLIS_MIN, DISK_MIB_MAX, DISK_MIB_MIN, MEMORY_MIB_MAX, MEMORY_MIB_MIN,
        OPEN_FILES, PIDS_MAX, PIDS_MIN,
    };

    let Limits { memory_bytes, cpu_millis, pids, open_files, disk_bytes, bandwidth_mbit: _ } = start.limits;
    let checks = [
        (start.runtime != RuntimeKind::Native, "the native runtime is not Docker's"),
        ((MEMORY_MIB_MIN << 20..=MEMORY_MIB_MAX << 20).contains(&memory_bytes), "memory is out of bounds"),
        ((DISK_MIB_MIN << 20..=DISK_MIB_MAX << 20).contains(&disk_bytes), "disk is out of bounds"),
        ((CPU_MILLIS_MIN..=CPU_MILLIS_MAX).contains(&cpu_millis), "cpu is out of bounds"),
        ((PIDS_MIN..=PIDS_MAX).contains(&pids), "pids is out of bounds"),
        ((OPEN_FILES_LEAST..=OPEN_FILES).contains(&open_files), "open files are out of bounds"),
        (start.gpus.clone().checked().is_ok(), "gpus are out of bounds"),
        (start.gpus.is_none() || start.runtime == RuntimeKind::Docker, "gpus are for the runtime docker"),
    ];
    checks.into_iter().find(|(ok, _)| !ok).map_or(Ok(()), |(_, problem)| Err(problem))
}

/// What a sandbox's container has of Docker's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given<'a> {
    /// The volume with the agent in it.
    pub(crate) agent: &'a str,
    /// Its network, if it is to have one.
    pub(crate) joined: Option<&'a Joined>,
    /// Whether its limit of open files can be set; else it is Docker's own, which is lower.
    pub(crate) sets_files: bool,
    /// The most that its files may take, in bytes, where Docker limits that.
    pub(crate) disk_bytes: Option<u64>,
}

/// A sandbox's container.
pub(crate) fn sandbox(
    installation: &InstallationId,
    start: &StartSandbox,
    given: Given<'_>,
) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(names::image(installation, &start.image)),
        hostname: Some(start.sandbox.to_string()),
        user: Some("0:0".to_owned()),
        working_dir: Some("/".to_owned()),
        entrypoint: Some(vec![format!("{AGENT_FOLDER}/{AGENT_FILE}")]),
        cmd: Some(command(installation, start)),
        // The agent is reached over these two, by one attacher after the other.
        open_stdin: Some(true),
        stdin_once: Some(false),
        tty: Some(false),
        // It is asked by our own health check.
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        // No process of it is asked: a stop never needs the guest.
        stop_signal: Some("SIGKILL".to_owned()),
        labels: Some(names::sandbox_labels(installation, &start.sandbox, start.runtime)),
        host_config: Some(host(start, given)),
        ..ContainerCreateBody::default()
    }
}

/// The agent's arguments: where the sandbox is to have no capabilities, what it starts has none.
fn command(installation: &InstallationId, start: &StartSandbox) -> Vec<String> {
    let mut words = vec!["--stdio".to_owned()];
    if start.runtime == RuntimeKind::Docker {
        words.extend([LISTEN.to_owned(), agent_socket_name(installation, &AgentSocketId::random())]);
    } else {
        // gVisor has sockets of its own, which nobody outside can connect to, and a kernel without CLONE_PARENT.
        words.push("--no-siblings".to_owned());
    }
    match start.capabilities {
        Capabilities::Standard => {}
        Capabilities::None => words.push("--no-capabilities".to_owned()),
    }
    words
}

/// The socket of the agent that a container was made with, by its arguments.
pub(crate) fn agent_socket(installation: &InstallationId, arguments: &[String]) -> Option<AgentSocketId> {
    let at = arguments.iter().position(|word| word == LISTEN)?;
    atoll_launcher_protocol::agent_socket(installation, arguments.get(at + 1)?)
}

/// The container through which the agent's program is put into its volume; it is never started.
pub(crate) fn filler(installation: &InstallationId, image: String, volume: &str) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(image),
        entrypoint: Some(vec![format!("{AGENT_FOLDER}/{AGENT_FILE}")]),
        labels: Some(names::filler_labels(installation)),
        network_disabled: Some(true),
        host_config: Some(HostConfig {
            mounts: Some(vec![agent_mount(volume, false)]),
            network_mode: Some("none".to_owned()),
            cap_drop: Some(vec!["ALL".to_owned()]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn agent_mount(volume: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(volume.to_owned()),
        target: Some(AGENT_FOLDER.to_owned()),
        read_only: Some(read_only),
        // Whatever an image has there must not get into the volume of all.
        volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
        ..Mount::default()
    }
}

const fn own_threads(runtime: RuntimeKind) -> i64 {
    match runtime {
        RuntimeKind::Native | RuntimeKind::Docker => 0,
        RuntimeKind::Gvisor => GVISOR_THREADS,
    }
}

fn host(start: &StartSandbox, given: Given<'_>) -> HostConfig {
    let Given { agent, joined, sets_files, disk_bytes } = given;
    let limits = &start.limits;
    let memory = i64::try_from(limits.memory_bytes).unwrap_or(i64::MAX);
    let ulimit = |name: &str, most: i64| ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(most),
        hard: Some(most),
    };
    let mut ulimits = vec![ulimit("core", 0)];
    if sets_files {
        ulimits.push(ulimit("nofile", i64::try_from(limits.open_files).unwrap_or(i64::MAX)));
    }
    let capabilities: &[&str] = match start.capabilities {
        Capabilities::Standard => &STANDARD,
        Capabilities::None => &AGENT_ONLY,
    };
    HostConfig {
        runtime: (start.runtime == RuntimeKind::Gvisor).then(|| RUNSC.to_owned()),
        memory: Some(memory),
        // With the swap that is as much as without: none.
        memory_swap: Some(memory),
        nano_cpus: Some(i64::from(limits.cpu_millis) * 1_000_000),
        pids_limit: Some(i64::from(limits.pids) + own_threads(start.runtime)),
        ulimits: Some(ulimits),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(capabilities.iter().map(|name| (*name).to_owned()).collect()),
        privileged: Some(false),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        readonly_rootfs: Some(start.read_only_root),
        storage_opt: disk_bytes.map(|bytes| HashMap::from([("size".to_owned(), bytes.to_string())])),
        mounts: Some(vec![agent_mount(agent, true)]),
        // Both count as memory of the sandbox.
        tmpfs: Some(HashMap::from([(
            "/tmp".to_owned(),
            format!("rw,exec,nosuid,nodev,mode=1777,size={}", limits.memory_bytes / 2),
        )])),
        shm_size: Some(SHM_BYTES.min(memory / 2)),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        network_mode: Some(joined.map_or_else(|| "none".to_owned(), |joined| joined.id.clone())),
        // Names that only this machine's own domain has are not for it.
        dns: joined.map(|joined| vec![joined.gateway.to_string()]),
        dns_search: joined.map(|_| vec![".".to_owned()]),
        publish_all_ports: Some(false),
        // What its processes write goes to the agent, which bounds it; what the agent writes is a protocol.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        // What becomes of it is decided by serve alone.
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        auto_remove: Some(false),
        device_requests: gpu_request(&start.gpus).map(|request| vec![request]),
        ..HostConfig::default()
    }
}

/// What Docker is asked for: its own `--gpus` writes the same, with the driver's name, so that no other device is found.
fn gpu_request(gpus: &Gpus) -> Option<DeviceRequest> {
    let (count, device_ids) = match gpus {
        Gpus::None => return None,
        Gpus::All => (Some(-1), None),
        Gpus::Count(count) => (Some(i64::from(*count)), None),
        Gpus::Devices(ids) => (None, Some(ids.iter().map(ToString::to_string).collect())),
    };
    Some(DeviceRequest {
        driver: Some("nvidia".to_owned()),
        count,
        device_ids,
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        options: None,
    })
}

#[cfg(test)]
mod tests {
    use atoll_types::{Network, SandboxId};

    use super::*;

    const GIVEN: Given<'static> = Given { agent: "volume", joined: None, sets_files: true, disk_bytes: None };

    fn asked() -> StartSandbox {
        StartSandbox {
            sandbox: SandboxId::random(),
            runtime: RuntimeKind::Docker,
            image: "a".repeat(64).parse().unwrap(),
            limits: Limits::default(),
            capabilities: Capabilities::Standard,
            read_only_root: false,
            network: Network::None,
            gpus: Gpus::None,
        }
    }

    #[test]
    fn nothing_is_given_that_a_sandbox_must_not_have() {
        let installation = InstallationId::random();
        let made = sandbox(&installation, &asked(), GIVEN);
        let host = made.host_config.unwrap();
        assert_eq!(host.privileged, Some(false));
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(host.security_opt, Some(vec!["no-new-privileges".to_owned()]));
        // The default ones, and no other's.
        assert_eq!((host.masked_paths, host.readonly_paths), (None, None));
        assert_eq!((host.binds, host.devices, host.device_requests), (None, None, None));
        assert_eq!((host.pid_mode, host.uts_mode, host.userns_mode), (None, None, None));
        assert_eq!(host.memory, host.memory_swap);
        let mounts = host.mounts.unwrap();
        assert!(mounts.len() == 1 && mounts[0].read_only == Some(true), "{mounts:?}");
        assert_eq!(mounts[0].typ, Some(MountType::VOLUME));
        assert_eq!(host.runtime, None);
        assert_eq!((host.network_mode.as_deref(), host.dns), (Some("none"), None));
        assert_eq!((host.port_bindings, host.extra_hosts, host.links), (None, None, None));
    }

    #[test]
    fn one_with_a_network_asks_its_gateway_for_names() {
        let joined = Joined { id: "0123".to_owned(), gateway: [10, 1, 2, 1].into() };
        let made = sandbox(
            &InstallationId::random(),
            &asked(),
            Given { joined: Some(&joined), disk_bytes: Some(1 << 30), ..GIVEN },
        );
        let host = made.host_config.unwrap();
        assert_eq!(host.network_mode.as_deref(), Some("0123"));
        assert_eq!(host.dns, Some(vec!["10.1.2.1".to_owned()]));
        assert_eq!(host.storage_opt.unwrap()["size"], "1073741824");
    }

    #[test]
    fn gpus_are_asked_for_as_docker_itself_asks() {
        let devices = Gpus::Devices(vec!["0".parse().unwrap(), "GPU-1a".parse().unwrap()]);
        for (gpus, count, ids) in [
            (Gpus::All, Some(-1), None),
            (Gpus::Count(2), Some(2), None),
            (devices, None, Some(["0", "GPU-1a"])),
        ] {
            let made = sandbox(&InstallationId::random(), &StartSandbox { gpus, ..asked() }, GIVEN);
            let host = made.host_config.unwrap();
            let body = serde_json::to_value(host.device_requests.unwrap()).unwrap();
            let mut expected = serde_json::json!([{"Driver": "nvidia", "Capabilities": [["gpu"]]}]);
            if let Some(count) = count {
                expected[0]["Count"] = count.into();
            }
            if let Some(ids) = ids {
                expected[0]["DeviceIDs"] = serde_json::json!(ids);
            }
            assert_eq!(body, expected);
            assert_eq!((host.devices, host.privileged), (None, Some(false)));
        }
    }

    #[test]
    fn gvisor_is_asked_for_by_its_name() {
        let start = StartSandbox { runtime: RuntimeKind::Gvisor, ..asked() };
        let made = sandbox(&InstallationId::random(), &start, GIVEN);
        assert_eq!(made.host_config.unwrap().runtime.as_deref(), Some("runsc"));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        assert_eq!(check(&asked()), Ok(()));
        let limits = |change: fn(&mut Limits)| {
            let mut start = asked();
            change(&mut start.limits);
            start
        };
        // As a public session has them.
        assert_eq!(check(&limits(|l| (l.open_files, l.pids) = (256, 64))), Ok(()));
        for start in [
            StartSandbox { runtime: RuntimeKind::Native, ..asked() },
            limits(|l| l.memory_bytes = 0),
            limits(|l| l.memory_bytes = u64::MAX),
            limits(|l| l.cpu_millis = 0),
            limits(|l| l.pids = 0),
            limits(|l| l.open_files = 0),
            limits(|l| l.disk_bytes = 0),
            StartSandbox { gpus: Gpus::Count(0), ..asked() },
            StartSandbox { gpus: Gpus::Devices(Vec::new()), ..asked() },
            StartSandbox { gpus: Gpus::All, runtime: RuntimeKind::Gvisor, ..asked() },
        ] {
            assert!(check(&start).is_err(), "{start:?}");
        }
    }
}
