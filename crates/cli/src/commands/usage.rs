//! `atoll usage`

use std::process::ExitCode;

use atoll_api_types::{QuotaUse, Usage};

use super::Call;
use crate::printer::table;
use crate::units;

pub(crate) async fn run(call: &Call) -> anyhow::Result<ExitCode> {
    let usage = call.client.usage().await?;
    call.printer.data(&usage, || describe(&usage))?;
    Ok(ExitCode::SUCCESS)
}

fn describe(usage: &Usage) -> String {
    let plain = |n: f64| n.to_string();
    let row = |name: &str, of: &QuotaUse, show: &dyn Fn(f64) -> String| {
        let warning = if of.warning { "nearly used up" } else { "" };
        vec![name.to_owned(), show(of.used), show(of.quota), format!("{}%", of.percent), warning.to_owned()]
    };
    table(
        &["QUOTA", "USED", "OF", "", ""],
        vec![
            row("sandboxes", &usage.sandboxes, &plain),
            row("cpu", &usage.cpu, &plain),
            row("memory", &usage.memory_bytes, &size),
            row("storage", &usage.storage_bytes, &size),
            row("egress this month", &usage.egress_bytes, &size),
            row("execs in an hour", &usage.execs_per_hour, &plain),
        ],
    )
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of bytes for people")]
fn size(bytes: f64) -> String {
    units::bytes(bytes.max(0.0) as u64)
}
