//! What is ready, and what is being made.

use std::collections::{HashSet, VecDeque};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use atoll_tasks::Periodic;
use atoll_types::{
    BootTime, EnvVars, GuestUser, ImageName, Labels, OnExpiry, PoolSize, RuntimeKind, SandboxId, SandboxSpec,
};
use parking_lot::Mutex;

use super::demand::Demand;

/// One that nobody has claimed for so long is made anew: what it stands on (the host's programs, its certificates) may have
/// been replaced since.
const AGE_MAX: Duration = Duration::from_secs(3_600);
/// Time after a claim in which none is made: whoever has claimed one starts a command in it now, and what makes another takes a
/// processor for 5 ms.
const REST: Duration = Duration::from_millis(25);
/// The same of what another engine makes, which takes all processors for a quarter of a second: whoever claims several in a row has
/// them for himself, as long as half of a pool of [`RUSH_SIZE_MIN`] or more is ready.
const REST_CONTAINER: Duration = Duration::from_secs(1);
/// The agent of a ready container is called so often, which keeps the way to it open, through several programs, for whoever claims it: it
/// would be closed unused after 30 s.
const CALL_AGAIN: Duration = Duration::from_secs(15);
/// A pool of so many or more does not rest while less than half of them are ready: claims come faster than they are made.
const RUSH_SIZE_MIN: u32 = 4;
/// Where no environment wanted a pool, one of which only another server knows is seen after so long.
const UNWANTED_MAX: Duration = Duration::from_secs(60);
/// Wait after the first failure to make one; it doubles with each.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// Longest wait after failures.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Everything that is made ahead.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    state: Mutex<State>,
    /// The driver that fills them.
    pub(super) filler: OnceLock<Periodic>,
    /// How often an environment was made, changed or removed here.
    changes: AtomicU64,
    /// When no environment wanted a pool, and after how many changes.
    unwanted: Mutex<Option<(u64, BootTime)>>,
}

#[derive(Debug, Default)]
struct State {
    pools: Vec<Pool>,
    /// Those that are being made, ready, or being claimed or discarded: nobody else may remove them.
    held: HashSet<SandboxId>,
    /// When one was claimed last.
    claimed_at: Option<BootTime>,
    /// Nothing is made any more.
    closed: bool,
}

#[derive(Debug)]
struct Pool {
    shape: SandboxSpec,
    size: PoolSize,
    /// Oldest first.
    ready: VecDeque<Ready>,
    making: u32,
    demand: Demand,
    failures: u32,
    not_before: BootTime,
}

#[derive(Debug)]
struct Ready {
    id: SandboxId,
    made_at: BootTime,
    /// When its agent was called last.
    called_at: BootTime,
}

/// What all sandboxes of one kind have in common: all that they are made with. What is taken away is known to serve alone, or
/// told to the agent with each process.
pub(super) fn shape(spec: &SandboxSpec, image: &ImageName) -> SandboxSpec {
    SandboxSpec {
        name: None,
        image: image.clone(),
        env: EnvVars::default(),
        entrypoint: Vec::new(),
        command: None,
        cwd: None,
        user: GuestUser::agent(),
        labels: Labels::new(),
        ttl_seconds: None,
        on_expiry: OnExpiry::Delete,
        idle_seconds: 0,
        ports: Vec::new(),
        environment: None,
        health_check: None,
        ..spec.clone()
    }
}

impl Pools {
    /// An environment is not what it was: it may want a pool now.
    pub(crate) fn environments_changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.refill();
    }

    /// How often one changed: to be asked for before the store is.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Notes whether any wanted a pool after so many changes.
    pub(super) fn note_wanted(&self, any: bool, changes: u64, now: BootTime) {
        *self.unwanted.lock() = (!any).then_some((changes, now));
    }

    /// Whether none wants one, so that the store need not be asked again.
    pub(super) fn is_unwanted(&self, now: BootTime) -> bool {
        self.unwanted
            .lock()
            .is_some_and(|(changes, at)| changes == self.changes() && now.since(at) < UNWANTED_MAX)
    }

    /// Sets which pools there are; answers with those of pools that are no more.
    pub(super) fn define(&self, wanted: Vec<(SandboxSpec, PoolSize)>) -> Vec<SandboxId> {
        let mut state = self.state.lock();
        let old = std::mem::take(&mut state.pools);
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        for pool in old {
            if wanted.iter().any(|(shape, _)| *shape == pool.shape) {
                kept.push(pool);
            } else {
                gone.extend(pool.ready.into_iter().map(|ready| ready.id));
            }
        }
        for (shape, size) in wanted {
            match kept.iter_mut().find(|pool| pool.shape == shape) {
                Some(pool) => pool.size = size,
                None => kept.push(Pool::new(shape, size)),
            }
        }
        state.pools = kept;
        gone
    }

    /// Takes one of this kind, if one is ready. It stays held until [`Pools::release`]. The one that was made last: what it
    /// needs is warm.
    pub(super) fn take(&self, shape: &SandboxSpec, now: BootTime) -> Option<SandboxId> {
        let mut state = self.state.lock();
        let pool = state.pools.iter_mut().find(|pool| pool.shape == *shape)?;
        pool.demand.note(now);
        let taken = pool.ready.pop_back().map(|ready| ready.id)?;
        state.claimed_at = Some(now);
        Some(taken)
    }

    /// How long to wait before anything is done about pools, if at all.
    pub(super) fn rest(&self, now: BootTime) -> Option<Duration> {
        let mut state = self.state.lock();
        let rest = state.rest(REST, now);
        rest.filter(|_| !state.is_rush(now))
    }

    /// How long to wait before one more is made, if at all.
    pub(super) fn rest_before_next(&self, now: BootTime) -> Option<Duration> {
        let mut state = self.state.lock();
        if state.is_rush(now) {
            return None;
        }
        let rests: Vec<Duration> =
            state.pools.iter_mut().filter_map(|pool| pool.lacks(now).then(|| pool.rest(now))).collect();
        rests.into_iter().min().and_then(|rest| state.rest(rest, now))
    }

    /// Ready ones whose agents are to be called; they count as called now.
    pub(super) fn take_uncalled(&self, now: BootTime) -> Vec<SandboxId> {
        let mut state = self.state.lock();
        let containers = state.pools.iter_mut().filter(|pool| pool.shape.runtime != RuntimeKind::Native);
        let silent = containers
            .flat_map(|pool| pool.ready.iter_mut())
            .filter(|ready| now.since(ready.called_at) >= CALL_AGAIN);
        silent
            .map(|ready| {
                ready.called_at = now;
                ready.id.clone()
            })
            .collect()
    }

    /// Takes those that are too old, or too many.
    pub(super) fn take_surplus(&self, now: BootTime) -> Vec<SandboxId> {
        let mut state = self.state.lock();
        let mut surplus = Vec::new();
        for pool in &mut state.pools {
            let wanted = pool.wanted(now);
            let too_many =
                |ready: &VecDeque<Ready>| ready.len() > usize::try_from(wanted).unwrap_or(usize::MAX);
            let too_old =
                |ready: &VecDeque<Ready>| ready.front().is_some_and(|r| now.since(r.made_at) > AGE_MAX);
            while too_many(&pool.ready) || too_old(&pool.ready) {
                surplus.extend(pool.ready.pop_front().map(|ready| ready.id));
            }
        }
        surplus
    }

    /// A kind of which one more is to be made now; it counts as being made, and is held, until [`Pools::made`].
    pub(super) fn next(&self, now: BootTime, id: &SandboxId) -> Option<SandboxSpec> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        let (rush, since) = (state.is_rush(now), state.claimed_at.map(|claimed| now.since(claimed)));
        let rested = |pool: &mut Pool| rush || since.is_none_or(|since| since >= pool.rest(now));
        let pool =
            state.pools.iter_mut().find_map(|pool| (pool.lacks(now) && rested(pool)).then_some(pool))?;
        pool.making += 1;
        let shape = pool.shape.clone();
        state.held.insert(id.clone());
        Some(shape)
    }

    /// One was made, or could not be. False when it is not wanted any more, or is none.
    pub(super) fn made(&self, shape: &SandboxSpec, id: &SandboxId, now: BootTime, well: bool) -> bool {
        let mut state = self.state.lock();
        let well = well && !state.closed;
        let Some(pool) = state.pools.iter_mut().find(|pool| pool.shape == *shape) else { return false };
        pool.making = pool.making.saturating_sub(1);
        if well {
            pool.failures = 0;
            pool.ready.push_back(Ready { id: id.clone(), made_at: now, called_at: now });
        } else {
            let wait = BACKOFF_MIN.saturating_mul(1 << pool.failures.min(16)).min(BACKOFF_MAX);
            pool.failures += 1;
            pool.not_before = now.after(wait);
        }
        well
    }

    /// Takes all that are ready, and makes no more.
    pub(super) fn close(&self) -> Vec<SandboxId> {
        let mut state = self.state.lock();
        state.closed = true;
        state.pools.iter_mut().flat_map(|pool| pool.ready.drain(..)).map(|ready| ready.id).collect()
    }

    /// Takes one that died; false when it is none that is ready.
    pub(crate) fn take_dead(&self, id: &SandboxId) -> bool {
        let mut state = self.state.lock();
        let of = |pool: &mut Pool| {
            let at = pool.ready.iter().position(|ready| ready.id == *id)?;
            pool.ready.remove(at)
        };
        state.pools.iter_mut().find_map(of).is_some()
    }

    /// Those that are ready.
    pub(crate) fn ready(&self) -> Vec<SandboxId> {
        let state = self.state.lock();
        state.pools.iter().flat_map(|pool| pool.ready.iter().map(|ready| ready.id.clone())).collect()
    }

    /// Whether it is made ahead, and somebody here sees to it.
    pub(crate) fn holds(&self, id: &SandboxId) -> bool {
        self.state.lock().held.contains(id)
    }

    /// It is somebody's, or gone.
    pub(super) fn release(&self, id: &SandboxId) {
        self.state.lock().held.remove(id);
    }

    /// Asks for a pass of the driver.
    pub(crate) fn refill(&self) {
        if let Some(filler) = self.filler.get() {
            filler.activate();
        }
    }
}

impl State {
    /// What is left of a rest since the last claim.
    fn rest(&self, rest: Duration, now: BootTime) -> Option<Duration> {
        rest.checked_sub(now.since(self.claimed_at?)).filter(|rest| !rest.is_zero())
    }

    /// Whether claims come faster than sandboxes are made.
    fn is_rush(&mut self, now: BootTime) -> bool {
        self.pools.iter_mut().any(|pool| pool.lacks(now) && pool.is_half_empty(now))
    }
}

impl Pool {
    fn new(shape: SandboxSpec, size: PoolSize) -> Self {
        Self {
            shape,
            size,
            ready: VecDeque::new(),
            making: 0,
            demand: Demand::default(),
            failures: 0,
            not_before: BootTime::from_ms(0),
        }
    }

    fn wanted(&mut self, now: BootTime) -> u32 {
        self.size.wanted(self.demand.lately(now))
    }

    fn is_half_empty(&mut self, now: BootTime) -> bool {
        let ready = u32::try_from(self.ready.len()).unwrap_or(u32::MAX);
        let wanted = self.wanted(now);
        wanted >= RUSH_SIZE_MIN && ready.saturating_mul(2) < wanted
    }

    /// Time after a claim in which none is made for it.
    fn rest(&mut self, now: BootTime) -> Duration {
        let is_container = self.shape.runtime != RuntimeKind::Native;
        if is_container && self.wanted(now) >= RUSH_SIZE_MIN { REST_CONTAINER } else { REST }
    }

    fn lacks(&mut self, now: BootTime) -> bool {
        let has = u32::try_from(self.ready.len()).unwrap_or(u32::MAX).saturating_add(self.making);
        self.not_before <= now && has < self.wanted(now)
    }
}

#[cfg(test)]
mod tests {
    use atoll_testkit::samples;

    use super::*;

    fn of(runtime: RuntimeKind, size: u32) -> (SandboxSpec, PoolSize) {
        let spec = SandboxSpec { runtime, ..samples::sandbox_spec() };
        (spec, PoolSize::new(size, size).unwrap())
    }

    /// Pools that are full, made at that time.
    fn full(wanted: &[(SandboxSpec, PoolSize)], now: BootTime) -> Pools {
        let pools = Pools::default();
        assert_eq!(pools.define(wanted.to_vec()), []);
        loop {
            let id = SandboxId::random();
            let Some(shape) = pools.next(now, &id) else { return pools };
            assert!(pools.made(&shape, &id, now, true));
        }
    }

    fn at(ms: u64) -> BootTime {
        BootTime::from_ms(ms)
    }

    #[test]
    fn who_claims_containers_in_a_row_has_the_machine_while_half_of_them_are_ready() {
        let wanted = of(RuntimeKind::Docker, 6);
        let pools = full(std::slice::from_ref(&wanted), at(0));
        assert!(pools.take(&wanted.0, at(1_000)).is_some());
        assert_eq!(pools.rest_before_next(at(1_000)), Some(REST_CONTAINER));
        assert_eq!(pools.next(at(1_500), &SandboxId::random()), None);
        // Nor does the look at all pools wait so long.
        assert_eq!(pools.rest(at(1_030)), None);
        assert_eq!(pools.rest_before_next(at(2_000)), None);
        for _ in 0..3 {
            assert!(pools.take(&wanted.0, at(2_000)).is_some());
        }
        assert_eq!(pools.rest_before_next(at(2_000)), None, "less than half is ready");
        assert_eq!(pools.next(at(2_000), &SandboxId::random()), Some(wanted.0));
    }

    #[test]
    fn a_native_one_is_made_beside_a_container_that_waits() {
        let (container, native) = (of(RuntimeKind::Docker, 4), of(RuntimeKind::Native, 4));
        let pools = full(&[container.clone(), native.clone()], at(0));
        assert!(pools.take(&container.0, at(1_000)).is_some() && pools.take(&native.0, at(1_000)).is_some());
        assert_eq!(pools.rest_before_next(at(1_000)), Some(REST));
        assert_eq!(pools.next(at(1_025), &SandboxId::random()), Some(native.0));
        assert_eq!(pools.next(at(1_025), &SandboxId::random()), None);
        assert_eq!(pools.next(at(2_000), &SandboxId::random()), Some(container.0));
    }

    #[test]
    fn a_small_pool_of_containers_is_filled_at_once() {
        let wanted = of(RuntimeKind::Docker, 1);
        let pools = full(std::slice::from_ref(&wanted), at(0));
        assert!(pools.take(&wanted.0, at(1_000)).is_some());
        assert_eq!(pools.rest_before_next(at(1_000)), Some(REST));
        assert_eq!(pools.next(at(1_025), &SandboxId::random()), Some(wanted.0));
    }

    #[test]
    fn ready_containers_are_called_now_and_then() {
        let wanted = [of(RuntimeKind::Docker, 2), of(RuntimeKind::Native, 2)];
        let pools = full(&wanted, at(0));
        assert_eq!(pools.take_uncalled(at(14_999)), []);
        assert_eq!(pools.take_uncalled(at(15_000)).len(), 2);
        assert_eq!(pools.take_uncalled(at(29_999)), []);
        assert_eq!(pools.take_uncalled(at(30_000)).len(), 2);
    }
}
