//! `atoll login`

use std::io::{BufRead, Read};
use std::process::ExitCode;

use anyhow::Context as _;
use atoll_api_types::{AuthData, CreateApiKey, Credentials, SignUp, User};
use atoll_client::{Client, ClientError};
use atoll_types::Scopes;

use super::logout;
use crate::args::Global;
use crate::context::{self, Context};
use crate::printer::Printer;
use crate::terminal;

/// Longest secret that is read from standard input, in bytes: far beyond any password or token.
const SECRET_BYTES_MAX: u64 = 16 << 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address of the server; comes before --url.
    #[arg(value_name = "SERVER")]
    server: Option<String>,
    /// Address of the account; asked for when absent.
    #[arg(long)]
    email: Option<String>,
    /// Read the password from the first line of standard input instead of asking for it.
    #[arg(long, requires = "email")]
    password_stdin: bool,
    /// Keep the log-in itself in place of a key: its token is refreshed, and it ends when it is not used for long.
    #[arg(long, conflicts_with_all = ["token", "token_stdin"])]
    session: bool,
    /// Make the account first.
    #[arg(long, conflicts_with_all = ["token", "token_stdin"])]
    sign_up: bool,
    /// Make the account by this invitation, inv_…
    #[arg(long, conflicts_with_all = ["token", "token_stdin"])]
    invitation: Option<String>,
    /// A token or an sk_ key instead of an account. Other users of this machine can see it: --token-stdin hides it.
    #[arg(long, conflicts_with_all = ["email", "token_stdin"])]
    token: Option<String>,
    /// Read a token or an sk_ key from the first line of standard input.
    #[arg(long, conflicts_with = "email")]
    token_stdin: bool,
}

/// Proves who it is before anything is kept.
pub(crate) async fn run(args: Args, global: &Global, printer: Printer) -> anyhow::Result<ExitCode> {
    let before = context::load().ok().flatten();
    let url = args.server.clone().unwrap_or_else(|| context::url(global, before.as_ref()));
    let (context, user) = match &args {
        Args { token: Some(token), .. } => with_token(&url, token.clone()).await?,
        Args { token_stdin: true, .. } => with_token(&url, first_line()?).await?,
        _ => with_account(&url, &args, printer).await?,
    };
    let path = context::save(&context)?;
    if let Some(before) = before.filter(|before| before.token != context.token) {
        // The key of the last log-in has no owner any more; where it cannot be ended, it is still listed.
        let _unreachable = logout::end_key(before).await;
    }
    printer.data(&user, String::new)?;
    printer.note(&format!("logged in at {} as {}; kept in {}", context.url, user.email, path.display()));
    Ok(ExitCode::SUCCESS)
}

async fn with_token(url: &str, token: String) -> anyhow::Result<(Context, User)> {
    let client = Client::new(url, Some(&token))?;
    let user = client.me().await?;
    let url = client.base_url().to_owned();
    Ok((Context { url, token: Some(token), ..Context::default() }, user))
}

/// A log-in's token ends soon, so a key is made with it and kept instead.
async fn with_account(url: &str, args: &Args, printer: Printer) -> anyhow::Result<(Context, User)> {
    let anonymous = Client::new(url, None)?;
    let url = anonymous.base_url().to_owned();
    if args.email.is_none()
        && let Ok(user) = anonymous.me().await
    {
        // Single-user mode: the server asks nobody.
        return Ok((Context { url, ..Context::default() }, user));
    }
    let credentials = credentials(args, printer).await?;
    let data = if args.sign_up || args.invitation.is_some() {
        let Credentials { email, password } = credentials;
        anonymous.sign_up(&SignUp { email, password, invitation: args.invitation.clone() }).await?
    } else {
        anonymous.log_in(&credentials).await?
    };
    if args.session {
        return Ok(log_in_kept(url, data));
    }
    let with_token = Client::new(&url, Some(&data.token))?;
    let scopes = if data.user.role == "admin" { Scopes::ALL } else { Scopes::usual() };
    let scopes = Some(scopes.iter().map(|scope| scope.to_string()).collect());
    let new = CreateApiKey { name: key_name(), expires_in_seconds: None, scopes };
    match with_token.api_key_create(&new).await {
        Ok(key) => {
            let (token, key_id) = (Some(key.key), Some(key.info.id));
            Ok((Context { url, token, key_id, ..Context::default() }, data.user))
        }
        Err(ClientError::Api(api)) if api.status == 403 => Ok(log_in_kept(url, data)),
        Err(error) => Err(error.into()),
    }
}

/// The log-in itself, whose token is refreshed from now on.
fn log_in_kept(url: String, data: AuthData) -> (Context, User) {
    let context = Context {
        url,
        token: Some(data.token),
        key_id: None,
        refresh_token: data.refresh_token,
        token_expires_at: Some(data.expires_at),
    };
    (context, data.user)
}

async fn credentials(args: &Args, printer: Printer) -> anyhow::Result<Credentials> {
    let email = match &args.email {
        Some(email) => email.clone(),
        None => terminal::ask(printer, "Email: ").await?,
    };
    let password =
        if args.password_stdin { first_line()? } else { terminal::ask_secret(printer, "Password: ").await? };
    Ok(Credentials { email, password })
}

/// Says in the list of keys whose it is.
fn key_name() -> String {
    let system = rustix::system::uname();
    let host: String =
        system.nodename().to_string_lossy().chars().filter(|c| !c.is_control()).take(40).collect();
    format!("atoll login on {host}")
}

/// The first line of standard input: a secret that stands in no list of processes.
pub(super) fn first_line() -> anyhow::Result<String> {
    let mut line = String::new();
    let input = std::io::stdin().lock();
    input.take(SECRET_BYTES_MAX).read_line(&mut line).context("cannot read standard input")?;
    let line = line.trim_end_matches(['\n', '\r']);
    anyhow::ensure!(!line.is_empty(), "standard input is empty: a secret was expected there");
    Ok(line.to_owned())
}
