//! `atoll events`

use std::process::ExitCode;

use atoll_api_types::Event;

use super::Call;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Begin after the event with this id; else from now on.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// End after so many events.
    #[arg(long, short = 'n', value_name = "COUNT")]
    count: Option<u64>,
}

/// Prints events as they come, one in a line; with `--output json` each as it is.
pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let mut events = call.client.events(args.after);
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let event = events.next().await?;
        let line = if call.printer.is_json() { serde_json::to_string(&event)? } else { describe(&event) };
        call.printer.line(&line)?;
        left -= 1;
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(event: &Event) -> String {
    let sandbox = event.sandbox_id.iter().cloned();
    let data = event.data.iter().map(|(name, value)| format!("{name}={}", value.escape_debug()));
    let words: Vec<String> =
        [event.time.clone(), event.kind.clone()].into_iter().chain(sandbox).chain(data).collect();
    words.join(" ")
}
