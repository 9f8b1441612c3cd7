//! The host's disk: full, nearly full, and of another kind.

use std::process::Command;
use std::time::Duration;

use atoll_api_types::CreateSandbox;
use futures_util::StreamExt as _;

use crate::harness::{Atoll, Format, Inside, Role, line, stdout, until};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// A disk with room for a storage image: half of what is above the host's reserve of two gibibytes.
const WITH_IMAGE_BYTES: u64 = 7 * GIB;

/// A disk with room for a small image, which is to grow.
const SMALL_IMAGE_BYTES: u64 = 7 * GIB / 2;

/// A disk without room for an image that would be worth it.
const WITHOUT_IMAGE_BYTES: u64 = 3 * GIB;

/// The launcher looks at the room every second.
const SOON: Duration = Duration::from_secs(20);

async fn refused(atoll: &Atoll) {
    let error = atoll.client.sandbox_create(&CreateSandbox::default()).await.unwrap_err();
    assert_eq!(error.code(), Some("disk_full"), "{error:?}");
}

/// Everything but a create: on what is there already.
async fn all_else_goes_on(atoll: &Atoll, sandbox: &Inside<'_>) {
    assert_eq!(
        sandbox.ok("echo on disk > ~/file; sync; cat ~/file; seq 1 20000 | tail -n 1").await,
        "on disk\n20000\n"
    );
    let exec = atoll
        .client
        .exec_start(&sandbox.id, &line("for i in 1 2 3; do echo $i; sleep 0.05; done"))
        .await
        .unwrap();
    let mut events = atoll.client.exec_events(&sandbox.id, &exec.id.parse().unwrap(), 0);
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        if let atoll_client::ExecEventKind::Output(_, bytes) = event.unwrap().kind {
            seen.extend(bytes);
        }
    }
    assert_eq!(seen, b"1\n2\n3\n");
    atoll.client.sandbox_stop(&sandbox.id).await.unwrap();
    assert_eq!(sandbox.get().await.state, "stopped");
    atoll.client.sandbox_start(&sandbox.id).await.unwrap();
    assert_eq!(sandbox.ok("cat ~/file").await, "on disk\n");
}

#[tokio::test]
async fn a_host_whose_disk_is_nearly_full_stops_creates_and_nothing_else() {
    let atoll = Atoll::start_on(Format::Ext4, WITH_IMAGE_BYTES).await;
    let (kept, deleted) = (atoll.create().await, atoll.create().await);
    atoll.disk().fill(100 * MIB);
    refused(&atoll).await;
    all_else_goes_on(&atoll, &kept).await;
    deleted.delete().await;
    assert_eq!(atoll.cli(&["ls", "--output", "json"]).status.code(), Some(0));
    atoll.disk().empty();
    atoll.create().await.delete().await;
    assert_eq!(kept.ok("cat ~/file").await, "on disk\n");
    atoll.finish().await;
}

#[tokio::test]
async fn a_disk_without_a_free_byte_stops_creates_and_lets_output_wait() {
    let atoll = Atoll::start_on(Format::Ext4, WITH_IMAGE_BYTES).await;
    let (kept, deleted, late) = (atoll.create().await, atoll.create().await, atoll.create().await);
    kept.ok("echo on disk > ~/file").await;
    atoll.disk().fill(0);
    refused(&atoll).await;
    assert_eq!(kept.get().await.state, "running");
    deleted.delete().await;
    // Its output waits in its agent until there is room.
    let waiting = kept.begin("cat ~/file; seq 1 30000").await;
    // The records that the first pages of room are kept for are there for the next serve too.
    let before = atoll.pid(Role::Serve);
    atoll.kill(Role::Serve);
    until("serve", SOON, async || atoll.pid(Role::Serve).filter(|pid| Some(*pid) != before)).await;
    until("an answer", SOON, async || atoll.client.sandbox_get(&kept.id).await.ok()).await;
    refused(&atoll).await;
    atoll.client.sandbox_stop(&late.id).await.unwrap();
    assert_eq!(late.get().await.state, "stopped");
    late.delete().await;
    atoll.disk().empty();
    let ended = until("the end of the exec", SOON, async || {
        Some(atoll.client.exec_get(&kept.id, &waiting).await.unwrap()).filter(|exec| exec.exit_code.is_some())
    });
    let expected: String =
        std::iter::once("on disk\n".to_owned()).chain((1..=30_000).map(|i| format!("{i}\n"))).collect();
    assert_eq!(stdout(&ended.await), expected);
    atoll.create().await.delete().await;
    atoll.finish().await;
}

#[tokio::test]
async fn the_storage_grows_before_its_sandboxes_fill_it() {
    let atoll = Atoll::start_on(Format::Ext4, SMALL_IMAGE_BYTES).await;
    let image = atoll.data().join("native/pool.img");
    let first = std::fs::metadata(&image).unwrap().len();
    assert!(first < GIB, "{first}");
    let sandbox = atoll.create().await;
    until("the growth", SOON, async || (std::fs::metadata(&image).unwrap().len() > first).then_some(()))
        .await;
    // Most of it is only reserved, which takes the room and not the time.
    let reserved = format!("fallocate -l {} ~/reserved", first - 10 * MIB);
    until("room", SOON, async || (sandbox.sh(&reserved).await.exit_code == Some(0)).then_some(())).await;
    let written =
        sandbox.ok("seq 1 4000000 | tee ~/more | sha256sum; sha256sum < ~/more; du -sm ~ | cut -f1").await;
    let [piped, read, used] = *written.lines().collect::<Vec<_>>() else { panic!("{written}") };
    assert_eq!(piped, read);
    assert!(used.parse::<u64>().unwrap() > first / MIB, "{used} MiB");
    sandbox.delete().await;
    atoll.finish().await;
}

/// What a sandbox may write is as much as its limit.
async fn limit_holds(atoll: &Atoll) -> bool {
    let sandbox = atoll.create_with(&CreateSandbox { disk: Some(128), ..CreateSandbox::default() }).await;
    let filled = sandbox.sh("fallocate -l 200M ~/fill").await;
    assert_eq!(sandbox.ok("echo alive").await, "alive\n");
    sandbox.delete().await;
    filled.exit_code != Some(0)
}

async fn survives_a_stop(atoll: &Atoll) {
    let sandbox = atoll.create().await;
    all_else_goes_on(atoll, &sandbox).await;
    sandbox.delete().await;
}

fn says_no_limits(atoll: &Atoll) -> bool {
    let notes = atoll.doctor()["notes"].to_string();
    assert_eq!(notes.contains("disk limits do not hold"), atoll.log().contains("no disk limits"), "{notes}");
    notes.contains("disk limits do not hold")
}

#[tokio::test]
async fn the_hosts_own_btrfs_serves_without_an_image() {
    for format in [Format::Btrfs, Format::BtrfsFullQuotas] {
        let atoll = Atoll::start_on(format, WITH_IMAGE_BYTES).await;
        assert!(!atoll.data().join("native/pool.img").exists());
        survives_a_stop(&atoll).await;
        assert!(limit_holds(&atoll).await, "{format:?}");
        assert!(!says_no_limits(&atoll), "{format:?}");
        atoll.finish().await;
    }
}

#[tokio::test]
async fn a_small_disk_has_plain_folders_and_says_that_limits_do_not_hold() {
    let mut atoll = Atoll::start_on(Format::Ext4, WITHOUT_IMAGE_BYTES).await;
    assert!(!atoll.data().join("native/pool.img").exists());
    survives_a_stop(&atoll).await;
    assert!(!limit_holds(&atoll).await);
    assert!(says_no_limits(&atoll));
    let kept = atoll.create().await.id;
    atoll.stop().await;
    atoll.start_again().await;
    assert_eq!(Inside { atoll: &atoll, id: kept }.ok("echo still here").await, "still here\n");
    atoll.finish().await;
}

#[tokio::test]
async fn an_image_that_the_disk_has_no_room_for_is_refused_and_leaves_nothing() {
    let atoll = Atoll::start_on(Format::Ext4, WITHOUT_IMAGE_BYTES).await;
    let folder = tempfile::tempdir().unwrap();
    // Half a gibibyte that is small as long as it is packed, and beside it what fits.
    let make =
        "mkdir root small && truncate -s 512M root/large && tar -C root -c large | gzip -1 >large.tar.gz
        echo small >small/file && tar -C small -cf small.tar file";
    assert!(Command::new("sh").args(["-ec", make]).current_dir(&folder).status().unwrap().success());
    let import =
        |name, file| atoll.cli(&["image", "import", name, folder.path().join(file).to_str().unwrap()]);
    atoll.disk().fill(2 * GIB + 320 * MIB);
    assert!(import("small:1", "small.tar").status.success());
    let free = atoll.disk().free_bytes();
    let refused = import("large:1", "large.tar.gz");
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && text.contains("nearly full"), "{text}");
    until("the room back", SOON, async || (atoll.disk().free_bytes() + 16 * MIB > free).then_some(())).await;
    assert!(!stdout_of(&atoll.cli(&["image", "ls"])).contains("large:1"));
    atoll.disk().empty();
    assert!(import("large:1", "large.tar.gz").status.success());
    assert!(atoll.cli(&["image", "rm", "small:1", "large:1"]).status.success());
    atoll.finish().await;
}

fn stdout_of(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
