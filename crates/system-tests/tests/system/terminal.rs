//! Terminals of real sandboxes: typed at and read as a person, a browser and `wscat` do.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atoll_api_types::CreateSandbox;
use atoll_client::{Keyboard, Screen, TerminalEvent, TerminalOptions};
use futures_util::{SinkExt as _, StreamExt as _};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Atoll, Inside, Role, until};

/// Guard against what never happens.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

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

#[tokio::test]
async fn a_plain_client_needs_no_protocol_of_ours() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let base = atoll.client.base_url().replacen("http", "ws", 1);
    let url = format!("{base}/ws/sandboxes/{}/terminal?cols=70&rows=20&token={}", sandbox.id, atoll.token());
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    socket.send(Message::Text("echo \"[$(stty size)]\"\r".into())).await.unwrap();
    let mut shown = Vec::new();
    let ended = loop {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        match message {
            Message::Binary(data) => shown.extend(data),
            Message::Close(frame) => break frame.unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
        if shown.windows(9).any(|text| text == b"[20 70]\r\n") {
            shown.clear();
            socket.send(Message::Binary(b"exit 7\r".as_slice().into())).await.unwrap();
        }
    };
    assert_eq!((u16::from(ended.code), ended.reason.as_str()), (1000, "exited 7"));
    atoll.finish().await;
}

#[tokio::test]
async fn a_terminal_that_shows_something_keeps_its_sandbox_up_and_a_silent_one_does_not() {
    let atoll = Atoll::start().await;
    let idle = CreateSandbox { idle_ttl_seconds: Some(3), ..CreateSandbox::default() };
    let (silent, busy) = (atoll.create_with(&idle).await, atoll.create_with(&idle).await);
    let (mut one, mut two) = (Viewer::of(&silent, named("main")), Viewer::of(&busy, named("main")));
    two.enter("while echo ti\"\"ck; do sleep 0.3; done").await;
    one.enter("echo re\"\"ady").await;
    tokio::join!(one.until("ready\r\n"), two.until("tick\r\n"));
    let seen = until("the sandbox is stopped", PATIENCE, async || {
        Some(silent.get().await).filter(|sandbox| sandbox.state == "stopped")
    });
    assert_eq!(seen.await.state_reason.as_deref(), Some("idle"));
    assert_eq!(busy.get().await.state, "running");
    // Whoever looked at it is told.
    let refusal = loop {
        if let Err(error) = tokio::time::timeout(PATIENCE, one.screen.next()).await.unwrap() {
            break error;
        }
    };
    assert_eq!(refusal.code(), Some("sandbox_not_running"));
    atoll.finish().await;
}

/// A person at a terminal of the host, who runs a command there.
pub(super) struct Person {
    pub(super) keys: File,
    shown: Arc<Mutex<Vec<u8>>>,
    terminal: OwnedFd,
    child: Child,
}

impl Person {
    /// Runs `atoll` on a new terminal that it controls.
    pub(super) fn runs(atoll: &Atoll, words: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let terminal =
            rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        tcsetwinsize(&master, Winsize { ws_col: 90, ws_row: 20, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let inner = atoll.cli_command("atoll", words);
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(inner.get_program()).args(inner.get_args()).env_clear();
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let end = || Stdio::from(terminal.try_clone().unwrap());
        let child = command.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let keys = File::from(master);
        let (mut screen, shown) = (keys.try_clone().unwrap(), Arc::<Mutex<Vec<u8>>>::default());
        let all = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut piece) {
                all.lock().unwrap().extend(&piece[..length]);
            }
        });
        Self { keys, shown, terminal, child }
    }

    fn enter(&mut self, line: &str) {
        self.keys.write_all(format!("{line}\r").as_bytes()).unwrap();
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    async fn sees(&self, text: &str) {
        until(text, PATIENCE, async || self.text().contains(text).then_some(())).await;
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.terminal).unwrap().local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    pub(super) async fn status(&mut self) -> Option<i32> {
        until("its end", PATIENCE, async || self.child.try_wait().unwrap()).await.code()
    }
}

#[tokio::test]
async fn the_shell_of_the_command_line_feels_local_and_puts_the_terminal_back() {
    let atoll = Atoll::start().await;
    let id = atoll.create().await.id.to_string();
    let mut person = Person::runs(&atoll, &["shell", &id]);
    person.enter("echo \"[$TERM] [$(stty size)]\"");
    person.sees("[xterm] [20 90]\r\n").await;
    assert!(person.is_raw());
    // A larger window.
    tcsetwinsize(&person.keys, Winsize { ws_col: 132, ws_row: 50, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    until("the size", PATIENCE, async || {
        person.enter("echo \"<$(stty size)>\"");
        tokio::time::sleep(Duration::from_millis(100)).await;
        person.text().contains("<50 132>").then_some(())
    })
    .await;
    // Ctrl-C goes inside.
    person.enter("sleep 1000; echo inter\"\"rupted");
    tokio::time::sleep(Duration::from_millis(300)).await;
    person.keys.write_all(b"\x03").unwrap();
    person.sees("^C").await;
    // The server dies and comes back.
    let before = atoll.pid(Role::Serve);
    atoll.kill(Role::Serve);
    until("its return", PATIENCE, async || atoll.pid(Role::Serve).filter(|pid| Some(*pid) != before)).await;
    person.enter("echo still\"\"here");
    person.sees("stillhere\r\n").await;
    person.enter("exit 42");
    assert_eq!(person.status().await, Some(42));
    assert!(!person.is_raw(), "the terminal is not as it was");
    atoll.finish().await;
}

#[tokio::test]
async fn a_command_in_a_terminal_is_as_at_a_local_one() {
    let atoll = Atoll::start().await;
    let id = atoll.create().await.id.to_string();
    let line = "trap 'echo \"<$(stty size)>\"' WINCH; echo \"[$TERM] [$(stty size)] [$(tty)]\"; \
        while read -r word; do echo \"got $word\"; [ \"$word\" = end ] && exit 42; done; echo no more; exit 9";
    let mut person = Person::runs(&atoll, &["exec", "--tty", &id, "--", "bash", "-c", line]);
    person.sees("[xterm] [20 90] [/dev/pts/0]\r\n").await;
    assert!(person.is_raw());
    tcsetwinsize(&person.keys, Winsize { ws_col: 132, ws_row: 50, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    until("the size", PATIENCE, async || {
        // A shell looks at its signals between its commands.
        person.enter("more");
        tokio::time::sleep(Duration::from_millis(100)).await;
        person.text().contains("<50 132>").then_some(())
    })
    .await;
    // The server dies and comes back.
    let before = atoll.pid(Role::Serve);
    atoll.kill(Role::Serve);
    until("its return", PATIENCE, async || atoll.pid(Role::Serve).filter(|pid| Some(*pid) != before)).await;
    person.enter("here");
    person.sees("got here\r\n").await;
    person.enter("end");
    assert_eq!(person.status().await, Some(42));
    assert!(!person.is_raw(), "the terminal is not as it was");

    // Ctrl-C and Ctrl-D are keys.
    for (keys, status) in [(b"\x03", 130), (b"\x04", 9)] {
        let mut person = Person::runs(&atoll, &["exec", "-t", &id, "--", "bash", "-c", line]);
        person.sees("[/dev/pts/").await;
        person.keys.write_all(keys).unwrap();
        assert_eq!(person.status().await, Some(status), "{}", person.text());
    }
    // A way out that the command does not have to allow.
    let deaf = ["exec", "-t", &id, "--", "bash", "-c", "trap '' INT; stty raw; echo ready; sleep 1000"];
    let mut person = Person::runs(&atoll, &deaf);
    person.sees("ready").await;
    person.keys.write_all(b"\r~.").unwrap();
    assert_eq!(person.status().await, Some(130));
    assert!(!person.is_raw() && person.text().contains("may still run"), "{}", person.text());

    // Without a terminal here there may be one inside.
    let output = atoll.cli(&["exec", "-t", &id, "--", "sh", "-c", "tty; stty size; echo err >&2"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "/dev/pts/1\r\n24 80\r\nerr\r\n");
    assert_eq!((output.stderr.len(), output.status.code()), (0, Some(0)));
    atoll.finish().await;
}

#[tokio::test]
async fn every_way_out_puts_the_terminal_back() {
    let atoll = Atoll::start().await;
    let id = atoll.create().await.id.to_string();
    for way in ["keys", "signal", "hang-up", "stop"] {
        let mut person = Person::runs(&atoll, &["shell", &id, "--name", way]);
        // As a program of the whole screen does.
        person.enter("printf '\\033[?1049h\\033[?25l'; echo re\"\"ady");
        person.sees("ready\r\n").await;
        let group = Pid::from_raw(i32::try_from(person.child.id()).unwrap()).unwrap();
        let children = format!("/proc/{0}/task/{0}/children", group.as_raw_nonzero());
        let shell = std::fs::read_to_string(children).unwrap();
        // Where `setsid` needs no process of its own, it has become the command.
        let shell = shell.trim().parse().ok().and_then(Pid::from_raw).unwrap_or(group);
        let expected = match way {
            "keys" => {
                person.keys.write_all(b"\r~.").unwrap();
                0
            }
            "signal" => {
                kill_process(shell, Signal::TERM).unwrap();
                143
            }
            "hang-up" => {
                kill_process(shell, Signal::HUP).unwrap();
                129
            }
            _ => {
                atoll.client.sandbox_stop(&id.parse().unwrap()).await.unwrap();
                125
            }
        };
        assert_eq!(person.status().await, Some(expected), "{way}: {}", person.text());
        assert!(!person.is_raw(), "{way}");
        until("the other screen's end", PATIENCE, async || {
            person.text().contains("\x1b[?1049l\x1b[?25h").then_some(())
        })
        .await;
    }
    atoll.finish().await;
}
