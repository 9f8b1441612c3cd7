//! `atoll get`

use std::collections::BTreeMap;
use std::process::ExitCode;

use atoll_api_types::{CommandBody, Gpus, HealthCheck, PublishedPort, Sandbox};

use super::{Call, ls};
use crate::printer::pairs;
use crate::{sandbox_ref, units};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id or name of the sandbox.
    #[arg(value_name = "SANDBOX")]
    pub(crate) sandbox: String,
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let id = sandbox_ref::resolve(&call.client, &args.sandbox).await?;
    let sandbox = call.client.sandbox_get(&id).await?;
    call.printer.data(&sandbox, || describe(&sandbox))?;
    Ok(ExitCode::SUCCESS)
}

fn describe(sandbox: &Sandbox) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    pairs(&[
        ("id", sandbox.id.clone()),
        ("name", text(&sandbox.name)),
        ("state", ls::state(sandbox)),
        ("health", health(sandbox)),
        ("health check", sandbox.health_check.as_ref().map(health_check).unwrap_or_default()),
        ("error", text(&sandbox.error)),
        ("image", sandbox.image.clone()),
        ("environment", environment(sandbox)),
        ("runtime", sandbox.runtime.clone()),
        ("cpu", sandbox.cpu.to_string()),
        ("memory", units::bytes(sandbox.memory_bytes)),
        ("disk", units::bytes(sandbox.disk_bytes)),
        ("pids", sandbox.pids.to_string()),
        ("network", sandbox.network.clone()),
        ("gpus", gpus(&sandbox.gpus)),
        ("ports", ports(sandbox)),
        ("capabilities", sandbox.capabilities.clone()),
        ("read-only root", if sandbox.read_only_root { "yes".to_owned() } else { String::new() }),
        ("user", sandbox.user.clone()),
        ("entry point", sandbox.entrypoint.join(" ")),
        ("command", sandbox.command.as_ref().map(command).unwrap_or_default()),
        ("folder", text(&sandbox.cwd)),
        ("env", list(&sandbox.env)),
        ("labels", list(&sandbox.labels)),
        ("life time", life(sandbox)),
        (
            "idle time",
            if sandbox.idle_ttl_seconds == 0 {
                "any".to_owned()
            } else {
                format!("{} s", sandbox.idle_ttl_seconds)
            },
        ),
        ("created", sandbox.created_at.clone()),
        ("started", text(&sandbox.started_at)),
    ])
}

fn gpus(gpus: &Gpus) -> String {
    match gpus {
        Gpus::Word(word) if word == "none" => String::new(),
        Gpus::Word(word) => word.clone(),
        Gpus::Count(count) => count.to_string(),
        Gpus::Devices(ids) => ids.join(", "),
    }
}

fn health(sandbox: &Sandbox) -> String {
    let Some(last) = &sandbox.health_result else { return sandbox.health.clone() };
    let how = match last.exit_code {
        Some(code) => format!("last exit {code}"),
        None => "the last check did not end".to_owned(),
    };
    let said = last.output.trim();
    let said = if said.is_empty() {
        String::new()
    } else {
        format!(": {}", said.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let streak = match last.failing_streak {
        0 => String::new(),
        streak => format!(", {streak} failed in a row"),
    };
    format!("{} ({how}{streak}{said})", sandbox.health)
}

fn health_check(check: &HealthCheck) -> String {
    let HealthCheck { interval_seconds, timeout_seconds, retries, start_period_seconds, .. } = check;
    let times = format!("every {interval_seconds} s, at most {timeout_seconds} s, {retries} times");
    format!("{}, {times}, after {start_period_seconds} s", command(&check.command))
}

fn environment(sandbox: &Sandbox) -> String {
    match (&sandbox.environment_id, sandbox.environment_version) {
        (Some(id), Some(version)) => format!("{id} version {version}"),
        _ => String::new(),
    }
}

fn list(pairs: &BTreeMap<String, String>) -> String {
    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

fn ports(sandbox: &Sandbox) -> String {
    let noted = |port: &PublishedPort| match &port.note {
        Some(note) => format!("{} ({note})", ls::port(port)),
        None => ls::port(port),
    };
    sandbox.ports.iter().map(noted).collect::<Vec<_>>().join(", ")
}

fn life(sandbox: &Sandbox) -> String {
    match (sandbox.ttl_seconds, &sandbox.expires_at) {
        (Some(ttl), Some(end)) => format!("{ttl} s, until {end}, then {}", sandbox.on_expiry),
        (Some(ttl), None) => format!("{ttl} s, then {}", sandbox.on_expiry),
        (None, _) => String::new(),
    }
}

/// A command as it could be typed into a shell.
fn command(command: &CommandBody) -> String {
    match command {
        CommandBody::Line(line) => line.clone(),
        CommandBody::Argv(argv) => argv.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" "),
    }
}

fn quoted(argument: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=:,@%+".contains(&b);
    if !argument.is_empty() && argument.bytes().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_as_it_is_shown() {
        let argv = CommandBody::Argv(["sh", "-c", "echo 'a b'", ""].map(str::to_owned).into());
        assert_eq!(command(&argv), r"sh -c 'echo '\''a b'\''' ''");
    }
}
