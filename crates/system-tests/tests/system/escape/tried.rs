//! The attempts in a sandbox of Atoll's, of any runtime.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use atoll_api_types::{CommandBody, CreateSandbox, ExecBody};
use atoll_types::RuntimeKind;

use super::Verdicts;
use super::counts::{self, Holder};
use super::program::{Neighbour, Program, name, verdicts};
use crate::harness::{Atoll, Dockerd, Inside, line, stdout};

/// The user that a sandbox of an image has beside root.
const USER: &str = "agent";
/// Where clouds keep the keys of their machines.
const METADATA: &str = "169.254.169.254:80";

/// What the sandboxes are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made<'a> {
    /// `host`, or a name for an image with nothing but the program.
    pub(super) image: &'a str,
    pub(super) network: &'a str,
    pub(super) runtime: RuntimeKind,
    /// Whose containers they are, where they are containers.
    pub(super) docker: Option<&'a Dockerd>,
}

impl Made<'static> {
    /// By the launcher.
    pub(super) fn natively(image: &'static str, network: &'static str) -> Self {
        Self { image, network, runtime: RuntimeKind::Native, docker: None }
    }
}

/// The sandbox that tries, and a neighbour with what it must not reach.
#[derive(Debug)]
pub(super) struct Tried<'a> {
    atoll: &'a Atoll,
    docker: Option<&'a Dockerd>,
    runtime: RuntimeKind,
    inside: Inside<'a>,
    next: Inside<'a>,
    /// Where the program is inside.
    path: String,
    facts: Vec<(String, String)>,
    /// Beside the neighbour's and the host's own.
    pub(super) addresses: Vec<String>,
}

fn argv(words: &[&str], user: &str) -> ExecBody {
    let command = CommandBody::Argv(words.iter().map(|word| (*word).to_owned()).collect());
    ExecBody { command, user: Some(user.to_owned()), cwd: Some("/".to_owned()), ..line("") }
}

impl<'a> Tried<'a> {
    pub(super) async fn new(atoll: &'a Atoll, program: &Program, host: &Neighbour, made: Made<'a>) -> Self {
        let Made { image, network, runtime, docker } = made;
        if image != "host" {
            let archive = program.image();
            let output = atoll.cli(&["image", "import", image, archive.to_str().unwrap()]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let new = CreateSandbox {
            image: Some(image.to_owned()),
            network: Some(network.to_owned()),
            runtime: Some(runtime.as_str().to_owned()),
            ..CreateSandbox::default()
        };
        let (inside, next) = (atoll.create_with(&new).await, atoll.create_with(&new).await);
        let (path, shared) = if image == "host" {
            for sandbox in [&inside, &next] {
                copy(atoll, sandbox, program);
            }
            ("/usr/local/bin/escape", "/usr/bin/env")
        } else {
            ("/escape", "/escape")
        };
        let run = atoll.data().join("run");
        let folder = if docker.is_some() { "docker" } else { "agents" };
        let agent = run.join(folder).join(format!("{}.sock", inside.id));
        let engine = docker.map_or_else(|| PathBuf::from("/var/run/docker.sock"), Dockerd::socket);
        let sockets = [run.join("launcher.sock"), run.join("broker.sock"), agent, engine];
        let sockets: Vec<&Path> = sockets.iter().map(PathBuf::as_path).collect();
        let facts = host.facts(&name("next"), &[], &sockets, shared);
        let addresses = vec![METADATA.to_owned()];
        let this = Self { atoll, docker, runtime, inside, next, path: path.to_owned(), facts, addresses };
        this.start_neighbour(host).await
    }

    async fn start_neighbour(mut self, host: &Neighbour) -> Self {
        let name = name("next");
        let mut body = argv(&[&self.path, "neighbour", &name], "root");
        body.env = self.facts.iter().cloned().collect();
        self.atoll.client.exec_start(&self.next.id, &body).await.unwrap();
        self.said(&self.next, &["await", &name], "root").await;
        let addresses = self.said(&self.next, &["addresses", &name, &host.name], "root").await;
        self.addresses.extend(addresses.split_whitespace().map(str::to_owned));
        self
    }

    /// What the program says.
    async fn said(&self, sandbox: &Inside<'_>, words: &[&str], user: &str) -> String {
        let mut body = argv(&[&[&*self.path], words].concat(), user);
        body.env = self.facts.iter().cloned().collect();
        body.env.insert("ESCAPE_ADDRESSES".to_owned(), self.addresses.join(","));
        let exec = self.atoll.client.exec_run(&sandbox.id, &body).await.unwrap();
        assert_eq!(exec.exit_code, Some(0), "{words:?}: {exec:#?}");
        stdout(&exec).to_owned()
    }

    /// Tries everything as somebody.
    pub(super) async fn all(&self, user: &str, program: &Program) -> Verdicts {
        let mut found = verdicts(&self.said(&self.inside, &["all"], user).await);
        if user == "root" {
            found.extend(self.shared(program).await);
        }
        found
    }

    /// What the kernel counts, and what is left for the host to find.
    async fn shared(&self, program: &Program) -> Verdicts {
        let mut found = Verdicts::new();
        // Each sandbox of gVisor has a kernel of its own, and whoever takes all of something ends his own sandbox.
        let kinds = if self.runtime == RuntimeKind::Gvisor { &[][..] } else { &counts::KINDS[..] };
        for (kind, _) in kinds {
            let holder = self.hold(kind);
            let (name, verdict) = counts::verdict(kind, &self.said(&self.next, &["take", kind], USER).await);
            drop(holder);
            found.insert(name, verdict);
        }
        self.said(&self.inside, &["plant", "/planted"], "root").await;
        let client = &self.atoll.client;
        // gVisor holds the file open, and what is open for writing cannot be run.
        let is_held = self.runtime == RuntimeKind::Gvisor;
        if is_held {
            client.sandbox_stop(&self.inside.id).await.unwrap();
        }
        found.extend([counts::planted(program, &self.layer().join("planted"))]);
        if is_held {
            client.sandbox_start(&self.inside.id).await.unwrap();
        }
        found
    }

    /// Where the host has what the sandbox wrote.
    fn layer(&self) -> PathBuf {
        let id = &self.inside.id;
        let Some(docker) = self.docker else {
            return self.atoll.data().join(format!("native/pool/sandboxes/{id}/layer/upper"));
        };
        let container = format!("sandbox-{id}");
        docker.ok(&["inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", &container]).trim().into()
    }

    fn hold(&self, kind: &str) -> Holder {
        let words = ["exec", "--user", USER, self.inside.id.as_str(), "--", &self.path, "hold", kind];
        Holder::start(self.atoll.cli_command("atoll", &words))
    }

    /// Whoever tried to get out can still be used, and so can everybody else.
    pub(super) async fn is_well(&self) {
        for sandbox in [&self.inside, &self.next] {
            assert_eq!(self.said(sandbox, &["id"], "root").await, "0\n");
        }
        self.atoll.assert_healthy();
    }
}

/// Puts the program into a sandbox that has a shell.
fn copy(atoll: &Atoll, sandbox: &Inside<'_>, program: &Program) {
    let put = "cat > /usr/local/bin/escape && chmod 755 /usr/local/bin/escape";
    let words = ["exec", "--user", "root", sandbox.id.as_str(), "--", "sh", "-c", put];
    let file = std::fs::File::open(program.path()).unwrap();
    let mut command: Command = atoll.cli_command("atoll", &words);
    let output = command.stdin(file).stdout(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
