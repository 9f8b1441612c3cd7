//! Many records: a look at one of them, a walk along all, and log-ins beside it.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use atoll_ports::{Durability, Store, UID_SLOTS};
use atoll_store::SqliteStore;
use atoll_types::{NodeId, SandboxId, Timestamp};

use super::remove_idle;
use crate::atoll::{Client, Server};
use crate::report::{Goal, Report};
use crate::stats::Series;

/// Sandboxes that there are, none of them up: as many of this machine as it has ranges of user ids, the rest of other machines.
const RECORDS: usize = 10_000;
/// Connections that ask at once, and for how long.
const CLIENTS: usize = 8;
const TIME: Duration = Duration::from_secs(5);
/// Sandboxes of one page, and pages at each end of the list that are compared, so often.
const PAGE: usize = 100;
const PAGES: usize = 20;
const ROUNDS: usize = 10;
/// People who log in again and again meanwhile.
const LOG_INS: usize = 2;
/// Records that are written in one transaction or a few.
const AT_ONCE: usize = 500;

const LOOK: &str = "atoll: GET of one of 10,000 sandboxes, 8 clients";
const LOOK_BUSY: &str = "atoll: the same while two log in without end";
const FIRST: &str = "atoll: one of the first pages of 10,000 sandboxes";
const LAST: &str = "atoll: one of the last pages of 10,000 sandboxes";
const RATE: &str = "atoll: GETs of one sandbox in a second";
const RATE_BUSY: &str = "atoll: the same while two log in without end, in a second";
const LOGGED_IN: &str = "atoll: log-ins in a second meanwhile";

/// Makes one sandbox, copies its record while no server runs, and measures the server that finds them.
pub(super) fn measure(program: &Path, scratch: &Path, report: &mut Report) -> anyhow::Result<()> {
    let scratch = scratch.join("records");
    std::fs::DirBuilder::new().mode(0o711).create(&scratch)?;
    let flags = ["--rate-limit-auth", "off"];
    let server = Server::start_with(program, &scratch, &flags)?;
    let first = server.client().and_then(|mut client| {
        let sandbox = client.create()?;
        client.stop(&sandbox)?;
        Ok(sandbox)
    });
    let folder = server.data().join("serve");
    server.leave()?;
    let ids = first.and_then(|first| copied(&folder, &first.parse()?));
    let real = ids.as_ref().ok().and_then(|ids| ids.first()).map(ToString::to_string);
    let server = Server::start_with(program, &scratch, &flags)?;
    let key = server.make_key()?;
    let measured = ids.and_then(|ids| all(&server, &key, &ids, report));
    // The others have no files.
    let removed =
        server.client_with(&key).and_then(|mut client| real.iter().try_for_each(|id| client.delete(id)));
    server.leave()?;
    remove_idle(&scratch);
    measured.and(removed)
}

/// Copies a record until there are enough, and answers with the ids of those of this machine.
fn copied(folder: &Path, first: &SandboxId) -> anyhow::Result<Vec<SandboxId>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ids = runtime.block_on(async {
        let store = SqliteStore::open(&folder.join("atoll.db")).await?;
        let record = store.sandbox_get(first).await?.context("the first sandbox has no record")?;
        let slots = usize::try_from(UID_SLOTS)?;
        let mut node = record.node.clone();
        let mut copies = Vec::with_capacity(RECORDS);
        for n in 1..RECORDS {
            if n % slots == 0 {
                node = NodeId::random();
            }
            let mut copy = record.clone();
            (copy.id, copy.node) = (SandboxId::random(), node.clone());
            copy.created_at = Timestamp::from_unix_ms(record.created_at.as_unix_ms() + i64::try_from(n)?);
            copies.push(copy);
        }
        for some in copies.chunks(AT_ONCE) {
            let writes = some.iter().map(|copy| store.sandbox_insert(copy, Durability::Process));
            futures_util::future::try_join_all(writes).await?;
        }
        store.close().await?;
        let here = copies.into_iter().filter(|copy| copy.node == record.node).map(|copy| copy.id);
        let ids = std::iter::once(first.clone()).chain(here).collect();
        anyhow::Ok::<Vec<_>>(ids)
    })?;
    // Whatever root made there is serve's.
    let owner = std::fs::metadata(folder)?;
    for entry in std::fs::read_dir(folder)? {
        std::os::unix::fs::lchown(entry?.path(), Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(ids)
}

fn all(server: &Server, key: &str, ids: &[SandboxId], report: &mut Report) -> anyhow::Result<()> {
    let (first, last) = pages(&mut server.client()?)?;
    report.series(Series::new(FIRST, first));
    report.series(Series::new(LAST, last));
    let times = looks(server, key, ids)?;
    report.single(RATE, times.len() as f64 / TIME.as_secs_f64());
    report.series(Series::new(LOOK, times));

    let over = AtomicBool::new(false);
    let (times, log_ins) = std::thread::scope(|scope| {
        let people: Vec<_> = (0..LOG_INS).map(|_| scope.spawn(|| log_in_until(server, &over))).collect();
        let times = looks(server, key, ids);
        over.store(true, Ordering::Relaxed);
        let log_ins: anyhow::Result<usize> = people
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|_| anyhow::bail!("a thread ended")))
            .sum();
        anyhow::Ok((times?, log_ins?))
    })?;
    ensure!(log_ins > 0, "nobody logged in meanwhile");
    report.single(RATE_BUSY, times.len() as f64 / TIME.as_secs_f64());
    report.single(LOGGED_IN, log_ins as f64 / TIME.as_secs_f64());
    report.series(Series::new(LOOK_BUSY, times));
    Ok(())
}

/// Times of the pages at both ends of a walk along all, asked for in turn, so that what else the machine does meets both.
fn pages(client: &mut Client) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let (mut cursors, mut seen) = (vec![None], 0);
    loop {
        let (count, next) = client.page(PAGE, cursors.last().and_then(Option::as_deref))?;
        seen += count;
        match next {
            Some(next) => cursors.push(Some(next)),
            None => break,
        }
    }
    ensure!(seen == RECORDS, "the list has {seen} sandboxes");
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // The last page may be short.
        let ends = cursors.iter().take(PAGES).zip(cursors.iter().rev().skip(1));
        for (near, far) in ends {
            for (cursor, times) in [(near, &mut first), (far, &mut last)] {
                let started = Instant::now();
                client.page(PAGE, cursor.as_deref())?;
                times.push(started.elapsed());
            }
        }
    }
    Ok((first, last))
}

/// Times of all requests that some clients have answered in a while.
fn looks(server: &Server, key: &str, ids: &[SandboxId]) -> anyhow::Result<Vec<Duration>> {
    let clients: Vec<_> = (0..CLIENTS).map(|_| server.client_with(key)).collect::<anyhow::Result<_>>()?;
    let until = Instant::now() + TIME;
    std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(n, mut client)| {
                // Each begins elsewhere, and none asks for the same one again soon.
                let mine: Vec<_> = ids.iter().cycle().skip(n * ids.len() / CLIENTS).take(ids.len()).collect();
                scope.spawn(move || {
                    let mut times = Vec::new();
                    for id in mine.into_iter().cycle() {
                        let started = Instant::now();
                        if started > until {
                            break;
                        }
                        client.look(id.as_str())?;
                        times.push(started.elapsed());
                    }
                    anyhow::Ok(times)
                })
            })
            .collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().unwrap_or_else(|_| anyhow::bail!("a thread ended"))?);
        }
        Ok(all)
    })
}

fn log_in_until(server: &Server, over: &AtomicBool) -> anyhow::Result<usize> {
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        server.log_in_again()?;
        count += 1;
    }
    Ok(count)
}

pub(super) fn judge(report: &mut Report) {
    report.value_at_least(8_000.0, "GETs of one of 10,000 sandboxes in a second", RATE);
    report.tail_at_most(10.0, "the same: p99 in ms", LOOK);
    report.tail_at_most(10.0, "the same with log-ins under way: p99 in ms", LOOK_BUSY);
    report.at_most(Goal::Ratio(1.5), "list of 10,000: last pages to first", LAST, FIRST);
}
