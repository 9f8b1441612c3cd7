//! PID 1 of a sandbox: runs commands and keeps their output until it is acknowledged.
//!
//! ```text
//!  serve ══(HTTP/2 over the socket at fd 3)══► listen ─► server ─► start ─► spares ─► child ─► the command
//!                                                          ▲                                      │
//!                                                          └── exec, ring ◄──────── pump ◄────────┘ pipes
//!                                                                                     ▲
//!                                                                 reaper ─(exit code)─┘
//! ```
//! One thread does everything, and waits in `await` only; in gVisor a second one makes children, and waits for each to execute. Everything in the sandbox but this process belongs to
//! the workload, which may close, flood or kill whatever it can reach: its children's ends tell so, its output fills
//! a bounded ring, and this process has a control group of its own. As PID 1 it gets no signal from inside whose
//! action is the default one, so no handler is set but SIGCHLD's. It has no secrets, and its memory is closed to
//! `ptrace` and `/proc`, as it is not dumpable.
//!
//! In a container of another engine (`--stdio`) serve comes over standard input and output, which carry several connections
//! (crate `stdio-link`); no launcher has prepared anything there, and the workload's control group is the container's. No child
//! has these two, and `/proc/1/fd` is closed to all; gVisor of 2022 opens it to root of the sandbox, who can then speak as this
//! agent: the host trusts neither.
//!
//! Files are the work of helpers that execute this same program, see [`files`]. Terminals come as a module of their own
//! beside `start` and `server`. Both are announced by capabilities of Hello.

mod activity;
mod agent;
mod breeder;
mod budget;
mod clock;
mod container;
mod exec;
mod files;
mod launch;
mod listen;
mod lock;
mod memory;
mod options;
mod port;
mod probe;
mod pump;
mod reaper;
mod ring;
mod server;
mod spares;
mod start;
mod status;
mod stdin;
mod sys;
mod task;
mod terminal;
mod users;
mod utf8;

use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;

use atoll_stdio_link::Link;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use tokio::net::UnixListener;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::signal::unix::{SignalKind, signal};

use crate::agent::Agent;
use crate::breeder::Breeding;
use crate::listen::Peers;
use crate::options::Options;
use crate::reaper::Children;
use crate::spares::Spares;
use crate::sys::Rules;

/// Exit code when the launcher broke its contract; it reads the code, as there is no log here.
const CODE_BAD_START: u8 = 64;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == files::HELPER_ARGUMENT) {
        return files::main();
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(CODE_BAD_START),
    }
}

fn run() -> io::Result<()> {
    sys::note_heap_floor();
    sys::tune_allocator();
    let options = Options::parse(std::env::args().skip(1)).ok_or(io::ErrorKind::InvalidInput)?;
    let (way, cgroups) = take(&options)?;
    sys::set_odd_saved_uid();
    keep_capabilities_to_oneself()?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // The launcher executes a descriptor, whose name would say nothing in a list of processes.
    rustix::thread::set_name(c"atoll-agent")?;
    rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    let rules = match &options {
        Options::Sandbox { .. } => Rules::default(),
        Options::Container { no_capabilities, .. } => container::prepare(*no_capabilities),
    };
    let breeding = match &options {
        Options::Container { no_siblings: true, .. } => Breeding::Thread,
        _ => Breeding::Process,
    };
    let children = Arc::new(Children::default());
    // Before all else: it enters its cgroup while the rest starts up.
    let spares = Spares::new(Arc::clone(&children), cgroups, rules, breeding);
    let agent = Arc::new(Agent::new(children, spares, matches!(way, Way::Socket(_))));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(agent, way))
}

/// How serve comes here.
#[derive(Debug)]
enum Way {
    /// A listening socket.
    Socket(OwnedFd),
    /// Standard input and output.
    Standard {
        streams: [OwnedFd; 2],
        /// The name of a socket beside them.
        listen: Option<String>,
    },
}

/// The way, and the `cgroup.procs` files of the workload. Called once, before any descriptor is opened.
fn take(options: &Options) -> io::Result<(Way, Vec<OwnedFd>)> {
    match options {
        Options::Sandbox { cgroup_fds } => {
            let inherited = sys::take_inherited(*cgroup_fds)?;
            Ok((Way::Socket(inherited.listener), inherited.cgroups))
        }
        Options::Container { listen, .. } => {
            Ok((Way::Standard { streams: sys::take_standard_streams()?, listen: listen.clone() }, Vec::new()))
        }
    }
}

async fn serve(agent: Arc<Agent>, way: Way) -> io::Result<()> {
    let ended = signal(SignalKind::child())?;
    let (reaping, refilling, trimming) = (Arc::clone(&agent), Arc::clone(&agent), Arc::clone(&agent));
    task::spawn(async move { reaping.children.reap(ended).await });
    task::spawn(async move { refilling.spares.refill().await });
    task::spawn(async move { trimming.trimmer.run().await });
    match way {
        Way::Socket(listener) => {
            let listener = std::os::unix::net::UnixListener::from(listener);
            listener.set_nonblocking(true)?;
            listen::accept(UnixListener::from_std(listener)?, Peers::All, agent).await
        }
        Way::Standard { streams: [input, output], listen } => {
            // Without it there is the other way.
            if let Some(listener) = listen.and_then(|name| listen::listen_as(&name).ok()) {
                let accepted = listen::accept(listener, Peers::Outside, Arc::clone(&agent));
                task::spawn(async move { drop(accepted.await) });
            }
            let input = Receiver::from_owned_fd_unchecked(input)?;
            let output = Sender::from_owned_fd_unchecked(output)?;
            let (link, driver) = Link::guest(input, output);
            task::spawn(listen::accept_streams(link, agent));
            match driver.await {}
        }
    }
}

/// Where the sandbox's root is to have no capabilities, the agent has some as inheritable, so that they survived its
/// execution; its children must not inherit them.
fn keep_capabilities_to_oneself() -> io::Result<()> {
    let mut sets = capabilities(None)?;
    sets.inheritable = CapabilitySet::empty();
    // With the inheritable ones go the ambient ones.
    Ok(set_capabilities(None, sets)?)
}
