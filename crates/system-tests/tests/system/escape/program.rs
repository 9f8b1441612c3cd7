//! The program that tries, and what it says.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{Verdicts, counts};

/// Its parts; they are built wherever the test runs.
const PARTS: [(&str, &str); 10] = [
    ("escape.h", include_str!("program/escape.h")),
    ("main.c", include_str!("program/main.c")),
    ("kernel_files.c", include_str!("program/kernel_files.c")),
    ("mounts.c", include_str!("program/mounts.c")),
    ("processes.c", include_str!("program/processes.c")),
    ("kernel_calls.c", include_str!("program/kernel_calls.c")),
    ("network.c", include_str!("program/network.c")),
    ("rights.c", include_str!("program/rights.c")),
    ("neighbours.c", include_str!("program/neighbours.c")),
    ("counts.c", include_str!("program/counts.c")),
];

/// What the program's `enum flags` says of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Flag {
    Root = 1,
    User = 2,
    Lacking = 4,
    HostImage = 8,
}

/// One way out.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) name: String,
    pub(super) tried: String,
    /// What counts as an escape.
    pub(super) escape: String,
    /// Names of errors; empty where any refusal will do.
    pub(super) expected: Vec<String>,
    flags: u32,
}

impl Attempt {
    pub(super) fn new(name: &str, tried: &str, escape: &str) -> Self {
        let [name, tried, escape] = [name, tried, escape].map(str::to_owned);
        Self { name, tried, escape, expected: Vec::new(), flags: Flag::Root as u32 }
    }

    pub(super) fn has(&self, flag: Flag) -> bool {
        self.flags & flag as u32 != 0
    }

    pub(super) fn is_tried_as(&self, user: &str) -> bool {
        !self.has(if user == "root" { Flag::User } else { Flag::Root })
    }

    /// The table's errors are those that root is told, where root tries at all.
    pub(super) fn says_how(&self, user: &str) -> bool {
        user == "root" || self.has(Flag::User)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Open(String),
    Blocked(String),
    /// It could not be made, which proves nothing.
    Broken(String),
}

impl Verdict {
    pub(super) fn is_blocked(&self) -> bool {
        matches!(self, Self::Blocked(_))
    }
}

/// The program, built.
#[derive(Debug)]
pub(super) struct Program {
    folder: tempfile::TempDir,
    pub(super) attempts: Vec<Attempt>,
}

pub(super) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

impl Program {
    pub(super) fn build() -> Self {
        let folder = tempfile::Builder::new().prefix("atoll-escape-").tempdir_in("/tmp").unwrap();
        for (name, text) in PARTS {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let sources = PARTS.iter().map(|(name, _)| *name).filter(|name| name.ends_with(".c"));
        let flags = ["-static", "-O1", "-Wall", "-Werror", "-o", "escape"];
        run(Command::new("gcc").args(flags).args(sources).current_dir(folder.path()));
        let mut program = Self { folder, attempts: Vec::new() };
        let list = run(Command::new(program.path()).arg("list"));
        program.attempts = list.lines().map(attempt).chain(counts::attempts()).collect();
        let mut names: Vec<&str> = program.attempts.iter().map(|one| &*one.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|two| two[0] != two[1]), "a name is there twice: {names:?}");
        program
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("escape")
    }

    /// A root file system with nothing but the program, in a tar.
    pub(super) fn image(&self) -> PathBuf {
        let root = self.folder.path().join("root");
        for folder in ["etc", "dev", "proc", "sys", "tmp"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("etc/passwd"), "root:x:0:0::/:/escape\nagent:x:1000:1000::/:/escape\n")
            .unwrap();
        std::fs::copy(self.path(), root.join("escape")).unwrap();
        run(Command::new("chmod").arg("1777").arg(root.join("tmp")));
        let archive = self.folder.path().join("root.tar");
        run(Command::new("tar").arg("-C").arg(root).arg("-cf").arg(&archive).arg("."));
        archive
    }

    /// All of it with root's rights, in namespaces that only keep the host from harm.
    pub(super) fn control(&self) -> Verdicts {
        let name = name("control");
        let _disk = Disk::new(self.folder.path());
        let namespaces =
            ["--mount", "--pid", "--fork", "--mount-proc", "--uts", "--ipc", "--net", "--cgroup"];
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["--propagation", "private"]).arg(self.path()).args(["control", &name]);
        let mut verdicts = verdicts(&run(command.env("ESCAPE_SHARED", self.path())));
        verdicts.extend(counts::control(self));
        verdicts
    }
}

/// A disk that the control may open: a provider may keep a host from opening those that it has.
#[derive(Debug)]
struct Disk {
    device: String,
}

impl Disk {
    /// A disk of one MiB, whose content is a file of this folder.
    fn new(folder: &Path) -> Self {
        let content = folder.join("disk");
        File::create(&content).unwrap().set_len(1 << 20).unwrap();
        let device = run(Command::new("losetup").args(["--find", "--show"]).arg(&content));
        Self { device: device.trim().to_owned() }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(Command::new("losetup").args(["--detach", &self.device]));
    }
}

/// A name that nothing else on this host has.
pub(super) fn name(what: &str) -> String {
    format!("escape-{what}-{}", std::process::id())
}

fn attempt(line: &str) -> Attempt {
    let words: Vec<&str> = line.split('\t').collect();
    let [name, tried, escape, expected, flags] = words[..] else { panic!("{line:?}") };
    let expected = expected.split_whitespace().map(str::to_owned).collect();
    Attempt { expected, flags: flags.parse().unwrap(), ..Attempt::new(name, tried, escape) }
}

/// Reads `NAME<tab>verdict<tab>why` on each line.
pub(super) fn verdicts(text: &str) -> Verdicts {
    let verdict = |line: &str| {
        let words: Vec<&str> = line.splitn(3, '\t').collect();
        let [name, verdict, why] = words[..] else { panic!("{line:?} in {text}") };
        let verdict = match verdict {
            "open" => Verdict::Open(why.to_owned()),
            "blocked" => Verdict::Blocked(why.to_owned()),
            _ => Verdict::Broken(why.to_owned()),
        };
        (name.to_owned(), verdict)
    };
    text.lines().map(verdict).collect()
}

/// Somebody on the host who must not be reached.
#[derive(Debug)]
pub(super) struct Neighbour {
    pub(super) name: String,
    process: Child,
}

impl Neighbour {
    pub(super) fn on_host(program: &Program) -> Self {
        let name = name("host");
        let mut command = Command::new(program.path());
        command.args(["neighbour", &name]).env("ESCAPE_SHARED", program.path()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { name, process }
    }

    /// What the program is told about it and others, as its environment.
    pub(super) fn facts(
        &self,
        next: &str,
        addresses: &[String],
        sockets: &[&Path],
        shared: &str,
    ) -> Vec<(String, String)> {
        let mut files = vec![format!("/tmp/{}", self.name), format!("/tmp/{next}")];
        let mut sockets: Vec<_> = sockets.iter().map(|path| path.to_str().unwrap().to_owned()).collect();
        files.extend_from_slice(&sockets);
        sockets.extend([format!("/tmp/{}.sock", self.name), format!("/tmp/{next}.sock")]);
        let words = [
            ("ESCAPE_PEERS", format!("{},{next}", self.name)),
            ("ESCAPE_ADDRESSES", addresses.join(",")),
            ("ESCAPE_FILES", files.join(",")),
            ("ESCAPE_SOCKETS", sockets.join(",")),
            ("ESCAPE_SHARED", shared.to_owned()),
        ];
        words.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        let _gone_already = kill_process(pid, Signal::TERM);
        drop(self.process.wait());
    }
}
