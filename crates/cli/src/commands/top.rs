//! `atoll top`

use std::process::ExitCode;
use std::time::Duration;

use atoll_api_types::{Metrics, Sandbox};
use atoll_client::{ClientError, SandboxFilter};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use super::Call;
use crate::printer::table;
use crate::{sandbox_ref, units};

/// Sandboxes that are asked for at once: a first look waits a tenth of a second each.
const PARALLEL: usize = 16;
/// Lines of the screen beside the table's rows: its headings, and where the cursor stands.
const OTHER_LINES: usize = 2;
/// Shortest time between two tables.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ids or names of sandboxes; all that are up when there are none.
    #[arg(value_name = "SANDBOX")]
    sandboxes: Vec<String>,
    /// Print one table and end, as it does where no terminal watches.
    #[arg(long)]
    once: bool,
    /// Time between two tables.
    #[arg(long, short = 'n', value_name = "TIME", default_value = "2s", value_parser = units::duration)]
    interval: Duration,
}

/// A sandbox with what it uses.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    name: Option<String>,
    state: String,
    metrics: Metrics,
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let mut wanted = Vec::new();
    for name in &args.sandboxes {
        wanted.push(sandbox_ref::resolve(&call.client, name).await?.to_string());
    }
    let screen = if args.once { None } else { call.printer.screen_rows() };
    let Some(mut height) = screen else {
        let rows = look(&wanted, call).await?;
        call.printer.data(&rows, || show(&rows, usize::MAX))?;
        return Ok(ExitCode::SUCCESS);
    };
    loop {
        let rows = look(&wanted, call).await?;
        call.printer.screen(&show(&rows, height.saturating_sub(OTHER_LINES)))?;
        tokio::time::sleep(args.interval.max(INTERVAL_MIN)).await;
        height = call.printer.screen_rows().unwrap_or(height);
    }
}

/// What everything uses now, the busiest first.
async fn look(wanted: &[String], call: &Call) -> anyhow::Result<Vec<Row>> {
    let all = call.client.sandbox_list_all(&SandboxFilter::default()).await?;
    let up = |sandbox: &Sandbox| matches!(sandbox.state.as_str(), "running" | "paused");
    let shown = all.into_iter().filter(|s| up(s) && (wanted.is_empty() || wanted.contains(&s.id)));
    let rows = futures_util::stream::iter(shown).map(|sandbox| row(sandbox, call)).buffered(PARALLEL);
    let mut rows: Vec<Row> = rows.try_filter_map(async |row| Ok(row)).try_collect().await?;
    rows.sort_by(|a, b| b.metrics.cpu.usage_percent.total_cmp(&a.metrics.cpu.usage_percent));
    Ok(rows)
}

/// One that went down meanwhile is left out.
async fn row(sandbox: Sandbox, call: &Call) -> anyhow::Result<Option<Row>> {
    match call.client.sandbox_metrics(&sandbox.id.parse()?, true).await {
        Ok(metrics) => {
            let Sandbox { id, name, state, .. } = sandbox;
            Ok(Some(Row { id, name, state, metrics }))
        }
        Err(ClientError::Api(error)) if matches!(error.status, 404 | 409) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn show(rows: &[Row], most: usize) -> String {
    let cells = |row: &Row| {
        let Metrics { cpu, memory, network, io, pids } = &row.metrics;
        let pids = pids.as_ref().map(|pids| format!("{}/{}", pids.current, pids.limit));
        vec![
            row.id.clone(),
            row.name.clone().unwrap_or_default(),
            row.state.clone(),
            format!("{:.1}%", cpu.usage_percent),
            format!("{} / {}", units::bytes(memory.usage_bytes), units::bytes(memory.limit_bytes)),
            format!("{:.1}%", memory.usage_percent),
            pids.unwrap_or_default(),
            format!("{} / {}", units::bytes(network.rx_bytes), units::bytes(network.tx_bytes)),
            format!("{} / {}", units::bytes(io.read_bytes), units::bytes(io.write_bytes)),
        ]
    };
    let headers = ["ID", "NAME", "STATE", "CPU", "MEMORY", "MEM%", "PIDS", "NET IN/OUT", "DISK READ/WRITTEN"];
    table(&headers, rows.iter().take(most).map(cells).collect())
}
