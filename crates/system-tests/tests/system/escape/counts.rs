//! What takes two to show: one takes all there is of something that the kernel counts, and another wants one. And files
//! that are planted for the host.

use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::Verdicts;
use super::program::{Attempt, Program, Verdict, run};

/// Kinds that the program knows, and what they are.
pub(super) const KINDS: [(&str, &str); 5] = [
    ("inotify", "watchers of files"),
    ("terminals", "terminals"),
    ("aio", "slots for asynchronous I/O"),
    ("queues", "message queues"),
    ("signals", "queued signals"),
];
pub(super) const PLANTED: &str = "host-set-uid";
/// A user of the host's that nobody is; the counts of the control are his.
const NOBODY: u32 = 54_321;

/// The attempts that the program does not make alone.
pub(super) fn attempts() -> impl Iterator<Item = Attempt> {
    let counted = KINDS.iter().map(|(kind, what)| {
        let tried = format!("take all {what}, so that a neighbour has none");
        Attempt::new(&name(kind), &tried, "the neighbour gets none")
    });
    let tried = "plant a set-uid file of root's for a user of the host";
    counted.chain([Attempt::new(PLANTED, tried, "by its path on the host it makes root")])
}

pub(super) fn name(kind: &str) -> String {
    format!("count-{kind}")
}

/// From what the one who wanted one was told.
pub(super) fn verdict(kind: &str, said: &str) -> (String, Verdict) {
    let verdict = match said.trim() {
        "got one" => Verdict::Blocked("got one".to_owned()),
        // Who may have none at all has not lost them to somebody else.
        "ENOSYS" | "EPERM" => Verdict::Blocked(said.trim().to_owned()),
        errno if !errno.is_empty() => Verdict::Open(errno.to_owned()),
        _ => Verdict::Broken("it said nothing".to_owned()),
    };
    (name(kind), verdict)
}

/// Whether a file of the host's, which a sandbox has planted, makes root of a user.
pub(super) fn planted(program: &Program, path: &Path) -> (String, Verdict) {
    let said = run(Command::new(program.path()).arg("surrender").arg(path));
    let verdict = match said.trim() {
        "0" => Verdict::Open("a user of the host became root".to_owned()),
        user => Verdict::Blocked(format!("user {user}")),
    };
    (PLANTED.to_owned(), verdict)
}

/// The same on the host itself, as one user twice.
pub(super) fn control(program: &Program) -> Verdicts {
    let as_nobody = |words: [&str; 2]| {
        let mut command = Command::new("setpriv");
        let user = NOBODY.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]).arg(program.path()).args(words);
        command
    };
    let counted = KINDS.iter().map(|(kind, _)| {
        let _holder = Holder::start(as_nobody(["hold", kind]));
        verdict(kind, &run(&mut as_nobody(["take", kind])))
    });
    let path = program.path().with_file_name("planted");
    run(Command::new(program.path()).arg("plant").arg(&path));
    counted.chain([planted(program, &path)]).collect()
}

/// A program that has taken all, until its input ends: when this is dropped.
#[derive(Debug)]
pub(super) struct Holder(Child, Option<ChildStdin>);

impl Holder {
    pub(super) fn start(mut command: Command) -> Self {
        use std::io::{BufRead as _, BufReader};

        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let mut this = Self(child, stdin);
        let mut line = String::new();
        BufReader::new(this.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("held "), "{command:?} said {line:?}");
        this
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.1.take());
        drop(self.0.wait());
    }
}
