//! `kill -9` at any moment loses nothing that was acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use atoll_ports::{Durability, Store};
use atoll_store::SqliteStore;
use atoll_testkit::samples;
use atoll_types::{ExecId, ExecStatus, NodeId, SandboxId};

/// Where the child writes; unless it is set, the child's part does nothing.
const CHILD_PATH: &str = "ATOLL_STORE_CRASH_TEST_PATH";
const ROUNDS: u64 = 20;
const CALLERS: usize = 8;

/// The child: writes as fast as it can, and tells each write that was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_until_killed() {
    let Some(path) = std::env::var_os(CHILD_PATH) else { return };
    let store = SqliteStore::open(path.as_ref()).await.unwrap();
    let user = samples::user();
    store.user_insert(&user).await.unwrap();
    let callers = (0..CALLERS).map(|_| async {
        let sandbox = samples::sandbox(&user.id, &NodeId::random());
        store.sandbox_insert(&sandbox, Durability::Power).await.unwrap();
        loop {
            let exec = samples::exec(&sandbox.id);
            store.exec_insert(&exec).await.unwrap();
            tell("+", &sandbox.id, &exec.id);
            store.exec_finish(&samples::finished(&exec, samples::exited(7))).await.unwrap();
            tell("=", &sandbox.id, &exec.id);
        }
    });
    futures_util::future::join_all::<_>(callers.collect::<Vec<_>>()).await;
}

/// One `write`, so that a line is either told or not.
fn tell(what: &str, sandbox: &SandboxId, exec: &ExecId) {
    std::io::stderr().write_all(format!("\n{what} {sandbox} {exec}\n").as_bytes()).unwrap();
}

/// What one life of the child had acknowledged when it was killed.
fn life(path: &std::path::Path, millis: u64) -> Vec<(bool, SandboxId, ExecId)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_writes_until_killed", "--nocapture"])
        .env(CHILD_PATH, path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let reader = std::thread::spawn(move || {
        let mut told = Vec::new();
        for line in lines.map_while(Result::ok) {
            let mut words = line.split(' ');
            let (Some(what), Some(sandbox), Some(exec)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            if let ("+" | "=", Ok(sandbox), Ok(exec)) = (what, sandbox.parse(), exec.parse()) {
                told.push((what == "=", sandbox, exec));
            }
        }
        told
    });
    std::thread::sleep(Duration::from_millis(millis));
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

#[tokio::test]
async fn acknowledged_writes_survive_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("atoll.db");
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        // Spread over the child's start, its first migration and its work.
        let told = life(&path, 15 + round * 37 % 400);
        let store = SqliteStore::open(&path).await.unwrap();
        for (ended, sandbox, exec) in &told {
            let Some(found) = store.exec_get(sandbox, exec).await.unwrap() else { panic!("{exec} is gone") };
            assert!(!ended || found.status == ExecStatus::Exited, "the end of {exec} is gone");
        }
        acknowledged += told.len();
        store.close().await.unwrap();
    }
    assert!(acknowledged > 1_000, "the child did hardly anything: {acknowledged}");
}
