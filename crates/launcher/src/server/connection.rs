//! Connections of serve: several at once, since an old and a new serve overlap during an upgrade.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

use atoll_launcher_protocol::{
    Answer, Failure, FailureKind, FromLauncher, PACKET_BYTES_MAX, PROTOCOL_VERSION, Packet, PacketError,
    Reply, Request, receive, send,
};
use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, sockopt};

use super::{Server, Source};
use crate::report::{failure, log};

/// Connections at once: an old and a new serve, the command line's doctor, and room.
const CONNECTIONS_MAX: usize = 8;

/// Requests that wait for their answer at once, over all connections: more than serve runs operations at once.
const REQUESTS_MAX: usize = 256;

/// Messages that wait for a peer which does not read; beyond, it is taken for dead.
const UNSENT_MAX: usize = 1_024;

/// Requests taken from one connection before the others get their turn.
const BATCH_MAX: usize = 16;

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    greeted: bool,
    unsent: VecDeque<(FromLauncher, Option<OwnedFd>)>,
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter {
    pub(super) connection: u64,
    pub(super) request: u64,
}

impl Server {
    pub(super) fn accept(&mut self) {
        while let Ok(socket) = accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            // The socket's folder keeps others out already; this holds when somebody opens the folder.
            let peer = sockopt::socket_peercred(&socket);
            let known = peer.is_ok_and(|peer| peer.uid.is_root() || peer.uid.as_raw() == self.serve_uid);
            if !known || self.connections.len() >= CONNECTIONS_MAX {
                log("refused a connection: a stranger, or too many");
                continue;
            }
            match self.watch(socket.as_fd(), Source::Connection) {
                Ok(token) => {
                    let connection = Connection { socket, greeted: false, unsent: VecDeque::new() };
                    self.connections.insert(token, connection);
                }
                Err(error) => log(&error.to_string()),
            }
        }
    }

    pub(super) fn connection_ready(&mut self, token: u64, flags: EventFlags) {
        if flags.contains(EventFlags::OUT) {
            self.flush(token);
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return;
        }
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        for _turn in 0..BATCH_MAX {
            let Some(connection) = self.connections.get(&token) else { return };
            match receive::<serde_json::Value>(&connection.socket, &mut buffer) {
                Ok(packet) => self.packet(token, packet),
                Err(PacketError::Socket(Errno::AGAIN)) => return,
                Err(PacketError::Socket(Errno::INTR)) => {}
                // What is no message, or too large for one, comes from nobody who speaks this protocol.
                Err(
                    PacketError::Closed
                    | PacketError::Socket(_)
                    | PacketError::TooLarge
                    | PacketError::Malformed(_),
                ) => {
                    return self.close(token);
                }
            }
        }
    }

    /// Reads the request in two steps: one that this release does not know still has an id to be answered by.
    fn packet(&mut self, token: u64, packet: Packet<serde_json::Value>) {
        let Some(id) = packet.message.get("id").and_then(serde_json::Value::as_u64) else {
            return self.close(token);
        };
        let waiter = Waiter { connection: token, request: id };
        let request: Request = match serde_json::from_value(packet.message) {
            Ok(request) => request,
            Err(error) => {
                let message = format!("this launcher does not understand the request: {error}");
                return self.answer(waiter, Err(failure(FailureKind::Invalid, message)));
            }
        };
        let greeted = self.connections.get(&token).is_some_and(|connection| connection.greeted);
        if let atoll_launcher_protocol::Call::Hello { version } = request.call {
            return self.hello(waiter, version);
        }
        if !greeted {
            return self.close(token);
        }
        if self.waiting() >= REQUESTS_MAX {
            let message = "too many requests wait for their answers: try again in a moment";
            return self.answer(waiter, Err(failure(FailureKind::Conflict, message)));
        }
        self.call(waiter, request.call, packet.descriptors);
    }

    fn hello(&mut self, waiter: Waiter, version: u32) {
        if version == 0 {
            return self
                .answer(waiter, Err(failure(FailureKind::Invalid, "there is no version 0 of the protocol")));
        }
        if let Some(connection) = self.connections.get_mut(&waiter.connection) {
            connection.greeted = true;
        }
        let answer = Answer::Hello {
            version: PROTOCOL_VERSION,
            installation: self.tools.house.installation.clone(),
            cgroup_version: self.tools.cgroups.version(),
            disk_limits: self.tools.storage.has_limits(),
        };
        self.answer(waiter, Ok(answer));
    }

    /// Answers one request. A peer that is gone meanwhile is fine.
    pub(super) fn answer(&mut self, waiter: Waiter, result: Result<Answer, Failure>) {
        self.tell(waiter.connection, FromLauncher::Reply(Reply { id: waiter.request, result }), None);
    }

    /// Answers one request, with a descriptor beside the answer.
    pub(super) fn answer_with(&mut self, waiter: Waiter, answer: Answer, descriptor: OwnedFd) {
        let reply = Reply { id: waiter.request, result: Ok(answer) };
        self.tell(waiter.connection, FromLauncher::Reply(reply), Some(descriptor));
    }

    /// Descriptors that whoever asked has not taken yet.
    pub(super) fn sockets_unsent(&self, waiter: Waiter) -> usize {
        let Some(connection) = self.connections.get(&waiter.connection) else { return 0 };
        connection.unsent.iter().filter(|(_, descriptor)| descriptor.is_some()).count()
    }

    /// Answers several requests alike.
    pub(super) fn answer_all(&mut self, waiters: &[Waiter], result: &Result<Answer, Failure>) {
        for waiter in waiters {
            self.answer(*waiter, result.clone());
        }
    }

    /// Tells every connection.
    pub(super) fn broadcast(&mut self, message: &FromLauncher) {
        let tokens: Vec<u64> =
            self.connections.iter().filter(|(_, c)| c.greeted).map(|(token, _)| *token).collect();
        for token in tokens {
            self.tell(token, message.clone(), None);
        }
    }

    fn tell(&mut self, token: u64, message: FromLauncher, descriptor: Option<OwnedFd>) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        connection.unsent.push_back((message, descriptor));
        if connection.unsent.len() > UNSENT_MAX {
            log("a peer does not read its answers: closed its connection");
            return self.close(token);
        }
        self.flush(token);
    }

    fn flush(&mut self, token: u64) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        while let Some((message, descriptor)) = connection.unsent.front() {
            let descriptors: Vec<_> = descriptor.iter().map(AsFd::as_fd).collect();
            match send(&connection.socket, message, &descriptors) {
                Ok(()) => drop(connection.unsent.pop_front()),
                Err(PacketError::Socket(Errno::INTR)) => {}
                Err(PacketError::Socket(Errno::AGAIN)) => break,
                Err(error) => {
                    log(&format!("closed a connection: {error}"));
                    return self.close(token);
                }
            }
        }
        let interest =
            if connection.unsent.is_empty() { EventFlags::IN } else { EventFlags::IN | EventFlags::OUT };
        let data = epoll::EventData::new_u64(token);
        if epoll::modify(&self.epoll, &connection.socket, data, interest).is_err() {
            self.close(token);
        }
    }

    fn close(&mut self, token: u64) {
        if let Some(connection) = self.connections.remove(&token) {
            self.unwatch(&connection.socket, token);
        }
    }
}
