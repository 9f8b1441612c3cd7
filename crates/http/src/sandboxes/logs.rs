//! `GET /sandboxes/{id}/logs`

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atoll_api_types::{LogLine, Logs};
use atoll_engine::{LogLineView, LogQuery, LogView};
use atoll_types::Timestamp;
use axum::extract::State;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::bounds::{LOG_LINES_DEFAULT, LOG_LINES_MAX};
use crate::convert::{output_stream, text_of};
use crate::extract::{Path, Problems, Query, SandboxPath};

/// Which lines.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogsQuery {
    /// The last so many lines, 1 to 10,000.
    #[param(default = 1000, minimum = 1, maximum = 10_000)]
    pub(crate) tail: Option<u32>,
    /// Only lines from this moment on: a time in RFC 3339, or a duration such as `90s`, `15m` or `2h` back from now.
    #[param(example = "15m")]
    pub(crate) since: Option<String>,
}

/// Show what the sandbox's main process wrote.
#[utoipa::path(get, path = "/sandboxes/{id}/logs", tag = "sandboxes", params(SandboxPath, LogsQuery))]
pub(crate) async fn get_sandbox_logs(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
    Query(query): Query<LogsQuery>,
) -> Result<Ok<Logs>, ApiFailure> {
    let query = log_query(query.tail, query.since)?;
    data(logs_view(api.engine().sandbox_logs(&caller, &path.id, query).await?))
}

/// A piece of a log.
pub(crate) fn logs_view(log: LogView) -> Logs {
    Logs { lines: log.lines.into_iter().map(line_view).collect(), truncated: log.truncated }
}

/// The checked query.
pub(crate) fn log_query(tail: Option<u32>, since: Option<String>) -> Result<LogQuery, ApiFailure> {
    let mut problems = Problems::default();
    let tail = problems.within("query.tail", tail, &(1..=LOG_LINES_MAX)).or(Some(LOG_LINES_DEFAULT));
    let since = since.and_then(|text| problems.check("query.since", moment(&text, SystemTime::now())));
    problems.finish(Some(LogQuery { tail, since, after_seq: None }))
}

pub(super) fn line_view(line: LogLineView) -> LogLine {
    LogLine {
        seq: line.seq,
        time: line.time.to_rfc3339(),
        stream: output_stream(line.stream).to_owned(),
        line: text_of(line.line),
    }
}

/// A time, or a duration back from now.
fn moment(text: &str, now: SystemTime) -> Result<Timestamp, &'static str> {
    const EXPECTED: &str =
        "must be a time such as 2026-01-31T12:00:00Z, or a duration such as 90s, 15m or 2h";
    let ms = |time: SystemTime| {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    };
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(ms(time.into()));
    }
    let split = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at)).ok_or(EXPECTED)?;
    let (number, unit) = text.split_at(split);
    let unit_seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(EXPECTED),
    };
    let seconds =
        number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_seconds)).ok_or(EXPECTED)?;
    Ok(ms(now.checked_sub(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2026-01-31T12:00:00Z", Some(1_769_860_800_000))]
    #[case("2026-01-31T13:00:00.5+01:00", Some(1_769_860_800_500))]
    #[case("90s", Some(910_000))]
    #[case("1m", Some(940_000))]
    #[case("99999999999999999999d", None)]
    #[case("9999d", Some(0))]
    #[case("", None)]
    #[case("s", None)]
    #[case("-1s", None)]
    #[case("1é", None)]
    #[case("yesterday", None)]
    fn times_and_durations_are_read(#[case] text: &str, #[case] expected: Option<i64>) {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(moment(text, now).ok().map(Timestamp::as_unix_ms), expected);
    }
}
