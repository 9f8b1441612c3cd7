//! The table of all keys.

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// Its variables; the first that is set counts.
    pub variables: &'static [&'static str],
    /// Its flag, without the dashes. Secrets have none: everybody on the machine sees the flags of a process.
    pub flag: Option<&'static str>,
    /// What it is when nobody says.
    pub default: &'static str,
    /// What it means.
    pub help: &'static str,
    /// Whether the flag alone means `true`.
    pub is_switch: bool,
}

impl Key {
    /// Whether its value is never shown.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        self.flag.is_none()
    }
}

const fn key(
    name: &'static str,
    variables: &'static [&'static str],
    flag: &'static str,
    default: &'static str,
    help: &'static str,
) -> Key {
    Key { name, variables, flag: Some(flag), default, help, is_switch: false }
}

const fn secret(
    name: &'static str,
    variables: &'static [&'static str],
    default: &'static str,
    help: &'static str,
) -> Key {
    Key { name, variables, flag: None, default, help, is_switch: false }
}

/// Every setting.
pub const KEYS: &[Key] = &[
    key(
        "dataDir",
        &["ATOLL_DATA_DIR"],
        "data-dir",
        "/var/lib/atoll",
        "Folder of everything that Atoll keeps.",
    ),
    key(
        "host",
        &["ATOLL_HOST", "HOST"],
        "host",
        "127.0.0.1",
        "Address to listen on, for the API and for published ports: an IP address, or localhost.",
    ),
    key("port", &["ATOLL_PORT", "PORT"], "port", "3001", "Port of the API; 0: any that is free."),
    key(
        "publicUrl",
        &["ATOLL_PUBLIC_URL", "PUBLIC_URL"],
        "public-url",
        "http://HOST:PORT",
        "Address at which clients reach this server.",
    ),
    key("auth", &["ATOLL_AUTH"], "auth", "token", "token; or none: one user, no tokens, on loopback only."),
    key("tokenTtl", &["ATOLL_TOKEN_TTL"], "token-ttl", "1h", "Life of a log-in's token; it is refreshed."),
    key(
        "sessionTtl",
        &["ATOLL_SESSION_TTL"],
        "session-ttl",
        "30d",
        "Time without a refresh after which a log-in is over.",
    ),
    key(
        "trustedProxies",
        &["ATOLL_TRUSTED_PROXIES"],
        "trusted-proxies",
        "none",
        "Addresses or networks of proxies whose X-Forwarded-For is believed, with commas between.",
    ),
    key(
        "rateLimitAnonymous",
        &["ATOLL_RATE_LIMIT_ANONYMOUS"],
        "rate-limit-anonymous",
        "100/1m",
        "Requests of a network (an IPv4 address, an IPv6 /64) without a token; off: no limit.",
    ),
    key(
        "rateLimitAuth",
        &["ATOLL_RATE_LIMIT_AUTH"],
        "rate-limit-auth",
        "20/15m",
        "Sign-ups and log-ins of a network; off: no limit.",
    ),
    key(
        "rateLimitUser",
        &["ATOLL_RATE_LIMIT_USER"],
        "rate-limit-user",
        "100/1s burst 1000",
        "Requests of an account; off: no limit.",
    ),
    key(
        "corsOrigins",
        &["ATOLL_CORS_ORIGINS", "CORS_ORIGINS"],
        "cors-origins",
        "none",
        "Other sites whose pages may use the API, such as https://app.example.com, with commas between.",
    ),
    key(
        "adminEmail",
        &["ATOLL_ADMIN_EMAIL"],
        "admin-email",
        "admin@localhost",
        "Address of the first account, made at the first start.",
    ),
    secret(
        "adminPassword",
        &["ATOLL_ADMIN_PASSWORD"],
        "made, and printed once",
        "Password of the first account.",
    ),
    secret(
        "jwtSecret",
        &["ATOLL_JWT_SECRET", "JWT_SECRET"],
        "made, and kept in the data folder",
        "Secret that signs tokens, at least 32 bytes.",
    ),
    secret(
        "secretsMasterKey",
        &["ATOLL_SECRETS_MASTER_KEY", "SECRETS_MASTER_KEY"],
        "made, and kept in the data folder",
        "Master key of secrets, 32 bytes in base64; after commas older ones, which only open.",
    ),
    Key {
        name: "sessions.enabled",
        variables: &["ATOLL_SESSIONS"],
        flag: Some("sessions"),
        default: "false",
        help: "Whether there are public sessions: anonymous sandboxes for a web page.",
        is_switch: true,
    },
    Key {
        name: "sessions.allowNative",
        variables: &["ATOLL_SESSIONS_ALLOW_NATIVE"],
        flag: Some("sessions-allow-native"),
        default: "false",
        help: "Whether public sessions may share the host's kernel where there is no gVisor.",
        is_switch: true,
    },
    key(
        "sessions.origins",
        &["ATOLL_SESSIONS_ORIGINS", "FRONTEND_ORIGIN"],
        "sessions-origins",
        "none",
        "Sites whose pages may begin public sessions, such as https://app.example.com, with commas between.",
    ),
    key(
        "sessions.image",
        &["ATOLL_SESSIONS_IMAGE"],
        "sessions-image",
        "that of defaultImage",
        "Image of public sessions.",
    ),
    key(
        "sessions.max",
        &["ATOLL_SESSIONS_MAX"],
        "sessions-max",
        "50",
        "Public sessions at once, of everybody.",
    ),
    key(
        "sessions.perAddress",
        &["ATOLL_SESSIONS_PER_ADDRESS"],
        "sessions-per-address",
        "2",
        "Public sessions at once of a network (an IPv4 address, an IPv6 /64) without a class link.",
    ),
    key(
        "sessions.rate",
        &["ATOLL_SESSIONS_RATE"],
        "sessions-rate",
        "10/1h",
        "Public sessions that a network without a class link begins; off: no limit.",
    ),
    key(
        "sessions.commands",
        &["ATOLL_SESSIONS_COMMANDS"],
        "sessions-commands",
        "60/1m",
        "Lines that are entered at the terminal of a public session; off: no limit.",
    ),
    key(
        "sessions.idleTtl",
        &["ATOLL_SESSIONS_IDLE_TTL"],
        "sessions-idle-ttl",
        "5m",
        "Time without activity after which a public session is destroyed.",
    ),
    key("sessions.ttl", &["ATOLL_SESSIONS_TTL"], "sessions-ttl", "30m", "Life of a public session."),
    key(
        "defaultImage",
        &["ATOLL_DEFAULT_IMAGE"],
        "default-image",
        "host",
        "Image of sandboxes that name none.",
    ),
    key(
        "idleTtl",
        &["ATOLL_IDLE_TTL"],
        "idle-ttl",
        "15m",
        "Time without activity after which a sandbox stops, where it does not say; 0: never.",
    ),
    key(
        "sandboxesPerUser",
        &["ATOLL_SANDBOXES_PER_USER"],
        "sandboxes-per-user",
        "20",
        "Sandboxes that a user may have at once.",
    ),
    key(
        "cpuPerUser",
        &["ATOLL_CPU_PER_USER"],
        "cpu-per-user",
        "8",
        "Cores of a user's sandboxes that are up, all together.",
    ),
    key(
        "memoryPerUser",
        &["ATOLL_MEMORY_PER_USER"],
        "memory-per-user",
        "16GiB",
        "Memory of a user's sandboxes that are up, all together.",
    ),
    key(
        "storagePerUser",
        &["ATOLL_STORAGE_PER_USER"],
        "storage-per-user",
        "20GiB",
        "Disk of all sandboxes of a user, by what they may take.",
    ),
    key(
        "egressPerUser",
        &["ATOLL_EGRESS_PER_USER"],
        "egress-per-user",
        "50GiB",
        "Bytes that a user's sandboxes send in a month.",
    ),
    key(
        "execsPerHourPerUser",
        &["ATOLL_EXECS_PER_HOUR_PER_USER"],
        "execs-per-hour-per-user",
        "10000",
        "Commands that a user starts in an hour.",
    ),
    key(
        "execsPerHourPerSandbox",
        &["ATOLL_EXECS_PER_HOUR_PER_SANDBOX"],
        "execs-per-hour-per-sandbox",
        "3600",
        "Commands that are started in one sandbox in an hour.",
    ),
    key(
        "auditRetention",
        &["ATOLL_AUDIT_RETENTION"],
        "audit-retention",
        "90d",
        "Age at which entries of the audit log are removed.",
    ),
    key(
        "auditEntries",
        &["ATOLL_AUDIT_ENTRIES"],
        "audit-entries",
        "2000000",
        "Entries of the audit log that are kept at most, some 500 bytes each.",
    ),
    Key {
        name: "asyncExec",
        variables: &["ATOLL_ASYNC_EXEC"],
        flag: Some("async-exec"),
        default: "false",
        help: "Whether execs answer at once unless the request says otherwise.",
        is_switch: true,
    },
    key(
        "execRetention",
        &["ATOLL_EXEC_RETENTION"],
        "exec-retention",
        "24h",
        "Age at which ended execs and their output are removed.",
    ),
    key(
        "maxImageSize",
        &["ATOLL_MAX_IMAGE_SIZE"],
        "max-image-size",
        "20GiB",
        "Size that an image may have, packed and unpacked.",
    ),
    key(
        "imageBuilds",
        &["ATOLL_IMAGE_BUILDS"],
        "image-builds",
        "admin",
        "Who may build images from Dockerfiles, where Docker is: off (nobody), admin, or all who may import images. What a build runs is in a container of Docker's, which is a weaker wall than a sandbox.",
    ),
    key(
        "imageBuildTime",
        &["ATOLL_IMAGE_BUILD_TIME"],
        "image-build-time",
        "30m",
        "How long a build may take, at most 6h.",
    ),
    key(
        "defaultRegistry",
        &["ATOLL_DEFAULT_REGISTRY"],
        "default-registry",
        "none",
        "Registry of images that name none: a host, and after a slash what comes before names of one word.",
    ),
    key(
        "insecureRegistries",
        &["ATOLL_INSECURE_REGISTRIES"],
        "insecure-registries",
        "none",
        "Registries that are used without TLS, such as localhost:5000, with commas between.",
    ),
    key(
        "registries",
        &["ATOLL_REGISTRIES"],
        "registries",
        "public",
        "Registries that may be used, with commas between; public are all that have an address outside of private networks.",
    ),
    key(
        "registryAuthFile",
        &["ATOLL_REGISTRY_AUTH_FILE"],
        "registry-auth-file",
        "none",
        "File with credentials for registries, as Docker writes it; the server's user must be able to read it.",
    ),
    key(
        "warmPool",
        &["ATOLL_WARM_POOL"],
        "warm-pool",
        "0",
        "Sandboxes with the default image and limits that are kept ready: a number, or two such as 2-16, between which the \
         demand decides.",
    ),
    key(
        "warmPoolMax",
        &["ATOLL_WARM_POOL_MAX"],
        "warm-pool-max",
        "16",
        "Sandboxes that are kept ready for environments with a warmPool, of all users together; those of the oldest environments \
         first. Each takes a MiB of memory and a range of user ids.",
    ),
    key(
        "logLevel",
        &["ATOLL_LOG_LEVEL"],
        "log-level",
        "info",
        "error, warn, info, debug or trace; or by part, as in info,atoll_engine=debug.",
    ),
    key(
        "logFormat",
        &["ATOLL_LOG_FORMAT"],
        "log-format",
        "auto",
        "text, json, or auto: text on a terminal, else json.",
    ),
    key(
        "dockerHost",
        &["ATOLL_DOCKER_HOST", "DOCKER_HOST"],
        "docker-host",
        "auto",
        "Docker Engine for the runtimes docker and gvisor: a socket's path, unix:///PATH, tcp://ADDRESS:PORT; auto: /var/run/docker.sock where it is; or off.",
    ),
    key(
        "dockerSubnets",
        &["ATOLL_DOCKER_SUBNETS"],
        "docker-subnets",
        "10.212.0.0/14",
        "Private addresses that networks of sandboxes in Docker are cut from; those that Docker or this machine uses are left out.",
    ),
    key(
        "dockerSubnetSize",
        &["ATOLL_DOCKER_SUBNET_SIZE"],
        "docker-subnet-size",
        "28",
        "Size of the network of one sandbox in Docker, as the length of its prefix: from 24 (256 addresses) to 28 (16).",
    ),
    key(
        "dockerGpus",
        &["ATOLL_DOCKER_GPUS"],
        "docker-gpus",
        "off",
        "allowed: every user may give sandboxes of the runtime docker GPUs of its host, which then share their driver; or off.",
    ),
    key(
        "cgroupMoves",
        &["ATOLL_CGROUP_MOVES"],
        "cgroup-moves",
        "cheap",
        "cheap: sets favordynmods of cgroup2 on the host (Linux 6.0), without which a create after a pause waits 10 ms and more, and with which forks of all programs take some nanoseconds longer; or as-is.",
    ),
    key(
        "requestLog",
        &["ATOLL_REQUEST_LOG"],
        "request-log",
        "file",
        "file: a line of JSON for each request, in serve/logs of the data folder, 64 MiB at most; or off.",
    ),
    Key {
        name: "perSandboxMetrics",
        variables: &["ATOLL_PER_SANDBOX_METRICS"],
        flag: Some("per-sandbox-metrics"),
        default: "false",
        help: "Whether the metrics count execs by sandbox and command, up to 1,000 of them.",
        is_switch: true,
    },
    key(
        "otlpEndpoint",
        &["ATOLL_OTLP_ENDPOINT"],
        "otlp-endpoint",
        "off",
        "Collector of OpenTelemetry that is sent a span for each request, over HTTP; such as http://127.0.0.1:4318.",
    ),
];

/// Variables that begin like ours and are no settings of the server: of the command line's client, of the programs among
/// themselves, and of tests.
pub(super) const OTHER_VARIABLES: &[&str] = &[
    "ATOLL_CONFIG",
    "ATOLL_CONFIG_CONTENT",
    "ATOLL_DATA_FD",
    "ATOLL_FAULT_ROUNDS",
    "ATOLL_INSTALLATION",
    "ATOLL_LIBEXEC",
    "ATOLL_LISTEN_FD",
    "ATOLL_ROLE",
    "ATOLL_RUN_FD",
    "ATOLL_TOKEN",
    "ATOLL_URL",
];

/// The row of a name.
pub(super) fn by_name(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
