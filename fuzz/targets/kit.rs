//! The whole API on the real engine, with the kit's ports in memory. Its one account is the caller of every request.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use async_trait::async_trait;
use atoll_engine::{Caller, Engine, Ports, Runtimes, Settings};
use atoll_http::{Access, Api, ApiSettings, Observability};
use atoll_ports::{Exported, ImageSize, Images, ImagesError, Imported, RuntimeError, Store as _};
use atoll_tasks::{CancellationToken, Tasks};
use atoll_testkit::{
    FakeAgents, FakeExecLogs, FakeFiles, FakeHostPorts, FakeRegistry, FakeRuntime, FakeStore, ManualClock,
};
use atoll_types::{ImageDigest, NodeId};
use axum::Router;
use tokio::sync::watch;

/// No archive is good here: the reader of archives has a target of its own.
#[derive(Debug)]
struct NoImages;

#[async_trait]
impl Images for NoImages {
    async fn import(&self, _: File, _: u64) -> Result<Imported, ImagesError> {
        Err(ImagesError::BadArchive("none".to_owned()))
    }

    async fn known_layers(&self, _: &[ImageDigest]) -> Result<usize, ImagesError> {
        Ok(0)
    }

    async fn sizes(&self) -> Result<HashMap<ImageDigest, ImageSize>, ImagesError> {
        Ok(HashMap::new())
    }

    async fn export(&self, _: &ImageDigest, _: File, _: u64) -> Result<Exported, ImagesError> {
        Err(ImagesError::Runtime(RuntimeError::ImageMissing))
    }

    async fn list(&self) -> Result<Vec<ImageDigest>, ImagesError> {
        Ok(Vec::new())
    }

    async fn remove(&self, _: &ImageDigest) -> Result<(), ImagesError> {
        Ok(())
    }
}

/// Requests wait until `ready`.
pub(crate) async fn api(tasks: &Tasks, ready: watch::Receiver<bool>) -> Router {
    let clock = Arc::new(ManualClock::new());
    let agents = FakeAgents::new(clock.clone());
    let store = Arc::new(FakeStore::new());
    let ports = Ports {
        store: store.clone(),
        runtimes: Runtimes::new([Arc::new(FakeRuntime::new(agents.clone())) as Arc<_>]),
        images: Arc::new(NoImages),
        registry: Arc::new(FakeRegistry::default()),
        builder: None,
        terminals: Arc::new(agents.clone()),
        agents: Arc::new(agents),
        files: Arc::new(FakeFiles::default()),
        seal: Arc::new(atoll_testkit::keyring()),
        host_ports: Arc::new(FakeHostPorts::default()),
        exec_logs: Arc::new(FakeExecLogs::new()),
        clock,
    };
    let engine = Engine::new(ports, Settings::defaults(NodeId::random()), tasks);
    engine.boot().await.expect("a boot");
    let (email, _) = engine.ensure_first_account(None, None).await.expect("an account").expect("the first");
    let user = store.user_by_email(&email).await.expect("a store").expect("the account");
    let settings = ApiSettings {
        access: Access::single_user(Caller { user: user.id, role: user.role }),
        async_exec: true,
        archive_bytes_max: 1 << 20,
        spool: File::open("/tmp").expect("/tmp").into(),
        observability: Observability::default(),
        ready,
        stopping: CancellationToken::new(),
    };
    atoll_http::router(Api::new(engine, settings))
}
