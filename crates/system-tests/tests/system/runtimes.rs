//! The same sandbox on every runtime: one suite, and what is each one's own.

use std::time::Duration;

use atoll_api_types::{CreateSandbox, EnvironmentBody, WarmPool};
use atoll_client::{Content, FileAt, TerminalOptions};
use atoll_types::RuntimeKind;
use bytes::Bytes;
use futures_util::stream;
use rustix::process::{Signal, kill_process};

use crate::harness::{Atoll, Dockerd, Inside, busybox, until};
use crate::terminal::Viewer;

/// Guard against what never happens.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// In this every sandbox is down or gone, whatever it does: some tenths of a second on a quiet machine.
const REMOVAL_TIME: Duration = Duration::from_secs(30);
/// A thousand threads of gVisor's that die one after the other take longer than that where others build beside.
const GVISOR_REMOVAL_TIME: Duration = Duration::from_secs(120);
/// Name of the image.
pub(super) const IMAGE: &str = "busybox";
/// Counts to 40 in two seconds.
pub(super) const COUNT: &str = "for i in $(seq 40); do echo $i; sleep 0.05; done; exit 3";
/// A content that does not fit a piece, and is too large to be carried by anything but its bytes.
const CONTENT_BYTES: usize = 3 << 20;

pub(super) fn counted() -> String {
    (1..=40).map(|i| format!("{i}\n")).collect()
}

pub(super) fn new(kind: RuntimeKind) -> CreateSandbox {
    CreateSandbox {
        image: Some(IMAGE.to_owned()),
        runtime: Some(kind.as_str().to_owned()),
        // gVisor's own part counts too.
        memory: Some(if kind == RuntimeKind::Gvisor { 256 } else { 64 }),
        pids: Some(64),
        open_files: Some(2_048),
        ..CreateSandbox::default()
    }
}

/// An installation with the image, and Docker beside it.
pub(super) async fn started(docker: &Dockerd) -> Atoll {
    let host = docker.host();
    let atoll = Atoll::start_with(&["--docker-host", &host]).await;
    import(&atoll);
    atoll
}

pub(super) fn import(atoll: &Atoll) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.tar");
    busybox(&file);
    let done = atoll.cli(&["image", "import", IMAGE, file.to_str().unwrap()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Nothing is left of any sandbox in Docker; then the end of the test.
pub(super) async fn finish(atoll: Atoll, docker: &Dockerd) {
    atoll.delete_all().await;
    assert_eq!(docker.containers(), Vec::<String>::new());
    assert!(atoll.cli(&["image", "rm", IMAGE]).status.success());
    assert_eq!(docker.ok(&["images", "--quiet"]), "");
    atoll.finish().await;
}

/// What every runtime does, in the same way. `crash` ends the sandbox's first process.
async fn conforms(atoll: &Atoll, kind: RuntimeKind, crash: impl AsyncFn(&Inside<'_>)) {
    let sandbox = atoll.create_with(&new(kind)).await;
    assert_eq!(sandbox.get().await.runtime, kind.as_str());
    commands(&sandbox).await;
    typed(&sandbox).await;
    files(&sandbox).await;
    limited(&sandbox, kind).await;
    paused(&sandbox).await;
    stopped(&sandbox).await;
    crash(&sandbox).await;
    until("the crash", PATIENCE, async || (sandbox.get().await.state == "crashed").then_some(())).await;
    atoll.client.sandbox_start(&sandbox.id).await.unwrap();
    assert_eq!(sandbox.ok("cat /home/agent/kept").await, "kept\n");
    atoll.client.sandbox_delete(&sandbox.id).await.unwrap();
    removed(atoll, kind).await;
}

/// A removal needs nobody inside. The engines of others take some seconds; of the native one more is asked in `delete.rs`.
async fn removed(atoll: &Atoll, kind: RuntimeKind) {
    let hung = "trap '' TERM INT HUP QUIT; while :; do sleep 1; done";
    let forking = "bomb() { bomb | bomb & }; bomb; sleep 100";
    for (line, is_paused) in [(hung, false), (hung, true), (forking, false)] {
        let sandbox = atoll.create_with(&new(kind)).await;
        sandbox.begin(line).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        if is_paused {
            atoll.client.sandbox_pause(&sandbox.id).await.unwrap();
            let stop = tokio::time::timeout(REMOVAL_TIME, atoll.client.sandbox_stop(&sandbox.id)).await;
            stop.unwrap_or_else(|_| panic!("what is paused is not stopped in {REMOVAL_TIME:?}")).unwrap();
            atoll.client.sandbox_start(&sandbox.id).await.unwrap();
            sandbox.begin(line).await;
            atoll.client.sandbox_pause(&sandbox.id).await.unwrap();
        }
        let is_slow = kind == RuntimeKind::Gvisor && line == forking;
        let time = if is_slow { GVISOR_REMOVAL_TIME } else { REMOVAL_TIME };
        let removal = tokio::time::timeout(time, atoll.client.sandbox_delete(&sandbox.id)).await;
        removal.unwrap_or_else(|_| panic!("{line} is not removed in {time:?}")).unwrap();
        let error = atoll.client.sandbox_get(&sandbox.id).await.unwrap_err();
        assert_eq!(error.code(), Some("sandbox_not_found"), "{error}");
    }
}

async fn commands(sandbox: &Inside<'_>) {
    assert_eq!(sandbox.ok("id -un; pwd; echo $HOME").await, "agent\n/home/agent\n/home/agent\n");
    let failed = sandbox.sh("echo out; echo err >&2; exit 7").await;
    assert_eq!(
        (failed.exit_code, failed.stdout.as_deref(), failed.stderr.as_deref()),
        (Some(7), Some("out\n"), Some("err\n"))
    );
    let root = atoll_api_types::ExecBody {
        user: Some("root".to_owned()),
        ..crate::harness::line("id -u; mount -t tmpfs none /tmp; cat /proc/1/mem; chroot /tmp true")
    };
    let tried = sandbox.atoll.client.exec_run(&sandbox.id, &root).await.unwrap();
    assert_eq!((tried.stdout.as_deref(), tried.exit_code), (Some("0\n"), Some(1)), "{tried:?}");
    let metrics = sandbox.atoll.client.sandbox_metrics(&sandbox.id, false).await.unwrap();
    assert!(metrics.memory.usage_bytes > 0, "{metrics:?}");
}

async fn typed(sandbox: &Inside<'_>) {
    let mut viewer = Viewer::of(sandbox, TerminalOptions::default());
    viewer.enter("echo $((6 * 7))").await;
    viewer.until("42").await;
    viewer.enter("exit 5").await;
    assert_eq!(viewer.exit().await, 5);
}

async fn files(sandbox: &Inside<'_>) {
    let client = &sandbox.atoll.client;
    let at = |path| FileAt { sandbox: &sandbox.id, path, user: None };
    let bytes: Vec<u8> =
        (0..CONTENT_BYTES / 4).flat_map(|n| u32::try_from(n).unwrap().to_le_bytes()).collect();
    let content: Content = Box::pin(stream::iter([Ok(Bytes::from(bytes.clone()))]));
    client.file_write(at("notes/large"), None, None, content).await.unwrap();
    assert_eq!(sandbox.ok("stat -c '%U %s' notes/large").await, format!("agent {CONTENT_BYTES}\n"));
    let mut download = client.file_read(at("notes/large")).await.unwrap();
    let mut read = Vec::new();
    while let Some(piece) = download.next().await.unwrap() {
        read.extend_from_slice(&piece);
    }
    assert!(read == bytes, "{} bytes came", read.len());
    client.file_delete(at("notes"), true).await.unwrap();
}

async fn limited(sandbox: &Inside<'_>, kind: RuntimeKind) {
    assert_eq!(sandbox.ok("ulimit -n").await, "2048\n");
    if kind == RuntimeKind::Gvisor {
        // Its processes are gVisor's to count: what is too much ends the sandbox as a whole.
        return;
    }
    // More memory than it has; and so many processes as it may not have.
    let killed = sandbox.sh("head -c 200m /dev/zero | tail > /dev/null").await;
    assert_ne!(killed.exit_code, Some(0), "{killed:?}");
    let many = sandbox.sh("for i in $(seq 100); do sleep 2 & done; wait").await;
    assert!(many.stderr.as_deref().unwrap_or_default().contains("fork"), "{many:?}");
    // Until they have ended.
    let lives = async || {
        let said = sandbox.sh("echo it | cat; echo lives | cat").await;
        (said.stdout.as_deref() == Some("it\nlives\n")).then_some(())
    };
    until("room for processes", PATIENCE, lives).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
}

async fn paused(sandbox: &Inside<'_>) {
    let client = &sandbox.atoll.client;
    let exec = sandbox.begin(COUNT).await;
    client.sandbox_pause(&sandbox.id).await.unwrap();
    assert_eq!(sandbox.get().await.state, "paused");
    tokio::time::sleep(Duration::from_secs(3)).await;
    client.sandbox_resume(&sandbox.id).await.unwrap();
    let ended = until("its end", PATIENCE, async || {
        let exec = client.exec_get(&sandbox.id, &exec).await.unwrap();
        exec.exit_code.is_some().then_some(exec)
    })
    .await;
    assert_eq!((ended.exit_code, ended.stdout), (Some(3), Some(counted())));
}

async fn stopped(sandbox: &Inside<'_>) {
    sandbox.ok("echo kept > /home/agent/kept").await;
    sandbox.atoll.client.sandbox_stop(&sandbox.id).await.unwrap();
    assert_eq!(sandbox.get().await.state, "stopped");
    sandbox.atoll.client.sandbox_start(&sandbox.id).await.unwrap();
    assert_eq!(sandbox.ok("cat /home/agent/kept").await, "kept\n");
}

#[tokio::test]
async fn native_conforms() {
    let atoll = Atoll::start().await;
    import(&atoll);
    let crash = async |sandbox: &Inside<'_>| kill_process(sandbox.agent(), Signal::KILL).unwrap();
    conforms(&atoll, RuntimeKind::Native, crash).await;
    assert!(atoll.cli(&["image", "rm", IMAGE]).status.success());
    atoll.finish().await;
}

#[tokio::test]
async fn docker_conforms() {
    let docker = Dockerd::start(false);
    let atoll = started(&docker).await;
    let crash = async |sandbox: &Inside<'_>| drop(docker.ok(&["kill", &format!("sandbox-{}", sandbox.id)]));
    conforms(&atoll, RuntimeKind::Docker, crash).await;
    finish(atoll, &docker).await;
}

/// Podman's service speaks Docker's API; what it does not is in docs/runtimes.md.
#[tokio::test]
async fn podman_does_in_docker_s_place() {
    let podman = Dockerd::podman();
    let atoll = started(&podman).await;
    let sandbox = atoll.create_with(&new(RuntimeKind::Docker)).await;
    commands(&sandbox).await;
    typed(&sandbox).await;
    files(&sandbox).await;
    stopped(&sandbox).await;
    atoll.client.sandbox_delete(&sandbox.id).await.unwrap();
    finish(atoll, &podman).await;
}

#[tokio::test]
async fn gvisor_conforms() {
    assert!(Dockerd::has_gvisor(), "apt-get install runsc");
    let docker = Dockerd::start(false);
    let atoll = started(&docker).await;
    let strong =
        CreateSandbox { runtime: None, isolation: Some("strong".to_owned()), ..new(RuntimeKind::Gvisor) };
    let sandbox = atoll.create_with(&strong).await;
    assert_eq!(sandbox.get().await.runtime, "gvisor");
    assert!(sandbox.ok("dmesg").await.contains("gVisor"));
    let weak = CreateSandbox { runtime: Some("docker".to_owned()), ..strong };
    let error = atoll.client.sandbox_create(&weak).await.unwrap_err();
    assert!(error.code() == Some("invalid_request") && error.to_string().contains("gvisor"), "{error}");
    let crash = async |sandbox: &Inside<'_>| drop(docker.ok(&["kill", &format!("sandbox-{}", sandbox.id)]));
    conforms(&atoll, RuntimeKind::Gvisor, crash).await;
    finish(atoll, &docker).await;
}

#[tokio::test]
async fn containers_are_kept_ready_too() {
    let docker = Dockerd::start(false);
    let atoll = started(&docker).await;
    for kind in [RuntimeKind::Docker, RuntimeKind::Gvisor] {
        kept_ready(&atoll, &docker, kind).await;
    }
    finish(atoll, &docker).await;
}

async fn kept_ready(atoll: &Atoll, docker: &Dockerd, kind: RuntimeKind) {
    let definition = new(kind);
    let body = EnvironmentBody {
        name: "ready".to_owned(),
        image: definition.image,
        runtime: definition.runtime,
        memory: definition.memory,
        warm_pool: Some(WarmPool::Size(1)),
        ..EnvironmentBody::default()
    };
    let environment = atoll.client.environment_create(&body).await.unwrap();
    let ready = async || docker.containers().into_iter().find(|name| name.starts_with("sandbox-"));
    let made = until("one that is ready", PATIENCE, ready).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = CreateSandbox { environment_id: Some(environment.id), ..CreateSandbox::default() };
    let sandbox = atoll.create_with(&asked).await;
    assert_eq!(format!("sandbox-{}", sandbox.id), made);
    assert_eq!(sandbox.get().await.runtime, kind.as_str());
    assert_eq!(sandbox.ok("id -un").await, "agent\n");
    atoll.client.sandbox_delete(&sandbox.id).await.unwrap();
    let removed = atoll.cli(&["env", "rm", "ready"]);
    assert!(removed.status.success(), "{removed:?}");
    until("the end of the pool", PATIENCE, async || docker.containers().is_empty().then_some(())).await;
}
