//! Sandboxes as they are shown.

use atoll_api_types::Sandbox;
use atoll_engine::SandboxView;
use atoll_types::Timestamp;

use super::exec_view::command_view;
use super::gpu::gpus_view;
use super::health_check::{health_check_view, health_result_view};
use super::port::port_views;
use super::words;

pub(crate) fn sandbox_view(view: SandboxView) -> Sandbox {
    let SandboxView { record, status, expires_at, health } = view;
    let ports = port_views(&record);
    let spec = record.spec;
    Sandbox {
        id: record.id.to_string(),
        name: spec.name.map(Into::into),
        state: status.as_str().to_owned(),
        state_reason: record.stop_reason.map(|reason| words::stop_reason(reason).to_owned()),
        error: record.failure,
        image: spec.image.to_string(),
        runtime: words::runtime(spec.runtime).to_owned(),
        cpu: f64::from(spec.limits.cpu_millis) / 1_000.0,
        memory_bytes: spec.limits.memory_bytes,
        disk_bytes: spec.limits.disk_bytes,
        pids: spec.limits.pids,
        open_files: spec.limits.open_files,
        bandwidth: spec.limits.bandwidth_mbit,
        network: words::network(spec.network).to_owned(),
        gpus: gpus_view(spec.gpus),
        env: spec.env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        entrypoint: spec.entrypoint,
        command: spec.command.as_ref().map(command_view),
        cwd: spec.cwd.map(Into::into),
        user: spec.user.to_string(),
        capabilities: words::capabilities(spec.capabilities).to_owned(),
        read_only_root: spec.read_only_root,
        labels: spec.labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        ttl_seconds: spec.ttl_seconds,
        on_expiry: words::on_expiry(spec.on_expiry).to_owned(),
        expires_at: expires_at.map(Timestamp::to_rfc3339),
        idle_ttl_seconds: spec.idle_seconds,
        created_at: record.created_at.to_rfc3339(),
        started_at: record.started_at.map(Timestamp::to_rfc3339),
        ports,
        environment_version: spec.environment.as_ref().map(|environment| environment.version),
        environment_id: spec.environment.map(|environment| environment.id.into()),
        health: health.health.as_str().to_owned(),
        health_result: health.last.map(|last| health_result_view(health.failing_streak, last)),
        health_check: spec.health_check.as_ref().map(health_check_view),
    }
}
