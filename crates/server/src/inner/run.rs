//! The life of the server: start, serve, drain.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use atoll_http::Api;
use atoll_store::SqliteStore;
use atoll_tasks::{CancellationToken, Group, Kind, OnCancel, OnFailure, Tasks};
use tokio::sync::watch;

use super::descriptors::Descriptors;
use super::folder::Folder;
use super::signals::StopSignals;
use super::wiring::{Agents, Parts, api, observability, parts};
use super::{InnerError, account, announce, logging};
use crate::config::Config;
use crate::report;

/// Time for requests under way and for tasks to end; the supervisor kills after 10 seconds, and the store wants some
/// of them.
const DRAIN: Duration = Duration::from_secs(8);
/// Most threads that serve requests: beyond four, what is gained is eaten by their coordination, as the store and the
/// launcher are single.
const THREADS_MAX: usize = 4;
/// The launcher's client holds nothing half done: what it was asked goes on in the launcher.
const LAUNCHER_CLIENT: Kind = Kind { on_cancel: OnCancel::Abort, on_failure: OnFailure::ShutDown };

/// Threads that serve requests: half of the cores, since the sandboxes run on the same ones. On two cores one is a
/// tenth faster for an exec than two that wake each other (measured); what computes long runs on threads of its own.
fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).clamp(1, THREADS_MAX)
}

/// Serves until it is asked to stop.
pub(crate) fn run(config: Config) -> Result<(), InnerError> {
    logging::begin(&config);
    let descriptors = Descriptors::take()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads())
        .enable_all()
        .build()
        .map_err(InnerError::Threads)?;
    let served = runtime.block_on(serve(config, descriptors));
    // Blocking work that is still under way must not hold up the end: what matters was waited for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    served
}

async fn serve(config: Config, descriptors: Descriptors) -> Result<(), InnerError> {
    let mut signals = StopSignals::begin()?;
    let tasks = Tasks::new();
    // Groups stop in the order in which they are made: no new requests, then the engine's own, then the way to the
    // launcher, then the logs.
    let connections = tasks.group("connections");
    let Descriptors { listener, run, agents, docker_agents, data } = descriptors;
    let agents = Agents { native: agents, docker: docker_agents };
    let folder = Folder::new(data);
    let observability = observability(&config, &folder, &tasks)?;
    let Parts { store, engine, exec_logs, launcher, docker } =
        parts(&config, &folder, &run, agents, &tasks).await?;
    let launcher_client = tasks.group("launcher client");
    launcher_client.spawn("launcher client", LAUNCHER_CLIENT, |_| launcher.run())?;
    if let Some((events, runtimes)) = docker {
        launcher_client.spawn("events of Docker", LAUNCHER_CLIENT, |_| events.run())?;
        for runtime in runtimes {
            launcher_client.spawn("events of a runtime", LAUNCHER_CLIENT, |_| runtime.follow())?;
        }
    }
    // After the engine, so that its last pass brings to the disk what the engine wrote last.
    tasks.group("exec logs").spawn("sync exec logs", Kind::WORK, |token| async move {
        exec_logs.keep_synced(token.cancelled()).await;
    })?;
    let stopping = CancellationToken::new();

    let up = async {
        account::ensure_first(&engine, &folder, &config).await?;
        let (ready, is_ready) = watch::channel(false);
        let api = api(&config, &folder, &engine, &store, observability, is_ready, stopping.clone()).await?;
        let bound = listen(&connections, listener, api)?;
        engine.boot().await.map_err(|source| InnerError::Engine {
            action: "take up what was there before",
            source: Box::new(source),
        })?;
        ready.send_replace(true);
        announce::announce(&folder, &config, bound)?;
        Err::<std::convert::Infallible, _>(InnerError::Part(tasks.stop_requested().await))
    };
    // Every arm only waits for what ends the server; what it was doing is stopped by the drain.
    let ended = tokio::select! {
        Err(error) = up => Err(error),
        () = signals.asked() => Ok(()),
    };
    drain(&tasks, &stopping).await;
    drop(engine);
    close(store).await;
    ended
}

/// Requests are taken from now on, and wait until the first reconcile is done.
fn listen(connections: &Group, listener: TcpListener, api: Api) -> Result<SocketAddr, InnerError> {
    listener.set_nonblocking(true).map_err(InnerError::Listener)?;
    let bound = listener.local_addr().map_err(InnerError::Listener)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(InnerError::Listener)?;
    atoll_http::serve(connections, listener, atoll_http::router(api))?;
    Ok(bound)
}

async fn drain(tasks: &Tasks, stopping: &CancellationToken) {
    tracing::info!("stopping: requests under way are finished");
    stopping.cancel();
    let report = tasks.shutdown(DRAIN).await;
    if !report.is_clean() {
        tracing::warn!("stopped with {} tasks cut off", report.late.len() + report.stuck.len());
    }
}

/// Writes out what is queued. A store that somebody still holds does it when he lets go.
async fn close(store: Arc<SqliteStore>) {
    match Arc::try_unwrap(store).map(SqliteStore::close) {
        Ok(closing) => {
            if let Err(error) = closing.await {
                tracing::error!("the records were not closed properly: {}", report::chain(&error));
            }
        }
        Err(_held) => tracing::debug!("the store is still in use"),
    }
}
