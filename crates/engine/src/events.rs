//! What happens, as it happens, for whoever listens.
//!
//! Events are kept in memory, the last [`HELD_MAX`] of them, and numbered from 1 in each life of serve. Nobody has a queue of his
//! own: a listener reads where he stands, at his own pace. Where what comes next is not held any more, he is told so, and looks
//! at the things themselves. An id names the life of serve too, so that one of an earlier life is told from one of this.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use atoll_ports::{ExecRecord, Role, SandboxRecord};
use atoll_types::{AuditEntry, ErrorCode, OperationId, SandboxId, Timestamp, UserId};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::records::shown;
use crate::{Caller, Engine, EngineError};

/// Events that are held: some minutes of a busy server, and some 3 MB.
const HELD_MAX: usize = 10_000;
/// Areas of actions whose changes are told by what changed itself, or are no changes that anybody could see.
const TOLD_ELSEWHERE: [&str; 5] = ["sandbox", "exec", "auth", "file", "terminal"];

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Number in this life of serve, from 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What, as `sandbox.changed`.
    pub kind: String,
    /// Whose; none: everybody's.
    pub owner: Option<UserId>,
    /// The sandbox that it is about.
    pub sandbox: Option<SandboxId>,
    /// More, by name.
    pub data: BTreeMap<&'static str, String>,
}

/// The last events.
#[derive(Debug)]
pub(crate) struct EventLog {
    life: String,
    held: Mutex<VecDeque<Arc<Event>>>,
    /// Number of the last one.
    last: watch::Sender<u64>,
}

impl Default for EventLog {
    fn default() -> Self {
        let life = OperationId::random().as_str()[..8].to_owned();
        Self { life, held: Mutex::default(), last: watch::Sender::new(0) }
    }
}

impl EventLog {
    pub(crate) fn add(&self, mut event: Event) {
        let mut held = self.held.lock();
        let seq = self.last.borrow().saturating_add(1);
        event.seq = seq;
        if held.len() >= HELD_MAX {
            held.pop_front();
        }
        held.push_back(Arc::new(event));
        // With the lock in hand, so that numbers come in their order.
        self.last.send_replace(seq);
    }

    /// Changes with every event.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// The event after a number; none where it has not come yet.
    fn after(&self, seq: u64) -> Result<Option<Arc<Event>>, EngineError> {
        let held = self.held.lock();
        let Some(first) = held.front().map(|event| event.seq) else { return Ok(None) };
        if seq.saturating_add(1) < first {
            return Err(expired(first));
        }
        let at = usize::try_from(seq + 1 - first).unwrap_or(usize::MAX);
        Ok(held.get(at).map(Arc::clone))
    }
}

fn expired(first: u64) -> EngineError {
    let text =
        "the events after this one are not held any more: look at what there is, and listen from now on";
    EngineError { first_seq: Some(first), ..EngineError::new(ErrorCode::EventsExpired, text) }
}

/// The events that one listener may see, from where he stands.
#[derive(Debug)]
pub struct EventFeed {
    engine: Engine,
    caller: Caller,
    seq: u64,
    last: watch::Receiver<u64>,
}

impl EventFeed {
    /// Waits for the next one; `None` when serve stops. Cancel safe.
    ///
    /// # Errors
    /// `events_expired`: he was too slow.
    pub async fn next(&mut self) -> Result<Option<Arc<Event>>, EngineError> {
        loop {
            while let Some(event) = self.engine.inner.events.after(self.seq)? {
                self.seq = event.seq;
                if may_see(&self.caller, &event) {
                    return Ok(Some(event));
                }
            }
            let seq = self.seq;
            if self.last.wait_for(|last| *last > seq).await.is_err() {
                return Ok(None);
            }
        }
    }

    /// The id of an event, to go on after it.
    #[must_use]
    pub fn id(&self, event: &Event) -> String {
        format!("{}-{}", self.engine.inner.events.life, event.seq)
    }

    /// The id of where he stands.
    #[must_use]
    pub fn position(&self) -> String {
        format!("{}-{}", self.engine.inner.events.life, self.seq)
    }
}

fn may_see(caller: &Caller, event: &Event) -> bool {
    caller.role == Role::Admin || event.owner.as_ref().is_none_or(|owner| *owner == caller.user)
}

impl Engine {
    /// Listens, after the event of this id or from now on.
    ///
    /// # Errors
    /// `events_expired`: what came after it is not held any more, or it is of an earlier life of serve.
    pub fn events(&self, caller: &Caller, after: Option<&str>) -> Result<EventFeed, EngineError> {
        let log = &self.inner.events;
        let last = log.last.subscribe();
        let now = *last.borrow();
        let seq = match after {
            None => now,
            Some(id) => {
                let known = id.strip_prefix(log.life.as_str()).and_then(|rest| rest.strip_prefix('-'));
                let seq = known.and_then(|seq| seq.parse().ok()).filter(|seq| *seq <= now);
                seq.ok_or_else(|| expired(now.saturating_add(1)))?
            }
        };
        log.after(seq)?;
        Ok(EventFeed { engine: self.clone(), caller: caller.clone(), seq, last })
    }

    pub(crate) fn event(
        &self,
        kind: &str,
        owner: Option<&UserId>,
        sandbox: Option<&SandboxId>,
        data: BTreeMap<&'static str, String>,
    ) {
        self.inner.events.add(Event {
            seq: 0,
            at: self.inner.ports.clock.now(),
            kind: kind.to_owned(),
            owner: owner.cloned(),
            sandbox: sandbox.cloned(),
            data,
        });
    }

    /// Tells of a change that was made, where nothing else does.
    pub(crate) fn event_of_audit(&self, entry: &AuditEntry) {
        let area = entry.action.split('.').next().unwrap_or_default();
        if TOLD_ELSEWHERE.contains(&area) {
            return;
        }
        let sandbox = entry.target.as_deref().and_then(|target| target.parse().ok());
        let target = entry.target.iter().map(|target| ("target", target.clone()));
        let names = ["job", "exec", "version", "key"];
        let more = names.into_iter().filter_map(|name| Some((name, entry.detail.get(name)?.clone())));
        // Images are everybody's.
        let owner = entry.user.as_ref().filter(|_| area != "image");
        self.event(&entry.action, owner, sandbox.as_ref(), target.chain(more).collect());
    }

    pub(crate) fn exec_started(&self, exec: &ExecRecord) {
        self.exec_event("exec.started", exec, BTreeMap::new());
    }

    pub(crate) fn exec_ended(&self, exec: &ExecRecord) {
        let outcome = exec.outcome.as_ref();
        let code = outcome.and_then(|outcome| outcome.exit.as_ref()).map(|exit| exit.code.to_string());
        let mut data: BTreeMap<&'static str, String> =
            code.map(|code| ("exitCode", code)).into_iter().collect();
        data.insert("status", exec_word(exec).to_owned());
        self.exec_event("exec.ended", exec, data);
    }

    fn exec_event(&self, kind: &str, exec: &ExecRecord, mut data: BTreeMap<&'static str, String>) {
        let Some(record) = self.inner.records.get(&exec.sandbox) else { return };
        data.insert("execId", exec.id.to_string());
        self.event(kind, Some(&record.owner), Some(&exec.sandbox), data);
    }
}

fn exec_word(exec: &ExecRecord) -> &'static str {
    use atoll_types::ExecStatus;
    match exec.status {
        ExecStatus::Running => "running",
        ExecStatus::Exited => "exited",
        ExecStatus::TimedOut => "timed_out",
        ExecStatus::Lost => "lost",
        ExecStatus::Failed => "failed",
    }
}

/// Tells of what a write changed in what people are shown of a sandbox.
pub(crate) fn sandbox_event(
    before: Option<&SandboxRecord>,
    after: Option<&SandboxRecord>,
    at: Timestamp,
) -> Option<Event> {
    let record = after.or(before)?;
    let (was, is) = (before.map(shown), after.map(shown));
    let kind = match (was, is) {
        (None, Some(_)) => "sandbox.created",
        (Some(_), None) => "sandbox.deleted",
        (Some(was), Some(is)) if was != is => "sandbox.changed",
        _ => return None,
    };
    let mut data: BTreeMap<&'static str, String> = BTreeMap::new();
    data.extend(is.map(|status| ("status", status.as_str().to_owned())));
    data.extend(was.map(|status| ("before", status.as_str().to_owned())));
    data.extend(record.spec.name.as_ref().map(|name| ("name", name.to_string())));
    Some(Event {
        seq: 0,
        at,
        kind: kind.to_owned(),
        owner: Some(record.owner.clone()),
        sandbox: Some(record.id.clone()),
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: u64) -> Event {
        Event {
            seq: 0,
            at: Timestamp::from_unix_ms(0),
            kind: n.to_string(),
            owner: None,
            sandbox: None,
            data: BTreeMap::new(),
        }
    }

    #[test]
    fn the_last_ones_are_held_and_a_gap_is_told() {
        let log = EventLog::default();
        assert!(log.after(0).unwrap().is_none());
        let all = HELD_MAX as u64 + 5;
        (1..=all).for_each(|n| log.add(event(n)));
        assert_eq!(log.held.lock().len(), HELD_MAX);
        let gone = log.after(4).unwrap_err();
        assert_eq!((gone.code, gone.first_seq), (ErrorCode::EventsExpired, Some(6)));
        assert_eq!(log.after(5).unwrap().unwrap().kind, "6");
        assert_eq!(log.after(all - 1).unwrap().unwrap().seq, all);
        assert!(log.after(all).unwrap().is_none());
    }
}
