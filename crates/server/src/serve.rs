//! The entry of `atoll serve`.

use std::process::ExitCode;

use crate::config::{ConfigError, ServeArgs, gather};
use crate::inner::{self, InnerError};
use crate::outer::{self, OuterError};
use crate::report;

/// The configuration is wrong: a restart would not help, and the supervisor does not try (EX_CONFIG of sysexits.h).
const EXIT_CONFIG: u8 = 78;

#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Outer(#[from] OuterError),
    #[error(transparent)]
    Inner(#[from] InnerError),
}

/// Runs the server until it is stopped. Started as root it becomes the supervisor instead, and does not come back.
#[must_use]
pub fn serve(args: ServeArgs) -> ExitCode {
    let Err(error) = run(&args) else { return ExitCode::SUCCESS };
    report::error(&error);
    match error {
        ServeError::Config(_) | ServeError::Inner(InnerError::Settings(_)) => ExitCode::from(EXIT_CONFIG),
        ServeError::Outer(_) | ServeError::Inner(_) => ExitCode::FAILURE,
    }
}

fn run(args: &ServeArgs) -> Result<(), ServeError> {
    let gathered = gather(args, std::env::vars_os())?;
    let config = gathered.parse()?;
    if std::env::var_os("ATOLL_ROLE").is_some_and(|role| role == "serve") {
        Ok(inner::run(config)?)
    } else {
        Err(outer::become_supervisor(&config, gathered.file.as_ref()).into())
    }
}
