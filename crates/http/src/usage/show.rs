//! `GET /usage`

use atoll_api_types::{QuotaUse, Usage};
use atoll_engine::{UsageView, Used};
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};

/// Thousandths of a core in a core.
const MILLIS: f64 = 1_000.0;

/// Show what one may have, and what is used of it.
///
/// At 80 percent there is a warning here and an event `quota.warning`; at 100 percent requests are refused with `quota_exceeded`.
#[utoipa::path(get, path = "/usage", tag = "usage")]
pub(crate) async fn get_usage(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
) -> Result<Ok<Usage>, ApiFailure> {
    data(usage_view(&api.engine().usage(&caller)))
}

fn usage_view(view: &UsageView) -> Usage {
    let rows = [
        ("sandboxes", view.sandboxes),
        ("cpu", view.cpu_millis),
        ("memoryBytes", view.memory_bytes),
        ("storageBytes", view.storage_bytes),
        ("egressBytes", view.egress_bytes),
        ("execsPerHour", view.execs_per_hour),
    ];
    let warnings = rows.iter().filter(|(_, used)| used.is_warning()).map(|(name, _)| (*name).to_owned());
    Usage {
        sandboxes: quota_use(view.sandboxes, 1.0),
        cpu: quota_use(view.cpu_millis, MILLIS),
        memory_bytes: quota_use(view.memory_bytes, 1.0),
        storage_bytes: quota_use(view.storage_bytes, 1.0),
        egress_bytes: quota_use(view.egress_bytes, 1.0),
        execs_per_hour: quota_use(view.execs_per_hour, 1.0),
        warnings: warnings.collect(),
    }
}

fn quota_use(used: Used, unit: f64) -> QuotaUse {
    let percent = if used.limit == 0 { 100.0 } else { used.used as f64 / used.limit as f64 * 100.0 };
    QuotaUse {
        used: used.used as f64 / unit,
        quota: used.limit as f64 / unit,
        percent: (percent * 10.0).round() / 10.0,
        warning: used.is_warning(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighty_percent_is_a_warning() {
        let of = |used, limit| Used { used, limit };
        let view = UsageView {
            sandboxes: of(16, 20),
            cpu_millis: of(1_500, 8_000),
            memory_bytes: of(0, 1),
            storage_bytes: of(799, 1_000),
            egress_bytes: of(0, 0),
            execs_per_hour: of(9, 10),
        };
        let usage = usage_view(&view);
        assert_eq!(usage.warnings, ["sandboxes", "egressBytes", "execsPerHour"]);
        assert!(
            (usage.cpu.used - 1.5).abs() < 0.001 && (usage.cpu.percent - 18.8).abs() < 0.001,
            "{usage:?}"
        );
        assert!(!usage.storage_bytes.warning && (usage.storage_bytes.percent - 79.9).abs() < 0.001);
    }
}
