//! The image agent-sandbox, made of Debian's packages: its tools run in sandboxes, as the user that it names.

use std::process::{Command, Stdio};

use atoll_api_types::CreateSandbox;
use atoll_types::RuntimeKind;

use crate::harness::{Atoll, Dockerd, Inside};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../images/agent-sandbox/build-debian.sh");
const IMAGE: &str = "agent-sandbox";
/// Memory of a sandbox in MiB: the CLI takes a few hundred.
const MEMORY: u64 = 1_024;
/// What each says of itself.
const TOOLS: [(&str, &str); 6] = [
    ("python3 --version", "Python 3."),
    ("node --version", "v22."),
    ("npm --version", "10."),
    ("git --version", "git version "),
    ("tmux -V", "tmux 3."),
    ("claude --version", "(Claude Code)"),
];

/// Its archive, made once for all runs.
fn archive() -> String {
    let made = Command::new(SCRIPT).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(made.status.success(), "{SCRIPT}: {}", made.status);
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

async fn its_tools_run(sandbox: &Inside<'_>) {
    let who = sandbox.ok("id -un; id -u; pwd; echo $HOME $LANG").await;
    assert_eq!(who, "agent\n1000\n/home/agent\n/home/agent C.UTF-8\n");
    for (line, said) in TOOLS {
        let version = sandbox.ok(line).await;
        assert!(version.contains(said), "{line}: {version}");
    }
    let made = sandbox.ok("git init -q repo && cd repo && git config user.name a && git config user.email a@b.c && echo hi > file && git add . && git commit -qm first && git log --format=%s").await;
    assert_eq!(made, "first\n");
    assert_eq!(sandbox.ok("python3 -m venv venv && venv/bin/python -c 'print(6 * 7)'").await, "42\n");
    assert_eq!(sandbox.ok("node -p '6 * 7'").await, "42\n");
    // What the user installs is his, and is found.
    sandbox.ok("mkdir tool && cd tool && echo '{\"name\":\"tool\",\"version\":\"1.0.0\",\"bin\":\"run.js\"}' > package.json && printf '#!/usr/bin/env node\nconsole.log(7)\n' > run.js && npm install --global --offline --silent .").await;
    assert_eq!(sandbox.ok("tool").await, "7\n");
    let shown = "tmux new-session -d -s one 'echo $((6 * 7)) > shown; sleep 60' && until [ -s shown ]; do sleep 0.1; done; cat shown; tmux kill-server";
    assert_eq!(sandbox.ok(shown).await, "42\n");
}

#[tokio::test]
async fn the_tools_of_the_image_for_agents_run_natively_and_in_docker() {
    let archive = archive();
    let docker = Dockerd::start(false);
    let engine = docker.host();
    let atoll = Atoll::start_with(&["--docker-host", &engine]).await;
    let import = atoll.cli(&["image", "import", IMAGE, &archive]);
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    for kind in [RuntimeKind::Native, RuntimeKind::Docker] {
        let new = CreateSandbox {
            image: Some(IMAGE.to_owned()),
            runtime: Some(kind.as_str().to_owned()),
            memory: Some(MEMORY),
            ..CreateSandbox::default()
        };
        let sandbox = atoll.create_with(&new).await;
        its_tools_run(&sandbox).await;
        sandbox.delete().await;
    }
    assert!(atoll.cli(&["image", "rm", IMAGE]).status.success());
    atoll.finish().await;
}
