//! `atoll logs`

use std::process::ExitCode;

use atoll_api_types::{LogLine, Logs};
use atoll_client::LogFilter;
use atoll_types::OutputStream;
use futures_util::StreamExt as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Call;
use crate::{sandbox_ref, units};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id or name of the sandbox.
    #[arg(value_name = "SANDBOX")]
    pub(crate) sandbox: String,
    #[command(flatten)]
    lines: Lines,
    /// Go on with what is written, until the process ends.
    #[arg(long, short)]
    follow: bool,
}

/// Which lines, and how they are shown.
#[derive(Debug, clap::Args)]
pub(crate) struct Lines {
    /// Only the last lines.
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub(crate) tail: Option<u32>,
    /// Only from this moment on: 10m, 2h (ago), or 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<String>,
    /// Begin each line with its time.
    #[arg(long, short)]
    pub(crate) timestamps: bool,
}

/// What the process wrote to standard error goes to ours.
pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let id = sandbox_ref::resolve(&call.client, &args.sandbox).await?;
    let Lines { tail, since, timestamps } = args.lines;
    let filter = LogFilter { tail, since };
    if args.follow {
        let mut lines = call.client.sandbox_log_lines(&id, &filter);
        while let Some(line) = lines.next().await {
            print(&line?, timestamps, call)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let logs = call.client.sandbox_logs(&id, &filter).await?;
    show(call, &logs, timestamps)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a piece of a log.
pub(super) fn show(call: &Call, logs: &Logs, timestamps: bool) -> anyhow::Result<()> {
    if call.printer.is_json() {
        return Ok(call.printer.data(logs, String::new)?);
    }
    for line in &logs.lines {
        print(line, timestamps, call)?;
    }
    Ok(())
}

/// One line; for programs, one object on a line.
fn print(line: &LogLine, timestamps: bool, call: &Call) -> anyhow::Result<()> {
    if call.printer.is_json() {
        let text = format!("{}\n", serde_json::to_string(line)?);
        return Ok(call.printer.bytes(OutputStream::Stdout, text.as_bytes())?);
    }
    let stream = if line.stream == "stderr" { OutputStream::Stderr } else { OutputStream::Stdout };
    let text = if timestamps { format!("{} {}\n", line.time, line.line) } else { format!("{}\n", line.line) };
    Ok(call.printer.bytes(stream, text.as_bytes())?)
}

/// A moment in RFC 3339; a time is so long ago.
fn moment(text: &str) -> Result<String, String> {
    if OffsetDateTime::parse(text, &Rfc3339).is_ok() {
        return Ok(text.to_owned());
    }
    let ago = units::duration(text)
        .map_err(|_| "give a time ago (10m, 2h) or a moment (2026-01-31T12:00:00Z)".to_owned())?;
    let ago = time::Duration::try_from(ago).map_err(|_| "too long ago".to_owned())?;
    let moment = OffsetDateTime::now_utc().checked_sub(ago).ok_or("too long ago")?;
    moment.format(&Rfc3339).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read() {
        assert_eq!(moment("2026-01-31T12:00:00Z").as_deref(), Ok("2026-01-31T12:00:00Z"));
        let ago = OffsetDateTime::parse(&moment("1h").unwrap(), &Rfc3339).unwrap();
        assert!((OffsetDateTime::now_utc() - ago - time::Duration::HOUR).abs() < time::Duration::MINUTE);
        for text in ["", "yesterday", "2026-01-31", "18446744073709551615", "99999999999999"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
