//! Starts and restarts the other programs; parses no input.
//!
//! ```text
//! atoll serve (root) ──exec──► supervisor ──┬──► launcher  root, fds 3 = its socket, 4 = agent, 5 = unpack, 6 = egress
//!   binds TCP, finds programs   holds the   ├──► serve     dropped, fds 3 = TCP, 4 = DIR/run, 5 = DIR/serve
//!                               lock and the ├──► egress    dropped, fd 3 = the way to the launcher
//!                               sockets      └──► broker    dropped but for Docker's group, fds 3 = its socket,
//!                                                           4 = DIR/run/docker, 5 = agent; only where Docker is
//! ```
//!
//! The listening sockets live here, so a restart of a part refuses no connection. A part that ends is started again with
//! back-off. SIGTERM ends serve, the launcher, the broker, egress, then this program; sandboxes go on, since their agents belong to
//! nobody who ends: that is how an upgrade is done. When this program dies by `kill -9`, the kernel ends the parts
//! (parent-death signal) and frees the lock; the next start finds the sandboxes alive.
//!
//! It is the subreaper: agents whose launcher died become its children, and are reaped here.

#![allow(unsafe_code, reason = "fork, exec and signal masks have no safe form; all of it is in `sys`")]

mod args;
mod back_off;
mod child;
mod folder;
mod inherited;
mod installation;
mod lock;
mod part;
mod reach;
mod report;
mod sockets;
mod supervise;
mod sys;

use std::process::ExitCode;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, getuid, setrlimit};

use crate::folder::Folders;
use crate::part::BrokerSockets;
use crate::supervise::Ended;

/// Another supervisor holds the lock (EX_TEMPFAIL of sysexits.h).
const EXIT_LOCKED: u8 = 75;
/// The configuration is wrong: a restart would not help (EX_CONFIG of sysexits.h).
const EXIT_CONFIG: u8 = 78;

/// Open files of each part: serve holds some connections for each of thousands of sandboxes.
const OPEN_FILES: u64 = 65_536;

fn main() -> ExitCode {
    match run() {
        Ok(Ended::Stopped) => ExitCode::SUCCESS,
        Ok(Ended::Misconfigured) => ExitCode::from(EXIT_CONFIG),
        Err(error) => {
            report::line(&format!("{error:#}"));
            if error.is::<lock::Held>() {
                ExitCode::from(EXIT_LOCKED)
            } else if error.is::<reach::Unreachable>() || error.is::<folder::Refused>() {
                ExitCode::from(EXIT_CONFIG)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn run() -> anyhow::Result<Ended> {
    let args = args::parse(std::env::args_os().skip(1))?;
    anyhow::ensure!(getuid().is_root(), "must run as root");
    let inherited = inherited::take()?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    raise_open_files();

    let root = folder::open_root(&args.data_dir)?;
    let lock = lock::take(&root, &args.data_dir)?;
    let folders = folder::lay_out(root, args.serve_uid, args.serve_gid)?;
    let installation =
        installation::load_or_make(&folders.root).context("cannot read or make the installation's id")?;
    reach::check(&args.data_dir, args.serve_uid, args.serve_gid)?;
    let launcher_socket = sockets::listen_for_serve(&folders.run, sockets::LAUNCHER, args.serve_gid)
        .context("cannot listen on run/launcher.sock")?;
    let broker_socket = match &args.broker {
        None => {
            // What an earlier one left would tell serve that there is one.
            sockets::remove(&folders.run, sockets::BROKER).context("cannot remove run/broker.sock")?;
            None
        }
        Some(broker) => Some(broker_socket(&folders, broker, args.serve_gid)?),
    };
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .context("cannot become the subreaper")?;

    let parts =
        part::Parts::new(&args, &inherited, &folders, &launcher_socket, broker_socket, &installation)?;
    report::line(&format!("installation {installation}, data in {}", args.data_dir.display()));
    let ended = supervise::run(parts, &folders.run);
    drop(lock);
    ended
}

/// Where serve asks the broker, and the folder in which the broker listens for it.
fn broker_socket(folders: &Folders, broker: &args::Broker, serve_gid: u32) -> anyhow::Result<BrokerSockets> {
    folder::note_docker(&folders.root, &broker.host).context("cannot note where Docker is")?;
    let agents = folder::broker_agents(&folders.run, broker.id, serve_gid)?;
    let calls = sockets::listen_for_serve(&folders.run, sockets::BROKER, serve_gid)
        .context("cannot listen on run/broker.sock")?;
    Ok(BrokerSockets { calls, agents })
}

/// As many open files as the parts need, or as are allowed. Fewer is no reason not to start.
fn raise_open_files() {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= OPEN_FILES) {
        return;
    }
    let wanted = Rlimit { current: Some(OPEN_FILES), maximum: now.maximum.map(|max| max.max(OPEN_FILES)) };
    let allowed = Rlimit { current: now.maximum, maximum: now.maximum };
    if setrlimit(Resource::Nofile, wanted).or_else(|_| setrlimit(Resource::Nofile, allowed)).is_err() {
        report::line("cannot raise the number of open files; many sandboxes will need more");
    }
}
