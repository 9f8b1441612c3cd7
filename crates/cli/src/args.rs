//! The command line. Only its shape is here; what a command does is in its own file.

use clap::{Parser, Subcommand, ValueEnum};

use crate::commands;

/// How data is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: the `data` of the API's answer.
    Json,
}

const AFTER: &str = "\
Exit status:
  0     done; `run`, `exec` and `shell` end with the status of the command instead (127: not found, 128+n: signal n)
  1     failed
  2     the command line is wrong
  125   `run`, `exec` and `shell`: Atoll failed, not the command
  130   given up after a second Ctrl-C

Data goes to standard output, all the rest to standard error.
`atoll login` keeps a server and its key in $XDG_CONFIG_HOME/atoll/config.yaml; --url and ATOLL_TOKEN come before it.";

/// Isolated Linux sandboxes in milliseconds.
#[derive(Debug, Parser)]
#[command(name = "atoll", version, after_help = AFTER, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Global {
    /// Address of the server [default: that of `atoll login`, else http://127.0.0.1:3001].
    #[arg(
        long,
        global = true,
        env = "ATOLL_URL",
        hide_env_values = true,
        value_name = "URL",
        help_heading = "Global options"
    )]
    pub(crate) url: Option<String>,
    /// How data is written.
    #[arg(
        long,
        global = true,
        env = "ATOLL_OUTPUT",
        hide_env_values = true,
        default_value = "table",
        hide_possible_values = true,
        value_name = "table|json",
        help_heading = "Global options"
    )]
    pub(crate) output: Format,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a server on this machine.
    #[cfg(feature = "serve")]
    Serve(Box<commands::serve::Args>),
    /// Run one command in a new sandbox, and delete the sandbox afterwards.
    Run(Box<commands::run::Args>),
    /// Make a sandbox and print its id.
    Create(Box<commands::create::Args>),
    /// List sandboxes.
    #[command(visible_alias = "list")]
    Ls(commands::ls::Args),
    /// Show a sandbox.
    Get(commands::get::Args),
    /// Run a command in a sandbox.
    Exec(Box<commands::exec::Args>),
    /// Open a shell in a sandbox, on a terminal.
    Shell(Box<commands::shell::Args>),
    /// Print what the main process of a sandbox wrote.
    Logs(commands::logs::Args),
    /// Start stopped sandboxes.
    Start(commands::change::StartArgs),
    /// Stop sandboxes; their files stay.
    Stop(commands::change::StopArgs),
    /// Stop and start sandboxes.
    Restart(commands::change::Args),
    /// Let the idle time of sandboxes begin anew.
    Keepalive(commands::change::Args),
    /// Delete sandboxes with their files.
    #[command(visible_alias = "delete")]
    Rm(commands::rm::Args),
    /// Copy files and folders into a sandbox or out of it.
    Cp(commands::cp::Args),
    /// Import, list and remove images.
    Image(commands::image::Args),
    /// Start, look at and stop background jobs of a sandbox.
    Job(commands::job::Args),
    /// Define, list and change environments: named, versioned definitions of sandboxes.
    Env(commands::env::Args),
    /// Set, name and remove secrets of an environment.
    Secret(commands::secret::Args),
    /// Make another sandbox like one, but for what is given.
    Replicate(Box<commands::replicate::Args>),
    /// Make, list and remove API keys.
    Key(commands::key::Args),
    /// Find what no sandbox owns any more on this machine, and remove it.
    #[cfg(feature = "serve")]
    Doctor(commands::doctor::Args),
    /// Choose a server, and log in there.
    Login(commands::login::Args),
    /// Forget the server and its key.
    Logout,
    /// Show who is logged in, and where.
    Whoami,
    /// Show which settings count, and where each comes from; read and change those that are kept.
    Config(commands::config::Args),
    /// Print what completes this command's words in a shell.
    Completions(commands::completions::Args),
    /// Print the release of this command and of the server.
    Version,
    /// Freeze all that runs in sandboxes, until they are resumed.
    Pause(commands::change::Args),
    /// Let paused sandboxes go on where they were.
    Resume(commands::change::Args),
    /// Show what sandboxes use, again and again.
    Top(commands::top::Args),
    /// Show what you may have, and what is used of it.
    Usage,
    /// Show who did what.
    Audit(commands::audit::Args),
    /// Show what happens, as it happens.
    Events(commands::events::Args),
    /// Change your password.
    Password(commands::password::Args),
    /// List and end your log-ins.
    Session(commands::session::Args),
    /// Look after accounts, invitations, quotas and the audit log, as an admin.
    Admin(commands::admin::Args),
}

impl Command {
    /// The sandbox that the command is about, as it was given, so that a hint can name it.
    pub(crate) fn sandbox(&self) -> Option<&str> {
        match self {
            Self::Exec(args) => Some(&args.sandbox),
            Self::Get(args) => Some(&args.sandbox),
            Self::Shell(args) => Some(&args.sandbox),
            Self::Logs(args) => Some(&args.sandbox),
            Self::Replicate(args) => Some(&args.sandbox),
            Self::Cp(args) => args.sandbox(),
            _ => None,
        }
    }

    /// Whether the exit status belongs to a command in a sandbox, so that failures of Atoll need one of their own.
    pub(crate) const fn passes_status_through(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Exec(_) | Self::Shell(_))
    }
}
