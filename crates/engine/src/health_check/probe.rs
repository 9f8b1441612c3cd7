//! Running a check.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use atoll_ports::{AgentError, ProbeEnd, SandboxRecord, StartExec};
use atoll_tasks::Kind;
use atoll_types::{Command, EnvVars, ExecId, ExecKind, Health, HealthCheck, Status};
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{HealthState, LastCheck};
use crate::exec::environment;
use crate::records::shown;
use crate::{Engine, EngineError};

/// Time that an agent has, beyond the time limit of a check, to end the command and to say so.
const GRACE: Duration = Duration::from_secs(10);

impl Engine {
    /// Begins a check of a sandbox, where one is due.
    pub(crate) fn check_health(&self, record: &Arc<SandboxRecord>) {
        let Some(check) = &record.spec.health_check else { return };
        let Some(command) = &check.command else { return };
        let checks = &self.inner.health_checks;
        match shown(record) {
            Status::Running => {}
            Status::Paused => return checks.pause(&record.id),
            Status::Creating
            | Status::Starting
            | Status::Stopping
            | Status::Stopped
            | Status::Crashed
            | Status::Failed
            | Status::Deleting
            | Status::Unknown => return checks.forget(&record.id),
        }
        let clock = &self.inner.ports.clock;
        let up_since = record.started_at;
        let up_ms = up_since.map_or(0, |at| clock.now().as_unix_ms().saturating_sub(at.as_unix_ms()));
        let up_for = Duration::from_millis(u64::try_from(up_ms).unwrap_or(0));
        if !checks.begin(&record.id, (up_since, up_for), check, clock.boot_time()) {
            return;
        }
        let (engine, record, check, command) =
            (self.clone(), Arc::clone(record), check.clone(), command.clone());
        let (id, work) = (record.id.clone(), move |token| async move {
            engine.probe(&record, &check, &command, &token).await;
        });
        if self.inner.drains.spawn("health check", Kind::WORK, work).is_err() {
            // A serve that stops checks nothing more.
            checks.give_up(&id, up_since);
        }
    }

    async fn probe(
        &self,
        record: &SandboxRecord,
        check: &HealthCheck,
        command: &Command,
        token: &CancellationToken,
    ) {
        let clock = &self.inner.ports.clock;
        let timeout = Duration::from_secs(check.timeout_seconds.into());
        let answer = tokio::select! {
            // Dropping the call stops nothing: the agent sees to its end, and forgets it.
            () = token.cancelled() => return,
            answer = self.run_probe(record, command, timeout) => answer,
            () = clock.sleep(timeout + GRACE) => Err(AgentError::Unreachable("no answer in time".to_owned()).into()),
        };
        let runs = self.inner.records.get(&record.id).filter(|now| shown(now) == Status::Running);
        if runs.is_none() {
            return self.inner.health_checks.give_up(&record.id, record.started_at);
        }
        let (passed, last) = self.judged(answer);
        let judged = (check, passed, last);
        let changed =
            self.inner.health_checks.judge(&record.id, record.started_at, judged, clock.boot_time());
        if let Some((before, after)) = changed {
            tracing::info!(sandbox.id = %record.id, "{} is {} now", record.id, after.as_str());
            let data = BTreeMap::from([
                ("health", after.as_str().to_owned()),
                ("before", before.as_str().to_owned()),
            ]);
            self.event("sandbox.health", Some(&record.owner), Some(&record.id), data);
        }
    }

    async fn run_probe(
        &self,
        record: &SandboxRecord,
        command: &Command,
        timeout: Duration,
    ) -> Result<ProbeEnd, EngineError> {
        let mut start = StartExec {
            exec: ExecId::random(),
            kind: ExecKind::Exec,
            argv: command.to_argv(),
            env: environment(record, std::iter::empty()),
            cwd: record.spec.cwd.clone(),
            user: record.spec.user.clone(),
            timeout: Some(timeout),
            stdin: Bytes::new(),
            stdin_open: false,
            tty: None,
        };
        // Not noted in the audit log: a check comes every few seconds, and is given what its sandbox was.
        let _used = self.add_secrets(record, &EnvVars::default(), &mut start.env).await?;
        Ok(self.inner.ports.agents.probe(&record.id, start).await?)
    }

    fn judged(&self, answer: Result<ProbeEnd, EngineError>) -> (bool, LastCheck) {
        let at = self.inner.ports.clock.now();
        match answer {
            Ok(end) => {
                let exit_code = (!end.exit.timed_out).then_some(end.exit.code);
                let output = String::from_utf8_lossy(&end.output).into_owned();
                (exit_code == Some(0), LastCheck { at, exit_code, output })
            }
            Err(error) => (false, LastCheck { at, exit_code: None, output: error.message }),
        }
    }

    /// The health of a sandbox, as it is shown.
    pub(crate) fn health_of(&self, record: &SandboxRecord) -> HealthState {
        let none = || HealthState::of(Health::None);
        if record.spec.health_check.is_none() {
            return none();
        }
        match shown(record) {
            Status::Running | Status::Paused => {
                let known = self.inner.health_checks.get(&record.id, record.started_at);
                known.unwrap_or(HealthState::of(Health::Starting))
            }
            Status::Creating | Status::Starting => HealthState::of(Health::Starting),
            Status::Stopping
            | Status::Stopped
            | Status::Crashed
            | Status::Failed
            | Status::Deleting
            | Status::Unknown => none(),
        }
    }
}
