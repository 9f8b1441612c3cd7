//! The only program that holds Docker's socket.
//!
//! ```text
//!  serve ──(run/broker.sock: typed requests)──► requests ─► sandbox ─┐
//!  serve ──(run/docker/<sandbox>.sock)────────► links ── attach ─────┼──► Docker Engine
//!                       events of containers ◄─ watch ───────────────┘
//! ```
//! Whoever may talk to Docker is as good as root, so serve, which faces the network, may not. This program has a user of its own, no
//! capabilities, and the group that Docker's socket belongs to. What it is asked has no field for a privilege, a mount, a device or a name
//! ([`atoll_broker_protocol`]); it makes each container's configuration itself ([`container`]), and touches no container, volume, network or
//! image that does not carry the label of its installation.
//!
//! It keeps nothing: what there is, Docker says. When it dies, containers go on, and the next one attaches to them again.

mod args;
mod build;
mod built;
mod container;
mod daemon;
mod fail;
mod image;
mod links;
mod locks;
mod names;
mod network;
mod output;
mod podman;
mod programs;
mod requests;
mod sandbox;
mod storage;
mod subnets;
mod usage;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;

use crate::daemon::Daemon;
use crate::links::Links;
use crate::programs::Programs;
use crate::requests::Broker;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run() -> std::io::Result<()> {
    let args = args::parse(std::env::args().skip(1)).map_err(std::io::Error::other)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let inherited = args::inherit()?;
        let daemon = Daemon::new(args);
        let links = Arc::new(Links::new(daemon.clone(), inherited.agents)?);
        let programs = Programs::new(&inherited.agent)?;
        let broker = Arc::new(Broker::new(daemon, links, programs));
        // Both only wait; neither ends but by a failure.
        tokio::select! {
            ended = requests::serve(Arc::clone(&broker), inherited.listener) => ended,
            never = watch::follow(broker) => match never {},
        }
    })
}

/// Writes one line for the operator to standard error, which the supervisor collects.
#[expect(clippy::print_stderr, reason = "standard error is this program's log")]
fn log(line: &str) {
    eprintln!("atoll-broker: {line}");
}
