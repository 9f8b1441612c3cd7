//! Messages between serve and the launcher.
//!
//! One message is one packet of a `SOCK_SEQPACKET` Unix socket: a JSON object, at most [`PACKET_BYTES_MAX`] bytes, with
//! descriptors beside it where a request or its answer says so. A launcher of release N serves a serve of N and N−1: messages and
//! fields are only ever added, unknown fields are ignored, an unknown request is answered with [`Failure`].
//! The launcher trusts nothing it is sent: every field is a validated type or is checked against its own bounds.

mod bridges;
mod egress;
mod socket;

use std::num::{NonZeroU16, NonZeroU32};

use atoll_types::{
    AgentSocketId, Capabilities, ImageConfig, ImageDigest, ImageSource, InstallationId, Limits, Network,
    SandboxId,
};
use serde::{Deserialize, Serialize};

pub use atoll_types::Usage;
pub use bridges::{agent_socket, agent_socket_name, bridge_prefix, uplink_name};
pub use egress::{FromEgress, ToEgress};
pub use socket::{Packet, PacketError, receive, send};

/// Version of the protocol that this release speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// Largest packet, in bytes: a list of a thousand sandboxes is sent in pages that fit.
pub const PACKET_BYTES_MAX: usize = 64 << 10;

/// Descriptors beside one packet at most.
pub const DESCRIPTORS_MAX: usize = 4;

/// First host uid that sandboxes use, and ids per sandbox. 1,879,048,192 (0x7000_0000) and up is apart from
/// `/etc/subuid`'s usual ranges (100,000 to 600,100,000), systemd-nspawn's and Docker's; 4,000 ranges end at 2,141,192,192,
/// below 2^31, where some tools break.
pub const UID_BASE: u32 = 0x7000_0000;
/// Ids of one sandbox.
pub const UIDS_PER_SANDBOX: u32 = 65_536;
/// Ranges there are; so many sandboxes can exist on one node.
pub const UID_SLOTS: u32 = 4_000;

/// First host id of a slot, or `None` beyond the last.
#[must_use]
pub const fn uid_base(slot: u32) -> Option<u32> {
    if slot < UID_SLOTS { Some(UID_BASE + slot * UIDS_PER_SANDBOX) } else { None }
}

/// From serve to the launcher. `id` comes back in the [`Reply`]; answers may come in another order than requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the sender.
    pub id: u64,
    /// What is asked.
    pub call: Call,
}

/// What serve may ask.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Must be the first on every connection.
    Hello {
        /// [`PROTOCOL_VERSION`] of the sender.
        version: u32,
    },
    /// Makes the sandbox's layer where it is missing, and starts it. Idempotent: one that runs already is answered
    /// as it is.
    Start(Box<StartSandbox>),
    /// Ends every process of it, and everything of it that is not a file. Idempotent. Never needs the guest.
    Stop {
        /// Which.
        sandbox: SandboxId,
    },
    /// Like `Stop`, then removes its files. Idempotent.
    Remove {
        /// Which.
        sandbox: SandboxId,
    },
    /// What the kernel really holds of this installation, running or not.
    List {
        /// Only ids greater than this one, in order: the page after it.
        after: Option<SandboxId>,
    },
    /// Unpacks the archive of the one descriptor beside this packet (a regular file: the tar of a root file system, of an
    /// OCI image layout or of `docker save`, plain or compressed by gzip or zstd) into an image. Idempotent by the
    /// archive's digest, which is computed here.
    ImportImage {
        /// Bytes the unpacked files may take.
        max_bytes: u64,
    },
    /// Removes an image that no sandbox uses any more.
    RemoveImage {
        /// Which.
        digest: ImageDigest,
    },
    /// Packs the root of an image into one layer, a tar compressed by gzip, in the one descriptor beside this packet (a
    /// regular file that may be read and written). Idempotent: what the file holds goes.
    ExportImage {
        /// Which.
        digest: ImageDigest,
        /// Bytes that the layer may take.
        max_bytes: u64,
    },
    /// How many of these layers are here over each other, from the lowest.
    KnownLayers {
        /// SHA-256 of the layers as a registry keeps them, from the lowest.
        digests: Vec<ImageDigest>,
    },
    /// Images whose files are here.
    ListImages {
        /// Only digests greater than this one, in order: the page after it.
        after: Option<ImageDigest>,
    },
    /// Room and health of the storage.
    Storage,
    /// Everything of this installation that is on the host, id by id, for `doctor`.
    Audit {
        /// Only ids greater than this one, in order: the page after it.
        after: Option<SandboxId>,
    },
    /// Freezes everything of a running sandbox but its agent. Idempotent. Answered when nothing of it runs any more;
    /// after a failure it runs on.
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
    /// Makes a TCP socket in the network of a running sandbox and begins to connect it to this port of `127.0.0.1` there.
    Dial {
        /// Whose network.
        sandbox: SandboxId,
        /// Port inside.
        port: NonZeroU16,
    },
    /// Makes a socket in the network of the first process of a container on this machine, and connects it to the agent there
    /// ([`agent_socket_name`]). That process itself must be who listens.
    DialAgent {
        /// The number of the process, on this machine.
        process: NonZeroU32,
        /// The agent's socket, which nobody has the name of who is not of that container.
        socket: AgentSocketId,
    },
    /// Puts the rules in place that keep what is on the installation's bridges of Docker ([`bridge_prefix`]) from the host and from each
    /// other, and lets it ask for names. Idempotent.
    GuardBridges,
}

/// A sandbox to start. What is not here, the launcher decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartSandbox {
    /// Its id; every name on the host is made of it and the installation's.
    pub sandbox: SandboxId,
    /// Its range of host uids, see [`uid_base`].
    pub uid_slot: u32,
    /// Where its root comes from.
    pub image: ImageSource,
    /// What it may use; checked against the launcher's own bounds.
    pub limits: Limits,
    /// What it may reach.
    pub network: Network,
    /// Capabilities inside.
    pub capabilities: Capabilities,
    /// Whether the root is read-only.
    pub read_only_root: bool,
}

/// From the launcher to serve.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromLauncher {
    /// Answer to a request.
    Reply(Reply),
    /// The agent of a sandbox ended without being asked to. Sent once to every connection.
    Exited {
        /// Whose.
        sandbox: SandboxId,
    },
}

/// Answer to a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reply {
    /// The request's.
    pub id: u64,
    /// What came of it.
    pub result: Result<Answer, Failure>,
}

/// What came of a request that succeeded.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To `Hello`.
    Hello {
        /// [`PROTOCOL_VERSION`] of the launcher.
        version: u32,
        /// Whose sandboxes these are.
        installation: InstallationId,
        /// 1 or 2.
        cgroup_version: u32,
        /// Whether disk limits hold here (btrfs with quotas).
        disk_limits: bool,
    },
    /// To `Start`: it runs and its agent's socket accepts connections.
    Started {
        /// Whether its layer had not been closed properly before, as after a crash of the host.
        dirty: bool,
    },
    /// To `Stop`, `Remove`, `RemoveImage`, `Pause`, `Resume`, `GuardBridges`.
    Done,
    /// To `List`: a page in the order of ids.
    Sandboxes {
        /// At most a few hundred.
        sandboxes: Vec<Found>,
        /// Whether there are more after the last.
        more: bool,
    },
    /// To `ImportImage`.
    Imported {
        /// SHA-256 of the archive.
        digest: ImageDigest,
        /// Bytes of its files.
        bytes: u64,
        /// What the image says of itself; nothing where the archive was that of a root file system.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        config: Option<Box<ImageConfig>>,
    },
    /// To `ExportImage`.
    Exported {
        /// SHA-256 of the layer as it is in the file.
        digest: ImageDigest,
        /// SHA-256 of the layer, decompressed.
        diff_id: ImageDigest,
        /// Bytes of the layer in the file.
        bytes: u64,
    },
    /// To `ListImages`: a page in the order of digests.
    Images {
        /// At most a few hundred.
        digests: Vec<ImageDigest>,
        /// What they take, in the same order. Launchers before this field kept each image as a whole.
        #[serde(default)]
        sizes: Vec<ImageSize>,
        /// Whether there are more after the last.
        more: bool,
    },
    /// To `KnownLayers`.
    KnownLayers {
        /// As many as are here without a gap.
        count: u32,
    },
    /// To `Storage`.
    Storage {
        /// Bytes that sandboxes can still use.
        free_bytes: u64,
        /// Size, in bytes.
        total_bytes: u64,
        /// Whether creates are refused because the reserve is touched.
        full: bool,
    },
    /// To `Audit`: a page in the order of ids.
    Audit {
        /// At most a few hundred.
        remains: Vec<Remains>,
        /// Whether there are more after the last.
        more: bool,
        /// Removed folders and groups that wait to be collected; 0 a moment after the last removal.
        trash: u32,
    },
    /// To `Usage`.
    Usage(Usage),
    /// To `Dial`: the socket is beside it, non-blocking. It is still being connected: that it is writable tells the end,
    /// its pending error how.
    Dialing,
    /// To `DialAgent`: the socket is beside it, non-blocking and connected.
    Dialed,
}

/// What the files of an image take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSize {
    /// Bytes of its layers that other images have too.
    pub shared_bytes: u64,
    /// Bytes that go when it is removed.
    pub unique_bytes: u64,
}

/// A sandbox as the kernel holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Which.
    pub sandbox: SandboxId,
    /// Whether its agent lives.
    pub running: bool,
    /// Its range of host uids, where known.
    pub uid_slot: Option<u32>,
    /// Whether everything but its agent is frozen. Launchers before this field froze nothing.
    #[serde(default)]
    pub paused: bool,
}

/// What is on the host of one sandbox. Its mounts and namespaces live and die with its process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remains {
    /// Which.
    pub sandbox: SandboxId,
    /// Whether its agent lives.
    pub process: bool,
    /// Control groups.
    pub cgroups: u32,
    /// Whether its agent's socket is there.
    pub socket: bool,
    /// Whether its files are.
    pub files: bool,
    /// Whether everything but its agent is frozen. Launchers before this field froze nothing.
    #[serde(default)]
    pub paused: bool,
}

/// Why a request failed, and at which step: one word for programs, a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What failed, for the operator.
    pub message: String,
}

/// Kinds of failure that serve acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The request is malformed or beyond a bound.
    Invalid,
    /// The image or sandbox does not exist.
    NotFound,
    /// The uid range is another sandbox's, or the image is in use.
    Conflict,
    /// The reserve of the storage is touched.
    DiskFull,
    /// The archive is malformed, or larger than allowed.
    BadArchive,
    /// A system call failed.
    System,
}
