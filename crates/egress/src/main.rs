//! Answers what sandboxes ask of the network outside: names.
//!
//! ```text
//!  sandbox ──► 100.64.0.53:53 in the router's network ──► this program ──► the host's resolvers
//!              (sockets that the launcher made there)     on the host's network, as a user of its own
//! ```
//! It has no rights, no files and no configuration. The supervisor starts it with descriptor 3, on which the launcher hands it
//! its sockets ([`handover`]). It is apart from serve, so that a restart of serve cuts no connection of a sandbox.
//!
//! A sandbox's packet never goes on. It is taken apart ([`query`]), one question of an ordinary kind is kept, and a new query is made of
//! it: the host's resolver sees the host ask, and may trust it with more than a look-up. Its answer is checked to be that question's
//! ([`answer`]) and goes back as it is: where it points is not judged here, since packets to where none may go do not pass.

mod answer;
mod handover;
mod limits;
mod query;
mod resolvers;
mod serve;
mod upstream;

use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run() -> std::io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut launcher = handover::Launcher::open()?;
        let mut sockets = launcher.sockets().await?;
        loop {
            // Sockets that come later take the place of these: the router was made anew. Dropping the old work fails what it was
            // asked, and whoever asked asks again.
            sockets = tokio::select! {
                next = launcher.sockets() => next?,
                ended = serve::serve(sockets) => return ended,
            };
        }
    })
}

/// Writes one line for the operator to standard error, which the supervisor collects.
#[expect(clippy::print_stderr, reason = "standard error is this program's log")]
fn log(line: &str) {
    eprintln!("atoll-egress: {line}");
}
