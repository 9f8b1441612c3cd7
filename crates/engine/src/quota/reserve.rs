//! Sandboxes that a user may have and run, also of those that ask at the same time.

use std::collections::HashMap;

use atoll_ports::SandboxRecord;
use atoll_types::{Desired, ErrorCode, Limits, Network, SandboxId, UserId};
use parking_lot::Mutex;

use super::taken::{Taken, is_up};
use crate::counters::Violation;
use crate::{Caller, Engine, EngineError};

/// What is being asked for and may be in no record yet.
#[derive(Debug, Clone)]
struct Asked {
    owner: UserId,
    limits: Limits,
}

/// Sandboxes that are being made or started.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    held: Mutex<HashMap<SandboxId, Asked>>,
}

/// The right to make or start these sandboxes; given back when dropped, once each record says so or never will.
#[derive(Debug)]
pub(crate) struct Reserved {
    engine: Engine,
    ids: Vec<SandboxId>,
    /// Those that were made ahead and take the place of some.
    taken: Mutex<Vec<SandboxId>>,
}

impl Reserved {
    /// The ids to make, chosen before the act: whoever takes it up after a crash finds what was done.
    pub(crate) fn ids(&self) -> &[SandboxId] {
        &self.ids
    }
}

impl Reserved {
    /// Another id is taken in the place of a reserved one, which nobody will use: the two would count twice.
    pub(crate) fn exchange(&self, unused: &SandboxId, taken: &SandboxId) {
        let mut held = self.engine.inner.reservations.held.lock();
        if let Some(asked) = held.remove(unused) {
            held.insert(taken.clone(), asked);
        }
        drop(held);
        self.taken.lock().push(taken.clone());
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut held = self.engine.inner.reservations.held.lock();
        self.ids.iter().chain(self.taken.lock().iter()).for_each(|id| drop(held.remove(id)));
    }
}

/// One bound: what it is of, what is taken, what more is wanted, how much there may be, how people read it, and what they can do.
type Row<'a> = (Violation, u64, u64, u64, &'a dyn Fn(u64) -> String, &'a str);

impl Engine {
    /// Reserves room for `count` more sandboxes of the caller. Under one lock, so that of many who ask at once no more pass than
    /// may.
    pub(crate) fn reserve(
        &self,
        caller: &Caller,
        count: u32,
        limits: &Limits,
        network: &Network,
    ) -> Result<Reserved, EngineError> {
        self.check_egress(&caller.user, network)?;
        let mut held = self.inner.reservations.held.lock();
        let more = Taken::kept(limits).plus(Taken::up(limits)).times(count);
        self.check_room(&caller.user, self.taken_with(&caller.user, &held), more)?;
        let ids: Vec<SandboxId> = (0..count).map(|_| SandboxId::random()).collect();
        let asked = Asked { owner: caller.user.clone(), limits: limits.clone() };
        held.extend(ids.iter().map(|id| (id.clone(), asked.clone())));
        Ok(Reserved { engine: self.clone(), ids, taken: Mutex::default() })
    }

    /// Reserves room for a sandbox that is down and is to come up. One that is up has it already.
    pub(crate) fn reserve_start(&self, record: &SandboxRecord) -> Result<Option<Reserved>, EngineError> {
        if is_up(record) {
            return Ok(None);
        }
        self.check_egress(&record.owner, &record.spec.network)?;
        let mut held = self.inner.reservations.held.lock();
        if held.contains_key(&record.id) {
            return Ok(None);
        }
        let limits = &record.spec.limits;
        self.check_room(&record.owner, self.taken_with(&record.owner, &held), Taken::up(limits))?;
        let asked = Asked { owner: record.owner.clone(), limits: limits.clone() };
        held.insert(record.id.clone(), asked);
        Ok(Some(Reserved { engine: self.clone(), ids: vec![record.id.clone()], taken: Mutex::default() }))
    }

    /// What a user's sandboxes take.
    pub(super) fn taken(&self, user: &UserId) -> Taken {
        self.taken_with(user, &self.inner.reservations.held.lock())
    }

    fn taken_with(&self, user: &UserId, held: &HashMap<SandboxId, Asked>) -> Taken {
        let own = held.iter().filter(|(_, asked)| asked.owner == *user);
        // Under one lock: a record that came in between would be in neither of the two.
        self.inner.records.look(|records| {
            own.fold(records.taken(user), |taken, (id, asked)| match records.get(id) {
                None => taken.plus(Taken::kept(&asked.limits)).plus(Taken::up(&asked.limits)),
                Some(record) if record.desired == Desired::Stopped => taken.plus(Taken::up(&asked.limits)),
                Some(_) => taken,
            })
        })
    }

    fn check_room(&self, user: &UserId, taken: Taken, more: Taken) -> Result<(), EngineError> {
        let quota = self.quota(user);
        let cores = |millis: u64| format!("{}", millis as f64 / 1_000.0);
        let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
        let plain = |n: u64| n.to_string();
        let rows: [Row<'_>; 4] = [
            (
                Violation::Sandboxes,
                taken.sandboxes,
                more.sandboxes,
                quota.sandboxes,
                &plain,
                "sandboxes: delete some",
            ),
            (
                Violation::Storage,
                taken.storage_bytes,
                more.storage_bytes,
                quota.storage_bytes,
                &mib,
                "of storage for your sandboxes: delete some, or ask for a smaller disk",
            ),
            (
                Violation::Cpu,
                taken.cpu_millis,
                more.cpu_millis,
                quota.cpu_millis,
                &cores,
                "cores for sandboxes that are up: stop some, or ask for less cpu",
            ),
            (
                Violation::Memory,
                taken.memory_bytes,
                more.memory_bytes,
                quota.memory_bytes,
                &mib,
                "of memory for sandboxes that are up: stop some, or ask for less memory",
            ),
        ];
        for (kind, has, wants, most, shown, advice) in rows {
            if wants > 0 && has.saturating_add(wants) > most {
                let text = format!(
                    "you have {} of {} {advice}, or ask the operator for more",
                    shown(has),
                    shown(most)
                );
                return Err(self.violation(kind, EngineError::new(ErrorCode::QuotaExceeded, text)));
            }
        }
        for (kind, has, wants, most, _, _) in rows {
            self.warn_of(user, kind, has, has.saturating_add(wants), most);
        }
        Ok(())
    }
}
