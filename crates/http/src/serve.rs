//! Connections: accepted within bounds, served, and drained at the end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use atoll_tasks::{CancellationToken, Group, Kind, ShuttingDown};
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Peer;
use crate::bounds::{CONNECTIONS_MAX, HEAD_BYTES_MAX, HEAD_TIMEOUT, HEADERS_MAX};

/// Pause after a failed accept: without descriptors or memory the next one fails too, at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the API on a listener until the group is stopped; then nothing more is accepted, and requests under way are
/// finished.
///
/// # Errors
/// When the group is being stopped already.
pub fn serve(group: &Group, listener: TcpListener, router: Router) -> Result<(), ShuttingDown> {
    let connections = group.clone();
    group.spawn("accept", Kind::ESSENTIAL, move |token| accept(connections, listener, router, token))?;
    Ok(())
}

async fn accept(group: Group, listener: TcpListener, router: Router, token: CancellationToken) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // Both arms only wait: a permit that was not awaited to its end is given back.
        let permit = tokio::select! {
            permit = Arc::clone(&permits).acquire_owned() => permit,
            () = token.cancelled() => return,
        };
        let Ok(permit) = permit else { return };
        // Both arms only wait: accept is cancel safe.
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = token.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, peer) = (router.clone(), Peer(peer.ip()));
                let served = group
                    .spawn("connection", Kind::WORK, |token| connection(stream, peer, router, token, permit));
                if served.is_err() {
                    return;
                }
            }
            Err(error) => pause_after(&error).await,
        }
    }
}

async fn pause_after(error: &io::Error) {
    // A client that left before it was accepted is no failure of ours.
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return;
    }
    tracing::warn!("a connection could not be accepted: {error}");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    token: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("answers may be delayed: {error}");
    }
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let service = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        service.call(request)
    });
    let serving = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(serving);
    // Both arms only wait, and the connection is polled on after either.
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = token.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended early: {error}");
    }
}
