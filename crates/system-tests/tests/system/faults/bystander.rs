//! A sandbox that lives through all rounds, with a terminal that is looked at and a connection to the world.

use std::convert::Infallible;

use atoll_api_types::CreateSandbox;
use atoll_client::{Client, TerminalOptions};
use atoll_types::{ExecId, SandboxId};

use super::through;
use crate::harness::{Atoll, WEB, line, until};
use crate::terminal::{PATIENCE, Viewer};

/// Counts at the terminal.
const TICKS: &str = "i=0; while sleep 0.05; do i=$((i+1)); echo tick-$i.; done";
/// Says numbers to a server in the world that says them again, over one connection, and writes down the last one.
const BEATS: &str = r#"exec /usr/bin/python3 -c '
import os, socket, sys, time
world = socket.create_connection((sys.argv[1], 7), timeout=30)
beat = 0
while True:
    beat += 1
    world.sendall(b"%08d" % beat)
    assert world.recv(8, socket.MSG_WAITALL) == b"%08d" % beat
    with open("beat.new", "w") as file:
        file.write(str(beat))
    os.rename("beat.new", "beat")
    time.sleep(0.05)
' "#;

pub(super) struct Bystander {
    client: Client,
    id: SandboxId,
    terminal: Viewer,
    connection: ExecId,
}

impl Bystander {
    pub(super) async fn begin(atoll: &Atoll) -> Self {
        let new = CreateSandbox { network: Some("all".to_owned()), ..CreateSandbox::default() };
        let sandbox = atoll.create_with(&new).await;
        let connection = sandbox.begin(&format!("{BEATS}{WEB}")).await;
        let mut terminal = Viewer::of(&sandbox, TerminalOptions::default());
        terminal.enter(TICKS).await;
        terminal.until("tick-1.").await;
        Self { client: atoll.client.clone(), id: sandbox.id.clone(), terminal, connection }
    }

    pub(super) fn id(&self) -> &SandboxId {
        &self.id
    }

    /// Looks at the terminal, whatever happens to Atoll meanwhile.
    pub(super) async fn watch(&mut self) -> Infallible {
        loop {
            self.terminal.step().await;
        }
    }

    async fn beat(&self) -> u64 {
        let body = line("cat beat");
        let exec = through("the last beat", async || self.client.exec_run(&self.id, &body).await).await;
        exec.stdout.unwrap_or_default().parse().unwrap_or(0)
    }

    /// Neither has missed anything; answers how often the terminal's connection was cut.
    pub(super) async fn check(&mut self) -> usize {
        let exec = through("its exec", async || self.client.exec_get(&self.id, &self.connection).await).await;
        assert_eq!(exec.status, "running", "the connection was cut: {exec:?}");
        let (first, client) = (self.beat().await, &*self);
        until("another beat", PATIENCE, async || (client.beat().await > first).then_some(())).await;
        let seen = self.ticks();
        while self.ticks() == seen {
            self.terminal.step().await;
        }
        self.terminal.interruptions
    }

    /// How far the terminal's counter is: every number once, in order.
    fn ticks(&self) -> u64 {
        let text = self.terminal.text();
        let numbers = text.split("tick-").skip(1).filter_map(|rest| rest.split_once('.')?.0.parse().ok());
        numbers.fold(0, |last, tick: u64| {
            assert_eq!(tick, last + 1, "the terminal has a gap or a repeat");
            tick
        })
    }
}
