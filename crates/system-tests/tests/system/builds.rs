//! Images from Dockerfiles, by a Docker of the test's own.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use atoll_api_types::CreateSandbox;
use atoll_client::{ClientError, ImageBuild};
use bytes::Bytes;
use futures_util::stream;
use rustix::process::{Signal, kill_process};

use crate::harness::{Atoll, Dockerd, Image, Registry, Role, busybox, until};

/// Guard against what never happens.
const PATIENCE: Duration = Duration::from_secs(60);
/// Name of the image that builds begin with.
const IMAGE: &str = "busybox";

/// An installation with an image, and Docker beside it.
async fn started(docker: &Dockerd, flags: &[&str]) -> Atoll {
    let host = docker.host();
    let atoll = Atoll::start_with(&[&["--docker-host", host.as_str()], flags].concat()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.tar");
    busybox(&file);
    succeeds(&atoll.cli(&["image", "import", IMAGE, file.to_str().unwrap()]));
    atoll
}

fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Docker holds images of Atoll's by their digests, and nothing that a build has left.
fn is_clean(docker: &Dockerd, images: usize) -> bool {
    let listed = docker.ok(&["images", "--all", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}}"]);
    let plain =
        |line: &str| line.starts_with("atoll-") && !line.contains("-build:") && !line.contains("<none>");
    listed.lines().count() == images && listed.lines().all(plain) && docker.containers().is_empty()
}

fn assert_clean(docker: &Dockerd, images: usize) {
    let listed = docker.ok(&["images", "--all"]);
    assert!(is_clean(docker, images), "{listed}\n{:?}", docker.containers());
}

async fn finish(atoll: Atoll, docker: &Dockerd, images: &[&str]) {
    atoll.delete_all().await;
    assert_eq!(docker.containers(), Vec::<String>::new());
    for image in images {
        succeeds(&atoll.cli(&["image", "rm", image]));
    }
    assert_eq!(docker.ok(&["images", "--all", "--quiet"]), "");
    atoll.finish().await;
}

#[tokio::test]
async fn a_dockerfile_becomes_an_image_of_every_runtime() {
    let docker = Dockerd::start(false);
    let atoll = started(&docker, &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let text = "ARG BASE=nothing\n\
                FROM ${BASE} AS Made\n\
                ARG GREETING\n\
                ENV GREETING=$GREETING\n\
                WORKDIR /srv\n\
                COPY . .\n\
                RUN test ! -e secret.txt && test ! -e .dockerignore && test ! -e .atoll.Dockerfile \\\n\
                  # nothing to reach\n\
                  && test \"$(ls /sys/class/net)\" = lo && echo \"$GREETING by $(id -u)\" > made\n\
                FROM busybox\n\
                LABEL atoll.sandbox=aaaaaaaaaaaa kept=no\n\
                ENV KIND=built\n\
                COPY --from=made --chown=1000:1000 /srv /srv\n\
                RUN echo app:x:1000:1000::/srv:/bin/sh >> /etc/passwd\n\
                USER app\n\
                WORKDIR /srv\n\
                CMD [\"/bin/sh\", \"-c\", \"echo main $KIND; exec sleep 1000\"]\n";
    write(folder.path(), "Dockerfile", text);
    write(folder.path(), ".dockerignore", "*.txt\n.dockerignore\n!sub/kept.txt\n");
    write(folder.path(), "secret.txt", "secret");
    write(folder.path(), "sub/kept.txt", "kept");
    let words = ["image", "build", "--build-arg", "BASE=busybox", "--build-arg", "GREETING=hello"];
    let built = atoll.cli(&[&words[..], &["--tag", "team/app:1", folder.path().to_str().unwrap()]].concat());
    assert_eq!(succeeds(&built), "team/app:1\n");
    let said = String::from_utf8(built.stderr).unwrap();
    assert!(said.contains("Step 2/14 : FROM ${BASE} AS Made\n"), "{said}");
    assert!(!said.contains("atoll.build") && !said.contains("LABEL"), "{said}");
    assert_clean(&docker, 2);

    let listed = atoll.client.image_list(None).await.unwrap().items;
    let image = listed.iter().find(|one| one.name == "team/app:1").unwrap();
    assert_eq!((image.user.as_deref(), image.cwd.as_deref()), (Some("app"), Some("/srv")));
    for runtime in ["native", "docker"] {
        let new = CreateSandbox {
            image: Some("team/app:1".to_owned()),
            runtime: Some(runtime.to_owned()),
            ..CreateSandbox::default()
        };
        let sandbox = atoll.create_with(&new).await;
        let said =
            sandbox.ok("cat made sub/kept.txt; echo $KIND; id -un; pwd; ls -l made | cut -d' ' -f1").await;
        assert_eq!(said, "hello by 0\nkeptbuilt\napp\n/srv\n-rw-r--r--\n", "{runtime}");
        atoll.client.sandbox_delete(&sandbox.id).await.unwrap();
    }
    // On what was built, by a stage's name, and with a Dockerfile from standard input.
    let piped = build_of(
        &atoll,
        &["--tag", "next", "--target", "one"],
        "FROM team/app:1 AS one\nUSER 0\nRUN echo more >> made\nFROM busybox\nRUN false\n",
    );
    assert_eq!(succeeds(&piped), "next\n");
    let ran = atoll.cli(&["run", "--image", "next", "--", "cat", "/srv/made"]);
    assert_eq!(succeeds(&ran), "hello by 0\nmore\n");
    finish(atoll, &docker, &["next", "team/app:1", IMAGE]).await;
}

/// A build of a Dockerfile alone, from standard input.
fn build_of(atoll: &Atoll, words: &[&str], dockerfile: &str) -> Output {
    begin(atoll, words, dockerfile).wait_with_output().unwrap()
}

fn begin(atoll: &Atoll, words: &[&str], dockerfile: &str) -> Child {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "Dockerfile", dockerfile);
    let mut command = atoll.cli_command("atoll", &[&["image", "build"], words, &["-"]].concat());
    command.stdin(File::open(folder.path().join("Dockerfile")).unwrap());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[tokio::test]
async fn a_build_that_fails_says_why_and_leaves_nothing() {
    let docker = Dockerd::start(false);
    let registry = Registry::start().await;
    let flags = ["--max-image-size", "32MiB", "--insecure-registries", &registry.address];
    let atoll = started(&docker, &flags).await;
    let address = format!("{}/team/tiny:1", registry.address);
    registry.push("team/tiny", "1", &Image::tiny());
    for (dockerfile, code, says) in [
        ("FROM busybox\nRUN echo about to; exit 7", "build_failed", "non-zero code: 7\nabout to"),
        ("FROM busybox\nCOPY ../x /", "build_failed", "outside the build context"),
        ("FROM busybox\nCOPY none /", "build_failed", "none"),
        ("FROM busybox\nRUN head -c 64m /dev/urandom > /large", "build_failed", "maxImageSize"),
        ("FROM busybox\nADD http://127.0.0.1:1/x /", "invalid_dockerfile", "line 2"),
        ("FROM busybox\nRUN --mount=type=bind,target=/x true", "invalid_dockerfile", "no flags"),
        ("FROM busybox\nEXPOSE nonsense", "build_failed", "nonsense"),
        ("FROM host", "invalid_dockerfile", "this machine's own files"),
        ("FROM Busy_Box:@", "invalid_dockerfile", "Busy_Box"),
        ("FROM nothing:1", "image_not_found", "names no registry"),
        ("FROM localhost:1/x", "registry_denied", "localhost:1/x"),
        ("FROM busybox\nONBUILD RUN x", "invalid_dockerfile", "ONBUILD"),
    ] {
        let failed = build_of(&atoll, &["--tag", "x", "--output", "json"], dockerfile);
        let text = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert!(!failed.status.success() && text.contains(code), "{dockerfile}: {text}");
        assert!(text.contains(&says.replace('\n', "\\n")), "{dockerfile}: {text}");
        assert_clean(&docker, 1);
    }
    // The network is not to be had, and not silently another one.
    let failed = build_of(&atoll, &["--tag", "x", "--network", "all"], "FROM busybox");
    assert!(String::from_utf8_lossy(&failed.stderr).contains("no network but 'none'"), "{failed:?}");
    contexts(&atoll).await;
    assert_clean(&docker, 1);
    // What a registry has is pulled by Atoll, under its own rules, and stays.
    succeeds(&build_of(&atoll, &["--tag", "x"], &format!("FROM {address}\nENV A=b")));
    assert_clean(&docker, 3);
    finish(atoll, &docker, &["x", &address, IMAGE]).await;
}

/// Contexts that no honest program makes.
async fn contexts(atoll: &Atoll) {
    let entry = |path: &str, kind: tar::EntryType, target: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    };
    let file = tar::EntryType::Regular;
    let dockerfile = |text: &str| entry("Dockerfile", file, "", text.as_bytes());
    let plain = dockerfile("FROM busybox\nCOPY . /all\n");
    let refused = async |context: Vec<u8>| {
        let pieces = Box::pin(stream::iter([Ok(Bytes::from(context))]));
        let built =
            atoll.client.image_build(&"x".parse().unwrap(), &ImageBuild::default(), pieces, |_| {}).await;
        let error: ClientError = built.unwrap_err();
        (error.code().unwrap_or_default().to_owned(), error.to_string())
    };
    for (what, says) in [
        (entry("../../../../tmp/x", file, "", b"x"), "leads out"),
        (entry("/etc/x", file, "", b"x"), "leads out"),
        (entry("x", tar::EntryType::Link, "../../etc/shadow", b""), "leads out"),
    ] {
        let (code, text) = refused([plain.clone(), what].concat()).await;
        assert!(code == "invalid_archive" && text.contains(says), "{code} {text}");
    }
    assert_eq!(refused(vec![7; 4_096]).await.0, "invalid_archive");
    assert_eq!(refused(entry("other", file, "", b"x")).await.0, "invalid_archive");
    assert_eq!(
        refused(entry("Dockerfile", tar::EntryType::Symlink, "/etc/passwd", b"")).await.0,
        "invalid_archive"
    );
    assert_eq!(refused(vec![0; 33 << 20]).await.0, "body_too_large");
    // A link that leads out is a link: what it leads to is Docker's never.
    let link = entry("link", tar::EntryType::Symlink, "/etc", b"");
    let follows = dockerfile("FROM busybox\nCOPY link/shadow /\n");
    assert_eq!(refused([follows, link].concat()).await.0, "build_failed");
}

/// Waits until a step of a build runs, and tells its container.
async fn runs(docker: &Dockerd) -> String {
    until("the step", PATIENCE, async || {
        let said = docker.ok(&["ps", "--quiet", "--no-trunc"]);
        said.lines().next().map(str::to_owned)
    })
    .await
}

#[tokio::test]
async fn a_build_that_is_given_up_leaves_nothing() {
    let mut docker = Dockerd::start(false);
    let mut atoll = started(&docker, &["--image-build-time", "40s"]).await;
    let slow = "FROM busybox\nRUN echo first > /first\nRUN sleep 1000\n";
    let clean = async |docker: &Dockerd| {
        until("nothing to be left", PATIENCE, async || is_clean(docker, 1).then_some(())).await;
    };

    // Its client goes away. Until then it is limited, and doctor knows it.
    let mut child = begin(&atoll, &["--tag", "x"], slow);
    let container = runs(&docker).await;
    let limits = "{{.HostConfig.Memory}} {{.HostConfig.NetworkMode}} {{.HostConfig.Privileged}}";
    assert_eq!(docker.ok(&["inspect", "--format", limits, &container]).trim(), "2146435072 none false");
    until("the limit of processes", PATIENCE, async || {
        let said = docker.ok(&["inspect", "--format", "{{.HostConfig.PidsLimit}}", &container]);
        (said.trim() == "1024").then_some(())
    })
    .await;
    atoll.assert_healthy();
    let other = build_of(&atoll, &["--tag", "y"], slow);
    assert!(String::from_utf8_lossy(&other.stderr).contains("another build of yours"), "{other:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    clean(&docker).await;

    // Those who wait for it are killed.
    for role in [Role::Serve, Role::Broker] {
        let child = begin(&atoll, &["--tag", "x"], slow);
        runs(&docker).await;
        atoll.kill(role);
        let ended = child.wait_with_output().unwrap();
        assert!(!ended.status.success(), "{role:?}: {ended:?}");
        until("an answer", PATIENCE, async || atoll.client.image_list(None).await.ok().map(drop)).await;
        clean(&docker).await;
    }

    // It takes too long.
    let late = build_of(&atoll, &["--tag", "x"], slow);
    assert!(String::from_utf8_lossy(&late.stderr).contains("longer than 40 s"), "{late:?}");
    assert_clean(&docker, 1);

    // Docker goes away, and comes back.
    let mut child = begin(&atoll, &["--tag", "x"], slow);
    runs(&docker).await;
    docker.stop();
    let ended = child.wait().unwrap();
    assert!(!ended.success());
    let away = build_of(&atoll, &["--tag", "x"], slow);
    assert!(String::from_utf8_lossy(&away.stderr).contains("Docker"), "{away:?}");
    docker.start_again();
    clean(&docker).await;

    // All of Atoll is killed at once: doctor finds what is left, and the next start removes it.
    let mut child = begin(&atoll, &["--tag", "x"], slow);
    runs(&docker).await;
    kill_process(atoll.pid(Role::Supervisor).unwrap(), Signal::STOP).unwrap();
    for role in [Role::Broker, Role::Serve, Role::Supervisor] {
        atoll.kill(role);
    }
    assert!(!child.wait().unwrap().success());
    until("Docker to end it", PATIENCE, async || docker.containers().is_empty().then_some(())).await;
    let said = atoll.doctor();
    assert!(said.to_string().contains("a build that was cut off has left it"), "{said:#}");
    atoll.start_again().await;
    clean(&docker).await;
    finish(atoll, &docker, &[IMAGE]).await;
}
