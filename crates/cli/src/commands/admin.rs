//! `atoll admin`

use std::process::ExitCode;

use super::{Call, admin_audit, admin_quota};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Check the audit log.
    Audit {
        #[command(subcommand)]
        action: admin_audit::Action,
    },
    /// Show and change what a user may have.
    Quota {
        #[command(subcommand)]
        action: admin_quota::Action,
    },
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Audit { action } => admin_audit::run(action, call).await,
        Action::Quota { action } => admin_quota::run(action, call).await,
    }
}
