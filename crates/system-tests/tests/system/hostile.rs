//! Sandboxes that mean harm fall alone.

use std::time::{Duration, Instant};

use atoll_api_types::CreateSandbox;

use crate::harness::{Atoll, stdout};

/// A neighbour's `true` through the API while somebody rages; alone it takes about a millisecond.
const NEIGHBOUR_TIME: Duration = Duration::from_secs(5);

async fn neighbour_is_well(atoll: &Atoll) {
    let neighbour = atoll.create().await;
    let began = Instant::now();
    assert_eq!(neighbour.ok("echo well").await, "well\n");
    assert!(began.elapsed() < NEIGHBOUR_TIME, "{:?}", began.elapsed());
    neighbour.delete_in_time().await;
}

#[tokio::test]
async fn a_fork_bomb_is_held_by_its_limit() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&CreateSandbox { pids: Some(64), ..CreateSandbox::default() }).await;
    sandbox.begin("bomb() { bomb | bomb & }; bomb; sleep 100").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    neighbour_is_well(&atoll).await;
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn memory_is_the_sandboxs_own() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&CreateSandbox { memory: Some(64), ..CreateSandbox::default() }).await;
    let killed = sandbox.sh("head -c 300m /dev/zero | tail -c 290m > /dev/null").await;
    assert_ne!(killed.exit_code, Some(0), "{killed:#?}");
    // Its agent has memory of its own, and the sandbox is still of use.
    assert_eq!(sandbox.ok("echo alive").await, "alive\n");
    neighbour_is_well(&atoll).await;
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn a_flood_of_output_is_bounded_and_says_so() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let flood = sandbox.sh("head -c 200m /dev/zero | tr '\\0' 'x'; exit 5").await;
    assert_eq!((flood.exit_code, flood.truncated), (Some(5), true), "{:?}", flood.status);
    assert!(stdout(&flood).len() <= 2 << 20, "{}", stdout(&flood).len());
    sandbox.begin("yes").await;
    neighbour_is_well(&atoll).await;
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn the_agent_is_out_of_reach() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    for user in ["agent", "root"] {
        let mut line = crate::harness::line(
            "kill -9 1; kill -STOP 1; ls /proc/1/fd /proc/1/root 2>/dev/null; cat /proc/1/environ /proc/1/mem 2>/dev/null; true",
        );
        line.user = Some(user.to_owned());
        let tried = atoll.client.exec_run(&sandbox.id, &line).await.unwrap();
        assert_eq!(stdout(&tried), "", "as {user}");
        assert_eq!(sandbox.ok("echo alive").await, "alive\n", "as {user}");
    }
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn there_is_no_way_out() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let tries = [
        "mount -t tmpfs none /mnt",
        "unshare --user --map-root-user true",
        "unshare --mount true",
        "mknod /tmp/disk b 254 0",
        "chroot / true",
        "dmesg",
        "cat /proc/kcore",
        "echo b > /proc/sysrq-trigger",
        "echo 1 > /proc/sys/kernel/panic",
        "nsenter --target 1 --mount true",
        "hostname other",
    ];
    for user in ["agent", "root"] {
        for attempt in tries {
            let mut line = crate::harness::line(attempt);
            line.user = Some(user.to_owned());
            let tried = atoll.client.exec_run(&sandbox.id, &line).await.unwrap();
            assert_ne!(tried.exit_code, Some(0), "{attempt:?} worked as {user}: {tried:#?}");
            // A program that is missing proves nothing.
            assert_ne!(tried.exit_code, Some(127), "{attempt:?}: {tried:#?}");
        }
    }
    assert_eq!(sandbox.ok("ls /sys/class/net | tr -d '\\n'; id -u").await, "lo1000\n");
    sandbox.delete_in_time().await;
    atoll.finish().await;
}
