//! Starts a command: resolves what the request names and hands it to a waiting child.
//!
//! What is wrong with the command itself (no such user, program or directory) is told the way a shell tells it: on
//! its standard error, with exit code 126 or 127. Only what serve did wrong, or should try again later, is an error.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use atoll_agent_protocol::v1::{ExecRequest, Exit, Start, event::Kind, output::Stream};
use atoll_agent_protocol::{EXEC_ID_BYTES_MAX, EXEC_STDIN_BYTES_MAX, exec_output};
use bytes::Bytes;
use rustix::io::Errno;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Sender;
use tonic::Status;

use crate::agent::Agent;
use crate::exec::Exec;
use crate::launch::Launch;
use crate::pump::{Pump, Source};
use crate::spares::Spare;
use crate::stdin::Stdin;
use crate::terminal::pty::{Pty, Size};
use crate::users::Identity;
use crate::{status, task, terminal};

/// Where programs are looked for when the environment has no PATH.
pub(crate) const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Exit code of a command that could not be started.
const CODE_CANNOT_RUN: i32 = 126;

/// Starts a command, or finds the one that has this id already.
pub(crate) fn start(agent: &Arc<Agent>, request: ExecRequest) -> Result<Arc<Exec>, Status> {
    if let Ok(exec) = agent.find(&request.exec_id) {
        return Ok(exec);
    }
    check(&request)?;
    if agent.is_full() {
        return Err(status::too_many());
    }
    let pending = Pending::reserve(agent, request.argv.iter().chain(&request.env), request.stdin.len())?;
    let tty = request.tty.map(|size| terminal::size(size.cols, size.rows)).transpose()?;
    let exec = match begin(agent, &request, tty, pending) {
        Ok(exec) => exec,
        Err(reason) => refuse(agent, request, &reason),
    };
    agent.hold(&exec);
    Ok(exec)
}

fn check(request: &ExecRequest) -> Result<(), Status> {
    let id = request.exec_id.as_bytes();
    let id_ok = (1..=EXEC_ID_BYTES_MAX).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
    if !id_ok {
        return Err(Status::invalid_argument("exec_id must be letters, digits, - and _"));
    }
    if request.argv.first().is_none_or(String::is_empty) {
        return Err(Status::invalid_argument("argv must name a program"));
    }
    if request.stdin.len() > EXEC_STDIN_BYTES_MAX {
        return Err(Status::invalid_argument("stdin is too long"));
    }
    if !request.cwd.is_empty() && !request.cwd.starts_with('/') {
        return Err(Status::invalid_argument("cwd must be absolute"));
    }
    Ok(())
}

fn begin(
    agent: &Arc<Agent>,
    request: &ExecRequest,
    tty: Option<Size>,
    pending: Arc<Pending>,
) -> Result<Arc<Exec>, String> {
    let tty = tty.map(Pty::open).transpose().map_err(|error| format!("cannot make a terminal: {error}"))?;
    let (tty, path) = tty.map(|(tty, path)| (Arc::new(tty), path)).unzip();
    let spare = launch(agent, request, path.as_deref(), &pending)?;
    run(agent, request, spare, tty, pending)
}

/// Resolves what the request names, and hands it to a child.
fn launch(
    agent: &Arc<Agent>,
    request: &ExecRequest,
    tty: Option<&str>,
    pending: &Arc<Pending>,
) -> Result<Spare, String> {
    let identity = agent.users.resolve(&request.user).map_err(|error| error.to_string())?;
    let env = whole_environment(&request.env, &identity);
    let launch = Launch {
        uid: identity.uid,
        gid: identity.gid,
        groups: &identity.groups,
        path: env.iter().find_map(|var| var.strip_prefix("PATH=")).unwrap_or(PATH_DEFAULT),
        cwd: if request.cwd.is_empty() { &identity.home } else { &request.cwd },
        cwd_optional: request.cwd.is_empty(),
        terminal: tty,
        keep_channel: false,
        program: request.argv.first().map_or("", String::as_str),
        argv: &request.argv,
        env: &env,
    };
    hand_to_spare(agent, &launch, pending)
}

/// Gives a waiting child what it is to become.
pub(crate) fn hand_to_spare(
    agent: &Agent,
    launch: &Launch<'_>,
    pending: &Arc<Pending>,
) -> Result<Spare, String> {
    let block = launch.encode().ok_or("the command is too long, or has a NUL")?;
    let mut spare = agent.spares.take().map_err(|error| format!("cannot make a process: {error}"))?;
    let pipe = spare.raw.request.take().ok_or("cannot make a process")?;
    hand_over(pipe, block, pending).map_err(|error| format!("cannot make a process: {error}"))?;
    spare.go_on();
    Ok(spare)
}

/// Writes the block into the child's pipe; a large one goes on while the child reads.
fn hand_over(pipe: OwnedFd, mut block: Vec<u8>, pending: &Arc<Pending>) -> io::Result<()> {
    // At once, since somebody waits: through the event loop it would take a turn longer.
    let written = match rustix::io::write(&pipe, &block) {
        Ok(n) => n,
        Err(Errno::AGAIN) => 0,
        // The child was killed this moment; its end tells so.
        Err(_) => block.len(),
    };
    if written < block.len() {
        let mut pipe = Sender::from_owned_fd_unchecked(pipe)?;
        let pending = Arc::clone(pending);
        drop(block.drain(..written));
        task::spawn(async move {
            // As above.
            drop(pipe.write_all(&block).await);
            drop(pending);
        });
    }
    Ok(())
}

/// Follows a child that has its request.
fn run(
    agent: &Arc<Agent>,
    request: &ExecRequest,
    spare: Spare,
    tty: Option<Arc<Pty>>,
    pending: Arc<Pending>,
) -> Result<Arc<Exec>, String> {
    let Spare { raw, ended } = spare;
    let text = |error: io::Error| error.to_string();
    // Where a terminal takes the place of the pipes, the child's ends of them go with that; ours go here.
    let (stdin, sources) = match &tty {
        Some(tty) => (Stdin::typed(tty), [Some(Source::terminal(tty)), None]),
        None => {
            let closed = request.stdin.is_empty() && !request.stdin_open;
            let stdin = if closed { Ok(Stdin::default()) } else { Stdin::new(raw.stdin) };
            let stdout = Source::new(raw.stdout, Stream::Stdout).map_err(text)?;
            let stderr = Source::new(raw.stderr, Stream::Stderr).map_err(text)?;
            (stdin.map_err(text)?, [Some(stdout), Some(stderr)])
        }
    };
    let exec =
        Exec::new(request.exec_id.clone(), request.kind(), Some(raw.pid), stdin).with_tty(tty.as_ref());
    let exec = Arc::new(exec);
    let timeout = (request.timeout_ms > 0).then(|| Duration::from_millis(request.timeout_ms));
    let pump = Pump::new(Arc::clone(agent), Arc::clone(&exec), sources, timeout);
    agent.record(&exec, Kind::Start(Start {}));
    task::spawn(pump.run(ended));
    give_first_input(&exec, request.stdin.clone(), !request.stdin_open, pending);
    Ok(exec)
}

fn give_first_input(exec: &Exec, data: Bytes, eof: bool, pending: Arc<Pending>) {
    // A pipe without input is closed already; in a terminal its end is typed.
    if data.is_empty() && !(eof && exec.tty().is_some()) {
        return;
    }
    let stdin = exec.stdin.clone();
    if let Some(turn) = stdin.first_turn() {
        task::spawn(async move {
            stdin.write_first(turn, data, eof).await;
            drop(pending);
        });
    }
}

/// A command that could not be started, told by its events.
fn refuse(agent: &Agent, request: ExecRequest, reason: &str) -> Arc<Exec> {
    let kind = request.kind();
    let exec = Arc::new(Exec::new(request.exec_id, kind, None, Stdin::default()));
    agent.record(&exec, Kind::Start(Start {}));
    let data = Bytes::from(format!("atoll: {reason}\n"));
    agent.record(&exec, Kind::Output(exec_output(Stream::Stderr, data)));
    agent.record(&exec, Kind::Exit(Exit { code: CODE_CANNOT_RUN, timed_out: false }));
    exec
}

/// The environment of the request, and what the user's entry adds where it is absent.
pub(crate) fn whole_environment(given: &[String], identity: &Identity) -> Vec<String> {
    let mut env = given.to_vec();
    let mut add = |name: &str, value: &str| {
        let absent =
            !given.iter().any(|var| var.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')));
        if absent {
            env.push(format!("{name}={value}"));
        }
    };
    add("HOME", &identity.home);
    add("SHELL", &identity.shell);
    if let Some(name) = &identity.name {
        add("USER", name);
        add("LOGNAME", name);
    }
    env
}

/// Memory of a request that its command has not taken yet; given back when dropped.
#[derive(Debug)]
pub(crate) struct Pending {
    agent: Arc<Agent>,
    bytes: usize,
}

impl Pending {
    /// For these words and so many bytes of input.
    pub(crate) fn reserve<'a>(
        agent: &Arc<Agent>,
        words: impl Iterator<Item = &'a String>,
        input_bytes: usize,
    ) -> Result<Arc<Self>, Status> {
        let bytes = input_bytes + words.map(|word| word.len() + 1).sum::<usize>();
        if !agent.budget.reserve_pending(bytes) {
            return Err(Status::resource_exhausted("too much input waits to be taken by commands"));
        }
        Ok(Arc::new(Self { agent: Arc::clone(agent), bytes }))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.agent.budget.release_pending(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::Users;

    #[test]
    fn what_the_request_sets_stays() {
        let identity = Users::default().resolve("root").unwrap();
        let env = whole_environment(&["HOME=/x".into(), "USERNAME=y".into()], &identity);
        assert!(env.contains(&"HOME=/x".to_owned()) && env.contains(&"USER=root".to_owned()));
        assert_eq!(env.iter().filter(|var| var.starts_with("HOME=")).count(), 1);
    }
}
