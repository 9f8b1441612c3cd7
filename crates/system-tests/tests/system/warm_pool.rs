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
