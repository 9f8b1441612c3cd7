//! `atoll serve`

use std::process::ExitCode;

pub(crate) use atoll_server::ServeArgs as Args;

/// Does not come back: this process becomes the supervisor, or is the server until it stops.
pub(crate) fn run(args: Args) -> ExitCode {
    #[cfg(feature = "embed")]
    atoll_server::programs::embed(&crate::embedded::PROGRAMS);
    atoll_server::serve(args)
}
