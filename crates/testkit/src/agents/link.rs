//! The port: calls as serve makes them.

use std::sync::Arc;

use async_trait::async_trait;
use atoll_ports::{Activity, AgentError, AgentLink, EventStream, HeldExec, ProbeEnd, StartExec, StdinPiece};
use atoll_types::{ExecExit, ExecId, ExecKind, SandboxId, Signal, TerminalSize};
use futures_util::stream;

use super::FakeAgents;
use super::agent::{Agent, State, is_last, unreachable};
use super::exec::Exec;

/// Events from `next_seq` on, waiting for new ones, until the exit.
fn events(agent: Arc<Agent>, exec: ExecId, next_seq: u64, connection: u64) -> EventStream {
    Box::pin(stream::unfold(Some((agent, exec, next_seq)), move |place| async move {
        let (agent, exec, seq) = place?;
        match agent.event(&exec, seq, connection).await {
            Ok(None) => None,
            Ok(Some(event)) if is_last(&event) => Some((Ok(event), None)),
            Ok(Some(event)) => Some((Ok(event), Some((agent, exec, seq + 1)))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}

impl FakeAgents {
    async fn send_signal(
        &self,
        call: &'static str,
        sandbox: &SandboxId,
        exec: &ExecId,
        signal: Signal,
    ) -> Result<(), AgentError> {
        let now = self.0.clock.now();
        let act = async || {
            let agent = self.reach(sandbox)?;
            let send = |state: &mut State| {
                let held = state.execs.get_mut(exec).ok_or(AgentError::NotFound);
                Some(held.map(|held| held.signal(now, signal)))
            };
            agent.wait(send).await?;
            agent.change(|_| ());
            Ok(())
        };
        self.0.faults.around(call, act).await
    }

    fn reach(&self, sandbox: &SandboxId) -> Result<Arc<Agent>, AgentError> {
        self.agent(sandbox).ok_or_else(|| unreachable("there is no agent"))
    }

    async fn answer<T>(
        &self,
        call: &'static str,
        sandbox: &SandboxId,
        mut look: impl FnMut(&mut State) -> Option<Result<T, AgentError>>,
    ) -> Result<T, AgentError> {
        self.0.faults.around(call, async || self.reach(sandbox)?.wait(&mut look).await).await
    }

    fn start(&self, sandbox: &SandboxId, state: &mut State, start: &StartExec) -> Result<(), AgentError> {
        if state.execs.contains_key(&start.exec) {
            return Ok(());
        }
        if state.execs.len() >= *self.0.execs_max.lock() {
            return Err(AgentError::TooMany);
        }
        let script = self.script_of(start);
        if let Some(message) = script.refusal {
            return Err(AgentError::Refused(message));
        }
        self.0.started.lock().push((sandbox.clone(), start.clone()));
        state.last_activity = Some(self.0.clock.boot_time());
        let exec = Exec::new(start.clone(), script, self.0.clock.now());
        state.execs.insert(start.exec.clone(), exec);
        Ok(())
    }

    fn streamed(agent: &Arc<Agent>, exec: &ExecId, after_seq: u64) -> Result<EventStream, AgentError> {
        let state = agent.state.lock();
        let held = state.execs.get(exec).ok_or(AgentError::NotFound)?;
        let next_seq = after_seq + 1;
        if next_seq < held.first_seq() {
            return Err(AgentError::EventsGone { first_seq: held.first_seq() });
        }
        Ok(events(Arc::clone(agent), exec.clone(), next_seq, state.connection))
    }
}

#[async_trait]
impl AgentLink for FakeAgents {
    async fn exec(&self, sandbox: &SandboxId, start: StartExec) -> Result<EventStream, AgentError> {
        let act = async || {
            let agent = self.reach(sandbox)?;
            agent.wait(|state| Some(self.start(sandbox, state, &start))).await?;
            Self::streamed(&agent, &start.exec, 0)
        };
        self.0.faults.around("exec", act).await
    }

    async fn attach(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        after_seq: u64,
    ) -> Result<EventStream, AgentError> {
        let act = async || {
            let agent = self.reach(sandbox)?;
            agent.wait(|_| Some(Ok(()))).await?;
            Self::streamed(&agent, exec, after_seq)
        };
        self.0.faults.around("attach", act).await
    }

    async fn ack(&self, sandbox: &SandboxId, acked: &[(ExecId, u64)]) -> Result<(), AgentError> {
        let now = self.0.clock.now();
        let act = async || {
            let agent = self.reach(sandbox)?;
            agent.wait(|_| Some(Ok(()))).await?;
            agent.change(|state| {
                for (exec, seq) in acked {
                    if state.execs.get_mut(exec).is_some_and(|held| held.ack(now, *seq)) {
                        state.execs.remove(exec);
                    }
                }
            });
            Ok(())
        };
        self.0.faults.around("ack", act).await
    }

    async fn stdin(&self, sandbox: &SandboxId, exec: &ExecId, piece: StdinPiece) -> Result<(), AgentError> {
        let now = self.0.clock.now();
        let act = async || {
            let agent = self.reach(sandbox)?;
            let write = |state: &mut State| {
                let Some(held) = state.execs.get_mut(exec) else { return Some(Err(AgentError::NotFound)) };
                match held.stdin(now, &piece) {
                    Err(error) => Some(Err(error)),
                    Ok(true) => Some(Ok(())),
                    Ok(false) => None,
                }
            };
            agent.wait(write).await?;
            // What was read may have become output.
            agent.change(|_| ());
            Ok(())
        };
        self.0.faults.around("stdin", act).await
    }

    async fn signal(&self, sandbox: &SandboxId, exec: &ExecId, signal: Signal) -> Result<(), AgentError> {
        self.send_signal("signal", sandbox, exec, signal).await
    }

    async fn exec_resize(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        size: TerminalSize,
    ) -> Result<(), AgentError> {
        self.answer("exec_resize", sandbox, |state| {
            let held = state.execs.get_mut(exec).ok_or(AgentError::NotFound);
            Some(held.and_then(|held| held.resize(size)))
        })
        .await
    }

    async fn terminate(&self, sandbox: &SandboxId, exec: &ExecId) -> Result<(), AgentError> {
        self.send_signal("terminate", sandbox, exec, Signal::Term).await
    }

    async fn list(&self, sandbox: &SandboxId) -> Result<Vec<HeldExec>, AgentError> {
        self.answer("list", sandbox, |state| Some(Ok(state.execs.values().map(Exec::held).collect()))).await
    }

    async fn activity(&self, sandbox: &SandboxId) -> Result<Activity, AgentError> {
        let now = self.0.clock.boot_time();
        self.answer("activity", sandbox, |state| {
            // A main process that merely runs is no activity.
            let counts = |e: &&Exec| !e.ended && e.start.kind != ExecKind::Main;
            let running = state.execs.values().filter(counts).count();
            let since = if running > 0 { now } else { state.last_activity.unwrap_or(now) };
            Some(Ok(Activity {
                idle: state.idle.unwrap_or_else(|| now.since(since)),
                execs_running: u32::try_from(running).unwrap_or(u32::MAX),
                ports: state.ports.clone(),
            }))
        })
        .await
    }

    async fn probe(&self, sandbox: &SandboxId, start: StartExec) -> Result<ProbeEnd, AgentError> {
        let act = async || {
            let agent = self.reach(sandbox)?;
            agent.wait(|_| Some(Ok(()))).await?;
            self.0.probed.lock().push(sandbox.clone());
            let script = self.script_of(&start);
            if let Some(message) = script.refusal {
                return Err(AgentError::Refused(message));
            }
            let exec = Exec::new(start.clone(), script, self.0.clock.now());
            if let Some(end) = exec.probed() {
                return Ok(end);
            }
            // One that holds is ended by its limit.
            self.0.clock.sleep(start.timeout.unwrap_or_default()).await;
            agent.wait(|_| Some(Ok(()))).await?;
            let exit = ExecExit { code: 128 + Signal::Term.number(), timed_out: true };
            Ok(ProbeEnd { exit, output: Vec::new() })
        };
        self.0.faults.around("probe", act).await
    }

    async fn greet(&self, sandbox: &SandboxId) -> Result<(), AgentError> {
        self.0.faults.around("greet", async || self.reach(sandbox).map(drop)).await
    }

    fn forget(&self, sandbox: &SandboxId) {
        self.0.forgotten.lock().push(sandbox.clone());
    }
}
