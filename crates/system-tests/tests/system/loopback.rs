//! Network `none`: loopback alone, made ahead.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::harness::{Atoll, Inside, Role, until};

/// A part that was killed is back after the first back-off.
const BACK: Duration = Duration::from_secs(20);

/// Network namespaces that the launcher holds.
fn held(atoll: &Atoll) -> BTreeSet<PathBuf> {
    let launcher = atoll.pid(Role::Launcher).unwrap();
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", launcher.as_raw_nonzero())).unwrap();
    let links = descriptors.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("net:[")).collect()
}

/// The network namespace of a sandbox.
fn namespace(sandbox: &Inside<'_>) -> PathBuf {
    std::fs::read_link(format!("/proc/{}/ns/net", sandbox.agent().as_raw_nonzero())).unwrap()
}

#[tokio::test]
async fn networks_with_loopback_alone_are_made_ahead_and_go_with_the_launcher() {
    let atoll = Atoll::start().await;
    assert!(held(&atoll).is_empty(), "nobody has asked for one");
    let first = namespace(&atoll.create().await);
    let filled = async |atoll: &Atoll| Some(held(atoll)).filter(|held| held.len() == 16);
    let ready = until("networks are made ahead", BACK, async || filled(&atoll).await).await;
    assert!(!ready.contains(&first));

    let sandbox = atoll.create().await;
    assert!(ready.contains(&namespace(&sandbox)));
    // It is up, and what there is to see is its own.
    assert_eq!(sandbox.ok("ls /sys/class/net; cat /sys/class/net/lo/flags").await, "lo\n0x9\n");
    assert_eq!(sandbox.ok("grep -c : /proc/net/dev").await, "1\n");
    assert_eq!(
        sandbox.ok("touch /sys/class/net/lo/mtu 2>&1 || echo refused").await.lines().last(),
        Some("refused")
    );
    let server = "import socket as s; s.create_server(('127.0.0.1', 80)); print('listens')";
    assert_eq!(sandbox.ok(&format!("python3 -c \"{server}\"")).await, "listens\n");

    until("what was taken is made again", BACK, async || filled(&atoll).await).await;
    let before = atoll.pid(Role::Launcher);
    atoll.kill(Role::Launcher);
    until("its return", BACK, async || atoll.pid(Role::Launcher).filter(|pid| Some(*pid) != before)).await;
    assert!(!ready.contains(&namespace(&atoll.create().await)));
    atoll.finish().await;
}
