//! Background jobs: to start, and as they are shown.

use atoll_api_types::{Job, JobBody, JobExit};
use atoll_engine::JobView;
use atoll_types::{
    Backoff, EnvVars, ExecSpec, GuestPath, GuestUser, JobEnd, JobName, JobPhase, JobSpec, JobStatus,
    RestartPolicy, bounds,
};

use super::exec::command;
use super::exec_view::command_view;
use super::words::exec_status;
use crate::answer::ApiFailure;
use crate::extract::Problems;

/// A checked body of `POST …/background`.
pub(crate) fn new_job(body: JobBody) -> Result<JobSpec, ApiFailure> {
    let mut problems = Problems::default();
    let command = problems.check("command", command(body.command));
    let env = problems.check("env", EnvVars::new(body.env));
    let name = problems.parse::<JobName>("name", body.name);
    let cwd = problems.parse::<GuestPath>("cwd", body.cwd);
    let user = problems.parse::<GuestUser>("user", body.user);
    let seconds = &(1..=bounds::EXEC_TIMEOUT_SECONDS_MAX);
    let timeout_seconds = problems.within("timeoutSeconds", body.timeout_seconds, seconds);
    let policies = RestartPolicy::ALL.map(|policy| (policy.as_str(), policy));
    let restart = problems.word("restart", body.restart.as_deref(), &policies).unwrap_or_default();
    let max_retries = problems.within("maxRetries", body.max_retries, &(0..=bounds::JOB_RETRIES_MAX));
    let backoff = backoff(body.backoff_ms, body.backoff_max_ms, &mut problems);
    let exec = command.zip(env).map(|(command, env)| ExecSpec {
        command,
        env,
        cwd,
        user,
        timeout_seconds,
        stdin_open: false,
        tty: None,
    });
    problems.finish(exec.map(|exec| JobSpec { name, exec, restart, max_retries, backoff }))
}

/// Waits within their bounds. A first one beyond the usual longest raises that.
fn backoff(first_ms: Option<u32>, max_ms: Option<u32>, problems: &mut Problems) -> Backoff {
    let usual = Backoff::default();
    let ms_max = bounds::JOB_BACKOFF_MS_MAX;
    let first = problems.within("backoffMs", first_ms, &(bounds::JOB_BACKOFF_MS_MIN..=ms_max));
    let cap = problems.within("backoffMaxMs", max_ms, &(bounds::JOB_BACKOFF_CAP_MS_MIN..=ms_max));
    let first_ms = first.unwrap_or_else(|| cap.map_or(usual.first_ms, |cap| cap.min(usual.first_ms)));
    let max_ms = cap.unwrap_or_else(|| usual.max_ms.max(first_ms));
    if max_ms < first_ms {
        problems.add("backoffMaxMs", "must not be below backoffMs");
    }
    Backoff { first_ms, max_ms }
}

/// A job as it is shown.
pub(crate) fn job_view(view: JobView) -> Job {
    let JobView { record, status, pid } = view;
    let next_start = match record.phase {
        JobPhase::Waiting { next_start } if status == JobStatus::Backoff => Some(next_start.to_rfc3339()),
        JobPhase::Waiting { .. }
        | JobPhase::Running
        | JobPhase::Exited
        | JobPhase::Failed
        | JobPhase::Stopped => None,
    };
    Job {
        id: record.id.to_string(),
        sandbox_id: record.sandbox.to_string(),
        name: record.spec.name.map(String::from),
        status: status.as_str().to_owned(),
        command: command_view(&record.spec.exec.command),
        restart: record.spec.restart.as_str().to_owned(),
        max_retries: record.spec.max_retries,
        backoff_ms: record.spec.backoff.first_ms,
        backoff_max_ms: record.spec.backoff.max_ms,
        starts: record.starts,
        retries: record.retries,
        pid,
        exec_id: record.runs.last().map(ToString::to_string).unwrap_or_default(),
        exec_ids: record.runs.iter().map(ToString::to_string).collect(),
        last_exit: record.last_end.map(exit_view),
        next_start,
        created_at: record.created_at.to_rfc3339(),
    }
}

fn exit_view(end: JobEnd) -> JobExit {
    JobExit {
        exec_id: end.exec.to_string(),
        status: exec_status(end.status).to_owned(),
        exit_code: end.exit_code,
        error: end.failure,
        finished_at: end.finished_at.to_rfc3339(),
    }
}
