//! `atoll config`

use std::process::ExitCode;

use anyhow::Context as _;
use atoll_client::Client;
use clap::ValueEnum;

use super::{login, logout};
use crate::args::Global;
use crate::context::{self, Context, Setting};
use crate::failure::advised;
use crate::printer::{Printer, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show every setting that counts now, and where it comes from; what `atoll config` alone does.
    Show,
    /// Print a setting that is kept.
    Get {
        /// Which.
        #[arg(value_name = "SETTING")]
        key: Key,
    },
    /// Keep a setting. The token of a server goes when its address changes.
    Set {
        /// Which.
        #[arg(value_name = "SETTING")]
        key: Key,
        /// What it becomes; `-` reads it from the first line of standard input, so that nobody sees it in a list of processes.
        #[arg(value_name = "VALUE")]
        value: String,
    },
    /// Forget a setting that is kept; with `url` goes everything.
    Unset {
        /// Which.
        #[arg(value_name = "SETTING")]
        key: Key,
    },
    /// Print where settings are kept.
    Path,
}

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Key {
    /// Address of the server.
    Url,
    /// Token or sk_ key for that server.
    Token,
}

pub(crate) async fn run(args: Args, global: &Global, printer: Printer) -> anyhow::Result<ExitCode> {
    match args.action.unwrap_or(Action::Show) {
        Action::Show => show(global, printer)?,
        Action::Get { key } => {
            let kept = context::load()?;
            let value = match key {
                Key::Url => kept.map(|kept| kept.url),
                Key::Token => kept.and_then(|kept| kept.token),
            };
            let value = value.ok_or_else(|| not_kept(key))?;
            printer.data(&value, || value.clone())?;
        }
        Action::Set { key, value } => {
            let value = if value == "-" { login::first_line()? } else { value };
            set(key, value, printer).await?;
        }
        Action::Unset { key } => unset(key, printer).await?,
        Action::Path => {
            let path = context::path().context("there is no home folder: set HOME or XDG_CONFIG_HOME")?;
            let path = path.display().to_string();
            printer.data(&path, || path.clone())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(global: &Global, printer: Printer) -> anyhow::Result<()> {
    let settings = context::settings(global, context::load()?);
    let row = |setting: &Setting| {
        vec![setting.name.to_owned(), setting.value.clone().unwrap_or_default(), setting.source.clone()]
    };
    let rows = || settings.iter().map(row).collect();
    Ok(printer.data(&settings, || table(&["SETTING", "VALUE", "FROM"], rows()))?)
}

async fn set(key: Key, value: String, printer: Printer) -> anyhow::Result<()> {
    let kept = context::load()?;
    let wanted = match key {
        Key::Url => {
            // The address in the one form that log-ins keep, and refused where it is none.
            let url = Client::new(&value, None)?.base_url().to_owned();
            match &kept {
                Some(kept) if context::is_same_server(&kept.url, &url) => Context { url, ..kept.clone() },
                _ => Context { url, ..Context::default() },
            }
        }
        Key::Token => {
            let Some(kept) = &kept else {
                let text = "no server is kept that the token could be for";
                return Err(advised(
                    text,
                    "choose it first: `atoll config set url URL`, or `atoll login URL`",
                ));
            };
            Client::new(&kept.url, Some(&value))?;
            Context { url: kept.url.clone(), token: Some(value), ..Context::default() }
        }
    };
    let path = context::save(&wanted)?;
    if let Some(kept) = kept.filter(|kept| kept.token.is_some() && kept.token != wanted.token) {
        printer.note(&format!("the token of {} is forgotten", kept.url));
        // The key of a log-in has no owner any more; where it cannot be ended, it is still listed.
        let _unreachable = logout::end_key(kept).await;
    }
    printer.note(&format!("kept in {}", path.display()));
    Ok(())
}

async fn unset(key: Key, printer: Printer) -> anyhow::Result<()> {
    let Some(kept) = context::load()? else { return Err(not_kept(key)) };
    match key {
        Key::Url => drop(context::forget()?),
        Key::Token if kept.token.is_none() => return Err(not_kept(key)),
        Key::Token => {
            context::save(&Context { url: kept.url.clone(), ..Context::default() })?;
        }
    }
    if kept.token.is_some() {
        printer.note(&format!("the token of {} is forgotten", kept.url));
        let _unreachable = logout::end_key(kept).await;
    }
    Ok(())
}

fn not_kept(key: Key) -> anyhow::Error {
    let name = match key {
        Key::Url => "url",
        Key::Token => "token",
    };
    advised(format!("no {name} is kept"), "`atoll config` shows what counts, and where it comes from")
}
