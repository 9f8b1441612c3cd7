//! The way to Docker Engine.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atoll_broker_protocol::{EngineInfo, Failure};
use atoll_types::InstallationId;
use bollard::models::Runtime;
use bollard::{API_DEFAULT_VERSION, Docker};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::args::{Args, Host};
use crate::container::RUNSC;
use crate::fail::{asked, of};
use crate::network::hindrance;
use crate::podman;
use crate::storage::limits_disk;
use crate::subnets::Subnets;

/// How long Docker may take to begin an answer, in seconds; every call has a bound of its own below that.
const ANSWER_SECONDS: u64 = 600;
/// How long what Docker said of itself is good: `/health` is asked often.
const INFO_AGE: Duration = Duration::from_secs(2);

/// Docker Engine, and the installation that asks. A cheap clone.
#[derive(Debug, Clone)]
pub(crate) struct Daemon(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    host: Host,
    installation: InstallationId,
    subnets: Subnets,
    allows_gpus: bool,
    docker: OnceCell<Docker>,
    info: Mutex<Option<(Instant, EngineInfo)>>,
    podman: OnceCell<bool>,
}

impl Daemon {
    pub(crate) fn new(args: Args) -> Self {
        let Args { installation, host, subnets, allows_gpus } = args;
        let (docker, podman) = (OnceCell::new(), OnceCell::new());
        let info = Mutex::default();
        Self(Arc::new(Inner { host, installation, subnets, allows_gpus, docker, info, podman }))
    }

    /// What networks are cut from; none where Docker is not on this machine.
    pub(crate) fn subnets(&self) -> Option<Subnets> {
        matches!(self.0.host, Host::Socket(_)).then_some(self.0.subnets)
    }

    /// Whose everything is.
    pub(crate) fn installation(&self) -> &InstallationId {
        &self.0.installation
    }

    /// The client, which has agreed with Docker on a version once.
    pub(crate) async fn docker(&self) -> Result<&Docker, Failure> {
        self.0.docker.get_or_try_init(|| connect(&self.0.host)).await
    }

    /// Whether it is Podman that answers in Docker's place.
    pub(crate) async fn is_podman(&self) -> Result<bool, Failure> {
        let ask = async || asked(self.docker().await?.version()).await.map(|version| podman::is(&version));
        self.0.podman.get_or_try_init(ask).await.copied()
    }

    /// Why sandboxes can have no GPUs. Whether Docker has a driver it says only when a container is started.
    pub(crate) async fn no_gpus(&self) -> Result<Option<String>, Failure> {
        if !self.0.allows_gpus {
            return Ok(Some("the operator does not allow them (the setting dockerGpus)".to_owned()));
        }
        let podman = self.is_podman().await?;
        Ok(podman.then(|| "Podman's service leaves out requests for GPUs".to_owned()))
    }

    /// What Docker says of itself.
    pub(crate) async fn info(&self) -> Result<EngineInfo, Failure> {
        if let Some((at, info)) = &*self.0.info.lock()
            && at.elapsed() < INFO_AGE
        {
            return Ok(info.clone());
        }
        let said = asked(self.docker().await?.info()).await?;
        let disk_limits = limits_disk(&said, self.subnets().is_some());
        let options = said.security_options.unwrap_or_default();
        let runsc = said.runtimes.and_then(|mut runtimes| runtimes.remove(RUNSC));
        let info = EngineInfo {
            version: said.server_version.unwrap_or_default(),
            storage: said.driver.unwrap_or_default(),
            gvisor_networks: runsc.as_ref().is_some_and(has_network),
            gvisor: runsc.is_some(),
            user_namespaces: options.iter().any(|option| option.contains("userns")),
            live_restore: said.live_restore_enabled.unwrap_or_default(),
            no_networks: hindrance(self).await?,
            disk_limits,
            no_gpus: self.no_gpus().await?,
        };
        *self.0.info.lock() = Some((Instant::now(), info.clone()));
        Ok(info)
    }
}

/// Whether Docker starts gVisor with a network: where it is told not to, a container is connected to nothing.
fn has_network(runsc: &Runtime) -> bool {
    let mut words = runsc.runtime_args.iter().flatten().map(|word| word.trim_start_matches('-'));
    !words.any(|word| word == "network=none")
}

async fn connect(host: &Host) -> Result<Docker, Failure> {
    let docker = match host {
        Host::Socket(path) => Docker::connect_with_unix(&text(path), ANSWER_SECONDS, API_DEFAULT_VERSION),
        Host::Tcp(address) => {
            Docker::connect_with_http(&format!("tcp://{address}"), ANSWER_SECONDS, API_DEFAULT_VERSION)
        }
    };
    asked(docker.map_err(|error| of(&error))?.negotiate_version()).await
}

fn text(path: &Path) -> String {
    format!("unix://{}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gvisor_that_is_told_so_has_no_network() {
        let with = |words: &[&str]| Runtime {
            runtime_args: Some(words.iter().map(|word| (*word).to_owned()).collect()),
            ..Runtime::default()
        };
        assert!(!has_network(&with(&["--platform=ptrace", "--network=none"])));
        assert!(!has_network(&with(&["-network=none"])));
        assert!(has_network(&with(&["--network=sandbox"])) && has_network(&Runtime::default()));
    }
}
