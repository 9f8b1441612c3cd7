//! What was found.

use std::path::PathBuf;

use atoll_types::SandboxId;
use serde::Serialize;

use crate::world::Process;

/// What kind of thing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Processes.
    Process,
    /// A mount.
    Mount,
    /// A control group.
    Cgroup,
    /// Files of a sandbox: its writable layer.
    Files,
    /// Files of an image.
    Image,
    /// A loop device.
    LoopDevice,
    /// A socket of an agent.
    Socket,
    /// Logs of commands.
    ExecLog,
    /// A record without what it speaks of.
    Record,
    /// A range of user ids.
    UidSlot,
    /// A root of the host image.
    HostRoot,
    /// A network namespace.
    NetworkNamespace,
    /// A table of the host's packet filter.
    FirewallRules,
    /// A master key that is not here, and sealed secrets.
    MasterKey,
    /// A container of Docker's.
    Container,
    /// A network of Docker's.
    DockerNetwork,
    /// A volume of Docker's.
    DockerVolume,
    /// An image that Docker holds.
    DockerImage,
}

/// Whether it is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nobody owns it, or it contradicts the records.
    Leak,
    /// It is as it should be while Atoll is down; the next start uses or removes it.
    Idle,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// Its name: an id or a path.
    pub name: String,
    /// What is wrong with it, for people.
    pub problem: String,
    /// Whether `fix` can remove it.
    pub fixable: bool,
    /// Whether it is wrong.
    pub severity: Severity,
    /// What `fix` would remove.
    #[serde(skip)]
    pub target: Target,
}

impl Finding {
    /// Whether it counts against the health of the installation.
    #[must_use]
    pub fn is_leak(&self) -> bool {
        self.severity == Severity::Leak
    }

    /// Whether this is the same thing with the same trouble, seen at another time.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (self.kind, &self.name, self.severity) == (other.kind, &other.name, other.severity)
    }
}

/// What `fix` removes, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nothing: somebody must look.
    Nothing,
    /// All processes of a sandbox.
    SandboxProcesses(SandboxId),
    /// These processes, as long as they are still the same.
    Processes(Vec<Process>),
    /// A control group without processes, with what is below it.
    Cgroup(PathBuf),
    /// What is mounted there.
    Mount(PathBuf),
    /// A loop device, such as `/dev/loop0`.
    LoopDevice(PathBuf),
    /// A name that is mounted on a namespace: both go.
    NamedMount(PathBuf),
    /// The installation's table of the host's packet filter.
    HostRules,
    /// A file or a tree, by its path below the data folder.
    Tree(PathBuf),
    /// A container of Docker's, by its id.
    Container(String),
    /// A network of Docker's, by its id.
    DockerNetwork(String),
    /// A volume of Docker's, by its name.
    DockerVolume(String),
    /// An image of the installation's repository, by its tag.
    DockerImage(String),
    /// An image that a build made on its way, with those below it, by its id or its whole tag.
    BuiltImage(String),
}
