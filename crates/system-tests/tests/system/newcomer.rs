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
