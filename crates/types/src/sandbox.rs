//! A sandbox: what is asked of it, what was last seen of it, and what people are shown.

use serde::{Deserialize, Serialize};

use crate::input::InputError;
use crate::{
    Command, EnvVars, EnvironmentRef, Gpus, GuestPath, GuestUser, HealthCheck, ImageName, ImageSource,
    Labels, Limits, PublishPort, SandboxName,
};

/// What isolates a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuntimeKind {
    /// Atoll's own: namespaces, cgroups and filters of this kernel.
    Native,
    /// A container of Docker Engine.
    Docker,
    /// A container of Docker Engine whose system calls gVisor answers, and not this kernel.
    Gvisor,
}

impl RuntimeKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Native, Self::Docker, Self::Gvisor];

    /// The word that the API shows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Docker => "docker",
            Self::Gvisor => "gvisor",
        }
    }
}

impl std::fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was said about the runtime of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuntimeChoice {
    /// What its isolation asks for.
    Auto,
    /// This one.
    #[serde(untagged)]
    Kind(RuntimeKind),
}

/// How far apart from the host a sandbox is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// It may share the host's kernel.
    Standard,
    /// Its system calls are not this kernel's to answer.
    Strong,
}

impl RuntimeKind {
    /// The runtime of a sandbox of which this was said; the native one where nothing was.
    ///
    /// # Errors
    /// When the runtime that was named is weaker than was asked for.
    pub fn chosen(choice: Option<RuntimeChoice>, isolation: Option<Isolation>) -> Result<Self, InputError> {
        match (choice, isolation) {
            (None | Some(RuntimeChoice::Auto), Some(Isolation::Strong)) => Ok(Self::Gvisor),
            (None | Some(RuntimeChoice::Auto), Some(Isolation::Standard) | None) => Ok(Self::Native),
            (Some(RuntimeChoice::Kind(Self::Native | Self::Docker)), Some(Isolation::Strong)) => {
                let expected = "standard with the runtimes native and docker: gvisor is strong";
                Err(InputError { what: "isolation", expected })
            }
            (Some(RuntimeChoice::Kind(kind)), _) => Ok(kind),
        }
    }
}

/// What a sandbox may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Loopback only.
    None,
    /// The Internet, through the host; no private, host or metadata addresses, no version 6.
    All,
}

/// Capabilities inside the sandbox's own user namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capabilities {
    /// CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE.
    #[default]
    Standard,
    /// None at all.
    None,
}

/// What happens when `ttlSeconds` is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpiry {
    /// The sandbox is deleted.
    #[default]
    Delete,
    /// The sandbox is stopped and keeps its files.
    Stop,
}

/// The immutable definition of one sandbox, as its record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxSpec {
    /// Name for people.
    pub name: Option<SandboxName>,
    /// Image as it was asked for.
    pub image: ImageName,
    /// What the name stood for when the sandbox was made.
    pub source: ImageSource,
    /// What isolates it.
    pub runtime: RuntimeKind,
    /// What it may use.
    pub limits: Limits,
    /// What it may reach.
    pub network: Network,
    /// GPUs of the host that it is given.
    #[serde(default, skip_serializing_if = "Gpus::is_none")]
    pub gpus: Gpus,
    /// Variables of every process.
    #[serde(default)]
    pub env: EnvVars,
    /// What is run with the command as its arguments; may be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Main process, or the arguments of the entry point; neither: the sandbox just waits for execs.
    pub command: Option<Command>,
    /// Where processes begin; the user's home when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<GuestPath>,
    /// User of execs and of the main process.
    pub user: GuestUser,
    /// Capabilities inside.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// Whether the root is read-only.
    #[serde(default)]
    pub read_only_root: bool,
    /// For filters.
    #[serde(default)]
    pub labels: Labels,
    /// Life time from its creation.
    pub ttl_seconds: Option<u64>,
    /// What the end of its life does.
    #[serde(default)]
    pub on_expiry: OnExpiry,
    /// Time without any activity after which it stops; 0: never.
    pub idle_seconds: u64,
    /// Ports to publish on the host while it runs; no port inside twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PublishPort>,
    /// The environment that it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentRef>,
    /// What tells whether it works; it has a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
}

impl SandboxSpec {
    /// What its main process runs: the entry point with the command as its arguments.
    #[must_use]
    pub fn main_command(&self) -> Option<Command> {
        if self.entrypoint.is_empty() {
            return self.command.clone();
        }
        let arguments = self.command.iter().flat_map(Command::to_argv);
        Some(Command::Argv(self.entrypoint.iter().cloned().chain(arguments).collect()))
    }
}

/// What was asked of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// To run.
    Running,
    /// To be stopped and keep its files.
    Stopped,
    /// To be gone.
    Deleted,
    /// To be up, with nothing of it running.
    Paused,
}

/// What was last seen of a sandbox on its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observed {
    /// Nothing is known, as after a restart and before the first look.
    Unknown,
    /// Nothing of it exists yet, or no longer.
    Absent,
    /// Its files exist; no process does.
    Stopped,
    /// Its agent answers.
    Running,
    /// Its agent died without being asked to.
    Crashed,
    /// Its agent answers; everything else in it is frozen.
    Paused,
}

/// Crash-safe work under way on a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Make it and bring it up.
    Create,
    /// Bring a stopped one up.
    Start,
    /// Stop it and keep its files.
    Stop,
    /// Remove everything.
    Delete,
}

/// The state that people are shown; computed from desired, observed and operation, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Being made.
    Creating,
    /// Coming up.
    Starting,
    /// Up.
    Running,
    /// Going down.
    Stopping,
    /// Down, with its files.
    Stopped,
    /// Its agent died.
    Crashed,
    /// It could not be made or started; the reason is shown.
    Failed,
    /// Being removed.
    Deleting,
    /// Its node has not been asked yet.
    Unknown,
    /// Up, with nothing of it running until it is resumed.
    Paused,
}

impl Status {
    /// Every status, for filters and tables.
    pub const ALL: [Self; 10] = [
        Self::Creating,
        Self::Starting,
        Self::Running,
        Self::Stopping,
        Self::Stopped,
        Self::Crashed,
        Self::Failed,
        Self::Deleting,
        Self::Unknown,
        Self::Paused,
    ];

    /// The word that the API shows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Crashed => "crashed",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
            Self::Unknown => "unknown",
            Self::Paused => "paused",
        }
    }
}

/// Why a sandbox is stopped or about to be; shown with its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Somebody asked.
    Requested,
    /// Nothing happened in it for its idle time.
    Idle,
    /// Its life time was over.
    Expired,
    /// The host was restarted.
    HostRestarted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_weaker_takes_the_place_of_what_was_asked_for() {
        use RuntimeKind::{Docker, Gvisor, Native};

        let chosen = RuntimeKind::chosen;
        let kind = |kind| Some(RuntimeChoice::Kind(kind));
        assert_eq!(chosen(None, None), Ok(Native));
        assert_eq!(chosen(Some(RuntimeChoice::Auto), Some(Isolation::Standard)), Ok(Native));
        assert_eq!(chosen(Some(RuntimeChoice::Auto), Some(Isolation::Strong)), Ok(Gvisor));
        assert_eq!(chosen(None, Some(Isolation::Strong)), Ok(Gvisor));
        assert_eq!(chosen(kind(Docker), Some(Isolation::Standard)), Ok(Docker));
        assert_eq!(chosen(kind(Gvisor), Some(Isolation::Standard)), Ok(Gvisor));
        assert_eq!(chosen(kind(Gvisor), Some(Isolation::Strong)), Ok(Gvisor));
        for weak in [Native, Docker] {
            assert!(chosen(kind(weak), Some(Isolation::Strong)).is_err(), "{weak}");
        }
    }

    #[test]
    fn a_choice_is_a_word() {
        for (word, choice) in
            [("auto", RuntimeChoice::Auto), ("gvisor", RuntimeChoice::Kind(RuntimeKind::Gvisor))]
        {
            let text = format!("\"{word}\"");
            assert_eq!(serde_json::from_str::<RuntimeChoice>(&text).unwrap(), choice);
            assert_eq!(serde_json::to_string(&choice).unwrap(), text);
        }
    }
}
