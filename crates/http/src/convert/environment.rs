//! Environments: to make, and as they are shown.

use atoll_api_types as api;
use atoll_ports::{EnvironmentRecord, EnvironmentVersion};
use atoll_types::{EnvironmentId, EnvironmentName, PoolSize, PublishPort, SandboxTemplate, bounds};

use super::exec_view::command_view;
use super::gpu::gpus_view;
use super::health_check::health_check_view;
use super::sandbox::template;
use super::words;
use crate::answer::ApiFailure;
use crate::extract::Problems;

/// The checked body of `POST /environments`.
pub(crate) fn new_environment(
    body: api::EnvironmentBody,
) -> Result<(EnvironmentName, SandboxTemplate), ApiFailure> {
    let mut problems = Problems::default();
    let name = problems.parse::<EnvironmentName>("name", Some(body.name.clone()));
    let template = template(&mut problems, body.into_definition());
    problems.finish(name.map(|name| (name, template)))
}

/// The checked body of `PUT /environments/{id}`.
pub(crate) fn next_version(
    body: api::UpdateEnvironment,
) -> Result<(Option<EnvironmentName>, SandboxTemplate), ApiFailure> {
    let mut problems = Problems::default();
    let name = problems.parse::<EnvironmentName>("name", body.name.clone());
    let template = template(&mut problems, body.into_definition());
    problems.finish(Some((name, template)))
}

/// An id in a field.
pub(crate) fn environment_id(
    problems: &mut Problems,
    field: &str,
    text: Option<String>,
) -> Option<EnvironmentId> {
    let id = text?.parse().map_err(|_| "must be the id of an environment: GET /environments lists yours");
    problems.check(field, id)
}

/// How many are kept ready; none where that is none.
pub(super) fn warm_pool(problems: &mut Problems, asked: api::WarmPool) -> Option<PoolSize> {
    let size = match asked {
        api::WarmPool::Size(size) => PoolSize::new(size, size),
        api::WarmPool::Range { min, max } => PoolSize::new(min, max),
    };
    let wrong = format!(
        "must be a number, or {{\"min\", \"max\"}} in this order, of at most {}",
        bounds::WARM_POOL_MAX
    );
    problems.check("warmPool", size.map_err(|_| wrong)).filter(|size| size.max() > 0)
}

fn warm_pool_view(size: PoolSize) -> api::WarmPool {
    let (min, max) = (size.min(), size.max());
    if min == max { api::WarmPool::Size(max) } else { api::WarmPool::Range { min, max } }
}

/// An environment as it is shown.
pub(crate) fn environment_view(record: EnvironmentRecord) -> api::Environment {
    api::Environment {
        id: record.id.into(),
        name: record.name.into(),
        version: record.version,
        created_at: record.created_at.to_rfc3339(),
        updated_at: record.updated_at.to_rfc3339(),
        definition: definition(record.template),
    }
}

/// A version as it is shown.
pub(crate) fn version_view(version: EnvironmentVersion) -> api::EnvironmentVersion {
    api::EnvironmentVersion {
        version: version.version,
        created_at: version.created_at.to_rfc3339(),
        definition: definition(version.template),
    }
}

/// A definition as a request would write it.
fn definition(template: SandboxTemplate) -> api::Definition {
    let port = |port: PublishPort| api::PublishPort {
        container: port.container.get().into(),
        host: port.host.map(|host| host.get().into()),
    };
    api::Definition {
        image: template.image.map(Into::into),
        runtime: template.runtime.map(|runtime| words::runtime_choice(runtime).to_owned()),
        isolation: template.isolation.map(|word| words::isolation(word).to_owned()),
        cpu: template.cpu_millis.map(|millis| f64::from(millis) / 1_000.0),
        memory: template.memory_bytes.map(|bytes| bytes >> 20),
        disk: template.disk_bytes.map(|bytes| bytes >> 20),
        pids: template.pids,
        open_files: template.open_files,
        bandwidth: template.bandwidth_mbit,
        network: template.network.map(|network| words::network(network).to_owned()),
        gpus: template.gpus.map(gpus_view),
        env: template.env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        entrypoint: template.entrypoint,
        command: template.command.as_ref().map(command_view),
        cwd: template.cwd.map(Into::into),
        user: template.user.map(Into::into),
        capabilities: template.capabilities.map(|word| words::capabilities(word).to_owned()),
        read_only_root: template.read_only_root,
        labels: template.labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        ttl_seconds: template.ttl_seconds,
        on_expiry: template.on_expiry.map(|word| words::on_expiry(word).to_owned()),
        idle_ttl_seconds: template.idle_seconds,
        ports: template.ports.map(|ports| ports.into_iter().map(port).collect()),
        health_check: template.health_check.as_ref().map(health_check_view),
        warm_pool: template.warm_pool.map(warm_pool_view),
    }
}
