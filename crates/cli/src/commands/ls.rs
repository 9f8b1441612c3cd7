//! `atoll ls`

use std::process::ExitCode;
use std::time::Duration;

use atoll_api_types::{PublishedPort, Sandbox};
use atoll_client::SandboxFilter;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Call, env};
use crate::printer::table;
use crate::{pairs, units};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those with this label; may be given several times.
    #[arg(long = "label", short = 'l', value_name = "KEY=VALUE", value_parser = pairs::label)]
    labels: Vec<(String, String)>,
    /// Only those in this state: running, stopped, crashed, …
    #[arg(long)]
    state: Option<String>,
    /// Only those that were made of this environment, by id or name.
    #[arg(long, value_name = "ENVIRONMENT")]
    environment: Option<String>,
    /// Print ids alone.
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let environment = match &args.environment {
        Some(environment) => Some(env::resolve(&call.client, environment).await?),
        None => None,
    };
    let filter = SandboxFilter { labels: args.labels, state: args.state, environment };
    let sandboxes = call.client.sandbox_list_all(&filter).await?;
    if sandboxes.is_empty() && !args.quiet && !call.printer.is_json() {
        call.printer.note("no sandboxes; make one with `atoll create`");
        return Ok(ExitCode::SUCCESS);
    }
    let now = OffsetDateTime::now_utc();
    call.printer.data(&sandboxes, || {
        if args.quiet {
            return sandboxes.iter().map(|s| s.id.as_str()).collect::<Vec<_>>().join("\n");
        }
        let rows = sandboxes.iter().map(|sandbox| row(sandbox, now)).collect();
        table(&["ID", "NAME", "STATE", "IMAGE", "CPU", "MEMORY", "CREATED", "PORTS"], rows)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn row(sandbox: &Sandbox, now: OffsetDateTime) -> Vec<String> {
    vec![
        sandbox.id.clone(),
        sandbox.name.clone().unwrap_or_default(),
        state(sandbox),
        sandbox.image.clone(),
        sandbox.cpu.to_string(),
        units::bytes(sandbox.memory_bytes),
        age(&sandbox.created_at, now),
        sandbox.ports.iter().map(port).collect::<Vec<_>>().join(" "),
    ]
}

/// A port of the host and where it leads.
pub(super) fn port(port: &PublishedPort) -> String {
    let host = port.host.map_or_else(|| "-".to_owned(), |host| host.to_string());
    format!("{host}->{}", port.container)
}

/// The state, with its reason or its health where there is one.
pub(super) fn state(sandbox: &Sandbox) -> String {
    match &sandbox.state_reason {
        Some(reason) => format!("{} ({reason})", sandbox.state),
        None if matches!(sandbox.health.as_str(), "" | "none") => sandbox.state.clone(),
        None => format!("{} ({})", sandbox.state, sandbox.health),
    }
}

/// How long ago, or the time itself when it cannot be read.
pub(super) fn age(time: &str, now: OffsetDateTime) -> String {
    let Ok(then) = OffsetDateTime::parse(time, &Rfc3339) else { return time.to_owned() };
    let passed = Duration::try_from(now - then).unwrap_or_default();
    format!("{} ago", units::rough(passed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_rough() {
        let now = OffsetDateTime::parse("2026-01-02T00:00:00Z", &Rfc3339).unwrap();
        assert_eq!(age("2026-01-01T23:59:18.5Z", now), "41s ago");
        assert_eq!(age("2026-01-01T00:00:00Z", now), "1d ago");
        assert_eq!(age("2026-02-01T00:00:00Z", now), "0s ago", "clocks differ");
        assert_eq!(age("never", now), "never");
    }
}
