//! What a command of the fake agent does.

use std::collections::VecDeque;

use atoll_ports::StartExec;
use atoll_types::OutputStream;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Output(OutputStream, Vec<u8>),
    /// Copies standard input to standard output until its end.
    Cat,
    /// Runs on until [`super::FakeAgents::release`], or a signal that ends it.
    Hold,
}

/// What a command of the fake agent does: its steps in order, then its exit.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub(super) steps: VecDeque<Step>,
    pub(super) code: i32,
    pub(super) refusal: Option<String>,
    pub(super) ignores_signals: bool,
}

impl Script {
    /// Exits at once with 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The agent cannot start it and says this.
    #[must_use]
    pub fn refuse(message: &str) -> Self {
        Self { refusal: Some(message.to_owned()), ..Self::default() }
    }

    /// Writes to standard output; longer data becomes several events.
    #[must_use]
    pub fn stdout(self, data: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Output(OutputStream::Stdout, data.into()))
    }

    /// Writes to standard error.
    #[must_use]
    pub fn stderr(self, data: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Output(OutputStream::Stderr, data.into()))
    }

    /// Copies standard input to standard output until its end.
    #[must_use]
    pub fn cat(self) -> Self {
        self.step(Step::Cat)
    }

    /// Runs on until released or signalled.
    #[must_use]
    pub fn hold(self) -> Self {
        self.step(Step::Hold)
    }

    /// Exits with this code after its steps.
    #[must_use]
    pub fn exit(mut self, code: i32) -> Self {
        self.code = code;
        self
    }

    /// Survives every signal but KILL.
    #[must_use]
    pub fn ignore_signals(mut self) -> Self {
        self.ignores_signals = true;
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }
}

/// What a few well-known commands do, given directly or as a line for the shell: `true`, `false`, `exit N`,
/// `echo WORDS`, `cat`, `sleep …` (holds). Any other is not found: 127.
pub(super) fn well_known(start: &StartExec) -> Script {
    let line = match start.argv.as_slice() {
        [shell, flag, line] if shell == "/bin/sh" && flag == "-c" => line.clone(),
        argv => argv.join(" "),
    };
    let (program, rest) = line.split_once(' ').unwrap_or((&line, ""));
    match program {
        "true" => Script::new(),
        "false" => Script::new().exit(1),
        "exit" => Script::new().exit(rest.trim().parse().unwrap_or(2)),
        "echo" => Script::new().stdout(format!("{rest}\n")),
        "cat" => Script::new().cat(),
        "sleep" => Script::new().hold(),
        other => Script::new().stderr(format!("{other}: not found\n")).exit(127),
    }
}
