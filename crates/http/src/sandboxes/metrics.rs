//! `GET /sandboxes/{id}/metrics`

use atoll_api_types::{CpuMetrics, IoMetrics, MemoryMetrics, Metrics, NetworkMetrics, PidMetrics};
use atoll_engine::MetricsView;
use axum::extract::State;
use serde::Deserialize;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{Path, Query, SandboxPath};

/// What to show.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MetricsQuery {
    /// Whether to count processes too.
    #[param(default = false)]
    pids: Option<bool>,
}

/// Show what a sandbox uses.
///
/// It runs or is paused. The first look takes a tenth of a second, over which the share of the CPU is measured; each later one
/// within half a minute measures since the look before it.
#[utoipa::path(get, path = "/sandboxes/{id}/metrics", tag = "sandboxes", params(SandboxPath, MetricsQuery))]
pub(crate) async fn get_sandbox_metrics(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
    Query(query): Query<MetricsQuery>,
) -> Result<Ok<Metrics>, ApiFailure> {
    let view = api.engine().sandbox_metrics(&caller, &path.id).await?;
    data(metrics_view(&view, query.pids.unwrap_or_default()))
}

fn metrics_view(view: &MetricsView, pids: bool) -> Metrics {
    let MetricsView { usage, limits, .. } = view;
    Metrics {
        cpu: CpuMetrics {
            usage_percent: tenths(view.cpu_percent),
            system_percent: tenths(view.system_percent),
            cores: f64::from(limits.cpu_millis) / 1_000.0,
        },
        memory: MemoryMetrics {
            usage_bytes: usage.memory_bytes,
            limit_bytes: limits.memory_bytes,
            usage_percent: tenths(share(usage.memory_bytes, limits.memory_bytes)),
        },
        network: NetworkMetrics {
            rx_bytes: usage.rx_bytes,
            tx_bytes: usage.tx_bytes,
            rx_packets: usage.rx_packets,
            tx_packets: usage.tx_packets,
        },
        io: IoMetrics { read_bytes: usage.read_bytes, write_bytes: usage.write_bytes },
        pids: pids.then_some(PidMetrics { current: usage.pids, limit: limits.pids }),
    }
}

/// Rounded as people read it.
fn tenths(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

#[cfg(test)]
mod tests {
    use atoll_ports::Usage;
    use atoll_types::Limits;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shape_is_the_documented_one() {
        let usage = Usage {
            memory_bytes: 52_428_800,
            pids: 3,
            rx_bytes: 1_024,
            tx_bytes: 512,
            rx_packets: 10,
            tx_packets: 5,
            read_bytes: 4_096,
            write_bytes: 2_048,
            ..Usage::default()
        };
        let limits = Limits { memory_bytes: 268_435_456, pids: 64, ..Limits::default() };
        let view = MetricsView { cpu_percent: 2.46, system_percent: 1.2, usage, limits };
        let mut expected = json!({
            "cpu": { "usagePercent": 2.5, "systemPercent": 1.2, "cores": 1.0 },
            "memory": { "usageBytes": 52_428_800, "limitBytes": 268_435_456, "usagePercent": 19.5 },
            "network": { "rxBytes": 1_024, "txBytes": 512, "rxPackets": 10, "txPackets": 5 },
            "io": { "readBytes": 4_096, "writeBytes": 2_048 },
        });
        assert_eq!(serde_json::to_value(metrics_view(&view, false)).unwrap(), expected);
        expected["pids"] = json!({ "current": 3, "limit": 64 });
        assert_eq!(serde_json::to_value(metrics_view(&view, true)).unwrap(), expected);
    }
}
