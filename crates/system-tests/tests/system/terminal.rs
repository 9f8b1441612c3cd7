//! Terminals of real sandboxes: typed at and read as a person, a browser and `wscat` do.

use std::time::Duration;

use atoll_client::{Keyboard, Screen, TerminalEvent, TerminalOptions};

use crate::harness::{Atoll, Inside, Role, until};

/// Guard against what never happens.
const PATIENCE: Duration = Duration::from_secs(60);

/// One viewer: what it types, and all it was shown.
pub(super) struct Viewer {
    pub(super) keyboard: Keyboard,
    screen: Screen,
    pub(super) shown: Vec<u8>,
    pub(super) interruptions: usize,
    exit: Option<i32>,
}

impl Viewer {
    pub(super) fn of(sandbox: &Inside<'_>, options: TerminalOptions) -> Self {
        let (keyboard, screen) = sandbox.atoll.client.terminal(&sandbox.id, options);
        Self { keyboard, screen, shown: Vec::new(), interruptions: 0, exit: None }
    }

    pub(super) async fn enter(&self, line: &str) {
        self.keyboard.keys(format!("{line}\r").into_bytes()).await;
    }

    pub(super) async fn step(&mut self) {
        let event = tokio::time::timeout(PATIENCE, self.screen.next()).await;
        match event.unwrap_or_else(|_| panic!("nothing came: {:?}", self.text())).unwrap() {
            TerminalEvent::Output(data) => self.shown.extend(data),
            TerminalEvent::Exit(code) => self.exit = Some(code),
            TerminalEvent::Interrupted => self.interruptions += 1,
            TerminalEvent::Gap => panic!("bytes were left out"),
            TerminalEvent::Attached { .. } | TerminalEvent::Resized(..) => {}
        }
    }

    pub(super) async fn until(&mut self, text: &str) {
        while !self.text().contains(text) {
            assert_eq!(self.exit, None, "{text:?} never came: {:?}", self.text());
            self.step().await;
        }
    }

    pub(super) async fn exit(&mut self) -> i32 {
        loop {
            match self.exit {
                Some(code) => return code,
                None => self.step().await,
            }
        }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }
}

fn named(name: &str) -> TerminalOptions {
    TerminalOptions { name: Some(name.parse().unwrap()), ..TerminalOptions::default() }
}

#[tokio::test]
async fn a_shell_is_typed_at_and_read() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let mut viewer =
        Viewer::of(&sandbox, TerminalOptions { size: Some((100, 30)), ..TerminalOptions::default() });
    viewer
        .enter("echo \"[$0] [$(id -un)] [$PWD] [$TERM] [$(stty size)] [$(tty)]\"; stat -c '%U %a' $(tty)")
        .await;
    viewer
        .until("[-bash] [agent] [/home/agent] [xterm-256color] [30 100] [/dev/pts/0]\r\nagent 620\r\n")
        .await;
    viewer.enter("exit 3").await;
    assert_eq!(viewer.exit().await, 3);
    atoll.finish().await;
}

#[tokio::test]
async fn a_terminal_goes_on_over_the_death_of_serve() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let (mut one, mut two) = (Viewer::of(&sandbox, named("shared")), Viewer::of(&sandbox, named("shared")));
    one.enter("echo at\"\"first").await;
    one.until("atfirst\r\n").await;
    two.until("atfirst\r\n").await;
    // It counts while serve is away.
    one.enter("for i in $(seq 1000 1060); do echo $i; sleep 0.05; done; echo coun\"\"ted").await;
    one.until("1005\r\n").await;
    let before = atoll.pid(Role::Serve);
    atoll.kill(Role::Serve);
    until("its return", PATIENCE, async || atoll.pid(Role::Serve).filter(|pid| Some(*pid) != before)).await;
    for viewer in [&mut one, &mut two] {
        viewer.until("counted\r\n").await;
        let expected: String = (1000..=1060).map(|n| format!("{n}\r\n")).collect();
        assert!(viewer.text().contains(&expected), "{:?}", viewer.text());
    }
    assert_eq!((one.interruptions, two.interruptions), (1, 1));
    // Somebody who comes later sees the past.
    let mut late = Viewer::of(&sandbox, named("shared"));
    late.until("counted\r\n").await;
    assert!(late.text().contains("atfirst"));
    two.enter("exit 0").await;
    assert_eq!(tokio::join!(one.exit(), two.exit(), late.exit()), (0, 0, 0));
    atoll.finish().await;
}
