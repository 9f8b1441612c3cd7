//! What an image says of itself, from its configuration.

use std::collections::BTreeMap;

use atoll_oci::runs_here;
use atoll_types::{Command, EnvVars, ExposedPort, ImageConfig, ImageHealthCheck};
use oci_spec::image::{Config, ImageConfiguration};
use serde::Deserialize;

use crate::Refused;
use crate::layout::{Found, malformed};

/// Longest that it may be when it is told, in bytes: it travels in one packet of the launcher's.
pub(crate) const CONFIG_BYTES_MAX: usize = 40 << 10;
/// Nanoseconds of a millisecond: Docker writes times in them.
const NANOS_PER_MS: u64 = 1_000_000;

/// Docker's own field of the configuration, which the specification does not have.
#[derive(Debug, Default, Deserialize)]
struct Extended {
    config: Option<ExtendedConfig>,
}

#[derive(Debug, Default, Deserialize)]
struct ExtendedConfig {
    #[serde(rename = "Healthcheck")]
    health_check: Option<HealthCheck>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HealthCheck {
    test: Option<Vec<String>>,
    interval: Option<u64>,
    timeout: Option<u64>,
    start_period: Option<u64>,
    retries: Option<u32>,
}

/// What an image says of itself, and the digests of its layers as they are when they are unpacked.
pub(crate) fn read(found: &Found) -> Result<(ImageConfig, Vec<String>), Refused> {
    let parsed = ImageConfiguration::from_reader(&*found.config).map_err(malformed("configuration"))?;
    runs_here(parsed.os(), parsed.architecture())?;
    let diff_ids = parsed.rootfs().diff_ids();
    if diff_ids.len() != found.layers.len() {
        let why = format!("it names {} layers, and there are {}", diff_ids.len(), found.layers.len());
        return Err(Refused::Document { what: "configuration", why });
    }
    let digits = |id: &String| match id.strip_prefix("sha256:") {
        Some(digits) => Ok(digits.to_owned()),
        None => Err(wrong("a layer has another digest than SHA-256")),
    };
    let diff_ids = diff_ids.iter().map(digits).collect::<Result<_, Refused>>()?;
    let extended: Extended = serde_json::from_slice(&found.config)
        .map_err(|error| Refused::Document { what: "configuration", why: error.to_string() })?;
    let mut config = parsed.config().as_ref().map(fields).transpose()?.unwrap_or_default();
    config.manifest = found.manifest.as_deref().map(str::parse).transpose()?;
    config.health_check = extended.config.unwrap_or_default().health_check.map(health_check);
    let config = config.checked()?;
    let length = serde_json::to_vec(&config).map_or(usize::MAX, |bytes| bytes.len());
    if length > CONFIG_BYTES_MAX {
        Err(Refused::LongConfig(CONFIG_BYTES_MAX))
    } else {
        Ok((config, diff_ids))
    }
}

fn wrong(why: &str) -> Refused {
    Refused::Document { what: "configuration", why: why.to_owned() }
}

fn fields(config: &Config) -> Result<ImageConfig, Refused> {
    let words = |words: &Option<Vec<String>>| words.clone().filter(|words| !words.is_empty());
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let command =
        words(config.cmd()).map(Command::argv).transpose().map_err(|error| wrong(&error.to_string()))?;
    let cwd =
        text(config.working_dir()).map(|path| if path.starts_with('/') { path } else { format!("/{path}") });
    Ok(ImageConfig {
        env: variables(config.env().as_deref().unwrap_or_default())?,
        entrypoint: words(config.entrypoint()),
        command,
        cwd: cwd.map(TryInto::try_into).transpose()?,
        user: text(config.user()).map(TryInto::try_into).transpose()?,
        exposed_ports: ports(config.exposed_ports().as_deref().unwrap_or_default())?,
        ..ImageConfig::default()
    })
}

/// Of two of one name the last counts; one without a value is not set.
fn variables(given: &[String]) -> Result<EnvVars, Refused> {
    let pairs = given.iter().filter_map(|text| text.split_once('='));
    let map: BTreeMap<String, String> =
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok(EnvVars::new(map)?)
}

/// In the order of their numbers; without a protocol it is TCP.
fn ports(given: &[String]) -> Result<Vec<ExposedPort>, Refused> {
    let port = |text: &String| match text.contains('/') {
        true => text.parse::<ExposedPort>(),
        false => format!("{text}/tcp").parse(),
    };
    let mut ports = given.iter().map(port).collect::<Result<Vec<_>, _>>()?;
    ports.sort_by_key(|port| port.as_str().split('/').next().and_then(|number| number.parse::<u16>().ok()));
    Ok(ports)
}

fn health_check(check: HealthCheck) -> ImageHealthCheck {
    let ms = |nanos: Option<u64>| nanos.unwrap_or_default() / NANOS_PER_MS;
    ImageHealthCheck {
        test: check.test.unwrap_or_default(),
        interval_ms: ms(check.interval),
        timeout_ms: ms(check.timeout),
        start_period_ms: ms(check.start_period),
        retries: check.retries.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use oci_spec::image::Arch;
    use serde_json::{Value, json};

    use super::*;

    fn found(config: Value, architecture: &str) -> Found {
        let whole = json!({
            "architecture": architecture, "os": "linux", "config": config,
            "rootfs": {"type": "layers", "diff_ids": []}, "history": [],
        });
        Found { manifest: None, config: whole.to_string().into_bytes(), layers: Vec::new() }
    }

    fn here() -> String {
        Arch::default().to_string()
    }

    #[test]
    fn everything_that_a_sandbox_takes_is_read() {
        let config = json!({
            "User": "33:33", "Env": ["PATH=/bin", "A=1", "A=2=3", "NOTHING"], "Entrypoint": ["/entry"],
            "Cmd": ["serve", "-v"], "WorkingDir": "srv", "ExposedPorts": {"8080": {}, "80/tcp": {}, "53/udp": {}},
            "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 30_000_000_000_u64, "Retries": 3},
            "Labels": {"a": "b"}, "Volumes": null, "StopSignal": "SIGQUIT",
        });
        let (config, layers) = read(&found(config, &here())).unwrap();
        let told = serde_json::to_value(&config).unwrap();
        assert_eq!(told["env"], json!({"A": "2=3", "PATH": "/bin"}));
        assert_eq!(
            (&told["entrypoint"], &told["command"]),
            (&json!(["/entry"]), &json!({"argv": ["serve", "-v"]}))
        );
        assert_eq!((&told["cwd"], &told["user"]), (&json!("/srv"), &json!("33:33")));
        assert_eq!(told["exposedPorts"], json!(["53/udp", "80/tcp", "8080/tcp"]));
        assert_eq!(
            (&told["healthCheck"]["intervalMs"], &told["healthCheck"]["retries"]),
            (&json!(30_000), &json!(3))
        );
        assert_eq!(layers, Vec::<String>::new());
    }

    #[test]
    fn what_is_empty_is_not_said() {
        let config = json!({"User": "", "Env": null, "Entrypoint": [], "Cmd": null, "WorkingDir": ""});
        assert_eq!(read(&found(config, &here())).unwrap().0, ImageConfig::default());
        assert_eq!(read(&found(Value::Null, &here())).unwrap().0, ImageConfig::default());
    }

    #[test]
    fn what_no_sandbox_takes_is_refused() {
        for bad in [
            json!({"User": "a b"}),
            json!({"Env": ["=x"]}),
            json!({"Env": ["A=\u{0}"]}),
            json!({"Cmd": [""]}),
            json!({"ExposedPorts": {"http": {}}}),
            json!({"Env": [format!("A={}", "x".repeat(CONFIG_BYTES_MAX))]}),
            json!({"Healthcheck": {"Interval": -1}}),
            json!({"Cmd": "a line"}),
        ] {
            read(&found(bad.clone(), &here())).expect_err(&bad.to_string());
        }
        let other = read(&found(json!({}), "s390x")).unwrap_err();
        assert!(matches!(other, Refused::NotChosen(_)), "{other}");
        assert!(other.to_string().contains("linux/s390x"), "{other}");
    }
}
