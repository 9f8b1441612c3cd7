//! A runtime in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use async_trait::async_trait;
use atoll_ports::{
    Connection, DialError, FoundSandbox, Runtime, RuntimeError, RuntimeEvent, RuntimeInfo, StartRequest,
    Started, StorageInfo, Usage,
};
use atoll_types::{ImageSource, RuntimeKind, SandboxId};
use parking_lot::Mutex;
use tokio::io::DuplexStream;
use tokio::sync::{broadcast, mpsc};

use crate::agents::FakeAgents;
use crate::faults::Faults;

/// Events that a slow receiver may be behind, as the real one keeps.
const EVENTS_MAX: usize = 1_024;

/// Bytes that a connection holds each way before its writer waits.
const CONNECTION_BYTES: usize = 64 << 10;

#[derive(Debug, Clone)]
struct Held {
    uid_slot: u32,
    running: bool,
    paused: bool,
    dirty: bool,
    usage: Usage,
}

#[derive(Debug)]
struct State {
    held: BTreeMap<SandboxId, Held>,
    missing_images: BTreeSet<String>,
    available: bool,
    storage: StorageInfo,
    /// Who listens inside.
    listening: BTreeMap<(SandboxId, NonZeroU16), mpsc::UnboundedSender<DuplexStream>>,
}

/// A runtime in memory. It boots and kills the agents of its [`FakeAgents`].
#[derive(Debug)]
pub struct FakeRuntime {
    state: Mutex<State>,
    agents: FakeAgents,
    faults: Faults<RuntimeError>,
    events: broadcast::Sender<RuntimeEvent>,
}

impl FakeRuntime {
    /// A runtime that holds nothing yet, whose sandboxes' agents are reached by a clone of `agents`.
    #[must_use]
    pub fn new(agents: FakeAgents) -> Self {
        let storage = StorageInfo { free_bytes: 1 << 40, total_bytes: 1 << 40, full: false };
        let state = State {
            held: BTreeMap::new(),
            missing_images: BTreeSet::new(),
            available: true,
            storage,
            listening: BTreeMap::new(),
        };
        let events = broadcast::Sender::new(EVENTS_MAX);
        Self { state: Mutex::new(state), agents, faults: Faults::default(), events }
    }

    /// Faults to plan: `start`, `stop`, `remove`, `list`, `storage`, `pause`, `resume`, `usage`, `dial`.
    pub fn faults(&self) -> &Faults<RuntimeError> {
        &self.faults
    }

    /// The agents of its sandboxes.
    pub fn agents(&self) -> &FakeAgents {
        &self.agents
    }

    /// The agent of a sandbox dies: nothing runs any more, the files stay, and an event says so.
    pub fn crash(&self, sandbox: &SandboxId) {
        self.crash_silently(sandbox);
        self.emit(RuntimeEvent::Exited(sandbox.clone()));
    }

    /// The same, and the event is lost, as one that came while nobody listened.
    pub fn crash_silently(&self, sandbox: &SandboxId) {
        if let Some(held) = self.state.lock().held.get_mut(sandbox) {
            held.go_down();
        }
        self.agents.kill(sandbox);
    }

    /// The host lost power: every sandbox stands still, and its files were not closed properly.
    pub fn power_loss(&self) {
        let mut state = self.state.lock();
        for (id, held) in &mut state.held {
            held.dirty |= held.running;
            held.go_down();
            self.agents.kill(id);
        }
    }

    /// Somebody removed the files of a sandbox behind our back.
    pub fn vanish(&self, sandbox: &SandboxId) {
        self.state.lock().held.remove(sandbox);
        self.agents.kill(sandbox);
    }

    /// Remains that no record owns, or the other way round.
    pub fn plant(&self, sandbox: &SandboxId, uid_slot: u32, running: bool) {
        self.state.lock().held.insert(
            sandbox.clone(),
            Held { uid_slot, running, paused: false, dirty: false, usage: Usage::default() },
        );
        if running {
            self.agents.boot(sandbox);
        }
    }

    /// Somebody listens inside a sandbox, until it is stopped or the receiver is dropped; each connection comes out here.
    pub fn listen_inside(
        &self,
        sandbox: &SandboxId,
        port: NonZeroU16,
    ) -> mpsc::UnboundedReceiver<DuplexStream> {
        let (listening, connections) = mpsc::unbounded_channel();
        self.state.lock().listening.insert((sandbox.clone(), port), listening);
        connections
    }

    /// Sends an event of your own making.
    pub fn emit(&self, event: RuntimeEvent) {
        // Nobody may listen yet.
        let _receivers = self.events.send(event);
    }

    /// The files of an image are gone; sandboxes on it do not start.
    pub fn lose_image(&self, digest: &str) {
        self.state.lock().missing_images.insert(digest.to_owned());
    }

    /// Whether `info` says that it can start sandboxes, and calls go through.
    pub fn set_available(&self, available: bool) {
        self.state.lock().available = available;
    }

    /// What `storage` answers; `full` refuses the files of new sandboxes.
    pub fn set_storage(&self, storage: StorageInfo) {
        self.state.lock().storage = storage;
    }

    /// Whether anything of this sandbox is there, and whether it runs.
    #[must_use]
    pub fn found(&self, sandbox: &SandboxId) -> Option<FoundSandbox> {
        let state = self.state.lock();
        let held = state.held.get(sandbox)?;
        Some(held.found(sandbox))
    }

    fn start_now(&self, request: &StartRequest) -> Result<Started, RuntimeError> {
        let mut state = self.state.lock();
        state.usable()?;
        let taken =
            |(id, held): (&SandboxId, &Held)| held.uid_slot == request.uid_slot && *id != request.sandbox;
        if state.held.iter().any(taken) {
            return Err(RuntimeError::Refused(format!("uid slot {} is in use", request.uid_slot)));
        }
        if let ImageSource::Unpacked(digest) = &request.spec.source
            && state.missing_images.contains(digest.as_str())
        {
            return Err(RuntimeError::ImageMissing);
        }
        if !state.held.contains_key(&request.sandbox) && state.storage.full {
            return Err(RuntimeError::DiskFull);
        }
        let new = Held {
            uid_slot: request.uid_slot,
            running: false,
            paused: false,
            dirty: false,
            usage: Usage::default(),
        };
        let held = state.held.entry(request.sandbox.clone()).or_insert(new);
        let dirty = std::mem::take(&mut held.dirty);
        if !held.running {
            held.running = true;
            self.agents.boot(&request.sandbox);
        }
        Ok(Started { dirty })
    }

    fn dial_now(&self, sandbox: &SandboxId, port: NonZeroU16) -> Result<Connection, DialError> {
        let state = self.state.lock();
        state.usable()?;
        if !state.held.get(sandbox).is_some_and(|held| held.running) {
            return Err(DialError::NotRunning);
        }
        let listening = state.listening.get(&(sandbox.clone(), port)).ok_or(DialError::Refused)?;
        let (near, far) = tokio::io::duplex(CONNECTION_BYTES);
        listening.send(far).map_err(|_| DialError::Refused)?;
        Ok(Box::new(near))
    }

    fn stop_now(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        let mut state = self.state.lock();
        state.usable()?;
        state.listening.retain(|(id, _), _| id != sandbox);
        if let Some(held) = state.held.get_mut(sandbox) {
            held.go_down();
        }
        self.agents.kill(sandbox);
        Ok(())
    }

    fn set_paused(&self, sandbox: &SandboxId, paused: bool) -> Result<(), RuntimeError> {
        let mut state = self.state.lock();
        state.usable()?;
        match state.held.get_mut(sandbox).filter(|held| held.running) {
            Some(held) => {
                held.paused = paused;
                Ok(())
            }
            None => Err(RuntimeError::Failed(format!("sandbox {sandbox} does not run"))),
        }
    }

    /// What `usage` answers from now on for a sandbox that is here.
    pub fn set_usage(&self, sandbox: &SandboxId, usage: Usage) {
        if let Some(held) = self.state.lock().held.get_mut(sandbox) {
            held.usage = usage;
        }
    }

    /// Somebody froze or thawed it behind our back.
    pub fn freeze(&self, sandbox: &SandboxId, frozen: bool) {
        if let Some(held) = self.state.lock().held.get_mut(sandbox) {
            held.paused = frozen;
        }
    }

    fn remove_now(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        let mut state = self.state.lock();
        state.usable()?;
        state.held.remove(sandbox);
        state.listening.retain(|(id, _), _| id != sandbox);
        self.agents.kill(sandbox);
        Ok(())
    }
}

impl Held {
    fn go_down(&mut self) {
        self.running = false;
        self.paused = false;
    }

    fn found(&self, sandbox: &SandboxId) -> FoundSandbox {
        FoundSandbox { sandbox: sandbox.clone(), running: self.running, paused: self.paused }
    }
}

impl State {
    fn usable(&self) -> Result<(), RuntimeError> {
        if self.available {
            Ok(())
        } else {
            Err(RuntimeError::Unavailable("the launcher is down".to_owned()))
        }
    }
}

#[async_trait]
impl Runtime for FakeRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Native
    }

    async fn info(&self) -> RuntimeInfo {
        let available = self.state.lock().available;
        RuntimeInfo {
            kind: RuntimeKind::Native,
            available,
            notes: Vec::new(),
            disk_limits: true,
            no_networks: None,
            no_gpus: Some("there is none in memory".to_owned()),
        }
    }

    async fn start(&self, request: &StartRequest) -> Result<Started, RuntimeError> {
        self.faults.around("start", async || self.start_now(request)).await
    }

    async fn stop(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        self.faults.around("stop", async || self.stop_now(sandbox)).await
    }

    async fn remove(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        self.faults.around("remove", async || self.remove_now(sandbox)).await
    }

    async fn list(&self) -> Result<Vec<FoundSandbox>, RuntimeError> {
        self.faults
            .around("list", async || {
                let state = self.state.lock();
                state.usable()?;
                Ok(state.held.iter().map(|(id, held)| held.found(id)).collect())
            })
            .await
    }

    async fn storage(&self) -> Result<StorageInfo, RuntimeError> {
        self.faults.around("storage", async || Ok(self.state.lock().storage)).await
    }

    fn events(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.events.subscribe()
    }

    async fn pause(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        self.faults.around("pause", async || self.set_paused(sandbox, true)).await
    }

    async fn resume(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        self.faults.around("resume", async || self.set_paused(sandbox, false)).await
    }

    async fn usage(&self, sandbox: &SandboxId) -> Result<Usage, RuntimeError> {
        self.faults
            .around("usage", async || {
                let state = self.state.lock();
                state.usable()?;
                let held = state.held.get(sandbox).filter(|held| held.running);
                held.map(|held| held.usage)
                    .ok_or_else(|| RuntimeError::Unavailable(format!("sandbox {sandbox} does not run")))
            })
            .await
    }

    async fn dial(&self, sandbox: &SandboxId, port: NonZeroU16) -> Result<Connection, DialError> {
        self.faults.around("dial", async || self.dial_now(sandbox, port)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, samples};

    fn request(uid_slot: u32) -> StartRequest {
        StartRequest { sandbox: SandboxId::random(), uid_slot, spec: samples::sandbox_spec() }
    }

    #[tokio::test]
    async fn every_call_may_be_repeated() {
        let runtime = FakeRuntime::new(FakeAgents::default());
        let request = request(0);
        for _ in 0..2 {
            assert_eq!(runtime.start(&request).await, Ok(Started { dirty: false }));
        }
        assert!(runtime.agents().alive(&request.sandbox));
        for _ in 0..2 {
            assert_eq!(runtime.stop(&request.sandbox).await, Ok(()));
        }
        assert!(!runtime.agents().alive(&request.sandbox));
        assert_eq!(runtime.list().await.map(|l| l.len()), Ok(1));
        for _ in 0..2 {
            assert_eq!(runtime.remove(&request.sandbox).await, Ok(()));
        }
        assert_eq!(runtime.list().await, Ok(vec![]));
    }

    #[tokio::test]
    async fn a_start_whose_answer_is_lost_has_started() {
        let runtime = FakeRuntime::new(FakeAgents::default());
        let lost = RuntimeError::Unavailable("gone".to_owned());
        runtime.faults().nth_of("start", 1, Fault::After(lost.clone()));
        let request = request(0);
        assert_eq!(runtime.start(&request).await, Err(lost));
        assert!(runtime.found(&request.sandbox).is_some_and(|f| f.running));
    }

    #[tokio::test]
    async fn a_dial_keeps_the_contract() {
        let runtime = FakeRuntime::new(FakeAgents::default());
        let request = request(0);
        assert!(runtime.start(&request).await.is_ok());
        let port = |number| NonZeroU16::new(number).unwrap();
        let mut connections = runtime.listen_inside(&request.sandbox, port(80));
        let echo = async {
            while let Some(mut far) = connections.recv().await {
                let (mut from, mut to) = tokio::io::split(&mut far);
                tokio::io::copy(&mut from, &mut to).await.unwrap();
            }
        };
        tokio::select! {
            () = crate::contract::dial(&runtime, &request.sandbox, port(80), port(81)) => {}
            () = echo => {}
        }
        assert!(runtime.stop(&request.sandbox).await.is_ok());
        assert_eq!(runtime.dial(&request.sandbox, port(80)).await.unwrap_err(), DialError::NotRunning);
    }

    #[tokio::test]
    async fn a_crash_is_told_and_power_loss_leaves_dirty_files() {
        let runtime = FakeRuntime::new(FakeAgents::default());
        let mut events = runtime.events();
        let request = request(3);
        assert!(runtime.start(&request).await.is_ok());
        runtime.crash(&request.sandbox);
        assert_eq!(events.recv().await, Ok(RuntimeEvent::Exited(request.sandbox.clone())));
        assert!(runtime.start(&request).await.is_ok());
        runtime.power_loss();
        assert_eq!(runtime.start(&request).await, Ok(Started { dirty: true }));
    }

    #[tokio::test]
    async fn a_full_disk_refuses_new_sandboxes_only() {
        let runtime = FakeRuntime::new(FakeAgents::default());
        let old = request(0);
        assert!(runtime.start(&old).await.is_ok());
        runtime.set_storage(StorageInfo { free_bytes: 0, total_bytes: 1, full: true });
        assert!(runtime.start(&old).await.is_ok());
        assert_eq!(runtime.start(&request(1)).await, Err(RuntimeError::DiskFull));
        assert!(matches!(runtime.start(&request(0)).await, Err(RuntimeError::Refused(_))));
    }
}
