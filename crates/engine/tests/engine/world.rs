//! A machine of fakes that outlives the serves that run on it.
//!
//! A serve has a tokio runtime of its own with one thread: it moves only inside [`Serve::run`], and dropping it drops
//! every task where it stands, as `kill -9` does. tokio's time is virtual; the engine's clock moves along with it.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atoll_engine::{
    Caller, Engine, EngineError, ExecView, NewExec, NewSandbox, Ports, Runtimes, SandboxView, Settings,
};
use atoll_ports::{
    AgentLink, ExecLogs, Exported, ImageSize, Images, ImagesError, Imported, PreparedStore as _, Role,
    Runtime as _, SandboxRecord, Store,
};
use atoll_seal::Keyring;
use atoll_tasks::Tasks;
use atoll_testkit::{
    FakeAgents, FakeExecLogs, FakeFiles, FakeHostPorts, FakeRegistry, FakeRuntime, FakeStore, ManualClock,
    samples,
};
use atoll_types::{
    Capabilities, Command, Desired, EnvVars, ExecEvent, ExecEventKind, ExecId, Gpus, ImageDigest, Labels,
    Limits, Network, NodeId, Observed, OnExpiry, Quota, RuntimeKind, SandboxId,
};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Runtime;

/// Virtual time between two steps of the engine's clock.
const TICK: Duration = Duration::from_millis(10);
/// Virtual time after which a request counts as hung: longer than every grace of the engine.
const HUNG: Duration = Duration::from_secs(30);

/// Length of an archive that leaves a layer out which is not here.
pub(crate) const LAYERLESS: usize = 999;

/// Images in memory: the digest of an archive is its length.
#[derive(Debug, Default)]
pub(crate) struct FakeImages {
    pub(crate) kept: Mutex<BTreeSet<ImageDigest>>,
    /// Layers that it says it has.
    pub(crate) layers: Mutex<Vec<ImageDigest>>,
}

#[async_trait]
impl Images for FakeImages {
    async fn import(&self, archive: File, _max_bytes: u64) -> Result<Imported, ImagesError> {
        let size_bytes = archive.metadata().map(|m| m.len()).unwrap_or(0);
        if size_bytes == LAYERLESS as u64 {
            return Err(ImagesError::BadArchive("a layer is missing".to_owned()));
        }
        let digest: ImageDigest = format!("{size_bytes:064}").parse().unwrap();
        self.kept.lock().insert(digest.clone());
        Ok(Imported { digest, size_bytes, config: None })
    }

    async fn known_layers(&self, digests: &[ImageDigest]) -> Result<usize, ImagesError> {
        Ok(digests.iter().take_while(|digest| self.layers.lock().contains(digest)).count())
    }

    async fn sizes(&self) -> Result<HashMap<ImageDigest, ImageSize>, ImagesError> {
        Ok(HashMap::new())
    }

    async fn export(&self, digest: &ImageDigest, _: File, _: u64) -> Result<Exported, ImagesError> {
        if !self.kept.lock().contains(digest) {
            return Err(ImagesError::Runtime(atoll_ports::RuntimeError::ImageMissing));
        }
        Ok(Exported { digest: digest.clone(), diff_id: digest.clone(), bytes: 1 })
    }

    async fn list(&self) -> Result<Vec<ImageDigest>, ImagesError> {
        Ok(self.kept.lock().iter().cloned().collect())
    }

    async fn remove(&self, digest: &ImageDigest) -> Result<(), ImagesError> {
        self.kept.lock().remove(digest);
        Ok(())
    }
}

/// More than any test takes, but of sandboxes.
const ROOM: Quota = Quota {
    sandboxes: 20,
    cpu_millis: u64::MAX,
    memory_bytes: u64::MAX,
    storage_bytes: u64::MAX,
    egress_bytes: u64::MAX,
    execs_per_hour: u64::MAX,
};

/// What stays when serve dies.
pub(crate) struct World {
    pub(crate) store: Arc<FakeStore>,
    pub(crate) agents: FakeAgents,
    pub(crate) files: FakeFiles,
    pub(crate) runtime: Arc<FakeRuntime>,
    pub(crate) logs: FakeExecLogs,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) images: Arc<FakeImages>,
    pub(crate) registry: FakeRegistry,
    pub(crate) host_ports: FakeHostPorts,
    pub(crate) seal: Arc<Keyring>,
    pub(crate) settings: Settings,
    pub(crate) caller: Caller,
    began_ms: u64,
}

/// One serve, from its boot to its death.
pub(crate) struct Serve {
    rt: Runtime,
    pub(crate) engine: Engine,
    pub(crate) tasks: Tasks,
    clock: Arc<ManualClock>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new());
        let agents = FakeAgents::new(Arc::clone(&clock) as Arc<_>);
        let store = Arc::new(FakeStore::new());
        let node: NodeId = "testn0de".parse().unwrap();
        let world = Self {
            runtime: Arc::new(FakeRuntime::new(agents.clone())),
            agents,
            files: FakeFiles::default(),
            logs: FakeExecLogs::new(),
            began_ms: atoll_ports::Clock::boot_time(&*clock).as_ms(),
            clock,
            images: Arc::default(),
            registry: FakeRegistry::default(),
            host_ports: FakeHostPorts::default(),
            seal: Arc::new(atoll_testkit::keyring()),
            settings: Settings { quota: ROOM, keeps_history: false, ..Settings::defaults(node) },
            caller: new_user(&store, Role::User),
            store,
        };
        world.runtime.faults().reset_calls();
        world
    }

    pub(crate) fn user(&self, role: Role) -> Caller {
        new_user(&self.store, role)
    }

    fn ports(&self) -> Ports {
        Ports {
            store: Arc::clone(&self.store) as Arc<_>,
            runtimes: Runtimes::new([Arc::clone(&self.runtime) as Arc<_>]),
            images: Arc::clone(&self.images) as Arc<_>,
            registry: Arc::new(self.registry.clone()),
            builder: None,
            agents: Arc::new(self.agents.clone()),
            terminals: Arc::new(self.agents.clone()),
            files: Arc::new(self.files.clone()),
            exec_logs: Arc::new(self.logs.clone()),
            clock: Arc::clone(&self.clock) as Arc<_>,
            host_ports: Arc::new(self.host_ports.clone()),
            seal: Arc::clone(&self.seal) as Arc<_>,
        }
    }

    /// A serve that has not looked at anything yet.
    pub(crate) fn unbooted(&self) -> Serve {
        let rt =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let tasks = Tasks::new();
        let engine = Engine::new(self.ports(), self.settings.clone(), &tasks);
        Serve { rt, engine, tasks, clock: Arc::clone(&self.clock) }
    }

    /// A serve that has booted, whose first passes are over.
    pub(crate) fn serve(&self) -> Serve {
        let serve = self.unbooted();
        let engine = serve.engine.clone();
        serve.run(async move { engine.boot().await.unwrap() });
        serve.pass(Duration::from_millis(200));
        serve
    }

    /// Milliseconds since the world began.
    pub(crate) fn clock_ms(&self) -> u64 {
        atoll_ports::Clock::boot_time(&*self.clock).as_ms() - self.began_ms
    }

    /// Every record, as the store has it.
    pub(crate) fn records(&self) -> Vec<SandboxRecord> {
        block(self.store.sandbox_list_node(&self.settings.node)).unwrap()
    }

    pub(crate) fn record(&self, id: &SandboxId) -> Option<SandboxRecord> {
        block(self.store.sandbox_get(id)).unwrap()
    }

    /// Those that are made ahead, as the store has them.
    pub(crate) fn prepared(&self) -> BTreeSet<SandboxId> {
        let all = block(self.store.prepared_list_node(&self.settings.node)).unwrap();
        all.into_iter().map(|p| p.id).collect()
    }

    pub(crate) fn clear_faults(&self) {
        self.store.faults().clear();
        self.runtime.faults().clear();
        self.agents.faults().clear();
        self.logs.faults().clear();
    }

    /// Waits over two reconciles, then checks that records, runtime, logs and agents agree and nothing is left over.
    pub(crate) fn assert_clean(&self, serve: &Serve, what: &str) {
        self.clear_faults();
        serve.pass(Duration::from_secs(150));
        let records = self.records();
        let mut ids: BTreeSet<SandboxId> = records.iter().map(|r| r.id.clone()).collect();
        let found = block(self.runtime.list()).unwrap();
        for id in self.prepared() {
            assert!(found.iter().any(|f| f.sandbox == id && f.running), "{what}: {id} is not made ahead");
            assert!(ids.insert(id), "{what}: one that is claimed is still made ahead");
        }
        for one in &found {
            assert!(ids.contains(&one.sandbox), "{what}: {} is owned by no record", one.sandbox);
        }
        for id in block(self.logs.sandboxes()).unwrap() {
            assert!(ids.contains(&id), "{what}: logs of {id} are owned by no record");
        }
        for record in &records {
            assert_eq!(record.operation, None, "{what}: an operation is left");
            let runs = found.iter().any(|f| f.sandbox == record.id && f.running);
            assert_eq!(
                runs,
                matches!(record.observed, Observed::Running | Observed::Paused),
                "{what}: record and runtime differ: {record:?}"
            );
            let frozen = found.iter().any(|f| f.sandbox == record.id && f.paused);
            assert_eq!(frozen, record.observed == Observed::Paused, "{what}: {record:?}");
            if runs {
                assert_eq!(frozen, record.desired == Desired::Paused, "{what}: {record:?}");
            }
            assert_ne!(record.desired, Desired::Deleted, "{what}: a deleted sandbox is left");
            let caller = Caller { user: record.owner.clone(), role: Role::User };
            let shown = serve.run(serve.engine.sandbox_get(&caller, &record.id)).unwrap();
            assert_eq!(shown.record, *record, "{what}: memory and store differ");
            if runs {
                self.assert_agent_clean(record, what);
            }
        }
    }

    fn assert_agent_clean(&self, record: &SandboxRecord, what: &str) {
        let running = block(self.store.exec_list_running(&self.settings.node)).unwrap();
        for held in block(self.agents.list(&record.id)).unwrap() {
            assert!(held.running, "{what}: the end of {} was not acknowledged", held.exec);
            assert!(running.iter().any(|e| e.id == held.exec), "{what}: nobody knows of {}", held.exec);
        }
    }
}

fn new_user(store: &FakeStore, role: Role) -> Caller {
    let user = atoll_ports::UserRecord { role, ..samples::user() };
    block(store.user_insert(&user)).unwrap();
    Caller { user: user.id, role }
}

/// Waits for a fake outside of any serve: fakes answer at once.
pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("a fake answers at once")
}

impl Serve {
    /// Runs until the future is done, with everything that this serve does beside it.
    #[track_caller]
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.try_run(future).expect("a request hangs")
    }

    /// The same; `None` when the future hangs.
    pub(crate) fn try_run<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.run_for(HUNG, future)
    }

    /// The same; `None` when it takes longer than this, in virtual time.
    pub(crate) fn run_for<T>(&self, within: Duration, future: impl Future<Output = T>) -> Option<T> {
        // Long waits need no fine steps.
        let tick = if within > HUNG { 25 * TICK } else { TICK };
        self.rt.block_on(async {
            tokio::select! {
                result = tokio::time::timeout(within, future) => result.ok(),
                () = pump(&self.clock, tick) => None,
            }
        })
    }

    /// Time passes.
    pub(crate) fn pass(&self, time: Duration) {
        self.run_for(time, std::future::pending::<()>());
    }

    /// Time passes until this is so.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut so: impl FnMut() -> bool) {
        for _ in 0..20_000 {
            if so() {
                return;
            }
            self.pass(TICK);
        }
        panic!("never: {what}");
    }

    /// Starts a request that is not waited for.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Started<T> {
        let slot = Arc::new(Mutex::new(None));
        let result = Arc::clone(&slot);
        #[allow(clippy::disallowed_methods, reason = "a client, not a part of serve")]
        self.rt.spawn(async move {
            let value = future.await;
            *slot.lock() = Some(value);
        });
        self.pass(Duration::from_millis(100));
        Started(result)
    }

    pub(crate) fn create(&self, world: &World, new: NewSandbox) -> Result<SandboxView, EngineError> {
        self.run(self.engine.sandbox_create(&world.caller, new))
    }

    /// A running sandbox without a main process.
    pub(crate) fn sandbox(&self, world: &World) -> SandboxId {
        self.create(world, sandbox()).unwrap().record.id
    }

    pub(crate) fn exec(&self, world: &World, id: &SandboxId, line: &str) -> Result<ExecView, EngineError> {
        self.run(self.engine.exec_run(&world.caller, id, exec(line)))
    }

    pub(crate) fn exec_start(&self, world: &World, id: &SandboxId, line: &str) -> ExecId {
        self.run(self.engine.exec_start(&world.caller, id, exec(line))).unwrap().record.id
    }

    pub(crate) fn exec_get(&self, world: &World, id: &SandboxId, exec: &ExecId) -> ExecView {
        self.run(self.engine.exec_get(&world.caller, id, exec)).unwrap()
    }

    /// All events after this one, until the end of the stream.
    pub(crate) fn events(
        &self,
        world: &World,
        id: &SandboxId,
        exec: &ExecId,
        after_seq: u64,
    ) -> Vec<Result<ExecEvent, EngineError>> {
        use futures_util::StreamExt;
        let engine = &self.engine;
        self.run(async {
            engine.exec_events(&world.caller, id, exec, after_seq).await.unwrap().collect().await
        })
    }

    /// A clean shutdown.
    pub(crate) fn shut_down(self) {
        let tasks = self.tasks.clone();
        let report = self.run(async move { tasks.shutdown(Duration::from_secs(5)).await });
        assert!(report.is_clean(), "{report:?}");
    }
}

/// The engine's clock goes along with tokio's.
async fn pump(clock: &ManualClock, tick: Duration) {
    loop {
        tokio::time::sleep(tick).await;
        clock.advance(tick);
    }
}

/// A request under way.
pub(crate) struct Started<T>(Arc<Mutex<Option<T>>>);

impl<T> Started<T> {
    pub(crate) fn is_done(&self) -> bool {
        self.0.lock().is_some()
    }

    #[track_caller]
    pub(crate) fn result(&self, serve: &Serve) -> T {
        serve.until("the request is answered", || self.is_done());
        self.0.lock().take().unwrap()
    }
}

/// The smallest request for a sandbox.
pub(crate) fn sandbox() -> NewSandbox {
    NewSandbox {
        name: None,
        image: None,
        runtime: RuntimeKind::Native,
        limits: Limits::default(),
        network: Network::None,
        gpus: Gpus::None,
        env: EnvVars::default(),
        entrypoint: Vec::new(),
        command: None,
        cwd: None,
        user: None,
        capabilities: Capabilities::Standard,
        read_only_root: false,
        labels: Labels::new(),
        ttl_seconds: None,
        on_expiry: OnExpiry::Delete,
        idle_seconds: Some(0),
        ports: Vec::new(),
        source: None,
        environment: None,
        health_check: None,
    }
}

/// A sandbox with a main process that writes a line and goes on.
pub(crate) fn with_main(world: &World) -> NewSandbox {
    world.agents.script(|start| {
        (start.argv == ["serve"]).then(|| atoll_testkit::Script::new().stdout("up\n").hold())
    });
    NewSandbox { command: Some(Command::argv(vec!["serve".to_owned()]).unwrap()), ..sandbox() }
}

/// A request for a command.
pub(crate) fn exec(line: &str) -> NewExec {
    NewExec { spec: samples::exec_spec(line), stdin: Bytes::new() }
}

/// What these events wrote to standard output, after checking that they are numbered from `first` without gaps.
pub(crate) fn text(events: &[Result<ExecEvent, EngineError>], first: u64) -> Vec<u8> {
    let mut text = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let event = event.as_ref().unwrap();
        assert_eq!(event.seq, first + at as u64, "a gap or a repeat");
        if let ExecEventKind::Output(_, data) = &event.kind {
            text.extend_from_slice(data);
        }
    }
    text
}

/// Whether the last event is the exit.
pub(crate) fn ends_with_exit(events: &[Result<ExecEvent, EngineError>]) -> bool {
    matches!(events.last(), Some(Ok(ExecEvent { kind: ExecEventKind::Exit(_), .. })))
}
