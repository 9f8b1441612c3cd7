//! `GET /health`

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atoll_api_types::{Health, RuntimeHealth};
use atoll_engine::HealthView;
use atoll_ports::RuntimeInfo;
use atoll_types::{RuntimeKind, Timestamp};
use axum::extract::State;
use axum::http::StatusCode;

use crate::Api;
use crate::answer::Bare;
use crate::convert::runtime;

/// Show how Atoll is.
#[utoipa::path(get, path = "/health", tag = "health")]
pub(crate) async fn get_health(State(api): State<Api>) -> Bare<Health> {
    let health = api.engine().health().await;
    let status = if is_well(&health) { "ok" } else { "degraded" };
    let docker = docker(&health);
    let runtimes = health.runtimes.into_iter().map(|info| {
        let status = if info.available { "ok" } else { "unavailable" };
        let shown = RuntimeHealth {
            status: status.to_owned(),
            disk_limits: info.disk_limits,
            networks: info.no_networks.is_none(),
            gpus: info.no_gpus.is_none(),
            notes: info.notes,
        };
        (runtime(info.kind).to_owned(), shown)
    });
    let body = Health {
        status: status.to_owned(),
        containers: health.running,
        uptime: uptime(api.started().elapsed()),
        db: health.database_problem.unwrap_or_else(|| "ok".to_owned()),
        docker,
        runtimes: runtimes.collect(),
        timestamp: now().to_rfc3339(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Bare { status: StatusCode::OK, body }
}

fn is_well(health: &HealthView) -> bool {
    // gVisor is something that one may install; whoever asks for it where it is missing is told.
    let counts = |runtime: &&RuntimeInfo| runtime.kind != RuntimeKind::Gvisor;
    health.database_problem.is_none()
        && health.runtimes.iter().filter(counts).all(|runtime| runtime.available)
}

/// `ok`, `absent` or what is wrong.
fn docker(health: &HealthView) -> String {
    match health.runtimes.iter().find(|runtime| runtime.kind == RuntimeKind::Docker) {
        None => "absent".to_owned(),
        Some(runtime) if runtime.available => "ok".to_owned(),
        Some(runtime) => runtime.notes.join("; "),
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// As `2h15m30s`.
fn uptime(up: Duration) -> String {
    let seconds = up.as_secs();
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uptime_is_short() {
        assert_eq!(uptime(Duration::from_secs(2 * 3_600 + 15 * 60 + 30)), "2h15m30s");
        assert_eq!(uptime(Duration::from_secs(3_600)), "1h0m0s");
        assert_eq!(uptime(Duration::from_millis(1_900)), "1s");
    }
}
