//! Children ahead: inside the workload's cgroup, waiting for what to run. Why: see `sys::child`.
//!
//! One is kept ready. They come from the **breeder**, a child that waits in the cgroup too and runs nothing: it is made with the
//! agent, and what it makes shares its memory and is where it belongs from the first moment. In gVisor it is a thread of the agent, which
//! makes one child at a time (why: see `sys::thread`). Where there is none any more, the agent forks, which takes longer: by a copy of
//! its memory, and 8 ms for the way into the cgroup after a pause.
//!
//! While commands come in a row, several are made when the last one is used: on a machine that keeps few processors awake,
//! each is a tenth of a millisecond that somebody waits (measured: everything of an exec ran on one of two), and so one command of
//! [`IN_A_ROW`](crate::breeder::IN_A_ROW) bears it and the others start at once. When the row has ended, one stays, and after [`IDLE_END`] only the breeder.
//!
//! The workload sees all of them as processes named `atoll-spare` and can kill or stop them; then the next exec makes its own.
//! They are not made again before, so that a workload that kills everything in a loop makes the agent fork no more often than
//! somebody asks for a command.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::breeder::{Breeder, Breeding, NewBreeder, Process};
use crate::launch;
use crate::lock::lock;
use crate::reaper::Children;
use crate::sys::{self, RawSpare, Rules, UnbornSpare};

/// Longest time between two commands of a row: a client that sends the next one when it has the answer, with room for a
/// busy machine.
const ROW_GAP: Duration = Duration::from_millis(20);
/// Time without a command after which there are made as many as there should be, where one is ready: the command that was started
/// last has got going, or ended.
const QUIET: Duration = Duration::from_millis(5);
/// Time without a command after which a row has ended.
const ROW_END: Duration = Duration::from_secs(1);

/// Time after the end of a row, without a command, after which none is kept where there is a breeder. The next command has one made,
/// which takes a tenth of a millisecond, or longer where the workload uses up all of its processor time. A thousand idle sandboxes are a
/// thousand processes less then; the kernel looks at each for every new root (0.3 µs).
const IDLE_END: Duration = Duration::from_secs(10);

/// Longest time that a command in gVisor runs before the next child is made: what is made beside it holds it up by 2 ms, as everything in
/// there is stopped and told by one process.
const LET_RUN: Duration = Duration::from_millis(50);

/// Time from the first spare to the next: the first command of a sandbox goes before.
const FIRST_DELAY: Duration = Duration::from_millis(20);
/// Longest time that the breeder may take: it is in the workload's cgroup, which may have no processor left for a while.
const BIRTH_LIMIT: Duration = Duration::from_secs(1);

/// A child that waits for its request.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) raw: RawSpare,
    pub(crate) ended: oneshot::Receiver<i32>,
}

impl Spare {
    /// Somebody inside may have stopped it. To be called before the event loop may reap it: until then its pid is its own.
    pub(crate) fn go_on(&self) {
        let _ = kill_process(self.raw.pid, Signal::CONT);
    }

    /// Ends it. Without the agent's end of its channel it would do so itself, but not where somebody inside has stopped it. Its pid is its own
    /// until its end was told.
    fn let_go(mut self) {
        if self.ended.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
            let _ = kill_process(self.raw.pid, Signal::KILL);
        }
    }
}

/// What is ready, and how many should be.
#[derive(Debug, Default)]
struct Stock {
    ready: VecDeque<Spare>,
    /// There is a breeder: if none is ready, one will be in a moment.
    breeds: bool,
    used_at: Option<Instant>,
    in_a_row: bool,
}

impl Stock {
    /// The oldest that lives, for a command that comes now.
    fn take(&mut self, now: Instant) -> Option<Spare> {
        self.in_a_row = self.used_at.is_some_and(|used| now.duration_since(used) < ROW_GAP);
        self.used_at = Some(now);
        loop {
            let mut spare = self.ready.pop_front()?;
            if spare.ended.try_recv().is_err() {
                return Some(spare);
            }
        }
    }

    /// Whether there should be more.
    fn is_short(&self, breeding: Breeding) -> bool {
        self.ready.len() < if self.in_a_row { breeding.in_a_row() } else { 1 }
    }

    /// Whether none is ready, but will be in a moment.
    fn is_worth_waiting(&self) -> bool {
        self.breeds && self.ready.is_empty()
    }

    /// How long to wait before more are made.
    fn delay(&self) -> Duration {
        if self.ready.is_empty() { Duration::ZERO } else { QUIET }
    }
}

/// One that was asked for a child as soon as it was made: it prepares both while the agent starts.
#[derive(Debug)]
struct First {
    breeder: NewBreeder,
    unborn: UnbornSpare,
}

/// Makes children.
#[derive(Debug)]
pub(crate) struct Spares {
    children: Arc<Children>,
    cgroups: Vec<OwnedFd>,
    rules: Rules,
    breeding: Breeding,
    stock: Mutex<Stock>,
    first: Mutex<Option<First>>,
    used: Notify,
    /// Somebody waits for one.
    urgent: Notify,
    /// One was born, or will not be.
    born: Notify,
}

impl Spares {
    /// With one on its way already, if it could be made.
    pub(crate) fn new(
        children: Arc<Children>,
        cgroups: Vec<OwnedFd>,
        rules: Rules,
        breeding: Breeding,
    ) -> Self {
        let spares = Self {
            children,
            cgroups,
            rules,
            breeding,
            stock: Mutex::default(),
            first: Mutex::default(),
            used: Notify::new(),
            urgent: Notify::new(),
            born: Notify::new(),
        };
        let first = spares.begin().ok();
        if first.is_none() {
            // Nothing comes of it.
            spares.children.born(None);
        }
        lock(&spares.stock).breeds = first.is_some();
        *lock(&spares.first) = first;
        spares
    }

    fn begin(&self) -> io::Result<First> {
        self.children.expect_birth();
        let breeder = self.new_breeder()?;
        let unborn = sys::ask_for_spare(&breeder.channel)?;
        Ok(First { breeder, unborn })
    }

    /// Waits until one is ready, where there is a breeder: that is sooner than a fork.
    pub(crate) async fn settle(&self) {
        let settled = async {
            loop {
                let born = self.born.notified();
                if !lock(&self.stock).is_worth_waiting() {
                    return;
                }
                self.urgent.notify_one();
                born.await;
            }
        };
        if lock(&self.stock).is_worth_waiting() {
            // One that takes so long is not waited for: a fork may be no sooner, but it tells why.
            drop(tokio::time::timeout(BIRTH_LIMIT, settled).await);
        }
    }

    /// A live spare, or a new one.
    pub(crate) fn take(&self) -> io::Result<Spare> {
        self.used.notify_one();
        lock(&self.stock).take(Instant::now()).map_or_else(|| self.fork(), Ok)
    }

    /// Keeps them ready, for ever.
    pub(crate) async fn refill(&self) {
        let first = lock(&self.first).take();
        let mut breeder = match first {
            Some(first) => self.first_birth(first).await,
            None => None,
        };
        // Nothing is lost if one comes later than somebody hoped.
        drop(tokio::time::timeout(FIRST_DELAY, self.urgent.notified()).await);
        loop {
            // What the start made ready to be sent goes out first.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            if self.breeding == Breeding::Thread {
                self.let_it_run().await;
            }
            let delay = lock(&self.stock).delay();
            if !delay.is_zero() && self.used_within(delay).await {
                continue;
            }
            breeder = self.fill(breeder).await;
            self.note_breeder(breeder.is_some());
            if self.used_within(ROW_END).await {
                continue;
            }
            self.end_row();
            if self.used_within(IDLE_END).await {
                continue;
            }
            // What asked for one that came long ago asks for none now.
            drop(tokio::time::timeout(Duration::ZERO, self.urgent.notified()).await);
            self.rest();
            // Both only wait; whichever it is, one is made.
            tokio::select! {
                () = self.used.notified() => {}
                // Whoever waits still does.
                () = self.urgent.notified() => self.urgent.notify_one(),
            }
        }
    }

    /// Until a command has ended, or somebody waits for a child, or a while.
    async fn let_it_run(&self) {
        let run = async {
            tokio::select! {
                () = self.children.ended() => {}
                () = self.urgent.notified() => {}
            }
        };
        drop(tokio::time::timeout(LET_RUN, run).await);
    }

    async fn first_birth(&self, first: First) -> Option<Breeder> {
        let First { breeder, unborn } = first;
        self.deliver(breeder.watch().ok()?, Ok(unborn)).await
    }

    /// Makes as many as there should be; one new breeder at most, so that a workload that kills each does not keep this going.
    async fn fill(&self, mut breeder: Option<Breeder>) -> Option<Breeder> {
        let mut may_renew = true;
        while lock(&self.stock).is_short(self.breeding) {
            if breeder.is_none() && std::mem::take(&mut may_renew) {
                breeder = self.new_breeder().and_then(NewBreeder::watch).ok();
            }
            breeder = self.breed(breeder?).await;
        }
        breeder
    }

    /// Makes one more. None when the breeder is of no use any more.
    async fn breed(&self, breeder: Breeder) -> Option<Breeder> {
        self.children.expect_birth();
        let unborn = sys::ask_for_spare(&breeder.channel);
        self.deliver(breeder, unborn).await
    }

    async fn deliver(&self, mut breeder: Breeder, unborn: io::Result<UnbornSpare>) -> Option<Breeder> {
        let born = async { breeder.deliver(unborn?).await };
        let born = tokio::time::timeout(BIRTH_LIMIT, born).await.ok().and_then(Result::ok);
        let ended = self.children.born(born.as_ref().map(|raw| raw.pid));
        let well = ended.is_some();
        lock(&self.stock).ready.extend(born.zip(ended).map(|(raw, ended)| Spare { raw, ended }));
        self.note_breeder(well);
        if !well {
            // Somebody inside has killed or stopped it, or it may make no more processes.
            breeder.signal(Signal::KILL);
        }
        well.then_some(breeder)
    }

    fn note_breeder(&self, lives: bool) {
        lock(&self.stock).breeds = lives;
        self.born.notify_waiters();
    }

    fn new_breeder(&self) -> io::Result<NewBreeder> {
        match self.breeding {
            Breeding::Process => self.fork_breeder(),
            Breeding::Thread => Ok(NewBreeder { channel: sys::start_thread(self.rules)?, process: None }),
        }
    }

    /// A child that makes siblings.
    fn fork_breeder(&self) -> io::Result<NewBreeder> {
        let Spare { mut raw, ended } = self.fork()?;
        let channel = raw.request.take().ok_or(io::ErrorKind::NotConnected)?;
        rustix::io::write(&channel, &launch::breed())?;
        Ok(NewBreeder { channel, process: Some(Process { pid: raw.pid, ended }) })
    }

    /// Waits for the next command, so long at most.
    async fn used_within(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.used.notified()).await.is_ok()
    }

    /// Lets those go that are too many.
    fn end_row(&self) {
        let mut stock = lock(&self.stock);
        stock.in_a_row = false;
        while stock.ready.len() > 1 {
            stock.ready.pop_back().into_iter().for_each(Spare::let_go);
        }
    }

    /// Lets the last one go, where another one is made in a moment.
    fn rest(&self) {
        let mut stock = lock(&self.stock);
        if stock.breeds {
            stock.ready.drain(..).for_each(Spare::let_go);
        }
    }

    fn fork(&self) -> io::Result<Spare> {
        let raw = sys::fork_spare(&self.cgroups, self.rules)?;
        let ended = self.children.expect(raw.pid);
        Ok(Spare { raw, ended })
    }
}
