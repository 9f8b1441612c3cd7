//! Files, variables and flags together.

use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser};
use rstest::rstest;

use super::*;

#[derive(Parser)]
struct Serve {
    #[command(flatten)]
    args: ServeArgs,
}

struct Setup {
    file: tempfile::NamedTempFile,
    variables: Vec<(OsString, OsString)>,
    flags: Vec<String>,
}

impl Setup {
    fn new(yaml: &str, variables: &[(&str, &str)], flags: &[&str]) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(yaml.as_bytes()).unwrap();
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { file, variables, flags: flags.iter().map(|flag| (*flag).to_owned()).collect() }
    }

    fn load(&self) -> Result<Config, String> {
        let path = self.file.path().display().to_string();
        let words =
            ["serve".to_owned(), "--config".to_owned(), path.clone()].into_iter().chain(self.flags.clone());
        let matches = Serve::command().try_get_matches_from(words).map_err(|error| error.to_string())?;
        let args = Serve::from_arg_matches(&matches).unwrap().args;
        let gathered = gather(&args, self.variables.clone());
        let config = gathered.and_then(|gathered| gathered.parse());
        config.map_err(|error| crate::report::chain(&error).replace(&path, "FILE"))
    }
}

fn refused(yaml: &str, variables: &[(&str, &str)], flags: &[&str]) -> String {
    Setup::new(yaml, variables, flags).load().unwrap_err()
}

#[test]
fn nothing_given_is_the_documented_default() {
    let config = Setup::new("", &[], &[]).load().unwrap();
    assert_eq!((config.host.to_string().as_str(), config.port), ("127.0.0.1", 3001));
    assert_eq!(config.data_dir.to_str(), Some("/var/lib/atoll"));
    assert_eq!((config.idle_ttl, config.token_ttl), (Duration::from_secs(900), Duration::from_secs(3_600)));
    assert_eq!((config.quota.sandboxes, config.async_exec, config.auth), (20, false, AuthMode::Token));
    assert_eq!((config.image_bytes_max, config.log_format), (20 << 30, LogFormat::Auto));
    assert!(config.admin_email.is_none() && config.jwt_secret.is_none());
    let engine = atoll_engine::Settings::defaults(atoll_types::NodeId::random());
    assert_eq!((config.default_image, config.idle_ttl), (engine.default_image, engine.idle_ttl));
    assert_eq!((config.quota, config.exec_retention), (engine.quota, engine.exec_retention));
    assert_eq!(config.image_bytes_max, engine.image_bytes_max);
    assert_eq!(
        (config.sandbox_execs_per_hour, config.audit_retention, config.audit_entries_max),
        (engine.sandbox_execs_per_hour, engine.audit_retention, engine.audit_entries_max)
    );
}

#[test]
fn variables_come_before_the_file_and_flags_before_both() {
    let yaml = "port: 1\nhost: 10.0.0.1\nidleTtl: 1m\nasyncExec: true\n";
    let config = Setup::new(yaml, &[("PORT", "2"), ("HOST", "localhost")], &["--port", "3"]).load().unwrap();
    assert_eq!((config.port, config.host.to_string().as_str()), (3, "127.0.0.1"));
    assert_eq!((config.idle_ttl, config.async_exec), (Duration::from_secs(60), true));
    let config = Setup::new("port: 1", &[("PORT", "2"), ("ATOLL_PORT", "4")], &[]).load().unwrap();
    assert_eq!(config.port, 4);
    let config = Setup::new("port: 1", &[("PORT", "")], &["--async-exec"]).load().unwrap();
    assert_eq!((config.port, config.async_exec), (1, true));
}

#[rstest]
#[case("prot: 1", "FILE: prot is not known; did you mean port?; docs/configuration.md lists every key")]
#[case("data_dir: /x", "FILE: data_dir is not known; did you mean dataDir?")]
#[case("nonsenseWord: 1", "FILE: nonsenseWord is not known; docs/")]
#[case("\"a\\nb\": 1", "FILE: a\\nb is not known")]
#[case("port: 70000", "FILE: port must be a number from 0 to 65535, and is \"70000\"")]
#[case("port: [1]", "FILE: port must be one value, no list")]
#[case("host: example.com", "FILE: host must be an IP address, or localhost, and is \"example.com\"")]
#[case("idleTtl: 15", "FILE: idleTtl must be a duration such as 90s")]
#[case("idleTtl: 9999d", "FILE: idleTtl must be a duration")]
#[case("tokenTtl: 1s", "FILE: tokenTtl must be a duration")]
#[case("asyncExec: 1", "FILE: asyncExec must be true or false")]
#[case("auth: basic", "FILE: auth must be token or none")]
#[case("logLevel: \"a=b=c\"", "FILE: logLevel must be")]
#[case("maxImageSize: 1GB", "FILE: maxImageSize must be a size such as 512MiB")]
#[case("defaultImage: ../x", "FILE: defaultImage must be the name of an image")]
#[case("publicUrl: example.com", "FILE: publicUrl must be an address such as https://")]
#[case(
    "auth: none\nhost: 0.0.0.0",
    "FILE: auth turns authentication off, so host must be a loopback address"
)]
#[case("port: 1\nport: 2", "FILE is not valid YAML: duplicate entry")]
#[case("- port", "FILE must be lines of the form key: value")]
#[case("{", "FILE is not valid YAML")]
#[case("otlpEndpoint: localhost:4318", "FILE: otlpEndpoint must be an address without")]
#[case("otlpEndpoint: http://name:word@host", "FILE: otlpEndpoint must be an address without")]
#[case("1: 2", "FILE must be lines of the form key: value")]
fn the_file_and_the_key_are_named(#[case] yaml: &str, #[case] expected: &str) {
    let message = refused(yaml, &[], &[]);
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn the_variable_or_the_flag_is_named() {
    assert!(refused("", &[("ATOLL_IDLE_TTL", "x")], &[]).starts_with("ATOLL_IDLE_TTL must be a duration"));
    assert!(refused("", &[("PORT", "x")], &[]).starts_with("PORT must be a number"));
    assert!(refused("", &[], &["--port", "x"]).starts_with("--port must be a number"));
    assert!(refused("", &[("ATOLL_AUTH", "none")], &["--host", "::"]).starts_with("ATOLL_AUTH turns"));
    let wrong = "the variable ATOLL_IDLE_TLT is not known; did you mean ATOLL_IDLE_TTL?";
    assert!(refused("", &[("ATOLL_IDLE_TLT", "1m")], &[]).starts_with(wrong));
    assert!(refused("", &[], &["--idle-tlt", "1m"]).contains("--idle-ttl"));
    let others = [("ATOLL_TOKEN", "sk_x"), ("ATOLL_SOMETHING_ELSE_ENTIRELY", "x"), ("OTHER", "x")];
    assert!(Setup::new("", &others, &[]).load().is_ok());
}

#[test]
fn secrets_are_never_shown() {
    let secret = "short-secret";
    for message in [
        refused("", &[("JWT_SECRET", secret)], &[]),
        refused(&format!("jwtSecret: {secret}"), &[], &[]),
        refused("", &[("ATOLL_ADMIN_PASSWORD", "hunter2")], &[]),
    ] {
        assert!(!message.contains(secret) && !message.contains("hunter2"), "{message}");
        assert!(message.contains("must be at least"), "{message}");
    }
    let long = "a-secret-that-is-long-enough-to-be-one";
    let config = Setup::new("", &[("JWT_SECRET", long), ("ATOLL_ADMIN_PASSWORD", "hunter2hunter2")], &[])
        .load()
        .unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains(long) && !shown.contains("hunter2"), "{shown}");
    let wrong = refused("", &[("SECRETS_MASTER_KEY", secret)], &[]);
    assert!(wrong.contains("32 bytes in base64") && !wrong.contains(secret), "{wrong}");
    assert!(KEYS.iter().filter(|key| key.is_secret()).all(|key| key.flag.is_none()));
}

#[test]
fn the_collector_is_sent_traces_below_its_address() {
    let endpoint =
        |text: &str| Setup::new("", &[("ATOLL_OTLP_ENDPOINT", text)], &[]).load().unwrap().otlp_endpoint;
    assert_eq!(Setup::new("", &[], &[]).load().unwrap().otlp_endpoint, None);
    assert_eq!(endpoint("http://127.0.0.1:4318/").as_deref(), Some("http://127.0.0.1:4318/v1/traces"));
    assert_eq!(endpoint("https://a.example/x/v1/traces").as_deref(), Some("https://a.example/x/v1/traces"));
}

#[test]
fn gpus_are_off_unless_the_operator_allows_them() {
    let allowed = |text: &str| Setup::new(text, &[], &[]).load().map(|config| config.docker_gpus);
    assert!(!allowed("port: 1").unwrap());
    assert!(allowed("dockerGpus: allowed").unwrap());
    assert!(refused("dockerGpus: all", &[], &[]).contains("dockerGpus"));
}

#[test]
fn networks_in_docker_are_cut_from_a_private_range() {
    let subnets = |text: &str| Setup::new(text, &[], &[]).load().unwrap().docker_subnets.to_string();
    assert_eq!(subnets(""), "10.212.0.0/14,28");
    assert_eq!(subnets("dockerSubnets: 172.30.0.0/16\ndockerSubnetSize: 24"), "172.30.0.0/16,24");
    for wrong in ["dockerSubnets: 10.0.0.0", "dockerSubnets: 10.0.0.1/8", "dockerSubnets: 0.0.0.0/0"] {
        let error = refused(wrong, &[], &[]);
        assert!(error.contains("dockerSubnets"), "{error}");
    }
    for wrong in ["dockerSubnetSize: 29", "dockerSubnetSize: 23", "dockerSubnetSize: x"] {
        let error = refused(wrong, &[], &[]);
        assert!(error.contains("dockerSubnetSize"), "{error}");
    }
}

#[test]
fn docker_is_named_with_or_without_a_scheme() {
    let host = |text: &str| Setup::new(&format!("dockerHost: {text}"), &[], &[]).load().unwrap().docker_host;
    assert_eq!(Setup::new("", &[], &[]).load().unwrap().docker_host, parse::DockerHost::Auto);
    assert_eq!(host("off").address(), None);
    for (text, address) in [
        ("/run/docker.sock", "unix:///run/docker.sock"),
        ("unix:///run/docker.sock", "unix:///run/docker.sock"),
        ("tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375"),
        ("10.0.0.1:2375", "tcp://10.0.0.1:2375"),
        ("http://localhost:2375/", "tcp://127.0.0.1:2375"),
        ("'[::1]:2375'", "tcp://[::1]:2375"),
    ] {
        assert_eq!(host(text), parse::DockerHost::At(address.to_owned()), "{text}");
    }
    for wrong in ["docker.sock", "ssh://host", "tcp://example.com:2375", "unix://run"] {
        let error = refused(&format!("dockerHost: {wrong}"), &[], &[]);
        assert!(error.contains("tcp://ADDRESS:PORT"), "{error}");
    }
}

#[test]
fn a_large_or_absent_file_is_an_error() {
    assert!(refused(&"# \n".repeat(64 << 10), &[], &[]).starts_with("FILE must have at most 65536 bytes"));
    let args = ServeArgs { config: Some("/nonexistent/atoll.yaml".into()), flags: Vec::new() };
    let error = gather(&args, []).unwrap_err().to_string();
    assert_eq!(error, "/nonexistent/atoll.yaml cannot be read");
}

#[test]
fn the_inner_server_is_given_the_text_that_was_read() {
    let args = ServeArgs { config: Some("/nonexistent/atoll.yaml".into()), flags: Vec::new() };
    let content = (OsString::from(CONTENT_VARIABLE), OsString::from("port: 77"));
    let role = (OsString::from("ATOLL_ROLE"), OsString::from("serve"));
    let gathered = gather(&args, [content.clone(), role]).unwrap();
    assert_eq!(gathered.parse().unwrap().port, 77);
    assert!(gather(&args, [content]).is_err(), "only the inner one believes it");
}

/// The table, the help and the document speak of the same keys.
#[test]
fn every_key_is_in_the_document_and_in_the_help() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let document = std::fs::read_to_string(file).unwrap();
    let help = Serve::command().render_long_help().to_string();
    for key in KEYS {
        let flag = key.flag.map_or_else(|| "–".to_owned(), |flag| format!("`--{flag}`"));
        let variables: Vec<_> = key.variables.iter().map(|name| format!("`{name}`")).collect();
        let row = format!(
            "| `{}` | {flag} | {} | {} | {} |",
            key.name,
            variables.join(", "),
            key.default,
            key.help
        );
        assert!(document.contains(&row), "docs/configuration.md lacks the row\n{row}");
        assert!(key.flag.is_none_or(|flag| help.contains(&format!("--{flag}"))), "{}", key.name);
    }
    let rows = document.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, KEYS.len(), "docs/configuration.md has rows of keys that are gone");
}
