//! Root file systems from archives, through the command line.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use atoll_api_types::CreateSandbox;

use crate::harness::{Atoll, Image, until};

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
