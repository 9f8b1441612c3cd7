//! What an image that is pushed says of itself.

use atoll_ports::Outgoing;
use atoll_types::{Command, ImageHealthCheck};
use oci_spec::image::Arch;
use serde_json::{Map, Value, json};

/// Nanoseconds of a millisecond: Docker writes times in them.
const NANOS_PER_MS: u64 = 1_000_000;

/// The configuration, as bytes: the same for the same image, so it says no time.
pub(crate) fn config(image: &Outgoing) -> serde_json::Result<Vec<u8>> {
    let template = &image.template;
    let mut config = Map::new();
    let mut say = |key: &str, value: Value| drop(config.insert(key.to_owned(), value));
    let env: Vec<String> = template.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !env.is_empty() {
        say("Env", json!(env));
    }
    if let Some(entrypoint) = &template.entrypoint {
        say("Entrypoint", json!(entrypoint));
    }
    if let Some(command) = &template.command {
        say("Cmd", json!(Command::to_argv(command)));
    }
    if let Some(cwd) = &template.cwd {
        say("WorkingDir", json!(cwd.as_str()));
    }
    if let Some(user) = &template.user {
        say("User", json!(user.as_str()));
    }
    if let Some(said) = &image.config {
        let ports: Map<String, Value> =
            said.exposed_ports.iter().map(|port| (port.as_str().to_owned(), json!({}))).collect();
        if !ports.is_empty() {
            say("ExposedPorts", Value::Object(ports));
        }
        if let Some(check) = &said.health_check {
            say("Healthcheck", health_check(check));
        }
    }
    serde_json::to_vec(&json!({
        "architecture": Arch::default().to_string(), "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", image.exported.diff_id)]},
        "history": [{"created_by": "atoll image push"}],
    }))
}

/// What is 0 is left to the default.
fn health_check(check: &ImageHealthCheck) -> Value {
    let mut told = Map::new();
    told.insert("Test".to_owned(), json!(check.test));
    for (key, ms) in [
        ("Interval", check.interval_ms),
        ("Timeout", check.timeout_ms),
        ("StartPeriod", check.start_period_ms),
    ] {
        if ms > 0 {
            told.insert(key.to_owned(), json!(ms.saturating_mul(NANOS_PER_MS)));
        }
    }
    if check.retries > 0 {
        told.insert("Retries".to_owned(), json!(check.retries));
    }
    Value::Object(told)
}
