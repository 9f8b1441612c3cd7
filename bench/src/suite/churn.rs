//! A day's worth of sandboxes in minutes: what is left when all of them are gone.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::atoll::Server;
use crate::memory;
use crate::report::Report;

/// The first ones fill caches, all of which have bounds (the last events, records of what is gone, the log of ends): the memory of
/// serve was the same after 3,000, 4,000, 5,000 and 6,000.
const WARM_UP: usize = 3_000;
/// Clients that make them.
const CLIENTS: usize = 8;
/// Long enough for what is removed outside of answers: namespaces, subvolumes, connections that nobody uses.
const REST: Duration = Duration::from_secs(60);
/// More memory than this in the end is a leak, in MiB: 50,000 sandboxes that leave 100 bytes each have left 5.
const MIB_MAX: f64 = 5.0;

/// What Atoll and the kernel hold for it.
struct Held {
    pss: u64,
    descriptors: usize,
    cgroups: usize,
    subvolumes: usize,
}

impl Held {
    fn now(server: &Server) -> anyhow::Result<Self> {
        std::thread::sleep(REST);
        let pool = server.data().join("native/pool/sandboxes");
        Ok(Self {
            pss: memory::pss_of_tree(server.pid())?,
            descriptors: memory::descriptors_of_tree(server.pid())?,
            cgroups: folders_below(&format!("atoll-{}", server.installation()?))?,
            subvolumes: std::fs::read_dir(&pool).with_context(|| pool.display().to_string())?.count(),
        })
    }
}

/// Makes and deletes so many sandboxes, a command in each.
pub(super) fn measure(server: &Server, count: usize, report: &mut Report) -> anyhow::Result<()> {
    // By several at once, so that there are as many connections to the store as there ever will be.
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let turns: Vec<_> =
            (0..CLIENTS).map(|_| scope.spawn(|| turn_over(server, WARM_UP / CLIENTS))).collect();
        turns.into_iter().try_for_each(|turn| turn.join().map_err(|_| anyhow!("a client panicked"))?)
    })?;
    let before = Held::now(server)?;
    turn_over(server, count)?;
    let after = Held::now(server)?;
    let mib = (after.pss as f64 - before.pss as f64) / f64::from(1 << 20);
    let more = |after: usize, before: usize| after as f64 - before as f64;
    let what = format!("after {count} sandboxes");
    let rows = [
        ("MiB of PSS more", mib, MIB_MAX),
        ("descriptors more", more(after.descriptors, before.descriptors), 0.0),
        ("cgroups more", more(after.cgroups, before.cgroups), 0.0),
        ("subvolumes more", more(after.subvolumes, before.subvolumes), 0.0),
    ];
    for (name, value, limit) in rows {
        let name = format!("atoll: {name} {what}");
        report.single(&name, value);
        report.value_at_most(limit, name.trim_start_matches("atoll: "), &name);
    }
    Ok(())
}

fn turn_over(server: &Server, count: usize) -> anyhow::Result<()> {
    let mut client = server.client()?;
    for _ in 0..count {
        let sandbox = client.create()?;
        client.exec(&sandbox, &["true"])?;
        client.delete(&sandbox)?;
    }
    Ok(())
}

/// Cgroups below those of that name, in all hierarchies.
fn folders_below(name: &str) -> anyhow::Result<usize> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root)?.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(std::iter::once(root.to_owned()).chain(hierarchies).map(|one| count_folders(&one.join(name))).sum())
}

fn count_folders(folder: &Path) -> usize {
    let below = std::fs::read_dir(folder).into_iter().flatten().flatten();
    below
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| 1 + count_folders(&entry.path()))
        .sum()
}
