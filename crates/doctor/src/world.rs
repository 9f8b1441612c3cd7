//! What the host really holds of one installation. Plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use atoll_types::{ImageDigest, SandboxId};

/// A process, told apart from every other that will ever have its number in this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Number on the host.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
}

/// Programs of Atoll that are not inside a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// The unprivileged server.
    Serve,
    /// The launcher, and its helpers.
    Launcher,
}

/// A process of ours outside of the sandboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Which program it runs.
    pub program: Program,
    /// Which process.
    pub process: Process,
}

/// Whose a control group is, by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupOwner {
    /// A sandbox's.
    Sandbox(SandboxId),
    /// Removed, and waiting to be given back to the kernel.
    Trash,
    /// The installation's own, in which all the others are.
    Base,
    /// No name of ours.
    Unknown,
}

/// A control group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Where it is.
    pub path: PathBuf,
    /// Whose.
    pub owner: GroupOwner,
}

/// All traces of one sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// Processes in its control groups, and its recorded first process.
    pub processes: BTreeSet<Process>,
    /// Its control groups.
    pub cgroups: Vec<PathBuf>,
    /// Whether its agent's socket has a name.
    pub socket: bool,
    /// Whether its folder is in the pool.
    pub files: bool,
    /// Whether commands' logs of it are there.
    pub exec_logs: bool,
    /// Whether it is no sandbox, but the unpacker of an image: that has groups of the same kind, and the user ids behind
    /// the last sandbox's.
    pub unpacker: bool,
    /// Its range of host uids, as it was started last.
    pub uid_slot: Option<u32>,
    /// The root of the host image that it was started on last.
    pub root: Root,
}

/// What a sandbox's root is made of, as far as it matters to the roots of the host image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Root {
    /// Of an unpacked image, or not known.
    #[default]
    Other,
    /// Of the host image, and nobody has written down which.
    SomeHost,
    /// Of the host image, by its name in the pool.
    Host(String),
}

/// A loop device that is backed by our storage image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopDevice {
    /// Such as `/dev/loop0`.
    pub path: PathBuf,
    /// Whether the image was deleted under it.
    pub deleted: bool,
}

/// Something that Docker holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thing {
    /// By which Docker finds it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Which sandbox it is of, where its label says so.
    pub sandbox: Option<SandboxId>,
    /// Whether a build of an image made it.
    pub is_build: bool,
}

/// What Docker holds of one installation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InDocker {
    /// Why Docker could not be asked; then nothing is known.
    pub away: Option<String>,
    /// Containers with its label.
    pub containers: Vec<Thing>,
    /// Networks with its label.
    pub networks: Vec<Thing>,
    /// Volumes with its label.
    pub volumes: Vec<Thing>,
    /// Tags of its images.
    pub images: Vec<String>,
    /// Images that builds made on their way: ids, or tags.
    pub built: Vec<String>,
}

/// What the host really holds of one installation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    /// Process id of the supervisor, while one holds the lock.
    pub supervisor: Option<u32>,
    /// Its parts, and parts that have none.
    pub parts: Vec<Part>,
    /// Every sandbox that left a trace.
    pub sandboxes: BTreeMap<SandboxId, Traces>,
    /// Control groups that are no sandbox's.
    pub groups: Vec<Group>,
    /// Processes in control groups of ours that belong to no sandbox.
    pub stray_processes: BTreeSet<Process>,
    /// Mounts below the data folder, except the pool's.
    pub stray_mounts: Vec<PathBuf>,
    /// Names of the host image's roots in the pool that new sandboxes do not get any more.
    pub stale_roots: BTreeSet<String>,
    /// The name of the router between sandboxes and the host, if it is there.
    pub router: Option<PathBuf>,
    /// Whether the host has the table of rules that belongs to the router.
    pub host_rules: bool,
    /// Whether there is a bridge of Docker's that these rules guard: its container may run while nothing else of Atoll does.
    pub bridges: bool,
    /// Other mounts elsewhere that keep a network namespace of ours alive.
    pub network_namespaces: Vec<PathBuf>,
    /// Where the pool is mounted, if it is.
    pub pool_mount: Option<PathBuf>,
    /// Whether the pool is plain folders, in which nothing can be limited.
    pub plain_pool: bool,
    /// Loop devices of the pool's image.
    pub loop_devices: Vec<LoopDevice>,
    /// Unpacked images.
    pub images: BTreeSet<ImageDigest>,
    /// Names among the images that are none of theirs, below the data folder.
    pub unfinished: Vec<PathBuf>,
    /// Removed files that wait to be collected, below the data folder.
    pub trash: Vec<PathBuf>,
    /// Sockets and the like whose name is none of ours, below the data folder.
    pub unknown: Vec<PathBuf>,
    /// What Docker holds, where the installation ever had one.
    pub docker: Option<InDocker>,
}

impl World {
    /// Whether this program runs under the supervisor that holds the lock.
    #[must_use]
    pub fn runs(&self, program: Program) -> bool {
        self.supervisor.is_some() && self.parts.iter().any(|part| part.program == program)
    }

    /// Whether any sandbox has a process.
    #[must_use]
    pub fn any_alive(&self) -> bool {
        self.sandboxes.values().any(|traces| !traces.processes.is_empty())
    }
}
