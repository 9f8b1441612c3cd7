//! Options of `run` and `exec` about the command.

use std::collections::BTreeMap;
use std::time::Duration;

use atoll_api_types::{CommandBody, Encoding, ExecBody};

use crate::session::StdinChoice;
use crate::shell::{terminal_kind, window_size};
use crate::{pairs, units};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Command")]
pub(crate) struct Process {
    /// Variable; KEY alone takes the value from here; may be given several times.
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pairs::variable)]
    env: Vec<(String, String)>,
    /// Folder in which it runs [default: the user's home].
    #[arg(long, short, value_name = "PATH")]
    workdir: Option<String>,
    /// User as whom it runs, such as `root` or `1000:1000`.
    #[arg(long, short)]
    user: Option<String>,
    /// Kill it after so long: 90, 15m, 2h.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,
    /// Pass standard input on even if it is a terminal.
    #[arg(long, short)]
    interactive: bool,
    /// Run it in a terminal, with this window's size: its keys go to the command, Ctrl-C too. Enter, then `~.` gives up.
    #[arg(long, short)]
    tty: bool,
    /// Pass no standard input on; else it is passed when it is not a terminal.
    #[arg(long, short, conflicts_with = "interactive")]
    no_stdin: bool,
    /// Program and arguments. For a shell line: `-- sh -c 'LINE'`.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Process {
    pub(crate) fn stdin(&self) -> StdinChoice {
        StdinChoice { interactive: self.interactive || self.tty, none: self.no_stdin }
    }

    /// The body of the request; standard input is closed.
    pub(crate) fn into_body(self) -> ExecBody {
        let (cols, rows) = window_size().filter(|_| self.tty).unzip();
        let mut env: BTreeMap<String, String> = self.env.into_iter().collect();
        if let Some(kind) = terminal_kind().filter(|_| self.tty) {
            env.entry("TERM".to_owned()).or_insert(kind);
        }
        ExecBody {
            command: CommandBody::Argv(self.command),
            run_async: None,
            env,
            cwd: self.workdir,
            user: self.user,
            timeout_seconds: self.timeout.map(|timeout| u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX)),
            stdin: None,
            stdin_encoding: Encoding::Utf8,
            open_stdin: false,
            tty: self.tty,
            cols,
            rows,
        }
    }
}
