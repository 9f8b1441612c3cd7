//! `atoll version`

use std::process::ExitCode;
use std::time::Duration;

use atoll_client::Client;
use serde_json::json;

use crate::printer::{Printer, pairs};

/// How long the server is waited for: the command has its own release to tell.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) async fn run(client: &Client, printer: Printer) -> anyhow::Result<ExitCode> {
    let health = tokio::time::timeout(PATIENCE, client.health()).await;
    let server = health.ok().and_then(Result::ok).map(|health| health.version);
    let own = env!("CARGO_PKG_VERSION");
    printer.data(&json!({"client": own, "server": server, "url": client.base_url()}), || {
        let there = server.as_deref().unwrap_or("not reachable");
        pairs(&[("client", own.to_owned()), ("server", format!("{there} ({})", client.base_url()))])
    })?;
    Ok(ExitCode::SUCCESS)
}
