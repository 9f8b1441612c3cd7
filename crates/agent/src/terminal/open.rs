//! Makes a terminal with a program in it.

use std::sync::Arc;
use std::time::Duration;

use atoll_agent_protocol::v1::{TerminalOpenReply, TerminalOpenRequest};
use atoll_agent_protocol::{TERMINAL_NAME_BYTES_MAX, TERMINAL_SIDE_MAX, TERMINALS_MAX};
use rustix::fs::Access;
use tonic::Status;

use super::pty::{Pty, Size};
use super::pump::Pump;
use super::state::{Made, Terminal};
use crate::agent::Agent;
use crate::launch::Launch;
use crate::spares::Spare;
use crate::start::{PATH_DEFAULT, Pending, hand_to_spare, whole_environment};
use crate::task;
use crate::users::Identity;

/// Exit code of a program that could not be started.
const CODE_CANNOT_RUN: i32 = 126;
/// Where the user's own shell is not there.
const SHELL_FALLBACK: &str = "/bin/sh";

/// Makes a terminal, or finds the one that has this name and whose program runs.
pub(crate) fn open(agent: &Arc<Agent>, request: TerminalOpenRequest) -> Result<TerminalOpenReply, Status> {
    check_name(&request.name)?;
    let size = size(request.cols, request.rows)?;
    if !request.cwd.is_empty() && !request.cwd.starts_with('/') {
        return Err(Status::invalid_argument("cwd must be absolute"));
    }
    if let Ok(terminal) = agent.terminals.find(&request.name, 0)
        && terminal.end().is_none()
    {
        return Ok(TerminalOpenReply { generation: terminal.generation, made: false });
    }
    if !agent.terminals.has_room() {
        return Err(Status::resource_exhausted(format!("{TERMINALS_MAX} terminals are open")));
    }
    let pending = Pending::reserve(agent, request.argv.iter().chain(&request.env), 0)?;
    agent.activity.touch();
    let terminal = match start(agent, &request, size, &pending) {
        Ok(terminal) => terminal,
        Err(reason) => refuse(made(agent, request, size, None), &reason),
    };
    agent.terminals.hold(&terminal);
    Ok(TerminalOpenReply { generation: terminal.generation, made: true })
}

fn check_name(name: &str) -> Result<(), Status> {
    let bytes = name.as_bytes();
    let ok = (1..=TERMINAL_NAME_BYTES_MAX).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
    ok.then_some(()).ok_or_else(|| Status::invalid_argument("name must be letters, digits, -, _ and ."))
}

/// A size that a terminal may have.
pub(crate) fn size(cols: u32, rows: u32) -> Result<Size, Status> {
    let side = |side: u32| u16::try_from(side).ok().filter(|_| (1..=TERMINAL_SIDE_MAX).contains(&side));
    match (side(cols), side(rows)) {
        (Some(cols), Some(rows)) => Ok(Size { cols, rows }),
        _ => Err(Status::invalid_argument("cols and rows must be 1 to 1000")),
    }
}

fn made(agent: &Agent, request: TerminalOpenRequest, size: Size, pid: Option<rustix::process::Pid>) -> Made {
    let linger = (request.linger_ms > 0).then(|| Duration::from_millis(request.linger_ms));
    Made { name: request.name, generation: agent.terminals.next_generation(), pid, linger, size }
}

fn start(
    agent: &Arc<Agent>,
    request: &TerminalOpenRequest,
    size: Size,
    pending: &Arc<Pending>,
) -> Result<Arc<Terminal>, String> {
    let identity = agent.users.resolve(&request.user).map_err(|error| error.to_string())?;
    let (pty, path) = Pty::open(size).map_err(|error| format!("cannot make a terminal: {error}"))?;
    let Spare { raw, ended } = launch(agent, request, &identity, &path, pending)?;
    let pty = Arc::new(pty);
    let terminal =
        Arc::new(Terminal::new(made(agent, request.clone(), size, Some(raw.pid)), Some(Arc::clone(&pty))));
    // The child's own ends of the pipes go with the terminal taking their place; ours go here.
    drop((raw.stdin, raw.stdout, raw.stderr));
    task::spawn(Pump::new(Arc::clone(agent), Arc::clone(&terminal), pty).run(ended));
    Ok(terminal)
}

fn launch(
    agent: &Arc<Agent>,
    request: &TerminalOpenRequest,
    identity: &Identity,
    terminal: &str,
    pending: &Arc<Pending>,
) -> Result<Spare, String> {
    let env = whole_environment(&request.env, identity);
    let shell = shell_of(identity);
    let login = [login_name(shell)];
    let argv = if request.argv.is_empty() { &login } else { &*request.argv };
    let launch = Launch {
        uid: identity.uid,
        gid: identity.gid,
        groups: &identity.groups,
        path: env.iter().find_map(|var| var.strip_prefix("PATH=")).unwrap_or(PATH_DEFAULT),
        cwd: if request.cwd.is_empty() { &identity.home } else { &request.cwd },
        cwd_optional: request.cwd.is_empty(),
        terminal: Some(terminal),
        keep_channel: false,
        program: request.argv.first().map_or(shell, String::as_str),
        argv,
        env: &env,
    };
    hand_to_spare(agent, &launch, pending)
}

fn shell_of(identity: &Identity) -> &str {
    let there = rustix::fs::access(identity.shell.as_str(), Access::EXEC_OK).is_ok();
    if there { &identity.shell } else { SHELL_FALLBACK }
}

/// `-bash` of `/bin/bash`: a shell that is called so reads what a log-in reads.
fn login_name(shell: &str) -> String {
    format!("-{}", shell.rsplit('/').next().unwrap_or(shell))
}

/// A terminal whose program could not be started: it shows why, and has ended.
fn refuse(made: Made, reason: &str) -> Arc<Terminal> {
    let terminal = Terminal::new(made, None);
    terminal.push(format!("atoll: {reason}\r\n").as_bytes());
    terminal.finish(CODE_CANNOT_RUN);
    Arc::new(terminal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sizes_have_bounds() {
        for name in ["main", "a.b-c_1", &"x".repeat(TERMINAL_NAME_BYTES_MAX)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a/b", "a b", "é", "a\0", &"x".repeat(TERMINAL_NAME_BYTES_MAX + 1)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for (cols, rows) in [(0, 24), (80, 0), (1_001, 24), (80, u32::MAX)] {
            assert!(size(cols, rows).is_err(), "{cols} × {rows}");
        }
        assert!(size(1, 1_000).is_ok());
    }

    #[test]
    fn a_login_shell_is_called_so() {
        assert_eq!(login_name("/usr/bin/zsh"), "-zsh");
    }
}
