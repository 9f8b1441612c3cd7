//! The house as a table: which crate lives on which floor, and what may be kept in which room only.
//!
//! `ARCHITECTURE.md` explains it; this is what is enforced. A new crate gets a line here first.

/// Where a crate lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floor {
    /// A floor of the product; imports come from strictly lower floors.
    Layer(u8),
    /// Tools and tests: they may import anything, and nothing that ships may import them.
    Tools,
}

use Floor::{Layer, Tools};

/// Every crate of the workspace.
pub(crate) const FLOORS: &[(&str, Floor)] = &[
    ("atoll-types", Layer(0)),
    ("atoll-api-types", Layer(1)),
    ("atoll-agent-protocol", Layer(1)),
    ("atoll-launcher-protocol", Layer(1)),
    ("atoll-broker-protocol", Layer(1)),
    ("atoll-stdio-link", Layer(1)),
    ("atoll-lifecycle", Layer(2)),
    ("atoll-policy", Layer(2)),
    ("atoll-oci", Layer(2)),
    ("atoll-build-context", Layer(2)),
    ("atoll-ports", Layer(3)),
    ("atoll-tasks", Layer(3)),
    ("atoll-packets", Layer(3)),
    ("atoll-store", Layer(4)),
    ("atoll-exec-log", Layer(4)),
    ("atoll-clock", Layer(4)),
    ("atoll-host-ports", Layer(4)),
    ("atoll-seal", Layer(4)),
    ("atoll-images", Layer(4)),
    ("atoll-runtime-native", Layer(4)),
    ("atoll-runtime-docker", Layer(4)),
    ("atoll-agent-client", Layer(4)),
    ("atoll-engine", Layer(5)),
    ("atoll-http", Layer(6)),
    ("atoll-client", Layer(6)),
    ("atoll-doctor", Layer(6)),
    ("atoll-supervisor", Layer(6)),
    ("atoll-launcher", Layer(6)),
    // Below the other programs, as the broker reads archives by it.
    ("atoll-unpack", Layer(5)),
    ("atoll-egress", Layer(6)),
    ("atoll-broker", Layer(6)),
    ("atoll-agent", Layer(6)),
    ("atoll-server", Layer(7)),
    ("atoll-cli", Layer(8)),
    ("atoll-testkit", Tools),
    ("atoll-bench", Tools),
    ("atoll-system-tests", Tools),
    ("xtask", Tools),
];

/// A family of foreign crates that only some rooms may use.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The crate itself, or with a following `-` any of its relatives.
    pub(crate) family: &'static str,
    pub(crate) rooms: &'static [&'static str],
    pub(crate) reason: &'static str,
}

/// Foreign crates that are kept in their rooms. Tools are free.
pub(crate) const KEPT: &[Kept] = &[
    Kept { family: "sea-orm", rooms: &["atoll-store"], reason: "SQL lives in the store only" },
    Kept { family: "sqlx", rooms: &["atoll-store"], reason: "SQL lives in the store only" },
    Kept { family: "rusqlite", rooms: &["atoll-store"], reason: "SQL lives in the store only" },
    Kept {
        family: "axum",
        rooms: &["atoll-http", "atoll-server"],
        reason: "HTTP lives at the edge only; the engine must be usable without it",
    },
    Kept {
        family: "utoipa",
        rooms: &["atoll-api-types", "atoll-http"],
        reason: "the schema is made from the bodies and the routes only",
    },
    Kept { family: "aws-lc-rs", rooms: &["atoll-seal"], reason: "keys are handled in one place" },
    Kept {
        family: "tonic",
        rooms: &["atoll-agent-protocol", "atoll-agent-client", "atoll-agent"],
        reason: "gRPC is spoken with agents only",
    },
    Kept {
        family: "bollard",
        rooms: &["atoll-broker"],
        reason: "who speaks with Docker is as good as root: only the broker does",
    },
    Kept {
        family: "seccompiler",
        rooms: &["atoll-launcher"],
        reason: "only the launcher installs system call filters",
    },
    Kept {
        family: "anyhow",
        rooms: &["atoll-cli", "atoll-server", "atoll-supervisor", "atoll-unpack"],
        reason: "libraries have typed errors; anyhow is for programs",
    },
];

/// Where `unsafe_code` may be allowed, by path prefix from the workspace root, and why.
pub(crate) const UNSAFE_ROOMS: &[(&str, &str)] = &[
    ("crates/launcher/", "makes namespaces: clone3, mounts, capabilities"),
    ("crates/launcher-protocol/src/", "descriptors arrive as raw numbers"),
    ("crates/supervisor/", "fork, exec, subreaper, change of user"),
    ("crates/agent/src/sys", "PID 1: fork, exec, wait, change of user inside the sandbox"),
    ("bench/src/", "the floor program makes a sandbox with raw system calls"),
];
