//! `atoll key`

use std::process::ExitCode;
use std::time::Duration;

use atoll_api_types::{ApiKey, CreateApiKey};
use atoll_types::{ApiKeyId, Scope, Scopes};

use super::{Call, listing, ls};
use crate::units;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a key and print it; it is shown this once.
    Create {
        /// Name for people.
        name: String,
        /// The key stops working after so long: 12h, 30d.
        #[arg(long, value_name = "TIME", value_parser = units::duration)]
        expires: Option<Duration>,
        /// What it may, such as sandboxes:read; all but admin when absent. May be given several times, or with commas
        /// between.
        #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
        scopes: Vec<Scope>,
    },
    /// List keys.
    #[command(visible_alias = "list")]
    Ls,
    /// Remove keys; they stop working at once.
    #[command(visible_alias = "delete")]
    Rm {
        /// Ids of the keys.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<ApiKeyId>,
    },
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Create { name, expires, scopes } => {
            let scopes = (!scopes.is_empty()).then(|| scopes.iter().map(ToString::to_string).collect());
            let expires_in_seconds = expires.map(|time| time.as_secs());
            let new = CreateApiKey { name, expires_in_seconds, scopes };
            let key = call.client.api_key_create(&new).await?;
            call.printer.data(&key, || key.key.clone())?;
        }
        Action::Ls => list(call).await?,
        Action::Rm { ids } => {
            let mut deleted = Vec::new();
            for id in &ids {
                deleted.push(call.client.api_key_delete(id).await?);
            }
            call.printer
                .data(&deleted, || ids.iter().map(ApiKeyId::as_str).collect::<Vec<_>>().join("\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// In short, where it may all or what is usual.
fn scopes(key: &ApiKey) -> String {
    match key.scopes.join(" ").parse() {
        Ok(Scopes::ALL) => "all".to_owned(),
        Ok(scopes) if scopes == Scopes::usual() => "all but admin".to_owned(),
        _ => key.scopes.join(","),
    }
}

async fn list(call: &Call) -> anyhow::Result<()> {
    let never = |time: &Option<String>| time.clone().unwrap_or_else(|| "never".to_owned());
    let row = |key: &ApiKey, now| {
        let used = key.last_used_at.as_deref().map_or_else(|| "never".to_owned(), |time| ls::age(time, now));
        vec![
            key.id.clone(),
            key.name.clone(),
            format!("{}…", key.prefix),
            ls::age(&key.created_at, now),
            never(&key.expires_at),
            used,
            scopes(key),
        ]
    };
    let headers = ["ID", "NAME", "KEY", "CREATED", "EXPIRES", "LAST USED", "SCOPES"];
    let page = async |cursor: Option<&str>| call.client.api_key_list(cursor).await;
    listing::show_all(call, &headers, page, row).await
}
