//! Background jobs: what their driver does next, when they start again, and what people are shown.
//!
//! ```text
//!            ┌──────────────── starts again ───────────────┐
//!            ▼                                             │
//!   run ─► Running ── its run ended ──┬─ policy: again ─► Waiting
//!            │                        └─ policy: no more ► Exited, Failed
//!            └─ its sandbox went down and came up: Always begins anew, every other is Stopped
//! ```

use std::time::Duration;

use atoll_types::{Backoff, JobDesired, JobPhase, JobSpec, JobStatus, RestartPolicy};

/// A run that lasted so long has worked: the restarts in a row and their waits begin anew. What Docker has.
const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// The sandbox of a job, as the last run of that job sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxSeen {
    /// It runs, and has not gone down since the run began.
    Same,
    /// It runs, and came up after the run began.
    Anew,
    /// It is down: nothing runs in it.
    Down,
    /// On its way to one of the others, or not known.
    Between,
}

/// The part of a job that decisions are made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobState {
    /// What was asked.
    pub desired: JobDesired,
    /// Where it stands.
    pub phase: JobPhase,
    /// When it starts again.
    pub restart: RestartPolicy,
}

/// What the driver of a job does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobAction {
    /// Nothing until something changes.
    Nothing,
    /// See that the last run goes, and look at its end.
    Follow,
    /// Wait for the moment of the next start, and begin a run.
    Wait,
    /// Begin a run now, the first of a new row.
    Begin,
    /// Note that its last run ended with its sandbox.
    NoteStopped,
    /// End its run, where there is one, and remove it.
    Remove,
}

/// What the driver of a job does next.
#[must_use]
pub const fn job_plan(job: JobState, sandbox: SandboxSeen) -> JobAction {
    match (job.desired, sandbox) {
        (_, SandboxSeen::Between) | (JobDesired::Running, SandboxSeen::Down) => JobAction::Nothing,
        (JobDesired::Deleted, _) => JobAction::Remove,
        (JobDesired::Running, SandboxSeen::Same) => match job.phase {
            JobPhase::Running => JobAction::Follow,
            JobPhase::Waiting { .. } => JobAction::Wait,
            JobPhase::Exited | JobPhase::Failed | JobPhase::Stopped => JobAction::Nothing,
        },
        (JobDesired::Running, SandboxSeen::Anew) => match (job.restart, job.phase) {
            (RestartPolicy::Always, _) => JobAction::Begin,
            (_, JobPhase::Running | JobPhase::Waiting { .. }) => JobAction::NoteStopped,
            (_, JobPhase::Exited | JobPhase::Failed | JobPhase::Stopped) => JobAction::Nothing,
        },
    }
}

/// What people are shown.
#[must_use]
pub const fn job_status(job: JobState, sandbox: SandboxSeen) -> JobStatus {
    if matches!(job.desired, JobDesired::Deleted) {
        return JobStatus::Stopping;
    }
    let away = matches!(sandbox, SandboxSeen::Down | SandboxSeen::Anew);
    match (job.phase, job.restart) {
        (JobPhase::Running | JobPhase::Waiting { .. }, RestartPolicy::Always) if away => JobStatus::Waiting,
        (JobPhase::Running | JobPhase::Waiting { .. }, _) if away => JobStatus::Stopped,
        (JobPhase::Running, _) => JobStatus::Running,
        (JobPhase::Waiting { .. }, _) => JobStatus::Backoff,
        (JobPhase::Exited, _) => JobStatus::Exited,
        (JobPhase::Failed, _) => JobStatus::Failed,
        (JobPhase::Stopped, _) => JobStatus::Stopped,
    }
}

/// What follows the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterRun {
    /// Another run.
    Restart {
        /// After this time.
        after: Duration,
        /// Restarts in a row, with this one.
        retries: u32,
    },
    /// Nothing: it succeeded.
    Exited,
    /// Nothing: it failed.
    Failed,
}

/// What follows the end of a run that `lasted` so long, after so many restarts in a row.
#[must_use]
pub fn after_run(spec: &JobSpec, retries: u32, succeeded: bool, lasted: Duration) -> AfterRun {
    let end = if succeeded { AfterRun::Exited } else { AfterRun::Failed };
    let again = match spec.restart {
        RestartPolicy::Never => false,
        RestartPolicy::OnFailure => !succeeded,
        RestartPolicy::Always => true,
    };
    let retries = if lasted >= SETTLED_AFTER { 0 } else { retries };
    if !again || spec.max_retries.is_some_and(|most| retries >= most) {
        return end;
    }
    AfterRun::Restart { after: wait(spec.backoff, retries), retries: retries.saturating_add(1) }
}

/// The wait before the restart that follows so many others.
fn wait(backoff: Backoff, retries: u32) -> Duration {
    let times = 1_u64.checked_shl(retries).unwrap_or(u64::MAX);
    let doubled = u64::from(backoff.first_ms).saturating_mul(times);
    Duration::from_millis(doubled.min(backoff.max_ms.into()))
}

#[cfg(test)]
mod tests {
    use atoll_types::{Command, EnvVars, ExecSpec, Timestamp};
    use proptest::prelude::*;

    use super::*;

    const PHASES: [JobPhase; 5] = [
        JobPhase::Running,
        JobPhase::Waiting { next_start: Timestamp::from_unix_ms(0) },
        JobPhase::Exited,
        JobPhase::Failed,
        JobPhase::Stopped,
    ];
    const SEEN: [SandboxSeen; 4] =
        [SandboxSeen::Same, SandboxSeen::Anew, SandboxSeen::Down, SandboxSeen::Between];

    fn spec(restart: RestartPolicy, max_retries: Option<u32>, backoff: Backoff) -> JobSpec {
        let exec = ExecSpec {
            command: Command::shell("true".to_owned()).unwrap(),
            env: EnvVars::default(),
            cwd: None,
            user: None,
            timeout_seconds: None,
            stdin_open: false,
            tty: None,
        };
        JobSpec { name: None, exec, restart, max_retries, backoff }
    }

    fn any_restart() -> impl Strategy<Value = RestartPolicy> {
        proptest::sample::select(RestartPolicy::ALL.to_vec())
    }

    fn any_backoff() -> impl Strategy<Value = Backoff> {
        (1_u32.., 1_u32..).prop_map(|(a, b)| Backoff { first_ms: a.min(b), max_ms: a.max(b) })
    }

    proptest! {
        #[test]
        fn waits_grow_and_stay_within_their_bounds(backoff in any_backoff(), retries in any::<u32>()) {
            let (now, next) = (wait(backoff, retries), wait(backoff, retries.saturating_add(1)));
            let bounds = [backoff.first_ms, backoff.max_ms].map(|ms| Duration::from_millis(ms.into()));
            prop_assert!(bounds[0] <= now && now <= next && next <= bounds[1]);
            prop_assert!(next == bounds[1] || next == now * 2 || retries == u32::MAX);
        }

        #[test]
        fn a_crash_loop_ends_after_its_retries(most in 0_u32..50, backoff in any_backoff(), always: bool) {
            let restart = if always { RestartPolicy::Always } else { RestartPolicy::OnFailure };
            let spec = spec(restart, Some(most), backoff);
            let mut retries = 0;
            for _ in 0..most {
                let AfterRun::Restart { retries: next, .. } = after_run(&spec, retries, false, Duration::ZERO) else {
                    return Err(TestCaseError::fail("it gave up early"));
                };
                retries = next;
            }
            prop_assert_eq!(after_run(&spec, retries, false, Duration::ZERO), AfterRun::Failed);
            // A run that worked for a while in between begins a new row.
            if most > 0 {
                let first = Duration::from_millis(backoff.first_ms.into());
                let anew = AfterRun::Restart { after: first, retries: 1 };
                prop_assert_eq!(after_run(&spec, retries, false, SETTLED_AFTER), anew);
            }
        }

        #[test]
        fn the_policy_decides(
            restart in any_restart(), retries in any::<u32>(), succeeded: bool, lasted_ms in any::<u32>(),
        ) {
            let lasted = Duration::from_millis(lasted_ms.into());
            let after = after_run(&spec(restart, None, Backoff::default()), retries, succeeded, lasted);
            let again = matches!(after, AfterRun::Restart { .. });
            match restart {
                RestartPolicy::Never => prop_assert!(!again),
                RestartPolicy::OnFailure => prop_assert_eq!(again, !succeeded),
                RestartPolicy::Always => prop_assert!(again),
            }
            if !again {
                prop_assert_eq!(after == AfterRun::Exited, succeeded);
            }
        }
    }

    #[test]
    fn nothing_is_begun_where_the_sandbox_does_not_run() {
        for (phase, restart) in PHASES.into_iter().flat_map(|p| RestartPolicy::ALL.map(|r| (p, r))) {
            for seen in [SandboxSeen::Down, SandboxSeen::Between] {
                let job = JobState { desired: JobDesired::Running, phase, restart };
                assert_eq!(job_plan(job, seen), JobAction::Nothing, "{job:?} {seen:?}");
            }
        }
    }

    #[test]
    fn a_job_that_must_be_gone_begins_nothing_and_is_removed_wherever_that_can_be() {
        for (phase, restart) in PHASES.into_iter().flat_map(|p| RestartPolicy::ALL.map(|r| (p, r))) {
            for seen in SEEN {
                let job = JobState { desired: JobDesired::Deleted, phase, restart };
                let expected =
                    if seen == SandboxSeen::Between { JobAction::Nothing } else { JobAction::Remove };
                assert_eq!(job_plan(job, seen), expected, "{job:?} {seen:?}");
                assert_eq!(job_status(job, seen), JobStatus::Stopping);
            }
        }
    }

    #[test]
    fn what_is_shown_as_over_begins_nothing_while_the_sandbox_stays() {
        for (phase, restart) in PHASES.into_iter().flat_map(|p| RestartPolicy::ALL.map(|r| (p, r))) {
            for seen in [SandboxSeen::Same, SandboxSeen::Anew] {
                let job = JobState { desired: JobDesired::Running, phase, restart };
                let over = matches!(
                    job_status(job, seen),
                    JobStatus::Exited | JobStatus::Failed | JobStatus::Stopped
                );
                let begins =
                    matches!(job_plan(job, seen), JobAction::Follow | JobAction::Wait | JobAction::Begin);
                let returns = restart == RestartPolicy::Always && seen == SandboxSeen::Anew;
                assert_eq!(begins, !over || returns, "{job:?} {seen:?}");
            }
        }
    }

    #[test]
    fn a_sandbox_that_comes_up_again_brings_back_what_always_runs_and_nothing_else() {
        for (phase, restart) in PHASES.into_iter().flat_map(|p| RestartPolicy::ALL.map(|r| (p, r))) {
            let job = JobState { desired: JobDesired::Running, phase, restart };
            let begins = job_plan(job, SandboxSeen::Anew) == JobAction::Begin;
            assert_eq!(begins, restart == RestartPolicy::Always, "{job:?}");
        }
    }
}
