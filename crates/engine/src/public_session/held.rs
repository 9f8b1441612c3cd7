//! How many sessions each holder has.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use atoll_ports::SandboxRecord;
use atoll_types::{Desired, ErrorCode, Label, OperationId, UserId};
use parking_lot::Mutex;

use super::SessionHolder;
use super::create::{HOLDER, TICKET};
use crate::counters::SessionRefusal;
use crate::{Engine, EngineError};

/// What is known of public sessions beside their records.
#[derive(Debug, Default)]
pub(crate) struct PublicSessions {
    /// Whose they are, once that is known.
    pub(crate) account: OnceLock<UserId>,
    /// Those that are being made and may have no record yet: who holds each, by its ticket.
    asked: Mutex<HashMap<String, Label>>,
}

/// The right to make one session; given back when dropped, once its record says so or never will.
#[derive(Debug)]
pub(super) struct Place {
    engine: Engine,
    /// Stands in the record too, so that nothing counts twice.
    pub(super) ticket: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.engine.inner.public_sessions.asked.lock().remove(&self.ticket);
    }
}

impl Engine {
    /// Whether a sandbox is a public session.
    pub(crate) fn is_public_session(&self, record: &SandboxRecord) -> bool {
        self.inner.public_sessions.account.get() == Some(&record.owner)
    }

    /// Public sessions that exist.
    pub(crate) fn public_sessions_count(&self) -> u64 {
        let records = self.inner.records.all();
        let sessions = records.iter().filter(|record| self.is_public_session(record));
        u64::try_from(sessions.count()).unwrap_or(u64::MAX)
    }

    /// Whether a holder may have one more session now.
    ///
    /// # Errors
    /// `too_many_sessions`.
    pub fn public_session_room(&self, holder: &SessionHolder) -> Result<(), EngineError> {
        self.check_holder(holder, &self.inner.public_sessions.asked.lock())
    }

    /// Reserves a session of a holder. Under one lock, so that of many who ask at once no more pass than may.
    pub(super) fn hold_place(&self, holder: &SessionHolder) -> Result<Place, EngineError> {
        let mut asked = self.inner.public_sessions.asked.lock();
        self.check_holder(holder, &asked)?;
        let ticket = OperationId::random().to_string();
        asked.insert(ticket.clone(), holder.name.clone());
        Ok(Place { engine: self.clone(), ticket })
    }

    fn check_holder(
        &self,
        holder: &SessionHolder,
        asked: &HashMap<String, Label>,
    ) -> Result<(), EngineError> {
        let mut tickets: BTreeSet<String> = asked
            .iter()
            .filter(|(_, name)| **name == holder.name)
            .map(|(ticket, _)| ticket.clone())
            .collect();
        for record in self.inner.records.all() {
            if self.is_public_session(&record) && record.desired != Desired::Deleted {
                tickets.extend(ticket_of(&record, &holder.name));
            }
        }
        let most = usize::try_from(holder.sessions_max).unwrap_or(usize::MAX);
        if tickets.len() < most {
            return Ok(());
        }
        let (reason, whose) = if holder.is_class {
            (SessionRefusal::Class, "this class has")
        } else {
            (SessionRefusal::Address, "your address has")
        };
        reason.count();
        let text = format!("{whose} {} of {most} sessions: end one, or wait until it ends", tickets.len());
        Err(EngineError::new(ErrorCode::TooManySessions, text))
    }
}

/// The ticket of a session of this holder.
fn ticket_of(record: &SandboxRecord, holder: &Label) -> Option<String> {
    let label = |key: &str| record.spec.labels.iter().find(|(name, _)| name.as_str() == key).map(|(_, v)| v);
    label(HOLDER).filter(|name| *name == holder)?;
    label(TICKET).map(ToString::to_string)
}
