//! `atoll secret`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use atoll_api_types::{Secret, SecretBody};
use atoll_types::{SecretName, bounds};
use time::OffsetDateTime;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Call, env, listing, ls};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Set a secret; its value comes from standard input or a file, never from the command line, which others see.
    Set {
        /// Id or name of the environment.
        #[arg(value_name = "ENVIRONMENT")]
        environment: String,
        /// Name of the variable in which processes find it.
        #[arg(value_name = "KEY")]
        key: SecretName,
        /// File with the value; `-` is standard input. One line break at its end is left out.
        #[arg(long, value_name = "FILE", default_value = "-")]
        from: PathBuf,
    },
    /// List the names of an environment's secrets.
    #[command(visible_alias = "ls")]
    List {
        /// Id or name of the environment.
        #[arg(value_name = "ENVIRONMENT")]
        environment: String,
    },
    /// Delete secrets; processes that run keep them.
    #[command(visible_alias = "rm")]
    Delete {
        /// Id or name of the environment.
        #[arg(value_name = "ENVIRONMENT")]
        environment: String,
        /// Names of the secrets.
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<SecretName>,
    },
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Set { environment, key, from } => {
            let id = env::resolve(&call.client, &environment).await?;
            let body = SecretBody { key: key.into(), value: value(&from).await? };
            let secret = call.client.secret_set(&id, &body).await?;
            call.printer.data(&secret, || secret.key.clone())?;
        }
        Action::List { environment } => {
            let id = env::resolve(&call.client, &environment).await?;
            let row = |secret: &Secret, now: OffsetDateTime| {
                vec![secret.key.clone(), ls::age(&secret.updated_at, now), ls::age(&secret.created_at, now)]
            };
            let page = async |cursor: Option<&str>| call.client.secret_list(&id, cursor).await;
            listing::show_all(call, &["KEY", "SET", "CREATED"], page, row).await?;
        }
        Action::Delete { environment, keys } => {
            let id = env::resolve(&call.client, &environment).await?;
            let mut deleted = Vec::new();
            for key in &keys {
                deleted.push(call.client.secret_delete(&id, key).await?);
            }
            let names = || deleted.iter().map(|gone| gone.id.as_str()).collect::<Vec<_>>().join("\n");
            call.printer.data(&deleted, names)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The value, within its bound.
async fn value(from: &Path) -> anyhow::Result<String> {
    let reader: Box<dyn AsyncRead + Send + Unpin> = if from == Path::new("-") {
        Box::new(tokio::io::stdin())
    } else {
        let file = tokio::fs::File::open(from).await;
        Box::new(file.with_context(|| format!("cannot open {}", from.display()))?)
    };
    let most = u64::try_from(bounds::SECRET_BYTES_MAX)?.saturating_add(1);
    let mut text = String::new();
    reader
        .take(most.saturating_add(1))
        .read_to_string(&mut text)
        .await
        .context("the value cannot be read")?;
    Ok(without_line_break(text))
}

fn without_line_break(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_is_left_out() {
        for (text, expected) in [("a\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("", ""), ("\n", "")] {
            assert_eq!(without_line_break(text.to_owned()), expected);
        }
    }
}
