//! `atoll audit`

use std::process::ExitCode;
use std::time::Duration;

use atoll_api_types::AuditEntry;
use atoll_client::AuditQuery;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Call;
use crate::printer::table;
use crate::units;

/// Entries that are shown where nobody says how many.
const ENTRIES: u32 = 50;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Entries to show, the newest, at most 1000.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = ENTRIES)]
    tail: u32,
    /// Only what happened so long ago at most: 15m, 2h, 1d.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    since: Option<Duration>,
    /// Only this action, as `sandbox.create`; with a dot at its end an area, as `sandbox.`.
    #[arg(long)]
    action: Option<String>,
    /// Only about this: the id of a sandbox, the name of an image.
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    /// accepted, done, refused or failed.
    #[arg(long)]
    outcome: Option<String>,
    /// Only of this user, by id (admin).
    #[arg(long, value_name = "ID")]
    user: Option<String>,
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let since = args.since.map(|ago| (OffsetDateTime::now_utc() - ago).format(&Rfc3339)).transpose()?;
    let query = AuditQuery {
        limit: Some(args.tail),
        user: args.user,
        action: args.action,
        target: args.target,
        outcome: args.outcome,
        since,
        until: None,
    };
    let mut entries = call.client.audit_list(&query, None).await?.items;
    entries.reverse();
    let rows = || entries.iter().map(row).collect();
    let headers = ["TIME", "ACTOR", "USER", "ACTION", "TARGET", "OUTCOME", "DETAIL"];
    call.printer.data(&entries, || table(&headers, rows()))?;
    Ok(ExitCode::SUCCESS)
}

fn row(entry: &AuditEntry) -> Vec<String> {
    let detail = entry.detail.iter().map(|(name, value)| format!("{name}={}", value.escape_debug()));
    let outcome = match &entry.code {
        Some(code) => format!("{} ({code})", entry.outcome),
        None => entry.outcome.clone(),
    };
    vec![
        entry.time.clone(),
        entry.actor.clone(),
        entry.user_id.clone().unwrap_or_default(),
        entry.action.clone(),
        entry.target.clone().unwrap_or_default(),
        outcome,
        detail.collect::<Vec<_>>().join(" "),
    ]
}
