//! Sandboxes that are made ahead, with the real programs.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::harness::{Atoll, Inside, Role, until};

const SOON: Duration = Duration::from_secs(20);
const SIZE: usize = 3;

/// Sandboxes that have an agent, whether somebody's or not.
fn agents(atoll: &Atoll) -> usize {
    let sockets = std::fs::read_dir(atoll.data().join("run/agents")).unwrap();
    sockets
        .filter(|entry| entry.as_ref().is_ok_and(|e| e.path().extension().is_some_and(|x| x == "sock")))
        .count()
}

async fn filled(atoll: &Atoll, with: usize) {
    until("a full pool", SOON, async || (agents(atoll) == SIZE + with).then_some(())).await;
}

async fn hostname(sandbox: &Inside<'_>) -> String {
    sandbox.ok("cat /proc/sys/kernel/hostname; id -u; ls /tmp | wc -l; echo mine > /tmp/mine").await
}

#[tokio::test]
async fn a_pool_is_filled_claimed_and_gone() {
    let mut atoll = Atoll::start_with(&["--warm-pool", "3"]).await;
    filled(&atoll, 0).await;
    atoll.assert_healthy();
    let mut seen = BTreeSet::new();
    for alive in 1..=5 {
        let sandbox = atoll.create().await;
        let said = hostname(&sandbox).await;
        assert!(said.ends_with("1000\n0\n"), "{said}");
        assert!(seen.insert(said), "one was handed out twice");
        filled(&atoll, alive).await;
    }
    atoll.assert_healthy();
    // What another serve made ahead is removed by the next one, which makes its own.
    atoll.kill(Role::Serve);
    atoll.ready().await;
    filled(&atoll, 5).await;
    atoll.assert_healthy();
    atoll.kill(Role::Launcher);
    let sandbox = atoll.create().await;
    hostname(&sandbox).await;
    filled(&atoll, 6).await;
    atoll.delete_all().await;
    filled(&atoll, 0).await;
    atoll.finish().await;
}

async fn there_are(atoll: &Atoll, count: usize) {
    until(&format!("{count} agents"), SOON, async || (agents(atoll) == count).then_some(())).await;
}

fn said(atoll: &Atoll, words: &[&str]) -> String {
    let output = atoll.cli(words);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
async fn an_environment_has_a_pool_of_its_own() {
    let mut atoll = Atoll::start().await;
    let define = ["env", "create", "--name", "small", "--memory", "64", "--env", "A=b", "--warm-pool", "2"];
    said(&atoll, &define);
    there_are(&atoll, 2).await;
    let sockets = || -> BTreeSet<_> {
        let all = std::fs::read_dir(atoll.data().join("run/agents")).unwrap();
        all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let ready = sockets();
    let id = said(&atoll, &["create", "--environment", "small"]);
    assert!(ready.contains(&format!("{id}.sock")), "{id} is none of {ready:?}");
    assert_eq!(said(&atoll, &["exec", &id, "--", "sh", "-c", "echo $A"]), "b");
    there_are(&atoll, 3).await;
    let before = sockets();
    said(&atoll, &["env", "update", "small", "--memory", "128"]);
    let drained = async || {
        let now = sockets();
        (now.len() == 3 && now.intersection(&before).count() == 1).then_some(())
    };
    until("a pool of the new version", SOON, drained).await;
    atoll.assert_healthy();
    atoll.kill(Role::Serve);
    atoll.ready().await;
    there_are(&atoll, 3).await;
    said(&atoll, &["env", "update", "small", "--warm-pool", "0"]);
    there_are(&atoll, 1).await;
    atoll.delete_all().await;
    atoll.finish().await;
}
