//! What a sandbox is to be: the fields that a request for a sandbox and an environment share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{CommandBody, Gpus, HealthCheck, PublishPort, WarmPool};

/// A struct with fields of its own and those of [`Definition`]. Not by `flatten`, with which serde cannot refuse a field
/// that it does not know.
macro_rules! defined {
    ($(#[$meta:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($own)*
            /// Image; the server's default when nothing says.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schema(example = "host")]
            pub image: Option<String>,
            /// `native`, `docker` or `gvisor`, or `auto` for what `isolation` asks for; `native` when nothing says. No other takes the
            /// place of one that is missing.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub runtime: Option<String>,
            /// `standard`, or `strong`: not the host's kernel answers its system calls, which is the runtime `gvisor`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub isolation: Option<String>,
            /// Cores, 0.01 to 256.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schema(example = 1)]
            pub cpu: Option<f64>,
            /// Memory in MiB.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schema(example = 256)]
            pub memory: Option<u64>,
            /// Size of the writable layer in MiB.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub disk: Option<u64>,
            /// Processes and threads at once.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub pids: Option<u32>,
            /// Open files of one process, 1,024 to 65,536.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub open_files: Option<u64>,
            /// What its network carries each way, in megabits a second, at most 100,000; 0: as much as it can.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub bandwidth: Option<u32>,
            /// `none`, or `all`: the Internet, but no private, host or metadata addresses.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub network: Option<String>,
            /// GPUs of the host: `none`, `all`, a number, or a list of ids; only with the runtime `docker`, and where the operator allows it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub gpus: Option<Gpus>,
            /// Variables of every process.
            #[serde(default, deserialize_with = "crate::unique::map", skip_serializing_if = "BTreeMap::is_empty")]
            pub env: BTreeMap<String, String>,
            /// Program, with arguments, that gets the command as further arguments; an empty list: none.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub entrypoint: Option<Vec<String>>,
            /// Main process, or the arguments of the entry point; its output is the sandbox's log.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub command: Option<CommandBody>,
            /// Where processes begin, absolute; the user's home when nothing says.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub cwd: Option<String>,
            /// User of execs and of the main process; `agent` when nothing says.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub user: Option<String>,
            /// `standard` or `none`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub capabilities: Option<String>,
            /// Whether the root is read-only.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub read_only_root: Option<bool>,
            /// For filters; at most 32.
            #[serde(default, deserialize_with = "crate::unique::map", skip_serializing_if = "BTreeMap::is_empty")]
            pub labels: BTreeMap<String, String>,
            /// Life time in seconds.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schema(example = 3600)]
            pub ttl_seconds: Option<u64>,
            /// What the end of the life time does: `delete` or `stop`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub on_expiry: Option<String>,
            /// Seconds without activity after which it stops; 0: never; the server's `idleTtl` when nothing says.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub idle_ttl_seconds: Option<u64>,
            /// Ports to publish on the host while it runs; at most 16, no port inside twice.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub ports: Option<Vec<PublishPort>>,
            /// What tells whether it works, as OCI's HEALTHCHECK.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub health_check: Option<HealthCheck>,
        }
    };
}

macro_rules! body {
    ($name:ident $(, $own:ident)* $(; without $other:ident)*) => {
        impl $name {
            /// What it says about the sandbox.
            #[must_use]
            pub fn into_definition(self) -> Definition {
                Definition {
                    image: self.image,
                    runtime: self.runtime,
                    isolation: self.isolation,
                    cpu: self.cpu,
                    memory: self.memory,
                    disk: self.disk,
                    pids: self.pids,
                    open_files: self.open_files,
                    bandwidth: self.bandwidth,
                    network: self.network,
                    gpus: self.gpus,
                    env: self.env,
                    entrypoint: self.entrypoint,
                    command: self.command,
                    cwd: self.cwd,
                    user: self.user,
                    capabilities: self.capabilities,
                    read_only_root: self.read_only_root,
                    labels: self.labels,
                    ttl_seconds: self.ttl_seconds,
                    on_expiry: self.on_expiry,
                    idle_ttl_seconds: self.idle_ttl_seconds,
                    ports: self.ports,
                    health_check: self.health_check,
                    $($own: self.$own,)*
                    $($other: None,)*
                }
            }
        }
    };
}

defined! {
    /// What a sandbox is to be, where it says so.
    #[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
    Definition {
        /// Of an environment: how many of its sandboxes are kept ready.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub warm_pool: Option<WarmPool>,
    }
}

defined! {
    /// Body of `POST /sandboxes`. Every field may be absent: then the environment's counts, and then the default.
    #[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    CreateSandbox {
        /// Name for people, 1 to 63 characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub name: Option<String>,
        /// Environment to make it of; the other fields are laid over what that says, variables and labels one by one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub environment_id: Option<String>,
        /// Version of the environment; its newest when absent.
        #[serde(default, alias = "version", skip_serializing_if = "Option::is_none")]
        pub environment_version: Option<u32>,
        /// How many to make, 1 to 100; then the answer is a list.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub count: Option<u32>,
        /// `healthy`: answer only when its health check says so. One that is unhealthy, or not healthy in time, is kept, and the
        /// answer is the error `sandbox_not_healthy`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub wait_for: Option<String>,
        /// Seconds to wait for that, 1 to 300; 60 when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub wait_seconds: Option<u32>,
    }
}
body!(CreateSandbox; without warm_pool);

defined! {
    /// Body of `POST /sandboxes/:id/replicate`: what is to be otherwise than in the sandbox that is replicated.
    #[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    ReplicateSandbox {
        /// Name for people, 1 to 63 characters; none when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub name: Option<String>,
    }
}
body!(ReplicateSandbox; without warm_pool);

defined! {
    /// Body of `POST /environments`: a name, and what its sandboxes are to be.
    #[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    EnvironmentBody {
        /// Name for people, 1 to 63 characters; not unique.
        #[schema(example = "nginx-demo")]
        pub name: String,
        /// How many of its sandboxes are kept ready: a create of it that changes nothing of what they are made with takes one at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub warm_pool: Option<WarmPool>,
    }
}
body!(EnvironmentBody, warm_pool);

defined! {
    /// Body of `PUT /environments/:id`: the whole of the next version. What is absent is not taken from the one before.
    #[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    UpdateEnvironment {
        /// Name of the environment from now on; the same when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub name: Option<String>,
        /// How many of its sandboxes are kept ready.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub warm_pool: Option<WarmPool>,
    }
}
body!(UpdateEnvironment, warm_pool);
