//! The root of all tasks of a program.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::group::Group;
use crate::registry::{Registry, TaskInfo};

/// After an abort a task ends at its next await; one that does not within this time never awaits at all.
const ABORT_GRACE: Duration = Duration::from_millis(500);

/// The root of all tasks of a program. A cheap clone.
#[derive(Debug, Clone)]
pub struct Tasks {
    token: CancellationToken,
    groups: Arc<Mutex<Vec<Group>>>,
    fatal: watch::Sender<Option<String>>,
}

/// How a shutdown went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Tasks that had not stopped at the deadline and were aborted.
    pub late: Vec<TaskInfo>,
    /// Tasks that did not even end after that: they block a thread.
    pub stuck: Vec<TaskInfo>,
}

impl ShutdownReport {
    /// Whether every task stopped by itself in time.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.late.is_empty() && self.stuck.is_empty()
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// A root without groups.
    #[must_use]
    pub fn new() -> Self {
        Self { token: CancellationToken::new(), groups: Arc::default(), fatal: watch::Sender::new(None) }
    }

    /// Adds a group. Groups are stopped in the order in which they were added: intake first, the store last.
    #[must_use]
    pub fn group(&self, name: &'static str) -> Group {
        let group = Group {
            name,
            token: self.token.child_token(),
            registry: Registry::new(name),
            fatal: self.fatal.clone(),
        };
        let mut groups = self.groups.lock();
        // A root that has been shut down gives out groups that are closed.
        if self.token.is_cancelled() {
            group.registry.close();
        }
        groups.push(group.clone());
        group
    }

    /// Who is running, in the order of groups.
    #[must_use]
    pub fn running(&self) -> Vec<TaskInfo> {
        self.groups.lock().iter().flat_map(Group::running).collect()
    }

    /// Returns the name of a task without which the program cannot go on, once one has failed. Cancel safe.
    pub async fn stop_requested(&self) -> String {
        let mut fatal = self.fatal.subscribe();
        // The sender lives in `self`, so waiting cannot fail while this runs.
        match fatal.wait_for(Option::is_some).await {
            Ok(name) => name.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops the groups one after the other, all before one deadline; what is late is aborted, logged and reported.
    /// May be called again after it was dropped: then it goes on.
    pub async fn shutdown(&self, within: Duration) -> ShutdownReport {
        let deadline = Instant::now() + within;
        let mut report = ShutdownReport::default();
        let groups = self.groups.lock().clone();
        for group in &groups {
            group.registry.close();
            group.token.cancel();
            if timeout_at(deadline, group.registry.wait_empty()).await.is_ok() {
                continue;
            }
            let late = group.registry.abort_all();
            for task in &late {
                tracing::warn!(group = task.group, task = %task.name, "task {} is late to stop, aborted", task.name);
            }
            report.late.extend(late);
            if tokio::time::timeout(ABORT_GRACE, group.registry.wait_empty()).await.is_err() {
                report.stuck.extend(group.running());
            }
        }
        // Last, so that no group sees its token cancelled before its turn.
        self.token.cancel();
        report
    }
}
