//! The floor: the least that any program must do for a sandbox of the same kind.
//!
//! The same storage (a btrfs subvolume with a limit, an overlay on id-mapped layers), namespaces, cgroups, capabilities,
//! filter and limits as the launcher sets, done straight in a row by a small single-threaded program, without a
//! request to parse, an agent to start or a record to write. The time runs from the decision to make a sandbox to
//! the first byte of a command's output. It is written apart from the launcher on purpose: it is the yardstick.

mod cgroup;
mod child;
mod link;
mod seccomp;
mod storage;
mod sys;
mod user_namespace;

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use self::cgroup::Group;
use self::storage::Layer;

pub(crate) use self::storage::Pool;

/// First host id of the floor's sandboxes: apart from the ranges of Atoll, Docker and `/etc/subuid`.
const UID_BASE: u32 = 0x6000_0000;
/// Ids of one sandbox.
const UIDS: u32 = 65_536;
/// So many are alive before they are removed, and how long the kernel may then take apart what is gone: as in the rows of Atoll
/// that these are compared with. The first few warm caches and do not count, as there.
const BATCH: usize = 23;
const WARM_UP: usize = 3;
const REST: Duration = Duration::from_secs(1);
/// What the command prints first.
const GREETING: &[u8] = b"ready\n";

/// What is measured in one process of the floor.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// A prepared pool.
    #[arg(long)]
    pub(crate) pool: PathBuf,
    /// Sandboxes to make, one after the other.
    #[arg(long)]
    pub(crate) count: u32,
    /// Tells processes of the floor apart that work at the same time.
    #[arg(long, default_value_t = 0)]
    pub(crate) worker: u32,
    /// Leave all of them alive until the last is made, as when a hundred are asked for at once.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Give each a link to this process, with addresses and a route, as Atoll's network `all` has to its router.
    #[arg(long)]
    pub(crate) network: bool,
}

/// A sandbox whose command has spoken and now waits.
struct Made {
    pid: rustix::process::Pid,
    /// Its command reads this: it lives as long as the descriptor.
    input: OwnedFd,
    group: Group,
    layer: Layer,
}

/// Makes the sandboxes and answers with the time of each, from the decision to the first byte.
pub(crate) fn run(options: &Options) -> anyhow::Result<Vec<Duration>> {
    let filter = seccomp::program()?;
    let pool = Pool::open(&options.pool)?;
    if options.network {
        // The other ends of the links vanish with it.
        sys::unshare_network().context("a network of the floor's own")?;
    }
    let mut times = Vec::new();
    let mut alive = Vec::new();
    let wanted = usize::try_from(options.count).context("a number of sandboxes")?;
    for number in 0.. {
        if times.len() == wanted {
            break;
        }
        let name = format!("floor-{}-{number}", options.worker);
        let slot = options.worker * options.count + number;
        let started = Instant::now();
        let made = make(&pool, &name, slot, options.network, &filter)?;
        if options.keep || alive.len() >= WARM_UP {
            times.push(started.elapsed());
        }
        alive.push(made);
        if !options.keep && alive.len() == BATCH {
            remove(&mut alive, &pool)?;
            std::thread::sleep(REST);
        }
    }
    remove(&mut alive, &pool)?;
    Ok(times)
}

fn remove(all: &mut Vec<Made>, pool: &Pool) -> anyhow::Result<()> {
    all.drain(..).try_for_each(|made| made.remove(pool))
}

fn make(pool: &Pool, name: &str, slot: u32, network: bool, filter: &seccomp::Filter) -> anyhow::Result<Made> {
    let uid_base = UID_BASE + slot * UIDS;
    let group = Group::create(name)?;
    let layer = pool.create_layer(name)?;
    let user_namespace = user_namespace::create(uid_base)?;
    let (input_end, mut input) = std::io::pipe().context("a pipe for input")?;
    let (mut output, output_end) = std::io::pipe().context("a pipe for output")?;
    input.write_all(GREETING).context("greeting")?;
    let (linked, mut link) = std::io::pipe().context("a pipe for the link")?;

    let plan = child::Plan {
        name,
        uid_base,
        group: &group,
        layer: &layer,
        pool,
        user_namespace: &user_namespace,
        filter,
    };
    let network = network.then_some((slot, &linked));
    let Some(pid) = sys::clone_into_namespaces()? else {
        plan.become_command(network, input_end, output_end)
    };
    drop((input_end, output_end));
    if network.is_some() {
        link::connect(pid, slot)?;
        link.write_all(b"!").context("telling of the link")?;
    }
    let mut first = [0; 1];
    let read = output.read(&mut first).context("reading the first byte")?;
    ensure!(read == 1, "the command of {name} ended without a word: {:?}", sys::wait(pid));
    Ok(Made { pid, input: input.into(), group, layer })
}

impl Made {
    /// Not timed: neither Atoll's nor the floor's clean-up is part of what is compared.
    fn remove(self, pool: &Pool) -> anyhow::Result<()> {
        drop(self.input);
        rustix::process::kill_process(self.pid, rustix::process::Signal::KILL).context("killing")?;
        sys::wait(self.pid)?;
        self.group.remove()?;
        pool.remove_layer(&self.layer)
    }
}
