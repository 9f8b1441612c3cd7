//! The flags of `atoll serve`, made from the table of keys.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, FromArgMatches};

use super::{KEYS, Key};

const CONFIG: &str = "config";

/// The flags of `atoll serve` as they were given; nothing is checked yet.
#[derive(Debug, Clone, Default)]
pub struct ServeArgs {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// The flags that were given, with their keys.
    pub(crate) flags: Vec<(&'static Key, String)>,
}

fn flag(key: &'static Key) -> Option<Arg> {
    let name = key.flag?;
    let shown = format!("{} [default: {}] [env: {}]", key.help, key.default, key.variables.join(", "));
    let arg = Arg::new(key.name).long(name).value_name("VALUE").help(shown);
    // With `=` only, so that the switch alone does not swallow what follows it.
    Some(if key.is_switch {
        arg.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        arg
    })
}

impl clap::Args for ServeArgs {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG).long(CONFIG).value_name("FILE");
        let config = config.value_parser(clap::value_parser!(PathBuf));
        let help = "YAML file of settings; variables come before it, flags before both [env: ATOLL_CONFIG]";
        KEYS.iter().filter_map(flag).fold(command.arg(config.help(help)), Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.config = matches.get_one::<PathBuf>(CONFIG).cloned();
        let given = |key: &'static Key| {
            key.flag?;
            Some((key, matches.get_one::<String>(key.name)?.clone()))
        };
        self.flags = KEYS.iter().filter_map(given).collect();
        Ok(())
    }
}
