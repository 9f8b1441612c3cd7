//! The same sandbox on every runtime: one suite, and what is each one's own.

use std::time::Duration;

use atoll_api_types::{CreateSandbox, EnvironmentBody, WarmPool};
use atoll_client::{Content, FileAt, TerminalOptions};
use atoll_types::RuntimeKind;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use rustix::process::{Signal, kill_process};

use crate::harness::{Atoll, Dockerd, Inside, Role, busybox, until};
use crate::terminal::Viewer;

/// Guard against what never happens.
const PATIENCE: Duration = Duration::from_secs(60);
/// In this every sandbox is down or gone, whatever it does: some tenths of a second on a quiet machine.
const REMOVAL_TIME: Duration = Duration::from_secs(30);
/// A thousand threads of gVisor's that die one after the other take longer than that where others build beside.
const GVISOR_REMOVAL_TIME: Duration = Duration::from_secs(120);
/// Name of the image.
pub(super) const IMAGE: &str = "busybox";
/// Counts to 40 in two seconds.
const COUNT: &str = "for i in $(seq 40); do echo $i; sleep 0.05; done; exit 3";
/// A content that does not fit a piece, and is too large to be carried by anything but its bytes.
const CONTENT_BYTES: usize = 3 << 20;

fn counted() -> String {
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
async fn a_command_runs_in_a_container_and_nothing_is_left() {
    let docker = Dockerd::start(false);
    let atoll = started(&docker).await;
    let run = atoll.cli(&["run", "--runtime", "docker", "--image", IMAGE, "--", "uname", "-a"]);
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.starts_with("Linux "), "{run:?}");
    assert_eq!(docker.containers(), Vec::<String>::new());
    let health: serde_json::Value = serde_json::from_slice(&health(&atoll).await).unwrap();
    assert_eq!((&health["docker"], &health["runtimes"]["docker"]["status"]), (&"ok".into(), &"ok".into()));
    finish(atoll, &docker).await;
}

async fn health(atoll: &Atoll) -> Vec<u8> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let address = atoll.client.base_url().trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    answer.split_off(body)
}

/// The broker and Docker are in the way of no command, where both are on this machine.
#[tokio::test]
async fn commands_in_a_container_go_past_the_broker() {
    let docker = Dockerd::start(false);
    let atoll = started(&docker).await;
    let sandbox = atoll.create_with(&new(RuntimeKind::Docker)).await;
    assert_eq!(sandbox.ok("echo first").await, "first\n");
    let broker = atoll.pid(Role::Broker).unwrap();
    kill_process(broker, Signal::STOP).unwrap();
    assert_eq!(sandbox.ok("echo past").await, "past\n");
    kill_process(broker, Signal::CONT).unwrap();
    let names = sandbox.ok("grep -c @atoll-agent- /proc/net/unix").await;
    assert!(names.trim().parse::<u32>().unwrap() > 0, "{names}");
    finish(atoll, &docker).await;
}

/// Runs through the death of a part, and loses nothing.
#[tokio::test]
async fn a_command_in_a_container_outlives_serve_and_the_broker() {
    let docker = Dockerd::start(false);
    let mut atoll = started(&docker).await;
    let docker_s = [Role::Serve, Role::Broker, Role::Supervisor].map(|role| (RuntimeKind::Docker, role));
    let gvisor_s = [Role::Serve, Role::Broker].map(|role| (RuntimeKind::Gvisor, role));
    for (kind, role) in docker_s.into_iter().chain(gvisor_s) {
        let id = atoll.create_with(&new(kind)).await.id;
        let line = crate::harness::line(COUNT);
        let exec = atoll.client.exec_start(&id, &line).await.unwrap().id.parse().unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = atoll.pid(role);
        atoll.kill(role);
        if role == Role::Supervisor {
            atoll.start_again().await;
        } else {
            until("its return", PATIENCE, async || atoll.pid(role).filter(|pid| Some(*pid) != before)).await;
        }
        let mut events = atoll.client.exec_events(&id, &exec, 0);
        let (mut text, mut exit) = (Vec::new(), None);
        while let Some(event) = events.next().await {
            match event.unwrap().kind {
                atoll_client::ExecEventKind::Start => {}
                atoll_client::ExecEventKind::Output(_, bytes) => text.extend(bytes),
                atoll_client::ExecEventKind::Exit(code) => exit = code,
            }
        }
        assert_eq!((String::from_utf8(text).unwrap(), exit), (counted(), Some(3)), "{kind} {role:?}");
        // What it found again it also ends.
        atoll.client.sandbox_delete(&id).await.unwrap();
    }
    finish(atoll, &docker).await;
}

#[tokio::test]
async fn a_restart_of_docker_crashes_its_sandboxes_and_they_start_again() {
    let mut docker = Dockerd::start(false);
    let atoll = started(&docker).await;
    let sandbox = atoll.create_with(&new(RuntimeKind::Docker)).await;
    sandbox.ok("echo kept > kept").await;
    docker.restart();
    until("the crash", PATIENCE, async || (sandbox.get().await.state == "crashed").then_some(())).await;
    atoll.client.sandbox_start(&sandbox.id).await.unwrap();
    assert_eq!(sandbox.ok("cat kept").await, "kept\n");
    finish(atoll, &docker).await;
}

#[tokio::test]
async fn with_live_restore_they_go_on() {
    let mut docker = Dockerd::start(true);
    let atoll = started(&docker).await;
    let sandbox = atoll.create_with(&new(RuntimeKind::Docker)).await;
    sandbox.ok("echo in memory > /tmp/memory").await;
    docker.restart();
    let said = until("the agent", PATIENCE, async || {
        let line = crate::harness::line("cat /tmp/memory");
        atoll.client.exec_run(&sandbox.id, &line).await.ok().and_then(|exec| exec.stdout)
    })
    .await;
    assert_eq!(said, "in memory\n");
    assert_eq!(sandbox.get().await.state, "running");
    finish(atoll, &docker).await;
}

/// Of a Docker that is away nothing is concluded, and nobody else waits for it.
#[tokio::test]
async fn while_docker_is_away_its_sandboxes_are_left_as_they_are() {
    let mut docker = Dockerd::start(true);
    let mut atoll = started(&docker).await;
    let id = atoll.create_with(&new(RuntimeKind::Docker)).await.id;
    docker.stop();
    // A new serve looks at everything at once.
    let before = atoll.pid(Role::Serve);
    atoll.kill(Role::Serve);
    until("its return", PATIENCE, async || atoll.pid(Role::Serve).filter(|pid| Some(*pid) != before)).await;
    atoll.ready().await;
    // What Docker says of itself is asked for every two seconds.
    let away = async || {
        let health: serde_json::Value = serde_json::from_slice(&health(&atoll).await).unwrap();
        (health["status"] == "degraded" && health["runtimes"]["docker"]["status"] == "unavailable")
            .then_some(())
    };
    until("Docker's absence", PATIENCE, away).await;
    atoll.ready().await;
    assert_eq!(atoll.create_with(&new(RuntimeKind::Native)).await.ok("echo here").await, "here\n");
    assert_eq!(atoll.client.sandbox_get(&id).await.unwrap().state, "running");
    let past = atoll.client.exec_run(&id, &crate::harness::line("echo past")).await.unwrap();
    assert_eq!(past.stdout.as_deref(), Some("past\n"), "commands do not need Docker");
    let error = atoll.client.sandbox_create(&new(RuntimeKind::Docker)).await.unwrap_err();
    assert_eq!(error.code(), Some("runtime_unavailable"), "{error}");
    docker.start_again();
    let said = until("the agent", PATIENCE, async || {
        let line = crate::harness::line("echo there");
        atoll.client.exec_run(&id, &line).await.ok().and_then(|exec| exec.stdout)
    })
    .await;
    assert_eq!(said, "there\n");
    finish(atoll, &docker).await;
}

#[tokio::test]
async fn what_cannot_be_is_said_and_never_replaced() {
    let docker = Dockerd::start(false);
    let atoll = started(&docker).await;
    let refused = async |change: fn(&mut CreateSandbox)| {
        let mut asked = new(RuntimeKind::Docker);
        change(&mut asked);
        let error = atoll.client.sandbox_create(&asked).await.unwrap_err();
        (error.code().unwrap_or_default().to_owned(), error.to_string())
    };
    let wrong: [fn(&mut CreateSandbox); 2] =
        [|new| new.image = Some("host".to_owned()), |new| new.network = Some("all".to_owned())];
    for change in wrong {
        let (code, text) = refused(change).await;
        assert!(code == "invalid_request" && text.contains("docker"), "{code}: {text}");
    }
    assert_eq!(docker.containers(), Vec::<String>::new());
    finish(atoll, &docker).await;

    let without = Atoll::start_with(&["--docker-host", "off"]).await;
    import(&without);
    for kind in [RuntimeKind::Docker, RuntimeKind::Gvisor] {
        let error = without.client.sandbox_create(&new(kind)).await.unwrap_err();
        assert_eq!(error.code(), Some("runtime_unavailable"), "{error}");
        assert!(error.to_string().contains("dockerHost"), "{error}");
    }
    assert!(without.cli(&["image", "rm", IMAGE]).status.success());
    without.finish().await;
}

#[tokio::test]
async fn an_image_with_layers_is_docker_s_too_and_gets_no_name_of_a_stranger_s() {
    let docker = Dockerd::start(false);
    let host = docker.host();
    let atoll = Atoll::start_with(&["--docker-host", &host]).await;
    let folder = tempfile::tempdir().unwrap();
    let (root, saved) = (folder.path().join("root.tar"), folder.path().join("saved.tar"));
    busybox(&root);
    docker.ok(&["import", root.to_str().unwrap(), "stranger:1"]);
    docker.ok(&["save", "--output", saved.to_str().unwrap(), "stranger:1"]);
    docker.ok(&["rmi", "stranger:1"]);
    let import = atoll.cli(&["image", "import", IMAGE, saved.to_str().unwrap()]);
    assert!(import.status.success(), "{import:?}");
    let images = docker.ok(&["images", "--format", "{{.Repository}}"]);
    assert!(images.starts_with("atoll-") && images.lines().count() == 1, "{images}");
    let run = atoll.cli(&["run", "--runtime", "docker", "--image", IMAGE, "--", "id", "-un"]);
    assert_eq!(String::from_utf8_lossy(&run.stdout), "agent\n", "{run:?}");
    finish(atoll, &docker).await;
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let docker = Dockerd::start(false);
    let atoll = started(&docker).await;
    let image = docker.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    let theirs = ["run", "--detach", "--name", "theirs", "--label", "atoll.installation=zzzzzzzz"];
    docker
        .ok(&[&theirs[..], &["--label", "atoll.sandbox=000000000000", image.trim(), "sleep", "1000"]]
            .concat());
    let sandbox = atoll.create_with(&new(RuntimeKind::Docker)).await;
    // One of ours that no record owns goes at the next look, which a new serve has at once.
    let (id, name) = ("111111111111", "sandbox-111111111111");
    let installation = std::fs::read_to_string(atoll.data().join("installation")).unwrap();
    let labels = [
        format!("atoll.installation={}", installation.trim()),
        format!("atoll.sandbox={id}"),
        "atoll.runtime=docker".to_owned(),
    ];
    let labels = labels.iter().flat_map(|label| ["--label", label]);
    let words: Vec<&str> =
        ["create", "--name", name].into_iter().chain(labels).chain([image.trim(), "sh"]).collect();
    docker.ok(&words);
    atoll.kill(Role::Serve);
    let gone = async || (!docker.containers().iter().any(|one| one == name)).then_some(());
    until("its removal", PATIENCE, gone).await;
    let mut left = docker.containers();
    left.sort();
    assert_eq!(left, [format!("sandbox-{}", sandbox.id), "theirs".to_owned()]);
    assert_eq!(sandbox.ok("echo still").await, "still\n");
    docker.ok(&["rm", "--force", "theirs"]);
    finish(atoll, &docker).await;
}

/// What a crash of everything has left in Docker, root finds and removes while nothing of Atoll runs; and nothing of anybody else's.
#[tokio::test]
async fn doctor_removes_what_no_record_owns_in_docker_and_touches_nobody_else_s() {
    let docker = Dockerd::start(false);
    let mut atoll = started(&docker).await;
    let id = atoll.create_with(&new(RuntimeKind::Docker)).await.id;
    let image = docker.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).trim().to_owned();
    let installation = std::fs::read_to_string(atoll.data().join("installation")).unwrap().trim().to_owned();
    atoll.stop().await;
    atoll.assert_healthy();

    let lost = format!("atoll-{installation}:{}", "0".repeat(64));
    let make = |whose: &str, name: &str| {
        let label = format!("atoll.installation={whose}");
        let container = ["run", "--detach", "--name", name, "--label", &label];
        docker
            .ok(&[&container[..], &["--label", "atoll.sandbox=111111111111", &image, "sleep", "1000"]]
                .concat());
        docker.ok(&["network", "create", "--label", &label, name]);
        docker.ok(&["volume", "create", "--label", &label, name]);
    };
    make(&installation, "lost");
    make("zzzzzzzz", "theirs");
    docker.ok(&["tag", &image, &lost]);
    docker.ok(&["tag", &image, "atoll-zzzzzzzz:1"]);
    let kinds = |report: &serde_json::Value, list: &str| {
        let all = report[list].as_array().unwrap().iter().filter(|one| one["severity"] == "leak");
        let mut kinds: Vec<String> = all.map(|one| one["kind"].as_str().unwrap().to_owned()).collect();
        kinds.sort();
        kinds
    };
    let four = ["container", "docker_image", "docker_network", "docker_volume"];
    let found = atoll.doctor();
    assert_eq!(
        (kinds(&found, "findings"), &found["healthy"]),
        (four.map(str::to_owned).to_vec(), &false.into())
    );
    let data = atoll.data().to_str().unwrap().to_owned();
    let fixed = atoll.cli(&["doctor", "--fix", "--data-dir", &data, "--output", "json"]);
    assert!(fixed.status.success(), "{}", String::from_utf8_lossy(&fixed.stderr));
    let fixed: serde_json::Value = serde_json::from_slice(&fixed.stdout).unwrap();
    assert_eq!(kinds(&fixed, "fixed"), four);

    let mut left = docker.containers();
    left.sort();
    assert_eq!(left, [format!("sandbox-{id}"), "theirs".to_owned()]);
    for what in ["network", "volume"] {
        let said = docker.ok(&[what, "ls", "--format", "{{.Name}}"]);
        assert!(said.lines().any(|name| name == "theirs") && !said.contains("lost"), "{what}: {said}");
    }
    let images = docker.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert!(
        images.contains(&image) && images.contains("atoll-zzzzzzzz:1") && !images.contains(&lost),
        "{images}"
    );

    docker.ok(&["rm", "--force", "theirs"]);
    docker.ok(&["network", "rm", "theirs"]);
    docker.ok(&["volume", "rm", "theirs"]);
    docker.ok(&["rmi", "atoll-zzzzzzzz:1"]);
    atoll.start_again().await;
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
