//! What to run, and in which surroundings.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bounds;
use crate::input::{InputError, text_input};

/// A command: a line for `/bin/sh -c`, or a program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Command {
    /// A line for the sandbox's own `/bin/sh -c`.
    Shell(String),
    /// A program and its arguments; never empty.
    Argv(Vec<String>),
}

/// A command that cannot be run by any sandbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No program is named.
    #[error("command must name a program: a non-empty string, or a list whose first item is not empty")]
    Empty,
    /// The kernel cannot take a NUL in an argument.
    #[error("command must not contain the character NUL")]
    Nul,
    /// Beyond [`bounds::ARGS_MAX`] or [`bounds::ARGS_BYTES_MAX`].
    #[error(
        "command must have at most 4096 arguments and 1 MiB in all; put more into a file or standard input"
    )]
    TooLong,
}

impl Command {
    /// A checked command line for the shell.
    ///
    /// # Errors
    /// When it is empty, has a NUL or is too long.
    pub fn shell(line: String) -> Result<Self, CommandError> {
        if line.trim().is_empty() {
            return Err(CommandError::Empty);
        }
        Self::check(std::slice::from_ref(&line))?;
        Ok(Self::Shell(line))
    }

    /// A checked program with arguments.
    ///
    /// # Errors
    /// When it is empty, has a NUL or is too long.
    pub fn argv(argv: Vec<String>) -> Result<Self, CommandError> {
        if argv.first().is_none_or(String::is_empty) {
            return Err(CommandError::Empty);
        }
        Self::check(&argv)?;
        Ok(Self::Argv(argv))
    }

    fn check(args: &[String]) -> Result<(), CommandError> {
        let bytes: usize = args.iter().map(|a| a.len() + 1).sum();
        if args.len() > bounds::ARGS_MAX || bytes > bounds::ARGS_BYTES_MAX {
            return Err(CommandError::TooLong);
        }
        if args.iter().any(|a| a.contains('\0')) {
            return Err(CommandError::Nul);
        }
        Ok(())
    }

    /// The arguments as the kernel gets them.
    #[must_use]
    pub fn to_argv(&self) -> Vec<String> {
        match self {
            Self::Shell(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
            Self::Argv(argv) => argv.clone(),
        }
    }
}

/// Environment variables: names and values checked, at most [`bounds::ENV_MAX`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvVars(BTreeMap<String, String>);

impl EnvVars {
    /// Checks names (not empty, no `=`, no NUL) and values (no NUL), and the size of all.
    ///
    /// # Errors
    /// What is wrong with the first bad one.
    pub fn new(vars: BTreeMap<String, String>) -> Result<Self, InputError> {
        let bytes: usize = vars.iter().map(|(k, v)| k.len() + v.len() + 2).sum();
        if vars.len() > bounds::ENV_MAX || bytes > bounds::ENV_BYTES_MAX {
            return Err(InputError { what: "env", expected: "at most 1024 variables and 256 KiB in all" });
        }
        let bad_name = |k: &String| k.is_empty() || k.contains(['=', '\0']);
        if vars.iter().any(|(k, v)| bad_name(k) || v.contains('\0')) {
            return Err(InputError {
                what: "env",
                expected: "names that are not empty and have no '=' or NUL, and values without NUL",
            });
        }
        Ok(Self(vars))
    }

    /// The same, checked: what was read from a file or a message need not be right.
    ///
    /// # Errors
    /// As [`EnvVars::new`].
    pub fn checked(self) -> Result<Self, InputError> {
        Self::new(self.0)
    }

    /// These, and those of `base` that have none of their names.
    ///
    /// # Errors
    /// When there are too many together.
    pub fn over(self, base: Self) -> Result<Self, InputError> {
        Self::new(base.0.into_iter().chain(self.0).collect())
    }

    /// Whether one has this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The variables in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

text_input!(
    /// An absolute path inside a sandbox. It is resolved inside, beneath the sandbox's root; here only its shape counts.
    GuestPath, "path", "an absolute path of at most 4095 bytes without NUL",
    |text| text.starts_with('/') && text.len() <= bounds::PATH_BYTES_MAX && !text.contains('\0')
);

text_input!(
    /// A user inside a sandbox: a name, a uid, or either with a group: `agent`, `1000`, `root:adm`, `0:0`.
    GuestUser, "user", "a user name or uid, optionally ':' and a group name or gid, at most 65 characters",
    |text| {
        let part = |p: &str| {
            (1..=32).contains(&p.len())
                && !p.starts_with('-')
                && p.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.$".contains(&b))
        };
        match text.split_once(':') {
            Some((user, group)) => part(user) && part(group),
            None => part(text),
        }
    }
);

impl GuestUser {
    /// The user that runs commands where neither the request nor the image names one.
    #[must_use]
    pub fn agent() -> Self {
        #[expect(clippy::expect_used, reason = "a constant")]
        Self::from_str("agent").expect("a valid user")
    }
}
