//! The loop: one thread, which waits for events and never for anything else.
//!
//! ```text
//!             Start                    the report ends                 Stop, Remove, the agent dies
//!  (absent) ─────────► Starting ──────────────────────► Running ────────────────────────────► Ending ──► (absent)
//!                         └── a failure, Stop, Remove ─────────────────────────────────────────▲
//! ```
//! A sandbox that is not in the table has no process; its files may be there. What takes long (putting files on disk,
//! removing trees, unpacking) is done by helper processes, whose end is an event too.

mod adopt;
mod connection;
mod dial;
mod ending;
mod export;
mod import;
mod layered;
mod listing;
mod networks;
mod pausing;
mod refreshing;
mod requests;
mod starting;
mod stop;
mod table;
mod usage;
mod workers;

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use atoll_types::SandboxId;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::time::Timespec;

use crate::clock::now;
use crate::report::{At, Step, StepError, log};
use crate::sandbox::Tools;
use crate::sys;
use crate::userns::UserNamespaces;
use connection::Connection;
use networks::Networks;
use refreshing::Refreshing;
use table::Entry;
use workers::Workers;

/// Events taken at once.
const EVENTS_MAX: usize = 64;

/// How often the room of the storage, and the host, are looked at while sandboxes run.
const ROOM_INTERVAL: Duration = Duration::from_secs(1);

/// What an event is about.
#[derive(Debug, Clone)]
enum Source {
    /// Somebody wants to connect.
    Listener,
    /// A connection has something to say, or room to be told something.
    Connection,
    /// The report of a starting sandbox.
    Report(SandboxId),
    /// The first process of a sandbox has ended.
    Process(SandboxId),
    /// A helper process has ended.
    Worker,
    /// A helper has made a network.
    Networks,
    /// The egress program has something to say.
    Egress,
    /// Somebody has changed the host's packet filter.
    Rules,
    /// The supervisor asks for an orderly stop.
    Stop,
}

/// The launcher, at work.
#[derive(Debug)]
pub(crate) struct Server {
    tools: Tools,
    namespaces: UserNamespaces,
    serve_uid: u32,
    listener: OwnedFd,
    stop: OwnedFd,
    stopping: bool,
    epoll: OwnedFd,
    sources: HashMap<u64, Source>,
    next_token: u64,
    connections: HashMap<u64, Connection>,
    table: HashMap<SandboxId, Entry>,
    workers: Workers,
    networks: Networks,
    refreshing: Refreshing,
    room_seen_at: Duration,
}

impl Server {
    /// Makes the loop around a listening socket.
    pub(crate) fn new(
        tools: Tools,
        listener: OwnedFd,
        egress: OwnedFd,
        serve_uid: u32,
    ) -> Result<Self, StepError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).at(Step::Epoll)?;
        // Edge after edge: an accept that fails is tried again at the next event.
        rustix::io::ioctl_fionbio(&listener, true).at(Step::Epoll)?;
        let mut server = Self {
            tools,
            namespaces: UserNamespaces::default(),
            serve_uid,
            listener,
            stop: sys::signal_descriptor(libc::SIGTERM).at(Step::Epoll)?,
            stopping: false,
            epoll,
            sources: HashMap::new(),
            next_token: 0,
            connections: HashMap::new(),
            table: HashMap::new(),
            workers: Workers::default(),
            networks: Networks::new(egress),
            refreshing: Refreshing::default(),
            room_seen_at: Duration::ZERO,
        };
        let token = server.token(Source::Listener);
        let data = epoll::EventData::new_u64(token);
        epoll::add(&server.epoll, &server.listener, data, epoll::EventFlags::IN).at(Step::Epoll)?;
        let data = epoll::EventData::new_u64(server.token(Source::Stop));
        epoll::add(&server.epoll, &server.stop, data, epoll::EventFlags::IN).at(Step::Epoll)?;
        server.begin_networks()?;
        server.adopt();
        Ok(server)
    }

    /// Serves until it is asked to stop, or until waiting itself fails.
    pub(crate) fn run(&mut self) -> Result<(), StepError> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        while !self.stopping {
            events.clear();
            let timeout = self.time_to_next();
            let timeout = timeout.and_then(|t| Timespec::try_from(t).ok());
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(StepError { step: Step::Epoll, errno }),
            }
            for event in &events {
                self.handle(event.data.u64(), event.flags);
            }
            self.act_on_time();
        }
        self.end_helpers();
        Ok(())
    }

    fn handle(&mut self, token: u64, flags: epoll::EventFlags) {
        // An event of this round may be about what an earlier one of the same round has closed.
        let Some(source) = self.sources.get(&token).cloned() else { return };
        match source {
            Source::Listener => self.accept(),
            Source::Connection => self.connection_ready(token, flags),
            Source::Report(sandbox) => self.report_ready(&sandbox),
            Source::Process(sandbox) => self.process_ended(&sandbox),
            Source::Worker => self.worker_ended(token),
            Source::Networks => self.take_notes(),
            Source::Egress => self.egress_ready(),
            Source::Rules => self.rules_changed(),
            Source::Stop => self.stopping = true,
        }
    }

    /// How long nothing needs to be done if nothing happens.
    fn time_to_next(&self) -> Option<Duration> {
        if self.refreshing.is_due() {
            return Some(Duration::ZERO);
        }
        let room = (!self.table.is_empty()).then(|| self.room_seen_at + ROOM_INTERVAL);
        let deadlines = self
            .table
            .values()
            .filter_map(Entry::act_at)
            .chain(self.workers.deadlines())
            .chain(self.networks.deadlines())
            .chain(room);
        deadlines.min().map(|at| at.saturating_sub(now()))
    }

    fn act_on_time(&mut self) {
        let time = now();
        let due = |entry: &Entry| entry.act_at().is_some_and(|at| at <= time);
        let sandboxes: Vec<SandboxId> =
            self.table.iter().filter(|(_, entry)| due(entry)).map(|(id, _)| id.clone()).collect();
        for sandbox in sandboxes {
            self.time_is_up(&sandbox);
        }
        if !self.table.is_empty() && time >= self.room_seen_at + ROOM_INTERVAL {
            self.room_seen_at = time;
            self.tools.storage.grow_if_short();
            self.look_at_host();
        }
        self.refresh_some();
        self.workers_on_time();
        self.networks_on_time();
    }

    fn token(&mut self, source: Source) -> u64 {
        self.next_token += 1;
        self.sources.insert(self.next_token, source);
        self.next_token
    }

    /// Waits for a descriptor to become readable; the token names it in events.
    fn watch(&mut self, fd: BorrowedFd<'_>, source: Source) -> Result<u64, StepError> {
        let token = self.token(source);
        let added = epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token), epoll::EventFlags::IN);
        if added.is_err() {
            self.sources.remove(&token);
        }
        added.at(Step::Epoll)?;
        Ok(token)
    }

    /// Forgets a descriptor, before it is closed.
    fn unwatch(&mut self, fd: impl AsFd, token: u64) {
        self.sources.remove(&token);
        if let Err(errno) = epoll::delete(&self.epoll, fd) {
            log(&format!("could not forget a descriptor: {errno}"));
        }
    }
}
