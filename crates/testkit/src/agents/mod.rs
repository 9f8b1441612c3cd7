//! Agents in memory: they "run" scripted commands, and number, hold and forget events as real ones do.

mod agent;
mod exec;
mod link;
mod script;
mod terminal;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use atoll_ports::{AgentError, Clock, StartExec};
use atoll_types::{ExecId, SandboxId, Signal};
use parking_lot::Mutex;

use agent::Agent;
pub use script::Script;

use crate::clock::ManualClock;
use crate::faults::Faults;

/// Commands that one agent holds at once, unless told otherwise.
const EXECS_MAX: usize = 256;

type ScriptFor = Arc<dyn Fn(&StartExec) -> Option<Script> + Send + Sync>;

struct Inner {
    clock: Arc<dyn Clock>,
    agents: Mutex<HashMap<SandboxId, Arc<Agent>>>,
    script_for: Mutex<Option<ScriptFor>>,
    execs_max: Mutex<usize>,
    started: Mutex<Vec<(SandboxId, StartExec)>>,
    forgotten: Mutex<Vec<SandboxId>>,
    probed: Mutex<Vec<SandboxId>>,
    faults: Faults<AgentError>,
}

/// All agents of a fake node, and the way to them. A clone is the same agents; they outlive an engine that is dropped.
#[derive(Clone)]
pub struct FakeAgents(Arc<Inner>);

impl std::fmt::Debug for FakeAgents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeAgents").field("agents", &self.0.agents.lock().keys()).finish_non_exhaustive()
    }
}

impl Default for FakeAgents {
    fn default() -> Self {
        Self::new(Arc::new(ManualClock::new()))
    }
}

impl FakeAgents {
    /// No agents yet; times of events and idle time are those of `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            clock,
            agents: Mutex::default(),
            script_for: Mutex::default(),
            execs_max: Mutex::new(EXECS_MAX),
            started: Mutex::default(),
            forgotten: Mutex::default(),
            probed: Mutex::default(),
            faults: Faults::default(),
        }))
    }

    /// Faults to plan, by names of the methods of [`atoll_ports::AgentLink`].
    pub fn faults(&self) -> &Faults<AgentError> {
        &self.0.faults
    }

    /// Decides what commands do from now on. Where `script_for` answers `None`, a few well-known commands work, given
    /// directly or to the shell: `true`, `false`, `exit N`, `echo WORDS`, `cat`, `sleep …` (holds until released or
    /// signalled); any other exits with 127.
    pub fn script(&self, script_for: impl Fn(&StartExec) -> Option<Script> + Send + Sync + 'static) {
        *self.0.script_for.lock() = Some(Arc::new(script_for));
    }

    /// Runs of health checks in this sandbox so far.
    #[must_use]
    pub fn probes(&self, sandbox: &SandboxId) -> usize {
        self.0.probed.lock().iter().filter(|probed| *probed == sandbox).count()
    }

    /// Commands that one agent holds at once.
    pub fn set_execs_max(&self, max: usize) {
        *self.0.execs_max.lock() = max;
    }

    /// A new agent for this sandbox, without commands; one that was there dies.
    pub fn boot(&self, sandbox: &SandboxId) {
        self.kill(sandbox);
        let agent = Arc::new(Agent::default());
        agent.change(|state| state.last_activity = Some(self.0.clock.boot_time()));
        self.0.agents.lock().insert(sandbox.clone(), agent);
    }

    /// The agent dies, and its commands with it: streams break, calls fail.
    pub fn kill(&self, sandbox: &SandboxId) {
        if let Some(agent) = self.0.agents.lock().remove(sandbox) {
            agent.change(|state| state.dead = true);
        }
    }

    /// Whether the sandbox has a living agent.
    #[must_use]
    pub fn alive(&self, sandbox: &SandboxId) -> bool {
        self.0.agents.lock().contains_key(sandbox)
    }

    /// The agent stops answering: calls and streams wait, until [`FakeAgents::unhang`] or its death.
    pub fn hang(&self, sandbox: &SandboxId) {
        self.change(sandbox, |state| state.hung = true);
    }

    /// It answers again.
    pub fn unhang(&self, sandbox: &SandboxId) {
        self.change(sandbox, |state| state.hung = false);
    }

    /// All streams from it break; it lives on, and can be called at once.
    pub fn cut(&self, sandbox: &SandboxId) {
        self.change(sandbox, |state| state.connection += 1);
    }

    /// Lets a command go on that holds.
    pub fn release(&self, sandbox: &SandboxId, exec: &ExecId) {
        let now = self.0.clock.now();
        self.change_exec(sandbox, exec, |exec| exec.release(now));
    }

    /// The time limit of a command is over.
    pub fn expire(&self, sandbox: &SandboxId, exec: &ExecId) {
        let now = self.0.clock.now();
        self.change_exec(sandbox, exec, |exec| exec.expire(now));
    }

    /// Ports that something listens on.
    pub fn set_ports(&self, sandbox: &SandboxId, ports: &[u16]) {
        self.change(sandbox, |state| ports.clone_into(&mut state.ports));
    }

    /// Idle time that it tells, in place of the true one.
    pub fn set_idle(&self, sandbox: &SandboxId, idle: Option<Duration>) {
        self.change(sandbox, |state| state.idle = idle);
    }

    /// Every command that was really started, in this order, of agents that are gone too.
    #[must_use]
    pub fn started(&self) -> Vec<(SandboxId, StartExec)> {
        self.0.started.lock().clone()
    }

    /// Signals that a held command got while it ran.
    #[must_use]
    pub fn signals(&self, sandbox: &SandboxId, exec: &ExecId) -> Vec<Signal> {
        let Some(agent) = self.agent(sandbox) else { return Vec::new() };
        let state = agent.state.lock();
        state.execs.get(exec).map(|held| held.signals.clone()).unwrap_or_default()
    }

    /// Sandboxes that the caller said to forget, in this order.
    #[must_use]
    pub fn forgotten(&self) -> Vec<SandboxId> {
        self.0.forgotten.lock().clone()
    }

    fn agent(&self, sandbox: &SandboxId) -> Option<Arc<Agent>> {
        self.0.agents.lock().get(sandbox).cloned()
    }

    fn change(&self, sandbox: &SandboxId, act: impl FnOnce(&mut agent::State)) {
        if let Some(agent) = self.agent(sandbox) {
            agent.change(act);
        }
    }

    fn change_exec(&self, sandbox: &SandboxId, exec: &ExecId, act: impl FnOnce(&mut exec::Exec)) {
        let at = self.0.clock.boot_time();
        self.change(sandbox, |state| {
            state.last_activity = Some(at);
            if let Some(held) = state.execs.get_mut(exec) {
                act(held);
            }
        });
    }

    fn script_of(&self, start: &StartExec) -> Script {
        let script_for = self.0.script_for.lock().clone();
        script_for.and_then(|f| f(start)).unwrap_or_else(|| script::well_known(start))
    }
}
