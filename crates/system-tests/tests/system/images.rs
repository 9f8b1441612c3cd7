//! Root file systems from archives, through the command line.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use atoll_api_types::{CommandBody, CreateSandbox, ExecBody};
use atoll_client::TerminalOptions;

use crate::harness::{Atoll, Dockerd, Image, line, until};
use crate::terminal::Viewer;

/// An archive of a root file system with one static program, and what a hostile one might hold beside it.
fn archive(folder: &Path) -> String {
    let root = folder.join("root");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::create_dir_all(root.join("etc")).unwrap();
    let source = folder.join("hello.c");
    std::fs::write(
        &source,
        "#include <stdio.h>\n#include <unistd.h>\nint main() { printf(\"uid %d\\n\", getuid()); }\n",
    )
    .unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let done = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    };
    run("gcc", &["-static", "-o", "root/bin/hello", "hello.c"]);
    std::os::unix::fs::symlink("/etc/shadow", root.join("etc/passwd")).unwrap();
    std::os::unix::fs::symlink("../../../../../tmp", root.join("up")).unwrap();
    run("tar", &["--create", "--file", "root.tar", "--directory", "root", "."]);
    folder.join("root.tar").to_str().unwrap().to_owned()
}

fn succeeds(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn an_archive_becomes_an_image_and_leaves_nothing() {
    let atoll = Atoll::start().await;
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    succeeds(&atoll.cli(&["image", "import", "tiny:1", &archive]));
    assert!(succeeds(&atoll.cli(&["image", "ls"])).contains("tiny:1"));
    let ran = succeeds(&atoll.cli(&["run", "--image", "tiny:1", "--user", "0", "--", "/bin/hello"]));
    assert_eq!(ran, "uid 0\n");
    let missing = atoll.cli(&["run", "--image", "tiny:2", "--", "/bin/hello"]);
    assert_eq!(missing.status.code(), Some(125));
    let text = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(text.contains("atoll image import tiny:2"), "{text}");
    succeeds(&atoll.cli(&["image", "rm", "tiny:1"]));
    assert!(!succeeds(&atoll.cli(&["image", "ls"])).contains("tiny:1"));
    atoll.finish().await;
}

#[tokio::test]
async fn an_archive_that_is_none_is_refused_and_leaves_nothing() {
    let atoll = Atoll::start().await;
    let folder = tempfile::tempdir().unwrap();
    let noise = folder.path().join("noise.tar");
    std::fs::write(&noise, b"\x1b[2J no tar at all \xff\n".repeat(5_000)).unwrap();
    let refused = atoll.cli(&["image", "import", "noise", noise.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("not a valid tar"), "{text:?}");
    assert!(text.chars().all(|c| c == '\n' || c.is_ascii_graphic() || c == ' '), "{text:?}");
    assert!(!succeeds(&atoll.cli(&["image", "ls"])).contains("noise"));
    atoll.finish().await;
}

#[tokio::test]
async fn an_image_layout_is_unpacked_and_what_it_says_of_itself_counts() {
    let atoll = Atoll::start().await;
    let folder = tempfile::tempdir().unwrap();
    let image = Image::tiny();
    succeeds(&atoll.cli(&["image", "import", "tiny:1", &image.save(folder.path())]));
    let listed = atoll.client.image_list(None).await.unwrap();
    let listed = listed.items.iter().find(|one| one.name == "tiny:1").unwrap();
    assert_eq!(listed.manifest_digest, Some(format!("sha256:{}", image.digest())));
    assert_eq!(
        (listed.exposed_ports.as_slice(), listed.cwd.as_deref()),
        (&["80/tcp".to_owned()][..], Some("/srv"))
    );
    assert_eq!(listed.health_check.as_ref().unwrap().interval_ms, 5_000);
    let ran = succeeds(&atoll.cli(&["run", "--image", "tiny:1", "--", "/bin/hello", "x"]));
    assert_eq!(ran, "x hello uid 0 in /srv hidden -1\n");
    let others =
        ["run", "--image", "tiny:1", "--user", "1000", "--env", "GREETING=bye", "--", "/bin/hello", "x"];
    assert_eq!(succeeds(&atoll.cli(&others)), "x bye uid 1000 in /srv hidden -1\n");
    // The image's command is the main process of a sandbox that names none.
    let inside = atoll
        .create_with(&CreateSandbox { image: Some("tiny:1".to_owned()), ..CreateSandbox::default() })
        .await;
    let id = inside.get().await.id;
    let said = until("the log", Duration::from_secs(20), async || {
        let log = succeeds(&atoll.cli(&["logs", &id]));
        (!log.is_empty()).then_some(log)
    });
    assert!(said.await.contains("main hello uid 0 in /srv hidden -1"));
    inside.delete().await;
    succeeds(&atoll.cli(&["image", "rm", "tiny:1"]));
    atoll.finish().await;
}

/// An image of a single program: what it says of itself counts on every runtime, and what asks for a shell is told that there is none.
#[tokio::test]
async fn an_image_without_a_shell_runs_what_it_has_and_says_what_it_lacks() {
    let docker = Dockerd::start(false);
    let host = docker.host();
    let atoll = Atoll::start_with(&["--docker-host", &host]).await;
    let folder = tempfile::tempdir().unwrap();
    succeeds(&atoll.cli(&["image", "import", "tiny:1", &Image::tiny().save(folder.path())]));
    for runtime in ["native", "docker"] {
        let new = CreateSandbox {
            image: Some("tiny:1".to_owned()),
            runtime: Some(runtime.to_owned()),
            ..CreateSandbox::default()
        };
        let inside = atoll.create_with(&new).await;
        let said = until("the log", Duration::from_secs(20), async || {
            let log = succeeds(&atoll.cli(&["logs", inside.id.as_str()]));
            (!log.is_empty()).then_some(log)
        });
        assert!(said.await.contains("main hello uid 0 in /srv hidden -1"), "{runtime}");
        let program = ["/bin/hello", "x"].map(str::to_owned).to_vec();
        let own = ExecBody { command: CommandBody::Argv(program), ..line("") };
        let ran = atoll.client.exec_run(&inside.id, &own).await.unwrap();
        assert_eq!(ran.stdout.as_deref(), Some("x hello uid 0 in /srv hidden -1\n"), "{runtime}: {ran:?}");
        let lacking = inside.sh("echo x").await;
        let text = lacking.stderr.as_deref().unwrap_or_default();
        assert!(
            lacking.exit_code == Some(127) && text.contains("the image has no shell"),
            "{runtime}: {lacking:?}"
        );
        let mut viewer = Viewer::of(&inside, TerminalOptions::default());
        assert_eq!(viewer.exit().await, 127, "{runtime}");
        assert!(viewer.text().contains("the image has no shell"), "{runtime}: {}", viewer.text());
        // Its own health check counts too.
        until("its health", Duration::from_secs(60), async || {
            (inside.get().await.health == "healthy").then_some(())
        })
        .await;
        inside.delete().await;
    }
    succeeds(&atoll.cli(&["image", "rm", "tiny:1"]));
    atoll.finish().await;
}
