//! The host's side, with sockets of its own.

use std::os::unix::net::UnixListener as StdListener;
use std::time::Duration;

use atoll_agent_client::AgentClient;
use atoll_agent_protocol::v1::agent_server::AgentServer;
use atoll_ports::{AgentError, AgentLink, EventStream, StartExec};
use atoll_types::{ExecId, SandboxId};
use bytes::Bytes;
use futures_util::StreamExt;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tempfile::TempDir;
use tokio::net::UnixListener;

use crate::liar::Liar;

/// When connections are closed here: long enough for every test that keeps one.
const UNUSED: Duration = Duration::from_millis(300);

pub(crate) struct Host {
    pub(crate) client: AgentClient,
    pub(crate) sandbox: SandboxId,
    pub(crate) directory: TempDir,
}

impl Host {
    pub(crate) fn without_agent() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let client =
            AgentClient::closing_after(std::fs::File::open(directory.path()).unwrap().into(), UNUSED);
        Self { client, sandbox: SandboxId::random(), directory }
    }

    pub(crate) fn listen(&self) -> StdListener {
        let listener =
            StdListener::bind(self.directory.path().join(format!("{}.sock", self.sandbox))).unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    }

    pub(crate) fn with(liar: Liar) -> Self {
        let host = Self::without_agent();
        host.serve(liar);
        host
    }

    pub(crate) fn serve(&self, liar: Liar) -> tokio::task::AbortHandle {
        let listener = UnixListener::from_std(self.listen()).unwrap();
        // As large as a hostile agent likes.
        let service = AgentServer::new(liar).max_encoding_message_size(usize::MAX);
        let mut tasks = tokio::task::JoinSet::new();
        let handle = tasks.spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(service.clone());
                let serving =
                    Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move { drop(serving.await) });
            }
        });
        tasks.detach_all();
        handle
    }

    pub(crate) async fn exec(&self) -> Result<EventStream, AgentError> {
        self.client.exec(&self.sandbox, true_program()).await
    }

    /// How a stream of these events ends.
    pub(crate) async fn ends_with(liar: Liar) -> Option<AgentError> {
        let host = Self::with(liar);
        let mut events = host.exec().await.unwrap();
        let mut last = None;
        while let Some(event) = events.next().await {
            last = event.err();
        }
        last
    }
}

pub(crate) fn true_program() -> StartExec {
    StartExec {
        exec: ExecId::random(),
        kind: atoll_types::ExecKind::Exec,
        argv: vec!["true".to_owned()],
        env: Vec::new(),
        cwd: None,
        user: "root".parse().unwrap(),
        timeout: None,
        stdin: Bytes::new(),
        stdin_open: false,
        tty: None,
    }
}
