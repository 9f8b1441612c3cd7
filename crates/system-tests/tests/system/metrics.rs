//! What sandboxes use, as the kernel counts it.

use std::io::Write as _;
use std::time::Duration;

use atoll_api_types::{CreateSandbox, Metrics};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::harness::{Atoll, Inside, Internet, WEB, until};
use crate::terminal::{PATIENCE, Person};

const SOON: Duration = Duration::from_secs(20);

async fn metrics(sandbox: &Inside<'_>) -> Metrics {
    sandbox.atoll.client.sandbox_metrics(&sandbox.id, true).await.unwrap()
}

#[tokio::test]
async fn the_counters_tell_what_was_used() {
    let atoll = Atoll::start().await;
    let new = CreateSandbox { memory: Some(256), cpu: Some(0.5), pids: Some(64), ..CreateSandbox::default() };
    let sandbox = atoll.create_with(&new).await;
    let idle = metrics(&sandbox).await;
    assert!(idle.cpu.usage_percent < 10.0, "{idle:?}");
    assert_eq!((idle.cpu.cores, idle.memory.limit_bytes), (0.5, 256 << 20));
    assert_eq!((idle.network.rx_bytes, idle.network.tx_bytes, idle.network.rx_packets), (0, 0, 0));

    // Half a core is all it gets; 64 MiB of memory that stay in use.
    sandbox.begin("while :; do :; done").await;
    sandbox.begin("head -c 64m /dev/zero > /dev/shm/held; sleep 100").await;
    let busy = until("its use", SOON, async || {
        let busy = metrics(&sandbox).await;
        (busy.cpu.usage_percent > 25.0 && busy.memory.usage_bytes > 60 << 20).then_some(busy)
    })
    .await;
    // Over a second: the quota is given out anew every 100 ms, and two helpings fit into one short look.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let steady = metrics(&sandbox).await.cpu.usage_percent;
    assert!((25.0..75.0).contains(&steady), "{steady}");
    assert!(busy.memory.usage_bytes < 120 << 20, "{busy:?}");
    assert!((20.0..50.0).contains(&busy.memory.usage_percent), "{busy:?}");
    let pids = busy.pids.unwrap();
    assert!(pids.current >= 3 && pids.limit == 64, "{pids:?}");

    // What has ended counts too.
    sandbox.ok("dd if=/dev/zero of=/home/agent/file bs=1M count=16 2>/dev/null; sync /home/agent/file").await;
    let written = metrics(&sandbox).await.io.write_bytes;
    assert!((16 << 20..64 << 20).contains(&written), "{written}");

    // Of a paused sandbox too, which uses nothing.
    atoll.client.sandbox_pause(&sandbox.id).await.unwrap();
    metrics(&sandbox).await;
    let paused = metrics(&sandbox).await;
    assert!(paused.cpu.usage_percent < 5.0, "{paused:?}");
    let top = atoll.cli(&["top", "--output", "json"]);
    let rows: serde_json::Value = serde_json::from_slice(&top.stdout).unwrap();
    assert_eq!((&rows[0]["id"], &rows[0]["state"]), (&sandbox.id.to_string().into(), &"paused".into()));
    let table = String::from_utf8(atoll.cli(&["top", sandbox.id.as_str()]).stdout).unwrap();
    assert!(table.starts_with("ID ") && table.lines().nth(1).unwrap().starts_with(sandbox.id.as_str()));

    atoll.client.sandbox_stop(&sandbox.id).await.unwrap();
    let error = atoll.client.sandbox_metrics(&sandbox.id, false).await.unwrap_err();
    assert!(error.to_string().contains("stopped"), "{error}");
    atoll.finish().await;
}

#[tokio::test]
async fn the_network_is_counted_on_the_sandbox_s_own_link() {
    let _internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let new = CreateSandbox { network: Some("all".to_owned()), ..CreateSandbox::default() };
    let (sandbox, other) = (atoll.create_with(&new).await, atoll.create_with(&new).await);
    let before = metrics(&sandbox).await.network;
    for _ in 0..5 {
        sandbox.ok(&format!("curl --silent --max-time 4 http://{WEB}/")).await;
    }
    let after = metrics(&sandbox).await.network;
    // A connection takes some packets each way, and a page some hundred bytes.
    assert!(
        after.rx_packets >= before.rx_packets + 10 && after.tx_packets >= before.tx_packets + 10,
        "{after:?}"
    );
    assert!(
        after.rx_bytes > before.rx_bytes + 1_000 && after.tx_bytes > before.tx_bytes + 1_000,
        "{after:?}"
    );
    let idle = metrics(&other).await.network;
    assert!(idle.rx_bytes < 1_000, "{idle:?}");
    atoll.finish().await;
}

/// What begins each drawing of `atoll top`.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Waits for a drawing, shown whole, whose lines are as wanted.
async fn drawn(person: &Person, what: &str, wanted: impl Fn(&[&str]) -> bool) {
    until(what, PATIENCE, async || {
        let text = person.text();
        let frames: Vec<&str> = text.split(CLEAR).collect();
        let whole = frames.len().checked_sub(2).filter(|at| *at > 0)?;
        let lines: Vec<&str> = frames[whole].lines().filter(|line| !line.is_empty()).collect();
        wanted(&lines).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_table_of_top_is_drawn_again_with_what_is_there_and_fits_the_window() {
    let atoll = Atoll::start().await;
    let one = atoll.create().await;
    let mut person = Person::runs(&atoll, &["top", "--interval", "1s"]);
    let has = |lines: &[&str], id: &str| lines.iter().any(|line| line.starts_with(id));
    drawn(&person, "one", |lines| lines[0].starts_with("ID ") && has(lines, one.id.as_str())).await;
    let two = atoll.create().await;
    drawn(&person, "two", |lines| has(lines, one.id.as_str()) && has(lines, two.id.as_str())).await;
    // A busy one comes first.
    one.begin("while :; do :; done").await;
    drawn(&person, "the busy one first", |lines| lines[1].starts_with(one.id.as_str())).await;
    // Three lines: the headings, one row, and where the cursor stands.
    tcsetwinsize(&person.keys, Winsize { ws_col: 90, ws_row: 3, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    drawn(&person, "a small one", |lines| lines.len() == 2 && lines[1].starts_with(one.id.as_str())).await;
    atoll.client.sandbox_stop(&one.id).await.unwrap();
    drawn(&person, "the other", |lines| lines.len() == 2 && lines[1].starts_with(two.id.as_str())).await;
    person.keys.write_all(b"\x03").unwrap();
    person.status().await;
    atoll.finish().await;
}
