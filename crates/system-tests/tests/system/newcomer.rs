//! What a newcomer types.

use crate::harness::Atoll;

fn said(output: &std::process::Output) -> String {
    assert!(
        output.status.success(),
        "{:?}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
async fn run_makes_a_sandbox_and_leaves_none() {
    let atoll = Atoll::start().await;
    let uname = said(&atoll.cli(&["run", "--", "uname", "-a"]));
    assert!(uname.starts_with("Linux sandbox-"), "{uname}");
    let exited = atoll.cli(&["run", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(exited.status.code(), Some(7));
    assert_eq!(exited.stdout, b"out\n");
    assert!(exited.stderr.ends_with(b"err\n"), "{}", String::from_utf8_lossy(&exited.stderr));
    assert_eq!(said(&atoll.cli(&["ls", "--output", "json"])), "[]");
    atoll.finish().await;
}

#[tokio::test]
async fn create_exec_and_delete_under_both_names() {
    let atoll = Atoll::start().await;
    for name in ["atoll", "sbx"] {
        let id = said(&atoll.cli_as(name, &["create"]));
        let uname = said(&atoll.cli_as(name, &["exec", "-id", &id, "--", "bash", "-lc", "uname -n"]));
        assert_eq!(uname, format!("sandbox-{id}"));
        said(&atoll.cli_as(name, &["delete", "-id", &id]));
        let gone = atoll.cli_as(name, &["get", &id]);
        assert_eq!(gone.status.code(), Some(1));
    }
    atoll.finish().await;
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_says_who_has_it() {
    let atoll = Atoll::start().await;
    let second = atoll.cli(&["serve", "--data-dir", atoll.data().to_str().unwrap(), "--port", "0"]);
    assert_eq!(second.status.code(), Some(75), "{}", String::from_utf8_lossy(&second.stderr));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another atoll already serves"));
    atoll.finish().await;
}

#[tokio::test]
async fn files_outlive_a_stop_and_start() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    sandbox.ok("echo kept > ~/file").await;
    atoll.client.sandbox_stop(&sandbox.id).await.unwrap();
    assert_eq!(sandbox.get().await.state, "stopped");
    atoll.assert_healthy();
    atoll.client.sandbox_start(&sandbox.id).await.unwrap();
    assert_eq!(sandbox.ok("cat ~/file").await, "kept\n");
    sandbox.delete().await;
    atoll.finish().await;
}

#[test]
fn the_log_of_make_run_has_a_bound_and_its_newest_lines() {
    use std::io::Write as _;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("atoll.log");
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/keep-log.sh");
    let keep = |lines: &mut dyn Iterator<Item = String>| {
        let mut child = std::process::Command::new(&script)
            .arg(&file)
            .env("LOG_BYTES_MAX", "100")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        lines.for_each(|line| input.write_all(line.as_bytes()).unwrap());
        drop(input);
        assert!(child.wait().unwrap().success());
    };
    keep(&mut (0..100).map(|n| format!("{n:09}\n")));
    // What a later start adds goes behind it, its last line without an end too.
    keep(&mut ["a \\ b".to_owned()].into_iter());
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(text("atoll.log"), "a \\ b\n");
    let old = format!("{}{}{}", text("atoll.log.3"), text("atoll.log.2"), text("atoll.log.1"));
    assert_eq!(old, (70..100).map(|n| format!("{n:09}\n")).collect::<String>());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
}
