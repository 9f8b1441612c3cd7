//! Messages between serve and the Docker broker.
//!
//! One message is one packet of a `SOCK_SEQPACKET` Unix socket, as with the launcher, whose packets these are. A connection carries one
//! call after the other: the next is read when the last is answered. Whoever holds Docker's socket is as good as root, so no message has
//! a field for a privilege, a namespace of the host, a device but GPUs, a mount, a command, or a name that serve could choose: the broker makes a
//! container's configuration itself, out of what is here. Messages and fields are only ever added.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use atoll_types::{AgentSocketId, Capabilities, Gpus, ImageDigest, Limits, Network, RuntimeKind, SandboxId};
use serde::{Deserialize, Serialize};

pub use atoll_types::Usage;

/// Name of the broker's socket in the folder of sockets.
pub const SOCKET: &str = "broker.sock";
/// Name of the folder with one socket for each sandbox, beside it.
pub const AGENTS: &str = "docker";
/// Sandboxes or images of one answer: so many fit a packet.
pub const PAGE: usize = 200;

/// What serve may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// What the engine is and can do.
    Info,
    /// Makes the sandbox's container where it is missing, and starts it; its agent can be called when this is answered. Idempotent.
    Start(Box<StartSandbox>),
    /// Ends every process of it; keeps its files. Idempotent.
    Stop {
        /// Which.
        sandbox: SandboxId,
    },
    /// Like `Stop`, then removes its files. Idempotent.
    Remove {
        /// Which.
        sandbox: SandboxId,
    },
    /// Freezes a running sandbox, with its agent. Idempotent.
    Pause {
        /// Which.
        sandbox: SandboxId,
    },
    /// Lets a paused sandbox go on. Idempotent.
    Resume {
        /// Which.
        sandbox: SandboxId,
    },
    /// What a running sandbox uses and has used.
    Usage {
        /// Which.
        sandbox: SandboxId,
    },
    /// Where the agent of a running sandbox can be reached without the engine, if the engine is on this machine.
    Agent {
        /// Which.
        sandbox: SandboxId,
    },
    /// Every sandbox of this installation that the engine holds, in as many answers as it takes.
    List,
    /// From now on this connection only carries events.
    Events,
    /// Makes the archive of the one descriptor beside this packet (a regular file: the tar of a root file system, plain or compressed
    /// by gzip) the image of this digest. Idempotent.
    ImportImage {
        /// The digest that the image is known by. What content has it is for whoever asks to know.
        digest: ImageDigest,
    },
    /// Images of this installation that the engine holds, in as many answers as it takes.
    ListImages,
    /// Removes an image that no sandbox uses any more. Idempotent.
    RemoveImage {
        /// Which.
        digest: ImageDigest,
    },
    /// Builds an image. Two descriptors of regular files are beside this packet: the context, a tar that may be compressed by gzip, and the
    /// file that gets the image as `docker save` writes it. What the steps write comes as answers of their own. Closing the connection gives
    /// the build up.
    BuildImage(Box<BuildImage>),
}

/// An image to build. The broker reads the context and the Dockerfile itself, and decides what Docker gets of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildImage {
    /// Path of the Dockerfile in the context.
    pub dockerfile: String,
    /// Values of its `ARG`s.
    pub args: BTreeMap<String, String>,
    /// The stage that is wanted; the last one where nothing is said.
    pub target: Option<String>,
    /// Which image that was imported has each of the names that the Dockerfile has for images.
    pub images: BTreeMap<String, ImageDigest>,
    /// What its commands may reach.
    pub network: Network,
    /// How long it may take, in seconds; the broker has a bound of its own.
    pub seconds: u32,
    /// Bytes that the image may have.
    pub bytes_max: u64,
}

/// Bytes of the text of one `Output`: as many fit a packet whatever they are.
pub const OUTPUT_BYTES_MAX: usize = 8 << 10;

/// A sandbox to start. What is not here, the broker decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartSandbox {
    /// Its id; the names of its container and its network are made of it.
    pub sandbox: SandboxId,
    /// `docker` or `gvisor`.
    pub runtime: RuntimeKind,
    /// The image that was imported under this digest.
    pub image: ImageDigest,
    /// What it may use; checked against the broker's own bounds.
    pub limits: Limits,
    /// Capabilities inside.
    pub capabilities: Capabilities,
    /// Whether the root is read-only.
    pub read_only_root: bool,
    /// What it may reach. Nothing, where a serve of a release before this field asks.
    #[serde(default = "no_network")]
    pub network: Network,
    /// GPUs of the host that it is given.
    #[serde(default)]
    pub gpus: Gpus,
}

const fn no_network() -> Network {
    Network::None
}

/// What the broker answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done.
    Done,
    /// To `Info`.
    Info(EngineInfo),
    /// To `List`.
    Sandboxes {
        /// Some of them.
        found: Vec<Found>,
        /// Whether another answer follows.
        more: bool,
    },
    /// To `ListImages`.
    Images {
        /// Some of them.
        digests: Vec<ImageDigest>,
        /// Whether another answer follows.
        more: bool,
    },
    /// To `BuildImage`, before the last answer: what its steps write.
    Output {
        /// At most [`OUTPUT_BYTES_MAX`] bytes.
        text: String,
    },
    /// To `Usage`.
    Usage(Usage),
    /// To `Agent`.
    Agent {
        /// The number of the container's first process, where the engine is.
        process: NonZeroU32,
        /// The socket as which it listens.
        socket: AgentSocketId,
    },
    /// Unasked, after `Events`.
    Event(Event),
    /// It could not be done.
    Failed(Failure),
}

/// What the engine is and can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// Its release.
    pub version: String,
    /// The storage driver of its containers.
    pub storage: String,
    /// Whether it has gVisor's `runsc`.
    pub gvisor: bool,
    /// Whether root inside is nobody outside.
    pub user_namespaces: bool,
    /// Whether containers live while it is restarted.
    pub live_restore: bool,
    /// Why its sandboxes can have no network; none where they can.
    #[serde(default = "unknown")]
    pub no_networks: Option<String>,
    /// Whether those of gVisor can have one too.
    #[serde(default)]
    pub gvisor_networks: bool,
    /// Whether it limits what they write.
    #[serde(default)]
    pub disk_limits: bool,
    /// Why its sandboxes can have no GPUs; none where they may be asked for.
    #[serde(default = "unknown")]
    pub no_gpus: Option<String>,
}

fn unknown() -> Option<String> {
    Some("the Docker broker is of an earlier release".to_owned())
}

/// A sandbox as the engine holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Id.
    pub sandbox: SandboxId,
    /// `docker` or `gvisor`.
    pub runtime: RuntimeKind,
    /// Whether it has processes; else only files are there.
    pub running: bool,
    /// Whether they are frozen.
    pub paused: bool,
}

/// What happened without being asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Every process of a sandbox has ended.
    Exited {
        /// Which.
        sandbox: SandboxId,
        /// `docker` or `gvisor`.
        runtime: RuntimeKind,
    },
    /// The way to the engine was lost and is back, or events were: look at everything.
    Missed,
}

/// Why it could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of trouble.
    pub kind: FailureKind,
    /// For people.
    pub message: String,
}

/// Kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The request is beyond the broker's bounds.
    Invalid,
    /// There is no such sandbox, or it does not run.
    NotFound,
    /// The image was not imported into the engine.
    ImageMissing,
    /// A container still uses the image.
    InUse,
    /// The archive is none that can be imported.
    BadArchive,
    /// The engine's disk is full.
    DiskFull,
    /// There are no such GPUs for it.
    NoGpus,
    /// The engine does not answer; the same call may go through later.
    Unavailable,
    /// The engine failed.
    System,
    /// The context of a build is none.
    BadContext,
    /// The context of a build is too large.
    ContextTooLarge,
    /// The Dockerfile is wrong, or asks for what no build has.
    BadDockerfile,
    /// A step of a build failed, or it took too long.
    BuildFailed,
    /// As many images are built as may be.
    TooManyBuilds,
    /// This engine does not do that.
    Unsupported,
}
