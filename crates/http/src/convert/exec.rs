//! Execs to start.

use atoll_api_types::{CommandBody, Encoding, ExecBody};
use atoll_engine::NewExec;
use atoll_types::{Command, CommandError, EnvVars, ExecSpec, GuestPath, GuestUser, TerminalSize, bounds};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::answer::ApiFailure;
use crate::extract::Problems;

/// A checked body of `POST …/exec`.
#[derive(Debug)]
pub(crate) struct NewExecBody {
    pub(crate) exec: NewExec,
    /// What the request says about waiting; the setting decides when it says nothing.
    pub(crate) run_async: Option<bool>,
}

impl TryFrom<ExecBody> for NewExecBody {
    type Error = ApiFailure;

    fn try_from(body: ExecBody) -> Result<Self, ApiFailure> {
        let mut problems = Problems::default();
        let command = problems.check("command", command(body.command));
        let env = problems.check("env", EnvVars::new(body.env));
        let cwd = problems.parse::<GuestPath>("cwd", body.cwd);
        let user = problems.parse::<GuestUser>("user", body.user);
        let seconds = &(1..=bounds::EXEC_TIMEOUT_SECONDS_MAX);
        let timeout_seconds = problems.within("timeoutSeconds", body.timeout_seconds, seconds);
        let stdin = decode_bytes("stdin", body.stdin.unwrap_or_default(), body.stdin_encoding, &mut problems);
        let stdin_open = body.open_stdin;
        let tty = tty(body.tty, body.cols, body.rows, &mut problems);
        let spec = command.zip(env).map(|(command, env)| ExecSpec {
            command,
            env,
            cwd,
            user,
            timeout_seconds,
            stdin_open,
            tty,
        });
        let exec = spec.zip(stdin).map(|(spec, stdin)| NewExec { spec, stdin });
        Ok(Self { exec: problems.finish(exec)?, run_async: body.run_async })
    }
}

/// The terminal that is asked for: 80 × 24 where no size is given.
fn tty(wanted: bool, cols: Option<u32>, rows: Option<u32>, problems: &mut Problems) -> Option<TerminalSize> {
    if !wanted {
        for (field, _) in [("cols", cols), ("rows", rows)].into_iter().filter(|(_, side)| side.is_some()) {
            problems.add(field, "needs `tty`: only a terminal has a size");
        }
        return None;
    }
    let usual = TerminalSize::default();
    let size = TerminalSize::new(
        cols.unwrap_or_else(|| usual.cols().into()),
        rows.unwrap_or_else(|| usual.rows().into()),
    );
    size.map_err(|e| problems.add(e.what, format!("must be {}", e.expected))).ok()
}

/// A command of either form.
pub(super) fn command(body: CommandBody) -> Result<Command, CommandError> {
    match body {
        CommandBody::Line(line) => Command::shell(line),
        CommandBody::Argv(argv) => Command::argv(argv),
    }
}

/// Bytes as the encoding says, at most [`bounds::STDIN_BYTES_MAX`].
pub(crate) fn decode_bytes(
    field: &str,
    text: String,
    encoding: Encoding,
    problems: &mut Problems,
) -> Option<Bytes> {
    let bytes = match encoding {
        Encoding::Utf8 => text.into_bytes(),
        Encoding::Base64 => problems
            .check(field, STANDARD.decode(text).map_err(|_| "must be standard base 64 with padding"))?,
    };
    if bytes.len() > bounds::STDIN_BYTES_MAX {
        problems.add(field, "must have at most 1 MiB; give more through the stdin endpoint, piece by piece");
        return None;
    }
    Some(bytes.into())
}
