//! Health checks, and waiting for what they tell.

use std::time::Duration;

use atoll_api_types as api;
use atoll_engine::LastCheck;
use atoll_types::{Command, HealthCheck, bounds};

use super::exec::command;
use super::exec_view::command_view;
use crate::extract::Problems;

/// Wait for a sandbox to be healthy where the request gives none: most services are up by then.
const WAIT_SECONDS: u32 = 60;
const WAITS: &[(&str, ())] = &[("healthy", ())];

/// A checked health check.
pub(super) fn health_check(p: &mut Problems, asked: api::HealthCheck) -> Option<HealthCheck> {
    let seconds = |least| least..=bounds::HEALTH_SECONDS_MAX;
    let interval = p.within("healthCheck.intervalSeconds", Some(asked.interval_seconds), &seconds(1));
    let timeout = p.within("healthCheck.timeoutSeconds", Some(asked.timeout_seconds), &seconds(1));
    let retries = p.within("healthCheck.retries", Some(asked.retries), &(1..=bounds::HEALTH_RETRIES_MAX));
    let start = p.within("healthCheck.startPeriodSeconds", Some(asked.start_period_seconds), &seconds(0));
    let none = matches!(&asked.command, api::CommandBody::Argv(argv) if argv.is_empty());
    let command = if none { None } else { Some(bounded(p, asked.command)?) };
    Some(HealthCheck {
        command,
        interval_seconds: interval?,
        timeout_seconds: timeout?,
        retries: retries?,
        start_period_seconds: start?,
    })
}

fn bounded(p: &mut Problems, asked: api::CommandBody) -> Option<Command> {
    let field = "healthCheck.command";
    let command = p.check(field, command(asked))?;
    if !HealthCheck::may_run(&command) {
        p.add(field, format!("must have at most {} bytes in all", bounds::HEALTH_COMMAND_BYTES_MAX));
        return None;
    }
    Some(command)
}

/// A health check as a request would write it.
pub(super) fn health_check_view(check: &HealthCheck) -> api::HealthCheck {
    api::HealthCheck {
        command: check.command.as_ref().map_or(api::CommandBody::Argv(Vec::new()), command_view),
        interval_seconds: check.interval_seconds,
        timeout_seconds: check.timeout_seconds,
        retries: check.retries,
        start_period_seconds: check.start_period_seconds,
    }
}

/// What a check told.
pub(super) fn health_result_view(failing_streak: u32, last: LastCheck) -> api::HealthResult {
    let LastCheck { at, exit_code, output } = last;
    api::HealthResult { checked_at: at.to_rfc3339(), failing_streak, exit_code, output }
}

/// How long to wait until it is healthy, where the request says so. `prefix` is that of the fields' names.
pub(crate) fn wait_for_healthy(
    p: &mut Problems,
    prefix: &str,
    wait_for: Option<&str>,
    wait_seconds: Option<u32>,
) -> Option<Duration> {
    let field = format!("{prefix}waitSeconds");
    let within = p.within(&field, wait_seconds, &(1..=bounds::HEALTH_WAIT_SECONDS_MAX));
    if wait_for.is_none() && wait_seconds.is_some() {
        p.add(&field, "is only with waitFor");
    }
    p.word(&format!("{prefix}waitFor"), wait_for, WAITS)?;
    Some(Duration::from_secs(within.unwrap_or(WAIT_SECONDS).into()))
}
