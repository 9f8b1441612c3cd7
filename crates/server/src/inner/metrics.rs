//! The recorder of metrics.

use std::sync::Arc;
use std::time::Duration;

use atoll_tasks::{Group, ShuttingDown};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Time between two times that samples are put into their buckets: until then each takes eight bytes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Upper ends of the buckets of durations, in seconds: a short exec takes a millisecond, a long one is ended after a day.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0];
/// Upper ends of the buckets of sizes, in bytes: 1 MiB to 64 GiB.
const BYTES: [f64; 9] = [
    1048576.0,
    4194304.0,
    16777216.0,
    67108864.0,
    268435456.0,
    1073741824.0,
    4294967296.0,
    17179869184.0,
    68719476736.0,
];

/// Counts from now on. In a process that counts already, as in tests, this page stays empty.
pub(super) fn install(by_sandbox: bool) -> Result<PrometheusHandle, BuildError> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_ok() {
        atoll_engine::describe_metrics(by_sandbox);
        atoll_http::describe_metrics();
    }
    Ok(handle)
}

/// Keeps the recorder small.
pub(super) fn keep(group: &Group, handle: &PrometheusHandle) -> Result<(), ShuttingDown> {
    let handle = Arc::new(handle.clone());
    group
        .periodic("metrics upkeep", UPKEEP_INTERVAL, move |_| {
            let handle = Arc::clone(&handle);
            async move {
                handle.run_upkeep();
                Ok::<(), std::convert::Infallible>(())
            }
        })
        .map(drop)
}
