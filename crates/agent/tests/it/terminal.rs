//! Terminals.

use std::time::Duration;

use atoll_agent_protocol::{TERMINAL_VIEWERS_MAX, TERMINALS_MAX};
use atoll_ports::{AgentError, OpenTerminal, TerminalEvent, TerminalKey, TerminalLink, TerminalStream};
use atoll_types::TerminalSize;
use bytes::Bytes;
use futures_util::StreamExt;

use crate::cgroup::Cgroup;
use crate::harness::{Agent, soon, until};

/// A terminal to make: a shell without anybody's own settings.
fn named(name: &str) -> OpenTerminal {
    OpenTerminal {
        name: name.parse().unwrap(),
        argv: ["/bin/bash", "--norc", "--noprofile"].map(str::to_owned).to_vec(),
        env: [("PATH", "/usr/bin:/bin"), ("PS1", "$ "), ("TERM", "xterm-256color")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        cwd: None,
        user: "root".parse().unwrap(),
        size: TerminalSize::default(),
        linger: None,
    }
}

/// One viewer.
struct Screen {
    stream: TerminalStream,
    shown: Vec<u8>,
    next: u64,
    skipped: u64,
    exit: Option<i32>,
}

impl Screen {
    async fn of(link: &impl TerminalLink, agent: &Agent, key: &TerminalKey, offset: Option<u64>) -> Self {
        let (attached, stream) = link.attach(&agent.sandbox, key, offset).await.unwrap();
        Self { stream, shown: Vec::new(), next: attached.offset, skipped: 0, exit: None }
    }

    async fn step(&mut self) {
        match soon(self.stream.next()).await.expect("more").unwrap() {
            TerminalEvent::Output { offset, data } => {
                self.skipped += offset - self.next;
                self.next = offset + u64::try_from(data.len()).unwrap();
                self.shown.extend(data);
            }
            TerminalEvent::Resized(_) => {}
            TerminalEvent::Exit(code) => self.exit = Some(code),
        }
    }

    async fn until(&mut self, text: &str) {
        while !self.text().contains(text) {
            assert_eq!(self.exit, None, "{text:?} never came: {:?}", self.text());
            self.step().await;
        }
    }

    async fn exit(&mut self) -> i32 {
        loop {
            match self.exit {
                Some(code) => return code,
                None => self.step().await,
            }
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }
}

async fn open(agent: &Agent, open: OpenTerminal) -> (TerminalKey, Screen) {
    let (key, made) = agent.client.open(&agent.sandbox, open).await.unwrap();
    assert!(made);
    let screen = Screen::of(&agent.client, agent, &key, None).await;
    (key, screen)
}

async fn enter(agent: &Agent, key: &TerminalKey, line: &str) {
    let line = Bytes::from(format!("{line}\r"));
    agent.client.input(&agent.sandbox, key, line).await.unwrap();
}

#[tokio::test]
async fn it_keeps_the_promises() {
    let agent = Agent::plain();
    // Without a prompt, so that only what is typed is shown.
    let echo = "while read -r word code; do [ \"$word\" = exit ] && exit \"$code\"; done";
    let argv = ["/bin/sh", "-c", echo].map(str::to_owned).to_vec();
    let open = OpenTerminal { argv, ..named("main") };
    soon(atoll_testkit::contract::terminals(&agent.client, &agent.sandbox, &open)).await;
}

#[tokio::test]
async fn a_shell_has_a_terminal_that_it_controls() {
    let agent = Agent::plain();
    let (key, mut screen) = open(&agent, named("main")).await;
    enter(
        &agent,
        &key,
        "echo \"[$(tty)] [$TERM] [$(stty size)]\"; ps -o tty=,sid= -p $$ | grep -q \"$$\" && echo lea\"\"ds",
    )
    .await;
    screen.until("leads\r\n").await;
    let text = screen.text();
    assert!(text.contains("[/dev/pts/") && text.contains("[xterm-256color] [24 80]"), "{text}");
    // Ctrl-C reaches what is in front: the terminal is the controlling one.
    enter(&agent, &key, "sleep 1000; echo interrupted=$?").await;
    until("it sleeps", async || {
        enter(&agent, &key, "").await;
        agent.sh("pgrep -f '^sleep 1000'").await.code() == 0
    })
    .await;
    agent.client.input(&agent.sandbox, &key, Bytes::from_static(b"\x03")).await.unwrap();
    screen.until("^C").await;
    enter(&agent, &key, "exit 7").await;
    assert_eq!(screen.exit().await, 7);
    let typed = agent.client.input(&agent.sandbox, &key, Bytes::from_static(b"x")).await;
    assert_eq!(typed, Err(AgentError::StdinClosed));
}

#[tokio::test]
async fn the_login_shell_of_the_user_runs_in_the_workloads_group() {
    let cgroup = Cgroup::with_pids_max(203);
    let agent = Agent::in_cgroup(&cgroup);
    let (key, mut screen) = open(&agent, OpenTerminal { argv: Vec::new(), ..named("main") }).await;
    enter(&agent, &key, "echo \"[$0]\"; cat /proc/self/cgroup; echo end\"\"ed").await;
    screen.until("ended\r\n").await;
    let text = screen.text();
    assert!(text.contains("[-"), "no login shell: {text}");
    assert!(text.contains(cgroup.name()), "{text}");
}

#[tokio::test]
async fn a_new_size_is_told_to_programs_and_viewers() {
    let agent = Agent::plain();
    let (key, mut screen) = open(&agent, named("main")).await;
    enter(&agent, &key, "trap 'echo \"[$(stty size)]\"' WINCH; echo re\"\"ady").await;
    screen.until("ready\r\n").await;
    let size = TerminalSize::new(132, 50).unwrap();
    agent.client.resize(&agent.sandbox, &key, size).await.unwrap();
    enter(&agent, &key, "").await;
    screen.until("[50 132]").await;
    assert_eq!(agent.client.list(&agent.sandbox).await.unwrap()[0].size, size);
}

#[tokio::test]
async fn a_viewer_that_comes_back_goes_on_where_it_was() {
    let agent = Agent::plain();
    let (key, mut screen) = open(&agent, named("main")).await;
    enter(&agent, &key, "echo be\"\"fore").await;
    screen.until("before\r\n").await;
    let seen = screen.next;
    drop(screen);
    enter(&agent, &key, "echo af\"\"ter").await;
    // Another serve.
    let other = agent.second_client();
    let mut back = Screen::of(&other, &agent, &key, Some(seen)).await;
    back.until("after\r\n").await;
    assert!(!back.text().contains("before"), "{:?}", back.text());
    let mut newcomer = Screen::of(&other, &agent, &key, None).await;
    newcomer.until("after\r\n").await;
    assert!(newcomer.text().contains("before"));
    // The same name finds the same terminal, until it has ended.
    let (again, made) = other.open(&agent.sandbox, named("main")).await.unwrap();
    assert_eq!((&again, made), (&key, false));
    enter(&agent, &key, "exit 1").await;
    assert_eq!((back.exit().await, newcomer.exit().await), (1, 1));
    let mut late = Screen::of(&other, &agent, &key, Some(seen)).await;
    assert_eq!(late.exit().await, 1);
    let (new, made) = other.open(&agent.sandbox, named("main")).await.unwrap();
    assert!(made && new.generation > key.generation);
    let gone = other.attach(&agent.sandbox, &key, Some(seen)).await.err();
    assert_eq!(gone, Some(AgentError::NotFound));
}

#[tokio::test]
async fn a_viewer_that_reads_misses_nothing_however_much_comes() {
    let agent = Agent::plain();
    let (key, mut screen) = open(&agent, named("main")).await;
    enter(&agent, &key, "seq 300000; echo en\"\"ded").await;
    screen.until("ended\r\n").await;
    assert_eq!(screen.skipped, 0);
    let expected: String = (1..=300_000).map(|n| format!("{n}\r\n")).collect();
    assert!(screen.text().contains(&expected), "not all of it, or not in order");
}

#[tokio::test]
async fn viewers_that_do_not_read_stop_neither_the_shell_nor_others() {
    let agent = Agent::plain();
    let (key, mut screen) = open(&agent, named("main")).await;
    let mut stuck = Vec::new();
    for _ in 0..20 {
        stuck.push(Screen::of(&agent.client, &agent, &key, None).await);
    }
    enter(&agent, &key, "yes stuck | head -c 5000000; echo en\"\"ded").await;
    screen.until("ended\r\n").await;
    assert_eq!(screen.skipped, 0);
    // Nobody reads at all.
    enter(&agent, &key, "yes stuck | head -c 5000000; echo a\"\"gain").await;
    let held = agent.client.list(&agent.sandbox).await.unwrap();
    assert_eq!(held[0].viewers, 21);
    drop(screen);
    let mut slow = stuck.pop().unwrap();
    slow.until("again\r\n").await;
    assert!(slow.skipped > 0, "it was passed over");
}

/// What comes key by key is many small frames, of which h2 lets few wait.
#[tokio::test]
async fn viewers_that_do_not_read_small_pieces_do_not_end_the_others() {
    let agent = Agent::plain();
    let (key, mut screen) = open(&agent, named("main")).await;
    let mut stuck = Vec::new();
    for _ in 1..TERMINAL_VIEWERS_MAX {
        stuck.push(Screen::of(&agent.client, &agent, &key, None).await);
    }
    for round in 0..1_000 {
        enter(&agent, &key, &format!(": {round}")).await;
        screen.until(&format!(": {round}\r\n")).await;
    }
}

#[tokio::test]
async fn what_is_typed_waits_for_the_program() {
    let agent = Agent::plain();
    let (key, mut screen) = open(&agent, named("main")).await;
    enter(&agent, &key, "stty raw -echo; echo re\"\"ady; sleep 1; head -c 300000 | md5sum; stty sane").await;
    screen.until("ready").await;
    let input: Vec<u8> = (0..300_000_u32).map(|n| b'a' + u8::try_from(n % 23).unwrap()).collect();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("input");
    std::fs::write(&file, &input).unwrap();
    let sum = agent.sh(&format!("md5sum < {}", file.display())).await;
    agent.client.input(&agent.sandbox, &key, input.into()).await.unwrap();
    screen.until(sum.out().split(' ').next().unwrap()).await;
}

#[tokio::test]
async fn terminals_and_names_have_bounds() {
    let agent = Agent::plain();
    let mut keys = Vec::new();
    for n in 0..TERMINALS_MAX {
        keys.push(agent.client.open(&agent.sandbox, named(&format!("t{n}"))).await.unwrap().0);
    }
    let more = agent.client.open(&agent.sandbox, named("more")).await;
    assert_eq!(more, Err(AgentError::TooMany));
    // One that has ended makes room.
    let mut screen = Screen::of(&agent.client, &agent, &keys[0], None).await;
    agent.client.close(&agent.sandbox, &keys[0]).await.unwrap();
    assert_eq!(screen.exit().await, 129, "{:?}", screen.text());
    assert!(agent.client.open(&agent.sandbox, named("more")).await.unwrap().1);
}

#[tokio::test]
async fn a_shell_that_ignores_the_hang_up_is_killed() {
    let agent = Agent::plain();
    let (key, mut screen) = open(&agent, named("main")).await;
    enter(&agent, &key, "trap '' HUP; echo re\"\"ady; while :; do sleep 1; done").await;
    screen.until("ready\r\n").await;
    agent.client.close(&agent.sandbox, &key).await.unwrap();
    assert_eq!(screen.exit().await, 137);
}

#[tokio::test]
async fn a_terminal_outlives_its_last_viewer_as_long_as_was_said() {
    let agent = Agent::plain();
    let linger = Some(Duration::from_millis(300));
    let (key, mut screen) = open(&agent, OpenTerminal { linger, ..named("main") }).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    enter(&agent, &key, "echo a\"\"live").await;
    screen.until("alive\r\n").await;
    drop(screen);
    until("it ends", async || agent.client.list(&agent.sandbox).await.unwrap()[0].exit_code.is_some()).await;
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let agent = Agent::plain();
    let (_, mut screen) =
        open(&agent, OpenTerminal { user: "nobody-here".parse().unwrap(), ..named("a") }).await;
    assert_eq!(screen.exit().await, 126);
    assert!(screen.text().contains("user nobody-here does not exist"), "{}", screen.text());
    let missing = OpenTerminal { argv: vec!["no-such-program".to_owned()], ..named("b") };
    let (_, mut screen) = open(&agent, missing).await;
    assert_eq!(screen.exit().await, 127);
    assert!(screen.text().contains("no-such-program: not found"), "{}", screen.text());
}
