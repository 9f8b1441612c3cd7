//! What serve itself can see that is wrong: the records, against what the launcher says is there.
//!
//! Things come and go while it looks, so what seems wrong is looked at again with its driver in hand, which whoever changes a sandbox
//! holds: what somebody works at is not wrong. Nothing is mended here; the reconciler does that, once a minute. Processes, mounts, control
//! groups and networks are for root to see: `atoll doctor`.

use std::collections::{BTreeMap, HashMap};

use atoll_lifecycle::{Action, Found, plan};
use atoll_ports::SecretRecord;
use atoll_types::{EnvironmentId, RuntimeKind, SandboxId};

use crate::account::admin;
use crate::reconcile::found_of;
use crate::records::state;
use crate::{Caller, Engine, EngineError};

/// Findings that are shown; whoever has more has one trouble many times.
const FINDINGS_MAX: usize = 1_000;
/// Secrets that are opened between two looks at the store.
const SECRETS_AT_ONCE: u32 = 100;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorFinding {
    /// What it is: `runtime`, `storage`, `record`, `files`, `image`, `exec_log` or `master_key`.
    pub kind: &'static str,
    /// Its name or id.
    pub name: String,
    /// What is wrong, for people.
    pub problem: String,
}

/// What a look found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DoctorView {
    /// Sandboxes whose agent lives.
    pub alive: usize,
    /// What is wrong; nothing is well.
    pub findings: Vec<DoctorFinding>,
    /// What was not looked at, and why.
    pub notes: Vec<String>,
}

/// What the runtimes say is there.
#[derive(Debug)]
struct Seen {
    found: HashMap<SandboxId, Found>,
    away: Vec<RuntimeKind>,
}

impl DoctorView {
    fn found(&mut self, kind: &'static str, name: impl ToString, problem: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(DoctorFinding { kind, name: name.to_string(), problem: problem.into() });
        }
    }
}

impl Engine {
    /// Looks at everything that serve can see.
    ///
    /// # Errors
    /// `forbidden`; when the records cannot be read.
    pub async fn admin_doctor(&self, caller: &Caller) -> Result<DoctorView, EngineError> {
        admin(caller)?;
        let mut view = DoctorView::default();
        self.examine_runtimes(&mut view).await;
        if let Err(error) = self.examine_sandboxes(&mut view).await {
            view.notes.push(format!("sandboxes: {}", error.message));
        }
        self.examine_images(&mut view).await?;
        self.examine_logs(&mut view).await?;
        self.examine_secrets(&mut view).await?;
        let root = "processes, mounts, control groups and networks: 'sudo atoll doctor' sees them, on the server's machine";
        view.notes.push(root.to_owned());
        Ok(view)
    }

    async fn examine_runtimes(&self, view: &mut DoctorView) {
        for info in self.inner.ports.runtimes.infos().await {
            let (kind, notes) = (info.kind, info.notes.join("; "));
            let needed = || self.inner.records.all().iter().any(|record| record.spec.runtime == kind);
            if info.available {
                // What the native one is, everybody knows.
                if kind != RuntimeKind::Native {
                    view.notes.push(format!("{kind}: {notes}"));
                }
            } else if kind == RuntimeKind::Gvisor && !needed() {
                view.notes.push(format!("{kind} is not available: {notes}"));
            } else {
                view.found("runtime", kind, format!("it starts no sandboxes: {notes}"));
            }
        }
        let Ok(native) = self.inner.ports.runtimes.of(RuntimeKind::Native) else { return };
        match native.storage().await {
            Ok(storage) if storage.full => {
                let text = format!(
                    "{} of {} bytes are free, and creates are refused",
                    storage.free_bytes, storage.total_bytes
                );
                view.found("storage", "native", text);
            }
            Ok(_) => {}
            Err(error) => view.notes.push(format!("storage: {error}")),
        }
    }

    /// What is there; of those whose runtime is away nothing is known.
    async fn found_sandboxes(&self) -> Result<Seen, EngineError> {
        let held = self.inner.ports.runtimes.holdings().await;
        if let Some((_, error)) = held.away.iter().find(|(kind, _)| *kind == RuntimeKind::Native) {
            return Err(error.clone().into());
        }
        let found = held.found.iter().map(|(_, f)| (f.sandbox.clone(), found_of(f))).collect();
        Ok(Seen { found, away: held.away.into_iter().map(|(kind, _)| kind).collect() })
    }

    async fn examine_sandboxes(&self, view: &mut DoctorView) -> Result<(), EngineError> {
        let found = self.found_sandboxes().await?;
        view.alive = found.found.values().filter(|f| matches!(f, Found::Running | Found::Paused)).count();
        let records = self.inner.records.all();
        let ids = found.found.keys().cloned().chain(records.iter().map(|record| record.id.clone()));
        let suspects: std::collections::BTreeSet<SandboxId> =
            ids.filter(|id| self.trouble_of(id, &found).is_some()).take(FINDINGS_MAX).collect();
        let held: Vec<_> =
            suspects.iter().filter_map(|id| Some((id, self.inner.drivers.try_acquire(id)?))).collect();
        if held.is_empty() {
            return Ok(());
        }
        let found = self.found_sandboxes().await?;
        for (id, _driver) in &held {
            if let Some((kind, problem)) = self.trouble_of(id, &found) {
                view.found(kind, id, problem);
            }
        }
        Ok(())
    }

    /// What is wrong with a sandbox of which this was found.
    fn trouble_of(&self, id: &SandboxId, seen: &Seen) -> Option<(&'static str, &'static str)> {
        let there = seen.found.get(id).copied();
        let Some(record) = self.inner.records.get(id) else {
            let owned = there.is_none() || self.inner.pools.holds(id);
            return (!owned).then_some(("files", "no record owns this sandbox; the next pass removes it"));
        };
        if seen.away.contains(&record.spec.runtime) {
            return None;
        }
        let action = plan(state(&record), there.unwrap_or(Found::Nothing), self.host_restarted(&record));
        let problem = match action {
            Action::Nothing => return None,
            Action::Resume(_) | Action::Delete => "its last operation was cut off; the next pass takes it up",
            Action::Crash => "its record says that it runs, and it does not",
            Action::Stop => "its record says that it is stopped, and it runs",
            Action::NoteRunning | Action::NoteStopped | Action::NotePaused => {
                "its record does not say yet what is there; the next pass notes it"
            }
            Action::Pause | Action::Thaw => {
                "its record and the freezer do not say the same; the next pass mends it"
            }
        };
        Some(("record", problem))
    }

    async fn examine_images(&self, view: &mut DoctorView) -> Result<(), EngineError> {
        // An import makes content before its record.
        let Ok(_alone) = self.inner.image_content.try_write() else {
            view.notes.push("images: an import is under way".to_owned());
            return Ok(());
        };
        let digests = match self.inner.ports.images.list().await {
            Ok(digests) => digests,
            Err(error) => {
                view.notes.push(format!("images: {error}"));
                return Ok(());
            }
        };
        for digest in digests {
            if !self.inner.ports.store.image_digest_used(&digest).await? {
                view.found("image", &digest, "no record owns these files; the next pass removes them");
            }
        }
        Ok(())
    }

    async fn examine_logs(&self, view: &mut DoctorView) -> Result<(), EngineError> {
        for id in self.inner.ports.exec_logs.sandboxes().await? {
            // Whoever deletes a sandbox holds its driver until its logs are gone too.
            let Some(_driver) = self.inner.drivers.try_acquire(&id) else { continue };
            if self.inner.records.get(&id).is_none() && !self.inner.pools.holds(&id) {
                view.found("exec_log", &id, "no record owns these logs; the next pass removes them");
            }
        }
        Ok(())
    }

    async fn examine_secrets(&self, view: &mut DoctorView) -> Result<(), EngineError> {
        let mut lost: BTreeMap<EnvironmentId, u64> = BTreeMap::new();
        let mut last: Option<SecretRecord> = None;
        loop {
            let after = last.as_ref().map(|secret| (&secret.environment, &secret.name));
            let some = self.inner.ports.store.secret_list_all(after, SECRETS_AT_ONCE).await?;
            for secret in some.iter().filter(|secret| self.opened(secret).is_err()) {
                *lost.entry(secret.environment.clone()).or_default() += 1;
            }
            match some.into_iter().next_back() {
                Some(secret) => last = Some(secret),
                None => break,
            }
        }
        for (environment, secrets) in lost {
            let text = format!(
                "{secrets} secrets of this environment open with no master key that is here; put the key back, or set them again"
            );
            view.found("master_key", environment, text);
        }
        Ok(())
    }
}
