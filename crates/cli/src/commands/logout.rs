//! `atoll logout`

use std::process::ExitCode;

use atoll_client::Client;

use crate::context::{self, Context};
use crate::printer::Printer;
use crate::refresh;

/// Forgets the server here, and ends the key there if the server can be asked.
pub(crate) async fn run(printer: Printer) -> anyhow::Result<ExitCode> {
    // A malformed file is forgotten too: it is the way out of it.
    let kept = match context::load().ok().flatten() {
        // What cannot be refreshed now is forgotten all the same.
        Some(kept) => Some(refresh::refreshed(kept.clone()).await.unwrap_or(kept)),
        None => None,
    };
    if !context::forget()? {
        printer.note("nobody was logged in");
        return Ok(ExitCode::SUCCESS);
    }
    match kept {
        Some(kept) => {
            let url = kept.url.clone();
            if let Err(error) = end_key(kept).await {
                printer.note(&format!("the log-in could not be ended at {url}: {error:#}"));
            }
            printer.note(&format!("logged out of {url}"));
        }
        None => printer.note("logged out"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends the key that `atoll login` made, or the log-in that it kept, so that they do not pile up.
pub(super) async fn end_key(kept: Context) -> anyhow::Result<()> {
    if kept.refresh_token.is_some() {
        Client::new(&kept.url, kept.token.as_deref())?.log_out().await?;
        return Ok(());
    }
    if let Some(id) = kept.key_id {
        Client::new(&kept.url, kept.token.as_deref())?.api_key_delete(&id.parse()?).await?;
    }
    Ok(())
}
