//! Answers on the sockets that sandboxes reach.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout;

use crate::answer::fit;
use crate::handover::Sockets;
use crate::limits::{Limit, Permit};
use crate::log;
use crate::query::{QUERY_BYTES_MAX, Query, Refusal};
use crate::resolvers::Resolvers;
use crate::upstream::{Way, ask, read_message, write_message};

/// Questions under way at once, for all and for one sandbox: each holds a descriptor for some seconds at most.
const QUESTIONS: (usize, usize) = (512, 64);
/// Connections at once, for all and for one sandbox.
const CONNECTIONS: (usize, usize) = (128, 8);
/// How long a connection may say nothing.
const IDLE_TIME: Duration = Duration::from_secs(10);
/// Pause after an error of accept: descriptors may be short for a moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Code of an answer that could not be had.
const SERVER_FAILURE: u8 = 2;

/// What all answers share.
#[derive(Debug, Clone, Default)]
struct Shared {
    resolvers: Rc<RefCell<Resolvers>>,
}

/// Answers until a socket fails.
pub(crate) async fn serve(sockets: Sockets) -> io::Result<()> {
    log("answers for names");
    let shared = Shared::default();
    let local = LocalSet::new();
    local
        .run_until(async {
            tokio::try_join!(datagrams(&sockets.udp, &shared), connections(&sockets.tcp, &shared))
        })
        .await?;
    Ok(())
}

/// Takes questions by UDP.
async fn datagrams(socket: &UdpSocket, shared: &Shared) -> io::Result<()> {
    let limit = Limit::new(QUESTIONS.0, QUESTIONS.1);
    let mut answers: JoinSet<(Vec<u8>, SocketAddr)> = JoinSet::new();
    let mut buffer = vec![0; QUERY_BYTES_MAX + 1];
    loop {
        // Each arm only waits: an answer that is ready, or a packet that is taken whole.
        tokio::select! {
            Some(answered) = answers.join_next(), if !answers.is_empty() => {
                if let Ok((bytes, asker)) = answered {
                    // A sandbox that is gone, or does not read: it may ask again.
                    let _lost = socket.try_send_to(&bytes, asker);
                }
            }
            received = socket.recv_from(&mut buffer) => {
                // An error here is about an answer that could not be delivered.
                let Ok((length, asker)) = received else { continue };
                match Query::parse(&buffer[..length]) {
                    Err(Refusal::Silent) => {}
                    Err(Refusal::Answer(bytes)) => drop(socket.try_send_to(&bytes, asker)),
                    Ok(query) => {
                        let Some(permit) = limit.take(asker.ip()) else { continue };
                        let shared = shared.clone();
                        answers.spawn_local(async move {
                            (answer(&query, Way::Udp, &shared, query.udp_bytes_max(), permit).await, asker)
                        });
                    }
                }
            }
        }
    }
}

/// Takes connections.
async fn connections(listener: &TcpListener, shared: &Shared) -> io::Result<()> {
    let limit = Limit::new(CONNECTIONS.0, CONNECTIONS.1);
    let questions = Limit::new(CONNECTIONS.0, CONNECTIONS.1);
    let mut conversations = JoinSet::new();
    loop {
        // Each arm only waits.
        tokio::select! {
            Some(_ended) = conversations.join_next(), if !conversations.is_empty() => {}
            accepted = listener.accept() => {
                let Ok((stream, asker)) = accepted else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                // Without a permit it is closed.
                if let Some(permit) = limit.take(asker.ip()) {
                    let (shared, questions) = (shared.clone(), questions.clone());
                    conversations.spawn_local(async move {
                        let _closed = converse(stream, asker.ip(), &shared, &questions).await;
                        drop(permit);
                    });
                }
            }
        }
    }
}

/// Answers one question after the other, until the connection is silent or says something else than a question.
async fn converse(
    mut stream: TcpStream,
    asker: IpAddr,
    shared: &Shared,
    questions: &Limit,
) -> io::Result<()> {
    loop {
        let bytes = timeout(IDLE_TIME, read_message(&mut stream, QUERY_BYTES_MAX)).await??;
        let answer = match Query::parse(&bytes) {
            Err(Refusal::Silent) => return Ok(()),
            Err(Refusal::Answer(bytes)) => bytes,
            Ok(query) => {
                let Some(permit) = questions.take(asker) else { return Ok(()) };
                answer(&query, Way::Tcp, shared, usize::from(u16::MAX), permit).await
            }
        };
        timeout(IDLE_TIME, write_message(&mut stream, &answer)).await??;
    }
}

async fn answer(query: &Query, way: Way, shared: &Shared, bytes_max: usize, _permit: Permit) -> Vec<u8> {
    let resolvers = shared.resolvers.borrow_mut().now();
    match ask(query, way, &resolvers).await {
        Some(answer) => fit(answer, query, bytes_max),
        None => query.answer_nothing(false, SERVER_FAILURE),
    }
}
