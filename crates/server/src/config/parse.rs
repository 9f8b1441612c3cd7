//! From text to settings.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use atoll_engine::BUILD_TIME_MAX;
use atoll_http::RateLimits;
use atoll_images::{Allowed, DefaultRegistry, Host};
use atoll_seal::MasterKey;
use atoll_types::{Email, ImageBuilds, ImageName, PoolSize, Quota, bounds};
use ipnet::{IpNet, Ipv4Net};
use tracing_subscriber::EnvFilter;

use super::gather::{Gathered, Given};
use super::keys::by_name;
use super::units::{DURATION, RATE, SIZE, duration, rate, size};
use super::{ConfigError, Key, SessionConfig};

/// Least and most life of a token: one that ends at once helps nobody, and one of a year cannot be taken back.
const TOKEN_TTL: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(90 * 86_400);
/// Longest idle time and retention: a year.
const LONG: Duration = Duration::from_secs(365 * 86_400);
/// Least and most age of entries of the audit log: ten years.
const AUDIT_RETENTION: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(3_600)..=Duration::from_secs(3_650 * 86_400);
/// Shortest secret of tokens, in bytes: as many as the hash has.
const SECRET_BYTES_MIN: usize = 32;
/// What a size of a pool looks like.
const POOL: &str = "a number such as 8, or two such as 2-16, of at most 100";
/// Shortest password, in characters.
const PASSWORD_CHARS_MIN: usize = 8;

/// What a registry looks like, and several.
const REGISTRY: &str = "a host such as registry.example.com, perhaps with /PREFIX, or none";
const REGISTRIES: &str = "hosts such as localhost:5000 with commas between, or none";

const ALLOWED: &str =
    "public, hosts such as registry.example.com or localhost:5000, or both, with commas between";

/// What a list of proxies looks like.
const PROXIES: &str = "addresses or networks such as 127.0.0.1, 10.0.0.0/8, or none";

/// What a list of sites looks like.
pub(super) const ORIGINS: &str = "sites such as https://app.example.com, without a path, or none";

/// What the address of Docker looks like.
const DOCKER: &str =
    "a path such as /var/run/docker.sock, unix:///PATH, tcp://ADDRESS:PORT with an IP address, auto or off";

/// What the networks of sandboxes in Docker are cut from looks like.
const SUBNETS: &str =
    "a network of at most 2^24 addresses such as 10.212.0.0/14, larger than one of dockerSubnetSize";
/// What the size of one looks like.
const SUBNET_SIZE: &str = "a length from 24 to 28";
/// Lengths of the prefix of one of them, as the broker takes them.
const SUBNET_SIZES: std::ops::RangeInclusive<u8> = 24..=28;
/// Shortest prefix of what they are cut from, as the broker takes it.
const SUBNETS_PREFIX_MIN: u8 = 8;

/// What the address of a collector looks like.
const COLLECTOR: &str = "an address without a name or password, such as http://127.0.0.1:4318, or off";

/// Where Docker Engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerHost {
    /// At its usual place, where that is there.
    Auto,
    /// It is not used.
    Off,
    /// Here: `unix:///PATH` or `tcp://ADDRESS:PORT`.
    At(String),
}

impl DockerHost {
    /// Docker's usual socket.
    const USUAL: &str = "/var/run/docker.sock";

    /// Where it is, if it is to be used.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        match self {
            Self::Off => None,
            Self::At(address) => Some(address.clone()),
            Self::Auto => {
                std::path::Path::new(Self::USUAL).exists().then(|| format!("unix://{}", Self::USUAL))
            }
        }
    }
}

/// What the networks of sandboxes in Docker are cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DockerSubnets {
    /// All of their addresses.
    pub range: Ipv4Net,
    /// Length of the prefix of one.
    pub size: u8,
}

impl std::fmt::Display for DockerSubnets {
    /// As the broker reads it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{}", self.range, self.size)
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The master keys that seal secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterKeys {
    /// Seals.
    pub first: MasterKey,
    /// Open what they sealed.
    pub others: Vec<MasterKey>,
}

/// Who is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// Holders of a token or a key.
    Token,
    /// Everybody on this machine.
    None,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// Text on a terminal, else JSON.
    Auto,
}

/// Every setting, checked.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the table of keys says what each means")]
pub struct Config {
    pub data_dir: PathBuf,
    pub host: IpAddr,
    pub port: u16,
    pub public_url: Option<String>,
    pub auth: AuthMode,
    pub token_ttl: Duration,
    pub session_ttl: Duration,
    pub trusted_proxies: Vec<IpNet>,
    pub limits: RateLimits,
    pub cors_origins: Vec<String>,
    pub admin_email: Option<Email>,
    pub admin_password: Option<Secret>,
    pub jwt_secret: Option<Secret>,
    pub master_keys: Option<MasterKeys>,
    pub default_image: ImageName,
    pub docker_host: DockerHost,
    /// What the networks of its sandboxes are cut from.
    pub docker_subnets: DockerSubnets,
    /// Whether sandboxes there may have GPUs.
    pub docker_gpus: bool,
    pub cheap_cgroup_moves: bool,
    pub idle_ttl: Duration,
    pub quota: Quota,
    pub sandbox_execs_per_hour: u64,
    pub audit_retention: Duration,
    pub audit_entries_max: u64,
    pub async_exec: bool,
    pub exec_retention: Duration,
    pub image_bytes_max: u64,
    pub image_builds: ImageBuilds,
    pub image_build_time: Duration,
    pub default_registry: Option<DefaultRegistry>,
    pub insecure_registries: Vec<Host>,
    pub registries: Allowed,
    pub registry_auth_file: Option<PathBuf>,
    pub warm_pool: PoolSize,
    pub warm_pool_max: u32,
    pub log_level: String,
    pub log_format: LogFormat,
    pub request_log: bool,
    pub per_sandbox_metrics: bool,
    pub otlp_endpoint: Option<String>,
    pub sessions: Option<SessionConfig>,
}

impl Gathered {
    /// Checks every value.
    ///
    /// # Errors
    /// The first value that a setting cannot have, with its place.
    pub(crate) fn parse(&self) -> Result<Config, ConfigError> {
        let long = |text: &str| duration(text).filter(|duration| *duration <= LONG);
        let config = Config {
            data_dir: self.required("dataDir", "an absolute path", data_dir)?,
            host: self.required("host", "an IP address, or localhost", host)?,
            port: self.required("port", "a number from 0 to 65535", |text| text.parse().ok())?,
            public_url: self.optional(
                "publicUrl",
                "an address such as https://atoll.example.com",
                public_url,
            )?,
            auth: self.required("auth", "token or none", auth)?,
            token_ttl: self
                .required("tokenTtl", DURATION, |text| duration(text).filter(|d| TOKEN_TTL.contains(d)))?,
            session_ttl: self.required("sessionTtl", DURATION, |text| {
                long(text).filter(|ttl| *ttl >= *TOKEN_TTL.start())
            })?,
            trusted_proxies: self.required("trustedProxies", PROXIES, trusted_proxies)?,
            limits: RateLimits {
                anonymous: self.required("rateLimitAnonymous", RATE, rate)?,
                auth: self.required("rateLimitAuth", RATE, rate)?,
                user: self.required("rateLimitUser", RATE, rate)?,
            },
            cors_origins: self.required("corsOrigins", ORIGINS, cors_origins)?,
            admin_email: self.optional("adminEmail", "an address such as name@example.com", |text| {
                text.to_lowercase().parse().ok()
            })?,
            admin_password: self.optional("adminPassword", "at least 8 characters", password)?,
            jwt_secret: self.optional("jwtSecret", "at least 32 bytes", jwt_secret)?,
            master_keys: self.optional(
                "secretsMasterKey",
                "32 bytes in base64, or several such separated by commas",
                master_keys,
            )?,
            default_image: self.required("defaultImage", "the name of an image", |text| text.parse().ok())?,
            idle_ttl: self.required("idleTtl", DURATION, long)?,
            quota: self.quota()?,
            sandbox_execs_per_hour: self.number("execsPerHourPerSandbox")?,
            audit_retention: self.required("auditRetention", DURATION, |text| {
                duration(text).filter(|time| AUDIT_RETENTION.contains(time))
            })?,
            audit_entries_max: self.number("auditEntries")?,
            async_exec: self.required("asyncExec", "true or false", |text| text.parse().ok())?,
            exec_retention: self.required("execRetention", DURATION, long)?,
            image_bytes_max: self
                .required("maxImageSize", SIZE, |text| size(text).filter(|bytes| *bytes > 0))?,
            image_builds: self.required("imageBuilds", "off, admin or all", |text| text.parse().ok())?,
            image_build_time: self.required("imageBuildTime", DURATION, |text| {
                duration(text).filter(|time| !time.is_zero() && *time <= BUILD_TIME_MAX)
            })?,
            default_registry: self.required("defaultRegistry", REGISTRY, |text| none_or(text, str::parse))?,
            insecure_registries: self.required("insecureRegistries", REGISTRIES, |text| {
                let hosts = none_or(text, |text| text.split(',').map(|host| host.trim().parse()).collect());
                hosts.map(Option::unwrap_or_default)
            })?,
            registries: self.required("registries", ALLOWED, |text| text.parse().ok())?,
            registry_auth_file: self.required("registryAuthFile", "an absolute path, or none", |text| {
                let absolute = |text: &str| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
                none_or(text, |text| absolute(text).ok_or(()))
            })?,
            warm_pool: self.required("warmPool", POOL, |text| text.parse().ok())?,
            warm_pool_max: self.required("warmPoolMax", "a number of at most 100", |text| {
                text.parse().ok().filter(|most| *most <= bounds::WARM_POOL_MAX)
            })?,
            docker_host: self.required("dockerHost", DOCKER, docker_host)?,
            docker_subnets: self.docker_subnets()?,
            docker_gpus: self.required("dockerGpus", "allowed or off", docker_gpus)?,
            cheap_cgroup_moves: self.required("cgroupMoves", "cheap or as-is", cheap_cgroup_moves)?,
            log_level: self.required("logLevel", "error, warn, info, debug or trace", log_level)?,
            log_format: self.required("logFormat", "text, json or auto", log_format)?,
            request_log: self.required("requestLog", "file or off", request_log)?,
            per_sandbox_metrics: self
                .required("perSandboxMetrics", "true or false", |text| text.parse().ok())?,
            otlp_endpoint: self.required("otlpEndpoint", COLLECTOR, otlp_endpoint)?,
            sessions: self.sessions()?,
        };
        self.refuse_open_to_all(&config)?;
        Ok(config)
    }

    fn docker_subnets(&self) -> Result<DockerSubnets, ConfigError> {
        let size = self.required("dockerSubnetSize", SUBNET_SIZE, |text| {
            text.parse().ok().filter(|size| SUBNET_SIZES.contains(size))
        })?;
        let range = self.required("dockerSubnets", SUBNETS, |text| {
            let range: Ipv4Net = text.parse().ok()?;
            let fits = (SUBNETS_PREFIX_MIN..=size).contains(&range.prefix_len());
            (fits && range.trunc() == range).then_some(range)
        })?;
        Ok(DockerSubnets { range, size })
    }

    fn number(&self, name: &str) -> Result<u64, ConfigError> {
        self.required(name, "a number", |text| text.parse().ok())
    }

    fn quota(&self) -> Result<Quota, ConfigError> {
        let bytes = |name| self.required(name, SIZE, size);
        Ok(Quota {
            sandboxes: self.number("sandboxesPerUser")?,
            cpu_millis: self.required("cpuPerUser", "a number of cores such as 8 or 0.5", cores)?,
            memory_bytes: bytes("memoryPerUser")?,
            storage_bytes: bytes("storagePerUser")?,
            egress_bytes: bytes("egressPerUser")?,
            execs_per_hour: self.number("execsPerHourPerUser")?,
        })
    }

    fn refuse_open_to_all(&self, config: &Config) -> Result<(), ConfigError> {
        if config.auth == AuthMode::Token || config.host.is_loopback() {
            return Ok(());
        }
        let place = self.values.get("auth").map_or_else(String::new, |given| given.place.clone());
        Err(ConfigError::OpenToAll { place, host: config.host })
    }

    /// The value given, or the table's default.
    pub(super) fn required<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let key = by_name(name);
        let default = || Given {
            place: format!("the default of {name}"),
            text: key.map_or("", |key| key.default).to_owned(),
        };
        let given = self.values.get(name).cloned().unwrap_or_else(default);
        check(key, &given, expected, parse)
    }

    pub(super) fn optional<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        self.values.get(name).map(|given| check(by_name(name), given, expected, parse)).transpose()
    }
}

fn check<T>(
    key: Option<&Key>,
    given: &Given,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, ConfigError> {
    let shown = || (!key.is_some_and(Key::is_secret)).then(|| given.text.clone());
    let wrong =
        || ConfigError::Value { place: given.place.clone(), expected: expected.to_owned(), given: shown() };
    parse(&given.text).ok_or_else(wrong)
}

/// Cores as thousandths.
fn cores(text: &str) -> Option<u64> {
    const CORES_MAX: u64 = 1_000_000;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: u64 = whole.parse().ok().filter(|whole| *whole <= CORES_MAX)?;
    let thousandths: u64 = format!("{part:0<3}").parse().ok()?;
    Some(whole * 1_000 + thousandths)
}

/// Relative paths are taken from where `atoll serve` is started.
fn data_dir(text: &str) -> Option<PathBuf> {
    std::path::absolute(text).ok()
}

fn host(text: &str) -> Option<IpAddr> {
    if text == "localhost" { Some(Ipv4Addr::LOCALHOST.into()) } else { text.parse().ok() }
}

fn public_url(text: &str) -> Option<String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    let plain = !rest.is_empty() && !rest.chars().any(|c| c.is_whitespace() || c.is_control());
    plain.then(|| text.trim_end_matches('/').to_owned())
}

fn trusted_proxies(text: &str) -> Option<Vec<IpNet>> {
    if text == "none" {
        return Some(Vec::new());
    }
    let network = |text: &str| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(network).collect()
}

/// A value, or none where that is said.
fn none_or<T, E>(text: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<Option<T>> {
    if text == "none" { Some(None) } else { parse(text).ok().map(Some) }
}

pub(super) fn cors_origins(text: &str) -> Option<Vec<String>> {
    if text == "none" {
        return Some(Vec::new());
    }
    text.split(',').map(|text| origin(text.trim())).collect()
}

fn docker_gpus(text: &str) -> Option<bool> {
    match text {
        "allowed" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// With or without a scheme, as other tools take `DOCKER_HOST`. Names are not looked up: the broker has nothing to do it with.
fn cheap_cgroup_moves(text: &str) -> Option<bool> {
    match text {
        "cheap" => Some(true),
        "as-is" => Some(false),
        _ => None,
    }
}

fn docker_host(text: &str) -> Option<DockerHost> {
    match text {
        "auto" => return Some(DockerHost::Auto),
        "off" => return Some(DockerHost::Off),
        _ => {}
    }
    let path = text.strip_prefix("unix://").unwrap_or(text);
    if path.starts_with('/') {
        return Some(DockerHost::At(format!("unix://{path}")));
    }
    let rest = ["tcp://", "http://"].into_iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let address = rest.trim_end_matches('/');
    let here = address.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address: std::net::SocketAddr = here.as_deref().unwrap_or(address).parse().ok()?;
    Some(DockerHost::At(format!("tcp://{address}")))
}

/// As browsers write it: no path, no slash at the end, lower case. `*` is none: it would be everybody's page.
fn origin(text: &str) -> Option<String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:[]".contains(c);
    let plain = !rest.is_empty() && rest.chars().all(letter);
    plain.then(|| text.to_owned())
}

fn auth(text: &str) -> Option<AuthMode> {
    match text {
        "token" => Some(AuthMode::Token),
        "none" => Some(AuthMode::None),
        _ => None,
    }
}

fn password(text: &str) -> Option<Secret> {
    (text.chars().count() >= PASSWORD_CHARS_MIN).then(|| Secret(text.to_owned()))
}

fn jwt_secret(text: &str) -> Option<Secret> {
    (text.len() >= SECRET_BYTES_MIN).then(|| Secret(text.to_owned()))
}

fn master_keys(text: &str) -> Option<MasterKeys> {
    let mut keys = text.split(',').map(str::parse);
    let first = keys.next()?.ok()?;
    Some(MasterKeys { first, others: keys.collect::<Result<_, _>>().ok()? })
}

fn log_level(text: &str) -> Option<String> {
    EnvFilter::try_new(text).ok().map(|_| text.to_owned())
}

fn request_log(text: &str) -> Option<bool> {
    match text {
        "file" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// The address that traces are sent to: below the given one, as the specification of OTLP has it.
fn otlp_endpoint(text: &str) -> Option<Option<String>> {
    if text == "off" {
        return Some(None);
    }
    let address = public_url(text).filter(|address| !address.contains(['@', '?', '#']))?;
    Some(Some(if address.ends_with("/v1/traces") { address } else { format!("{address}/v1/traces") }))
}

fn log_format(text: &str) -> Option<LogFormat> {
    match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        "auto" => Some(LogFormat::Auto),
        _ => None,
    }
}
