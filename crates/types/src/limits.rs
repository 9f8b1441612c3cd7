//! What a sandbox may use. Every number has a unit in its name.

use serde::{Deserialize, Serialize};

/// Bounds of inputs and resources: each with its unit and its reason.
pub mod bounds {
    /// Least memory of a sandbox, in MiB: an interpreter needs about that much to start.
    pub const MEMORY_MIB_MIN: u64 = 16;
    /// Most memory of a sandbox, in MiB: 1 TiB, beyond any machine this runs on; the quota is the real bound.
    pub const MEMORY_MIB_MAX: u64 = 1 << 20;
    /// Least CPU, in thousandths of a core: the kernel's shortest quota is 1 ms in a period of 100 ms.
    pub const CPU_MILLIS_MIN: u32 = 10;
    /// Most CPU, in thousandths of a core.
    pub const CPU_MILLIS_MAX: u32 = 256_000;
    /// Least disk, in MiB: what an overlay and a few files need.
    pub const DISK_MIB_MIN: u64 = 16;
    /// Most disk, in MiB: 16 TiB.
    pub const DISK_MIB_MAX: u64 = 1 << 24;
    /// Fewest processes: a shell with a pipeline.
    pub const PIDS_MIN: u32 = 8;
    /// Most processes: the size of a PID namespace by default.
    pub const PIDS_MAX: u32 = 32_768;
    /// Fewest open files of a process: the agent lives under the same limit, and holds a few for each command.
    pub const OPEN_FILES_MIN: u64 = 1_024;
    /// Open files of a process, hard limit: what build tools and servers ask for at most.
    pub const OPEN_FILES: u64 = 65_536;
    /// Fastest bound of a network, in megabits a second: no link of these machines carries more.
    pub const BANDWIDTH_MBIT_MAX: u32 = 100_000;
    /// Longest name of a sandbox, in characters: fits a table column and a label value.
    pub const NAME_CHARS_MAX: usize = 63;
    /// Most labels of one resource.
    pub const LABELS_MAX: usize = 32;
    /// Longest label key or value, in bytes.
    pub const LABEL_BYTES_MAX: usize = 63;
    /// Most arguments of a command.
    pub const ARGS_MAX: usize = 4_096;
    /// All arguments together, in bytes: the kernel takes 2 MiB with the environment, execve's own limit.
    pub const ARGS_BYTES_MAX: usize = 1 << 20;
    /// Most environment variables.
    pub const ENV_MAX: usize = 1_024;
    /// All environment variables together, in bytes.
    pub const ENV_BYTES_MAX: usize = 256 << 10;
    /// Longest path, in bytes: the kernel's PATH_MAX less its NUL.
    pub const PATH_BYTES_MAX: usize = 4_095;
    /// Standard input given with the request of an exec, in bytes; more goes through the stdin endpoint.
    pub const STDIN_BYTES_MAX: usize = 1 << 20;
    /// Longest time limit of an exec, in seconds: a day.
    pub const EXEC_TIMEOUT_SECONDS_MAX: u32 = 86_400;
    /// Longest life of a sandbox, in seconds: a year.
    pub const TTL_SECONDS_MAX: u64 = 365 * 86_400;
    /// Most GPUs of a sandbox: far more than any machine has.
    pub const GPUS_MAX: u32 = 64;
    /// Longest id of a GPU, in bytes: those of parts of GPUs have 40 to 50.
    pub const GPU_ID_BYTES_MAX: usize = 64;
    /// Most ports that one sandbox publishes: each is an open socket of the server, and few services have more than a handful.
    pub const PORTS_MAX: usize = 16;
    /// Most environments of a user: a person looks through that many, and each may be some hundred KiB of variables.
    pub const ENVIRONMENTS_MAX: u64 = 100;
    /// Most versions of an environment: one a day for three years; more is a program that should use overrides.
    pub const ENVIRONMENT_VERSIONS_MAX: u32 = 1_000;
    /// Longest key of a request that may come again, in bytes: as others have it.
    pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
    /// Longest name of a secret, in bytes: a variable's name that people still read.
    pub const SECRET_NAME_BYTES_MAX: usize = 128;
    /// Longest value of a secret, in bytes: a chain of certificates with its key; the kernel takes a variable of 128 KiB.
    pub const SECRET_BYTES_MAX: usize = 32 << 10;
    /// Most sandboxes that one request makes.
    pub const COUNT_MAX: u32 = 100;
    /// Most sandboxes of one kind that are kept ready: each is 1 MiB of memory and a range of user ids, and a burst of more is
    /// rare.
    pub const WARM_POOL_MAX: u32 = 100;
    /// Longest request body of JSON, in bytes: an exec with its standard input in base64 fits.
    pub const JSON_BODY_BYTES_MAX: usize = 4 << 20;
    /// Most background jobs of a sandbox: a quarter of the commands that an agent holds at once, so that other commands
    /// have room.
    pub const JOBS_MAX: usize = 64;
    /// Runs that a job remembers: enough to see a crash loop, few enough to be a part of its record.
    pub const JOB_RUNS_MAX: usize = 10;
    /// Shortest wait before a job starts again, in milliseconds.
    pub const JOB_BACKOFF_MS_MIN: u32 = 100;
    /// Shortest bound of the waits before a job starts again, in milliseconds: one that fails at once for ever starts once a
    /// second at most.
    pub const JOB_BACKOFF_CAP_MS_MIN: u32 = 1_000;
    /// Longest wait before a job starts again, in milliseconds: an hour.
    pub const JOB_BACKOFF_MS_MAX: u32 = 3_600_000;
    /// Longest time between two runs of a health check, of one run, and of its start period, in seconds: an hour is no check any
    /// more.
    pub const HEALTH_SECONDS_MAX: u32 = 3_600;
    /// Most failures in a row before a sandbox is unhealthy: more only hide that it is.
    pub const HEALTH_RETRIES_MAX: u32 = 100;
    /// Longest command of a health check, in bytes: its sandbox's record carries it, and every list shows it.
    pub const HEALTH_COMMAND_BYTES_MAX: usize = 4 << 10;
    /// Longest wait for a sandbox to be healthy, in seconds: as long as clients keep a connection that says nothing.
    pub const HEALTH_WAIT_SECONDS_MAX: u32 = 300;
    /// Most restarts in a row that a job may be given; one that is given no number has no such bound.
    pub const JOB_RETRIES_MAX: u32 = 10_000;
}

/// Resources of one sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Memory of all its processes, page cache included, in bytes.
    pub memory_bytes: u64,
    /// CPU time, in thousandths of a core.
    pub cpu_millis: u32,
    /// Processes and threads at once.
    pub pids: u32,
    /// Size of its writable layer, in bytes.
    pub disk_bytes: u64,
    /// Open files of one process.
    pub open_files: u64,
    /// What its network carries each way, in megabits (10⁶ bits) a second; 0: as much as it can.
    #[serde(default)]
    pub bandwidth_mbit: u32,
}

impl Default for Limits {
    /// One core, 512 MiB of memory, 2 GiB of disk and 512 processes: a small build fits, and the default quota has eight that are up.
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            cpu_millis: 1_000,
            pids: 512,
            disk_bytes: 2 << 30,
            open_files: bounds::OPEN_FILES,
            bandwidth_mbit: 0,
        }
    }
}
