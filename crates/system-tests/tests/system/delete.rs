//! Delete always wins: from every state, in less than a second, without the guest.

use std::path::PathBuf;
use std::time::Duration;

use atoll_api_types::CreateSandbox;

use crate::harness::{Atoll, until};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn frozen_from_below() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    sandbox.begin("while :; do :; done").await;
    sandbox.freeze();
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn hung_with_every_signal_ignored() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    sandbox.begin("trap '' TERM INT HUP QUIT USR1 USR2; while :; do sleep 1; done").await;
    sandbox.begin("setsid -f sh -c 'trap \"\" TERM; sleep 1000' < /dev/null > /dev/null 2>&1").await;
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn with_its_agent_stopped() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    rustix::process::kill_process(sandbox.agent(), rustix::process::Signal::STOP).unwrap();
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn out_of_memory() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&CreateSandbox { memory: Some(64), ..CreateSandbox::default() }).await;
    sandbox.begin("while :; do head -c 200m /dev/zero | tail -c 190m > /dev/null; done").await;
    let events = sandbox.group("memory");
    until("the kernel's killer", SOON, async || {
        let version_1 = std::fs::read_to_string(events.join("memory.oom_control")).unwrap_or_default();
        let version_2 = std::fs::read_to_string(events.join("memory.events")).unwrap_or_default();
        let kills =
            version_1.lines().chain(version_2.lines()).find_map(|line| line.strip_prefix("oom_kill "));
        kills.filter(|kills| *kills != "0").map(drop)
    })
    .await;
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn out_of_disk() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&CreateSandbox { disk: Some(128), ..CreateSandbox::default() }).await;
    let filled = sandbox.sh("head -c 400m /dev/urandom > ~/fill").await;
    assert_ne!(filled.exit_code, Some(0), "the disk limit does not hold: {filled:#?}");
    sandbox.begin("while :; do echo x >> ~/more; done 2> /dev/null").await;
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn forking_without_end() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&CreateSandbox { pids: Some(128), ..CreateSandbox::default() }).await;
    sandbox.begin("bomb() { bomb | bomb & }; bomb; sleep 100").await;
    let group = sandbox.group("pids");
    until("the limit on processes", SOON, async || {
        let now: u32 = std::fs::read_to_string(group.join("pids.current")).ok()?.trim().parse().ok()?;
        (now >= 100).then_some(())
    })
    .await;
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn stopped_and_twice() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    atoll.client.sandbox_stop(&sandbox.id).await.unwrap();
    let id = sandbox.id.clone();
    sandbox.delete_in_time().await;
    let error = atoll.client.sandbox_delete(&id).await.unwrap_err();
    assert_eq!(error.code(), Some("sandbox_not_found"), "{error}");
    atoll.finish().await;
}

/// The files of a deleted sandbox are removed by a helper of the launcher, which a stop may find in the middle of its work.
#[tokio::test]
async fn a_stop_right_after_a_delete_leaves_no_helper() {
    for _ in 0..2 {
        let atoll = Atoll::start().await;
        for _ in 0..4 {
            let sandbox = atoll.create().await;
            sandbox.ok("mkdir ~/d && cd ~/d && seq 1 20000 | xargs touch").await;
            sandbox.delete_in_time().await;
        }
        atoll.finish().await;
    }
}

/// Groups of cgroup v1 are renamed at a delete and removed by a helper; after a stop nobody would.
#[tokio::test]
async fn a_stop_right_after_a_delete_leaves_no_group() {
    let mut atoll = Atoll::start().await;
    let installation = std::fs::read_to_string(atoll.data().join("installation")).unwrap();
    let own = PathBuf::from(format!("/sys/fs/cgroup/memory/atoll-{}", installation.trim()));
    let mut sandboxes = Vec::new();
    for _ in 0..5 {
        sandboxes.push(atoll.create().await.id);
    }
    for id in &sandboxes {
        atoll.client.sandbox_delete(id).await.unwrap();
    }
    atoll.stop().await;
    let below = std::fs::read_dir(own).into_iter().flatten().flatten();
    let left: Vec<_> = below.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name()).collect();
    assert_eq!(left, Vec::<std::ffi::OsString>::new());
    atoll.start_again().await;
    atoll.finish().await;
}
