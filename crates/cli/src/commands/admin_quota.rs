//! `atoll admin quota`

use std::process::ExitCode;

use atoll_api_types::{QuotaBody, UserQuota};
use atoll_types::UserId;

use super::Call;
use crate::printer::table;
use crate::units;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Show what a user may have.
    Get {
        /// Id of the user.
        user: UserId,
    },
    /// Give a user a quota of his own; what is not given is as the settings say.
    Set {
        /// Id of the user.
        user: UserId,
        #[command(flatten)]
        own: Own,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Own {
    /// Sandboxes.
    #[arg(long, value_name = "COUNT")]
    sandboxes: Option<u64>,
    /// Cores of those that are up.
    #[arg(long, value_name = "CORES")]
    cpu: Option<f64>,
    /// Memory of those that are up: 512m, 16g.
    #[arg(long, value_name = "SIZE", value_parser = units::mebibytes)]
    memory: Option<u64>,
    /// Disk of all: 512m, 20g.
    #[arg(long, value_name = "SIZE", value_parser = units::mebibytes)]
    storage: Option<u64>,
    /// What they send in a month: 50g.
    #[arg(long, value_name = "SIZE", value_parser = units::mebibytes)]
    egress: Option<u64>,
    /// Commands in an hour.
    #[arg(long, value_name = "COUNT")]
    execs_per_hour: Option<u64>,
}

pub(crate) async fn run(action: Action, call: &Call) -> anyhow::Result<ExitCode> {
    let quota = match action {
        Action::Get { user } => call.client.user_quota(&user).await?,
        Action::Set { user, own } => {
            let Own { sandboxes, cpu, memory, storage, egress, execs_per_hour } = own;
            let own = QuotaBody { sandboxes, cpu, memory, storage, egress, execs_per_hour };
            call.client.set_user_quota(&user, &own).await?
        }
    };
    call.printer.data(&quota, || describe(&quota))?;
    Ok(ExitCode::SUCCESS)
}

fn describe(user: &UserQuota) -> String {
    let (quota, own) = (&user.quota, &user.own);
    let whole = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
    let mib = |n: Option<u64>| n.map(|mib| units::bytes(mib << 20)).unwrap_or_default();
    let row = |name: &str, value: String, is_own: bool| {
        vec![name.to_owned(), value, if is_own { "own" } else { "settings" }.to_owned()]
    };
    table(
        &["QUOTA", "VALUE", "FROM"],
        vec![
            row("sandboxes", whole(quota.sandboxes), own.sandboxes.is_some()),
            row("cpu", quota.cpu.map(|cores| cores.to_string()).unwrap_or_default(), own.cpu.is_some()),
            row("memory", mib(quota.memory), own.memory.is_some()),
            row("storage", mib(quota.storage), own.storage.is_some()),
            row("egress", mib(quota.egress), own.egress.is_some()),
            row("execs per hour", whole(quota.execs_per_hour), own.execs_per_hour.is_some()),
        ],
    )
}
