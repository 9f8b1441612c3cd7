//! `atoll admin audit`

use std::process::ExitCode;

use atoll_api_types::AuditCheck;

use super::Call;
use crate::printer::pairs;

/// The log is not as it was written.
const BROKEN: u8 = 1;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Walk along the chain of the audit log; the status is 1 where it was tampered with.
    Verify {
        /// An entry that was kept elsewhere, as an earlier check printed it: 1234:9f86d0….
        #[arg(long, value_name = "SEQ:HASH", value_parser = kept)]
        kept: Option<(u64, String)>,
    },
}

fn kept(text: &str) -> Result<(u64, String), String> {
    let parts = text.split_once(':').and_then(|(seq, hash)| Some((seq.parse().ok()?, hash.to_owned())));
    parts.ok_or_else(|| "give the number and the hash of an entry, as 1234:9f86d0…".to_owned())
}

pub(crate) async fn run(action: Action, call: &Call) -> anyhow::Result<ExitCode> {
    let Action::Verify { kept } = action;
    let kept = kept.as_ref().map(|(seq, hash)| (*seq, hash.as_str()));
    let check = call.client.audit_verify(kept).await?;
    call.printer.data(&check, || describe(&check))?;
    Ok(if check.intact { ExitCode::SUCCESS } else { BROKEN.into() })
}

fn describe(check: &AuditCheck) -> String {
    let broken =
        check.broken_seq.map(|seq| format!("at {seq}: {}", check.reason.as_deref().unwrap_or_default()));
    pairs(&[
        ("state", if check.intact { "intact".to_owned() } else { "BROKEN".to_owned() }),
        ("broken", broken.unwrap_or_default()),
        ("entries", check.entries.to_string()),
        ("first", check.first_seq.to_string()),
        ("last", format!("{}:{}", check.last_seq, check.last_hash)),
    ])
}
