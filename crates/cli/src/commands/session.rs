//! `atoll session`

use std::process::ExitCode;

use atoll_api_types::Session;
use atoll_types::SessionId;

use super::{Call, listing, ls};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List your log-ins.
    #[command(visible_alias = "list")]
    Ls,
    /// End log-ins; their tokens stop working at once.
    #[command(visible_alias = "delete")]
    Rm {
        /// Ids of the log-ins.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<SessionId>,
    },
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Ls => list(call).await?,
        Action::Rm { ids } => {
            let mut deleted = Vec::new();
            for id in &ids {
                deleted.push(call.client.session_end(id).await?);
            }
            let ids = || ids.iter().map(SessionId::as_str).collect::<Vec<_>>().join("\n");
            call.printer.data(&deleted, ids)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(call: &Call) -> anyhow::Result<()> {
    let row = |session: &Session, now| {
        vec![
            session.id.clone(),
            session.address.clone(),
            session.agent.clone(),
            ls::age(&session.created_at, now),
            ls::age(&session.used_at, now),
        ]
    };
    let page = async |cursor: Option<&str>| call.client.session_list(cursor).await;
    listing::show_all(call, &["ID", "ADDRESS", "CLIENT", "CREATED", "REFRESHED"], page, row).await
}
