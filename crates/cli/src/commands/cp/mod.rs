//! `atoll cp`

mod download;
mod place;
pub(super) mod tree;
mod upload;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::Call;
use crate::failure::advised;
use crate::printer::Printer;
use crate::sandbox_ref;
use crate::units;
use atoll_client::ClientError;
use place::{Place, Remote};

/// Time between two reports of how far it is.
const REPORT_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is copied: a path here, or SANDBOX:PATH; `-` is standard input.
    #[arg(value_name = "FROM")]
    from: Place,
    /// Where to: SANDBOX:PATH, or a path here; `-` is standard output. Into a directory where it is one.
    #[arg(value_name = "TO")]
    to: Place,
    /// User of the sandbox whose rights and home count [default: the user of its commands].
    #[arg(long, short, value_name = "USER")]
    user: Option<String>,
}

impl Args {
    /// The sandbox that it is about.
    pub(crate) fn sandbox(&self) -> Option<&str> {
        self.from.sandbox().or_else(|| self.to.sandbox())
    }
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let Args { from, to, user } = args;
    match (from, to) {
        (Place::Remote(from), to) if to.sandbox().is_none() => {
            let sandbox = sandbox_ref::resolve(&call.client, &from.sandbox).await?;
            let at = from.at(&sandbox, user.as_deref());
            download::download(at, &to, call).await.map_err(|error| named(error, &from))?;
        }
        (from, Place::Remote(to)) if from.sandbox().is_none() => {
            let sandbox = sandbox_ref::resolve(&call.client, &to.sandbox).await?;
            let done = upload::upload(&from, to.at(&sandbox, user.as_deref()), call).await;
            done.map_err(|error| named(error, &to))?;
        }
        _ => {
            return Err(advised(
                "one side must be in a sandbox and the other here",
                "`atoll cp FILE SANDBOX:PATH` or `atoll cp SANDBOX:PATH FILE`; ./ before a name with a colon",
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the server says of a file does not name it, since it does not know how it was written here.
fn named(error: anyhow::Error, remote: &Remote) -> anyhow::Error {
    if matches!(error.downcast_ref(), Some(ClientError::Api(_))) {
        return error.context(format!("{}:{}", remote.sandbox, remote.path));
    }
    error
}

/// Tells how far it is, where somebody watches.
struct Progress {
    printer: Printer,
    length: Option<u64>,
    done: u64,
    last: Instant,
}

impl Progress {
    fn new(printer: Printer, length: Option<u64>) -> Self {
        Self { printer, length, done: 0, last: Instant::now() }
    }

    fn add(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if self.last.elapsed() >= REPORT_EVERY {
            self.last = Instant::now();
            let done = units::bytes(self.done);
            match self.length {
                Some(length) => self.printer.progress(&format!("{done} of {}", units::bytes(length))),
                None => self.printer.progress(&done),
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.printer.progress("");
    }
}
