//! The audit log: its records, and the way in which an entry finds the write that it belongs to.
//!
//! ```text
//!  edge: scope with a template ── engine ── store: the first write of the scope takes the entry into its transaction
//!    └── answer: what no write took is added by itself; what failed gets an entry that says so
//! ```
//! A scope belongs to the task that serves a request, and [`AuditScope::carry`] takes it into a task that goes on without it. So no
//! use-case passes it along, and one that forgets to carry it has its entry all the same, in a transaction of its own, before
//! it is answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use atoll_types::{AuditActor, AuditEntry, AuditId, AuditOutcome, ErrorCode, NodeId, Timestamp, UserId};

use crate::{Page, StoreError};

/// An entry in its place of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Number on its node, from 1, without gaps.
    pub seq: u64,
    /// What it says.
    pub entry: AuditEntry,
    /// SHA-256 over the hash before and this entry, in hexadecimal.
    pub hash: String,
}

/// Which entries a list shows.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only of this user.
    pub user: Option<UserId>,
    /// Only this action, or with a dot at its end all that begin so.
    pub action: Option<String>,
    /// Only about this.
    pub target: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<AuditOutcome>,
    /// Only from this moment on.
    pub since: Option<Timestamp>,
    /// Only before this moment.
    pub until: Option<Timestamp>,
}

/// What a walk along the chain of a node found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCheck {
    /// Entries that were looked at.
    pub entries: u64,
    /// The first that is held; older ones were removed for their age.
    pub first_seq: u64,
    /// The last one; 0 where there never was one.
    pub last_seq: u64,
    /// Its hash, which stands for all before it.
    pub last_hash: String,
    /// The first entry that is not as it was written, and why.
    pub broken: Option<(u64, &'static str)>,
}

/// Commands that a user started in a sandbox in one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecMinute {
    /// Who.
    pub user: UserId,
    /// Where.
    pub sandbox: String,
    /// Minutes since the epoch.
    pub minute: i64,
    /// How many.
    pub count: u64,
}

/// The audit log: append-only, a chain of hashes for each node.
#[async_trait]
pub trait AuditStore {
    /// Adds entries that belong to no write. Once it returns they survive the death of any process; the loss of power may take
    /// the last second of them.
    async fn audit_add(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError>;
    /// Newest first.
    async fn audit_list(
        &self,
        filter: &AuditFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<AuditRecord>, StoreError>;
    /// Walks along the chain of a node, from the oldest entry that is held.
    async fn audit_verify(&self, node: &NodeId) -> Result<AuditCheck, StoreError>;
    /// The hash of an entry, if it is held.
    async fn audit_hash(&self, node: &NodeId, seq: u64) -> Result<Option<String>, StoreError>;
    /// Removes the oldest entries of a node: those before `before`, and those that are more than `keep`; at most `limit`. Keeps
    /// where the chain goes on. Answers how many.
    async fn audit_trim(
        &self,
        node: &NodeId,
        before: Timestamp,
        keep: u64,
        limit: u32,
    ) -> Result<u64, StoreError>;
    /// Commands that were started since a moment, by minute.
    async fn audit_execs_since(&self, since: Timestamp) -> Result<Vec<ExecMinute>, StoreError>;
}

tokio::task_local! {
    static CURRENT: AuditScope;
}

/// What one request, or one act of Atoll itself, has to say to the audit log. A cheap clone.
#[derive(Debug, Clone)]
pub struct AuditScope(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    template: AuditEntry,
    /// Entries for the next write.
    waiting: Vec<AuditEntry>,
    /// What the request made, of which it did not know the id.
    about: Vec<String>,
    /// Entries that some write took.
    taken: usize,
}

impl AuditScope {
    /// A scope whose entries are like this one.
    #[must_use]
    pub fn new(template: AuditEntry) -> Self {
        Self(Arc::new(Mutex::new(State { template, waiting: Vec::new(), about: Vec::new(), taken: 0 })))
    }

    fn state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs work within the scope.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self.clone(), work).await
    }

    /// The scope of the current task.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Takes the current scope along into work that becomes a task of its own.
    pub fn carry<T: Send>(work: impl Future<Output = T> + Send) -> impl Future<Output = T> + Send {
        let scope = Self::current();
        async move {
            match scope {
                Some(scope) => scope.run(work).await,
                None => work.await,
            }
        }
    }

    /// Says that the next write makes or changes this, of which the request did not know the id.
    pub fn about(target: &str) {
        if let Some(scope) = Self::current() {
            scope.state(|state| {
                let entry = AuditEntry { target: Some(target.to_owned()), ..state.next() };
                state.waiting.push(entry);
                state.about.push(target.to_owned());
            });
        }
    }

    /// Says more.
    pub fn detail(name: &str, value: impl Into<String>) {
        if let Some(scope) = Self::current() {
            let value = value.into();
            scope.state(|state| drop(state.template.detail.insert(name.to_owned(), value)));
        }
    }

    /// Says who it was, where that is known only now.
    pub fn by(user: &UserId) {
        if let Some(scope) = Self::current() {
            scope.state(|state| {
                state.template.user = Some(user.clone());
                state.template.actor = AuditActor::User;
            });
        }
    }

    /// The entries that belong to the write which is about to be made in this scope: those that wait, or else the first one.
    pub fn take(&self) -> Vec<AuditEntry> {
        self.state(|state| {
            if state.waiting.is_empty() && state.taken == 0 {
                let first = state.next();
                state.waiting.push(first);
            }
            state.taken += state.waiting.len();
            std::mem::take(&mut state.waiting)
        })
    }

    /// The write that took them was not made.
    pub fn give_back(&self, entries: Vec<AuditEntry>) {
        self.state(|state| {
            state.taken = state.taken.saturating_sub(entries.len());
            state.waiting.extend(entries);
        });
    }

    /// What was done, once it is: for whoever tells of it.
    #[must_use]
    pub fn told(&self) -> Vec<AuditEntry> {
        self.state(|state| {
            let done = AuditEntry { outcome: AuditOutcome::Done, ..state.template.clone() };
            if state.about.is_empty() {
                return vec![done];
            }
            let about = state.about.iter();
            about.map(|target| AuditEntry { target: Some(target.clone()), ..done.clone() }).collect()
        })
    }

    /// An entry of its own about something that the request did besides.
    #[must_use]
    pub fn beside(&self, action: &str, target: String, detail: BTreeMap<String, String>) -> AuditEntry {
        let entry = self.state(|state| state.next());
        AuditEntry {
            action: action.to_owned(),
            target: Some(target),
            outcome: AuditOutcome::Done,
            detail,
            ..entry
        }
    }

    /// Whether a write has taken an entry.
    #[must_use]
    pub fn is_noted(&self) -> bool {
        self.state(|state| state.taken > 0)
    }

    /// What is left to say once it is known how it went: nothing, where a write took it and it went well.
    #[must_use]
    pub fn end(&self, outcome: AuditOutcome, code: Option<ErrorCode>) -> Vec<AuditEntry> {
        self.state(|state| {
            let mut left = std::mem::take(&mut state.waiting);
            if left.is_empty() && (state.taken == 0 || outcome != AuditOutcome::Done) {
                left.push(state.next());
            }
            state.taken += left.len();
            for entry in &mut left {
                (entry.outcome, entry.code) = (outcome, code);
            }
            left
        })
    }
}

impl State {
    fn next(&self) -> AuditEntry {
        AuditEntry { id: AuditId::random(), ..self.template.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> AuditScope {
        AuditScope::new(AuditEntry {
            id: AuditId::random(),
            node: NodeId::random(),
            at: Timestamp::from_unix_ms(1),
            actor: AuditActor::User,
            user: None,
            action: "sandbox.stop".to_owned(),
            target: Some("one".to_owned()),
            outcome: AuditOutcome::Accepted,
            code: None,
            trace_id: None,
            address: None,
            detail: BTreeMap::new(),
        })
    }

    fn targets(entries: &[AuditEntry]) -> Vec<&str> {
        entries.iter().filter_map(|entry| entry.target.as_deref()).collect()
    }

    #[test]
    fn the_first_write_takes_the_entry_and_no_other() {
        let scope = scope();
        assert_eq!(targets(&scope.take()), ["one"]);
        assert!(scope.take().is_empty());
        assert!(scope.end(AuditOutcome::Done, None).is_empty());
    }

    #[test]
    fn what_no_write_took_is_left_for_the_end() {
        let scope = scope();
        let entries = scope.take();
        scope.give_back(entries);
        let left = scope.end(AuditOutcome::Done, None);
        assert_eq!((targets(&left), left[0].outcome), (vec!["one"], AuditOutcome::Done));
    }

    #[test]
    fn what_fails_later_says_so() {
        let scope = scope();
        scope.take();
        let left = scope.end(AuditOutcome::Failed, Some(ErrorCode::RuntimeFailed));
        assert_eq!((left[0].outcome, left[0].code), (AuditOutcome::Failed, Some(ErrorCode::RuntimeFailed)));
    }

    #[tokio::test]
    async fn each_new_thing_has_an_entry_also_in_a_task_of_its_own() {
        let scope = scope();
        // Made within the scope, and run outside of it, as a task of its own is.
        let mut carried = None;
        let make = async {
            carried = Some(AuditScope::carry(async {
                AuditScope::about("two");
                let first = AuditScope::current().unwrap().take();
                AuditScope::about("three");
                (first, AuditScope::current().unwrap().take())
            }));
        };
        scope.run(make).await;
        let carried = carried.unwrap();
        let (first, second) = carried.await;
        assert_eq!((targets(&first), targets(&second)), (vec!["two"], vec!["three"]));
        assert!(AuditScope::current().is_none());
        assert!(scope.end(AuditOutcome::Done, None).is_empty());
    }
}
