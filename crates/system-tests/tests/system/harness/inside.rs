//! One sandbox, from within and from below.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use atoll_api_types::{Exec, Sandbox};
use atoll_types::{ExecId, SandboxId};
use rustix::process::Pid;

use super::{Atoll, line};

/// Delete always wins, in less than this.
const DELETE_TIME: Duration = Duration::from_secs(1);

/// One sandbox.
#[derive(Debug)]
pub(crate) struct Inside<'a> {
    pub(crate) atoll: &'a Atoll,
    pub(crate) id: SandboxId,
}

impl Inside<'_> {
    /// Runs a line and waits for its end.
    pub(crate) async fn sh(&self, text: &str) -> Exec {
        self.atoll.client.exec_run(&self.id, &line(text)).await.unwrap()
    }

    /// Runs a line that must succeed; what it wrote.
    pub(crate) async fn ok(&self, text: &str) -> String {
        let exec = self.sh(text).await;
        assert_eq!(exec.exit_code, Some(0), "{text:?}: {exec:#?}");
        exec.stdout.unwrap_or_default()
    }

    /// Starts a line and does not wait.
    pub(crate) async fn begin(&self, text: &str) -> ExecId {
        self.atoll.client.exec_start(&self.id, &line(text)).await.unwrap().id.parse().unwrap()
    }

    pub(crate) async fn get(&self) -> Sandbox {
        self.atoll.client.sandbox_get(&self.id).await.unwrap()
    }

    /// Deletes it; nothing of it may be left.
    pub(crate) async fn delete(self) {
        self.atoll.client.sandbox_delete(&self.id).await.unwrap();
        self.assert_gone().await;
    }

    /// The same, and it must be gone in time.
    pub(crate) async fn delete_in_time(self) {
        let began = Instant::now();
        self.atoll.client.sandbox_delete(&self.id).await.unwrap();
        let taken = began.elapsed();
        assert!(taken < DELETE_TIME, "the delete took {taken:?}");
        self.assert_gone().await;
    }

    async fn assert_gone(&self) {
        let error = self.atoll.client.sandbox_get(&self.id).await.unwrap_err();
        assert_eq!(error.code(), Some("sandbox_not_found"), "{error}");
        self.atoll.assert_healthy();
    }

    /// The folders of a control group of its workload: on version 1 that of one controller.
    pub(crate) fn group(&self, controller: &str) -> PathBuf {
        let installation = std::fs::read_to_string(self.atoll.data().join("installation")).unwrap();
        let name = format!("atoll-{}/sandbox-{}", installation.trim(), self.id);
        let version_1 = PathBuf::from("/sys/fs/cgroup").join(controller).join(&name);
        if version_1.exists() {
            version_1
        } else {
            PathBuf::from("/sys/fs/cgroup").join(name).join("workload")
        }
    }

    /// Every control group folder that is its own, inner ones first.
    pub(crate) fn groups(&self) -> Vec<PathBuf> {
        let installation = std::fs::read_to_string(self.atoll.data().join("installation")).unwrap();
        let base = format!("atoll-{}", installation.trim());
        let roots = std::fs::read_dir("/sys/fs/cgroup").unwrap().map(|entry| entry.unwrap().path());
        let bases: Vec<PathBuf> =
            roots.chain([PathBuf::from("/sys/fs/cgroup")]).map(|root| root.join(&base)).collect();
        let mut found = Vec::new();
        for name in [format!("sandbox-{}", self.id), format!("agent-{}", self.id)] {
            for group in bases.iter().map(|base| base.join(&name)).filter(|group| group.is_dir()) {
                let inner = std::fs::read_dir(&group).unwrap().map(|entry| entry.unwrap().path());
                found.extend(inner.filter(|path| path.is_dir()));
                found.push(group);
            }
        }
        found
    }

    /// Freezes all of its workload from below.
    pub(crate) fn freeze(&self) {
        let group = self.group("freezer");
        let version_1 = group.join("freezer.state");
        if version_1.exists() {
            std::fs::write(version_1, "FROZEN").unwrap();
        } else {
            std::fs::write(group.join("cgroup.freeze"), "1").unwrap();
        }
    }

    /// Its first process, as the host sees it.
    pub(crate) fn agent(&self) -> Pid {
        let path = self.atoll.data().join(format!("native/pool/sandboxes/{}/state.json", self.id));
        let state: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        Pid::from_raw(i32::try_from(state["process"]["pid"].as_i64().unwrap()).unwrap()).unwrap()
    }
}
