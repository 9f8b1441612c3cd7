//! Terminals in memory: the program echoes what is typed, and a line `exit N` ends it.

use std::sync::Arc;

use async_trait::async_trait;
use atoll_ports::{
    AgentError, HeldTerminal, OpenTerminal, TerminalAttached, TerminalEvent, TerminalKey, TerminalLink,
    TerminalStream,
};
use atoll_types::{SandboxId, TerminalName, TerminalSize, Timestamp};
use bytes::Bytes;
use futures_util::stream;

use super::FakeAgents;
use super::agent::{Agent, State, unreachable};

/// Terminals that one agent holds at once.
const TERMINALS_MAX: usize = 16;

/// One terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    generation: u64,
    open: OpenTerminal,
    size: TerminalSize,
    created_at: Timestamp,
    shown: Vec<u8>,
    line: Vec<u8>,
    exit: Option<i32>,
}

impl Terminal {
    fn type_in(&mut self, data: &[u8]) {
        for byte in data {
            match byte {
                b'\r' | b'\n' => {
                    self.shown.extend(b"\r\n");
                    let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                    if let Some(code) = line.strip_prefix("exit ").and_then(|code| code.parse().ok()) {
                        self.exit = Some(code);
                    }
                }
                byte => {
                    self.shown.push(*byte);
                    self.line.push(*byte);
                }
            }
        }
    }
}

fn find<'a>(state: &'a mut State, key: &TerminalKey) -> Result<&'a mut Terminal, AgentError> {
    let found = state.terminals.get_mut(&key.name);
    let this = |terminal: &&mut Terminal| key.generation == 0 || key.generation == terminal.generation;
    found.filter(this).ok_or(AgentError::NotFound)
}

/// Where a viewer stands.
struct Place {
    agent: Arc<Agent>,
    key: TerminalKey,
    connection: u64,
    next: usize,
    size: TerminalSize,
    over: bool,
}

impl Place {
    fn look(&mut self, state: &mut State) -> Option<Result<TerminalEvent, AgentError>> {
        if state.connection != self.connection {
            return Some(Err(unreachable("the connection broke")));
        }
        let terminal = match find(state, &self.key) {
            Ok(terminal) => terminal,
            Err(error) => return Some(Err(error)),
        };
        if terminal.size != self.size {
            self.size = terminal.size;
            return Some(Ok(TerminalEvent::Resized(self.size)));
        }
        if self.next < terminal.shown.len() {
            let offset = u64::try_from(self.next).unwrap_or(u64::MAX);
            let data = Bytes::copy_from_slice(&terminal.shown[self.next..]);
            self.next = terminal.shown.len();
            return Some(Ok(TerminalEvent::Output { offset, data }));
        }
        self.over = terminal.exit.is_some();
        terminal.exit.map(|code| Ok(TerminalEvent::Exit(code)))
    }
}

fn events(place: Place) -> TerminalStream {
    Box::pin(stream::unfold(place, |mut place| async move {
        if place.over {
            return None;
        }
        let agent = Arc::clone(&place.agent);
        let event = agent.wait(|state| place.look(state)).await;
        place.over |= event.is_err();
        Some((event, place))
    }))
}

impl FakeAgents {
    /// The program of a terminal writes this.
    pub fn show_in_terminal(&self, sandbox: &SandboxId, name: &TerminalName, text: &[u8]) {
        self.change(sandbox, |state| {
            if let Some(terminal) = state.terminals.get_mut(name) {
                terminal.shown.extend(text);
            }
        });
    }

    /// What a terminal was made with.
    #[must_use]
    pub fn terminal(&self, sandbox: &SandboxId, name: &TerminalName) -> Option<OpenTerminal> {
        let agent = self.agent(sandbox)?;
        let state = agent.state.lock();
        state.terminals.get(name).map(|terminal| terminal.open.clone())
    }

    async fn with_terminals<T>(
        &self,
        call: &'static str,
        sandbox: &SandboxId,
        act: impl Fn(&mut State) -> Result<T, AgentError>,
    ) -> Result<T, AgentError> {
        let act = async || {
            let agent = self.agent(sandbox).ok_or_else(|| unreachable("there is no agent"))?;
            agent.wait(|_| Some(Ok(()))).await?;
            agent.change(&act)
        };
        self.0.faults.around(call, act).await
    }
}

#[async_trait]
impl TerminalLink for FakeAgents {
    async fn open(&self, sandbox: &SandboxId, open: OpenTerminal) -> Result<(TerminalKey, bool), AgentError> {
        let (now, boot) = (self.0.clock.now(), self.0.clock.boot_time());
        self.with_terminals("terminal_open", sandbox, |state| {
            state.last_activity = Some(boot);
            let name = open.name.clone();
            if let Some(terminal) = state.terminals.get(&name).filter(|terminal| terminal.exit.is_none()) {
                return Ok((TerminalKey { name, generation: terminal.generation }, false));
            }
            state.terminals.retain(|_, terminal| terminal.exit.is_none());
            if state.terminals.len() >= TERMINALS_MAX {
                return Err(AgentError::TooMany);
            }
            state.last_generation += 1;
            let generation = state.last_generation;
            let terminal = Terminal {
                generation,
                size: open.size,
                open: open.clone(),
                created_at: now,
                shown: Vec::new(),
                line: Vec::new(),
                exit: None,
            };
            state.terminals.insert(name.clone(), terminal);
            Ok((TerminalKey { name, generation }, true))
        })
        .await
    }

    async fn attach(
        &self,
        sandbox: &SandboxId,
        terminal: &TerminalKey,
        offset: Option<u64>,
    ) -> Result<(TerminalAttached, TerminalStream), AgentError> {
        let agent = self.agent(sandbox).ok_or_else(|| unreachable("there is no agent"))?;
        let look = |state: &mut State| {
            let connection = state.connection;
            let found = find(state, terminal)?;
            let end = u64::try_from(found.shown.len()).unwrap_or(u64::MAX);
            let offset = offset.unwrap_or(0).min(end);
            let attached = TerminalAttached { generation: found.generation, size: found.size, offset, end };
            Ok((attached, connection))
        };
        let (attached, connection) = self.with_terminals("terminal_attach", sandbox, look).await?;
        let key = TerminalKey { name: terminal.name.clone(), generation: attached.generation };
        let next = usize::try_from(attached.offset).unwrap_or(usize::MAX);
        let place = Place { agent, key, connection, next, size: attached.size, over: false };
        Ok((attached, events(place)))
    }

    async fn input(
        &self,
        sandbox: &SandboxId,
        terminal: &TerminalKey,
        data: Bytes,
    ) -> Result<(), AgentError> {
        self.with_terminals("terminal_input", sandbox, |state| {
            let terminal = find(state, terminal)?;
            if terminal.exit.is_some() {
                return Err(AgentError::StdinClosed);
            }
            terminal.type_in(&data);
            Ok(())
        })
        .await
    }

    async fn resize(
        &self,
        sandbox: &SandboxId,
        terminal: &TerminalKey,
        size: TerminalSize,
    ) -> Result<(), AgentError> {
        self.with_terminals("terminal_resize", sandbox, |state| {
            find(state, terminal)?.size = size;
            Ok(())
        })
        .await
    }

    async fn list(&self, sandbox: &SandboxId) -> Result<Vec<HeldTerminal>, AgentError> {
        let held = |(name, terminal): (&TerminalName, &Terminal)| HeldTerminal {
            key: TerminalKey { name: name.clone(), generation: terminal.generation },
            size: terminal.size,
            viewers: 0,
            created_at: terminal.created_at,
            exit_code: terminal.exit,
        };
        self.with_terminals("terminal_list", sandbox, |state| Ok(state.terminals.iter().map(held).collect()))
            .await
    }

    async fn close(&self, sandbox: &SandboxId, terminal: &TerminalKey) -> Result<(), AgentError> {
        self.with_terminals("terminal_close", sandbox, |state| {
            // 128 + SIGHUP, as a shell that is hung up.
            find(state, terminal)?.exit.get_or_insert(129);
            Ok(())
        })
        .await
    }
}
