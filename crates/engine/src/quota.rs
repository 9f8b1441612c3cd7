//! How many sandboxes a user may have, also of those that ask at the same time.

use std::collections::HashMap;

use atoll_types::{Desired, ErrorCode, SandboxId, UserId};
use parking_lot::Mutex;

use crate::counters::Violation;
use crate::{Caller, Engine, EngineError};

/// Sandboxes that are being asked for and may have no record yet.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    held: Mutex<HashMap<SandboxId, UserId>>,
}

/// The right to make these sandboxes; given back when dropped, once each has a record or never will.
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
        if let Some(user) = held.remove(unused) {
            held.insert(taken.clone(), user);
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

impl Engine {
    /// Reserves room for `count` more sandboxes of the caller. Counted in memory, where this node's records are: under
    /// one lock, so that of many who ask at once no more pass than may.
    pub(crate) fn reserve(&self, caller: &Caller, count: u32) -> Result<Reserved, EngineError> {
        let most = self.inner.settings.sandboxes_per_user;
        let mut held = self.inner.reservations.held.lock();
        let records = self.inner.records.all();
        let lasting = records.iter().filter(|r| r.owner == caller.user && r.desired != Desired::Deleted);
        let coming =
            held.iter().filter(|(id, user)| **user == caller.user && self.inner.records.get(id).is_none());
        let has = u64::try_from(lasting.count() + coming.count()).unwrap_or(u64::MAX);
        if has.saturating_add(count.into()) > most {
            let text =
                format!("you have {has} of {most} sandboxes: delete some, or ask the operator for more");
            let error = EngineError::new(ErrorCode::QuotaExceeded, text);
            return Err(self.violation(Violation::Sandboxes, error));
        }
        let ids: Vec<SandboxId> = (0..count).map(|_| SandboxId::random()).collect();
        held.extend(ids.iter().map(|id| (id.clone(), caller.user.clone())));
        Ok(Reserved { engine: self.clone(), ids, taken: Mutex::default() })
    }
}
