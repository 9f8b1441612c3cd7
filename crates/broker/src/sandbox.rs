//! The life of a sandbox's container.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use atoll_broker_protocol::{Failure, FailureKind, Found, StartSandbox};
use atoll_types::{Network, RuntimeKind, SandboxId};
use bollard::models::ContainerStateStatusEnum as State;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder,
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt as _;

use crate::container::{self, Given};
use crate::daemon::Daemon;
use crate::fail::{asked, failure, status, unless};
use crate::names;
use crate::network::Joined;
use crate::podman;
use crate::requests::Broker;
use crate::storage::BTRFS;

/// How often a removal is tried of what Docker killed but finds not reaped yet: gVisor's processes end one after the other, which takes
/// longer than Docker waits where many of them are and little else runs.
const REMOVALS: u32 = 6;
/// Wait between two of them.
const REAPING_TIME: Duration = Duration::from_millis(500);
/// What Docker says then.
const ZOMBIE: &str = "is zombie and can not be killed";

/// When a container started that never did.
const NEVER: &str = "0001-01-01T";

/// A container that is there already, or is in the state that was to be reached.
const NOT_MODIFIED: u16 = 304;
const NOT_FOUND: u16 = 404;
/// It is not in a state for that, or somebody else removes it.
const CONFLICT: u16 = 409;

/// The state of a sandbox's container; none where there is none.
///
/// # Errors
/// When Docker does not answer, or the container is not of this installation.
pub(crate) async fn look(daemon: &Daemon, sandbox: &SandboxId) -> Result<Option<State>, Failure> {
    let docker = daemon.docker().await?;
    let name = names::container(sandbox);
    let looked = docker.inspect_container(&name, None::<InspectContainerOptions>);
    let looked = asked(async {
        match looked.await {
            Err(error) if status(&error) == Some(NOT_FOUND) => Ok(None),
            other => other.map(Some),
        }
    });
    let Some(found) = looked.await? else { return Ok(None) };
    let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
    if names::owner(daemon.installation(), &labels).is_none_or(|(owner, _)| owner != *sandbox) {
        let text = format!("the container {name} is not of this installation: nothing is done to it");
        return Err(failure(FailureKind::Invalid, text));
    }
    Ok(Some(found.state.and_then(|state| state.status).unwrap_or(State::EMPTY)))
}

impl Broker {
    /// The container, if there is one; it is ours.
    async fn look(&self, sandbox: &SandboxId) -> Result<Option<State>, Failure> {
        look(&self.daemon, sandbox).await
    }

    pub(crate) async fn start(&self, start: &StartSandbox) -> Result<(), Failure> {
        container::check(start).map_err(|problem| failure(FailureKind::Invalid, problem))?;
        let sandbox = &start.sandbox;
        let _turn = self.locks.hold(sandbox).await;
        self.may_run(start).await?;
        let found = match self.look(sandbox).await? {
            // Half removed: it can only be removed.
            Some(State::DEAD | State::REMOVING) => {
                self.remove_container(sandbox).await?;
                None
            }
            found => found,
        };
        // Before the container is there, and each time that it is started: the rules may be gone.
        let joined = match start.network {
            Network::None => None,
            Network::All => Some(self.join(sandbox).await?),
        };
        // One that ran has files of its own, and is not made anew.
        let is_new = match found {
            None => true,
            Some(State::CREATED) => self.never_ran(sandbox).await?,
            Some(_) => false,
        };
        let mut sets_files = self.sets_files(start);
        if found.is_none() {
            sets_files = self.create(start, joined.as_ref()).await?;
        }
        if let Err(failed) = self.run(sandbox).await {
            if !(is_new && sets_files && self.is_refused_files(start, &failed)) {
                // Perhaps it is for want of the agent's program.
                self.programs.forget().await;
                return Err(failed);
            }
            self.remove_container(sandbox).await?;
            self.create(start, joined.as_ref()).await?;
            self.run(sandbox).await?;
        }
        self.links.reach(sandbox).await
    }

    /// Whether a container has never run. Podman also says that one is created which only waits to run again.
    async fn never_ran(&self, sandbox: &SandboxId) -> Result<bool, Failure> {
        let docker = self.daemon.docker().await?;
        let name = names::container(sandbox);
        let found = asked(docker.inspect_container(&name, None::<InspectContainerOptions>)).await?;
        let started = found.state.and_then(|state| state.started_at).unwrap_or_default();
        Ok(started.is_empty() || started.starts_with(NEVER))
    }

    async fn run(&self, sandbox: &SandboxId) -> Result<(), Failure> {
        let docker = self.daemon.docker().await?;
        let started = docker.start_container(&names::container(sandbox), None::<StartContainerOptions>).await;
        asked(async { unless(&[NOT_MODIFIED], started) }).await
    }

    /// Whether Docker is told how many open files it may have.
    fn sets_files(&self, start: &StartSandbox) -> bool {
        start.limits.open_files < self.files_refused.load(Relaxed)
    }

    /// Whether Docker may not set as many open files as this, which is noted: then it has fewer itself. Several may find it out at once.
    fn is_refused_files(&self, start: &StartSandbox, failed: &Failure) -> bool {
        let refused = failed.message.contains("setting rlimit");
        if refused {
            self.files_refused.fetch_min(start.limits.open_files, Relaxed);
        }
        refused
    }

    /// Never something weaker in the place of what was asked for.
    async fn may_run(&self, start: &StartSandbox) -> Result<(), Failure> {
        if !start.gpus.is_none()
            && let Some(why) = self.daemon.no_gpus().await?
        {
            return Err(failure(FailureKind::NoGpus, format!("there are no GPUs for sandboxes here: {why}")));
        }
        if start.runtime != RuntimeKind::Gvisor {
            return Ok(());
        }
        let info = self.daemon.info().await?;
        if !info.gvisor {
            let text = "Docker knows no runtime 'runsc': install gVisor, and name it in Docker's daemon.json";
            return Err(failure(FailureKind::Unavailable, text));
        }
        if start.network != Network::None && !info.gvisor_networks {
            return Err(failure(FailureKind::Invalid, "this gVisor is told to have no network"));
        }
        Ok(())
    }

    /// Makes the container; whether Docker was told how many open files it may have.
    async fn create(&self, start: &StartSandbox, joined: Option<&Joined>) -> Result<bool, Failure> {
        let installation = self.daemon.installation();
        let image = names::image(installation, &start.image);
        let agent = self.programs.volume(&self.daemon, &image).await?;
        let sets_files = self.sets_files(start);
        let disk_bytes = self.disk_bytes(start, &image).await?;
        let given = Given { agent: &agent, joined, sets_files, disk_bytes };
        let mut body = container::sandbox(installation, start, given);
        if self.daemon.is_podman().await? {
            body = podman::fit(body, start);
        }
        let options =
            CreateContainerOptionsBuilder::default().name(&names::container(&start.sandbox)).build();
        asked(self.daemon.docker().await?.create_container(Some(options), body)).await?;
        Ok(sets_files)
    }

    /// The limit that Docker is told, if it takes any.
    async fn disk_bytes(&self, start: &StartSandbox, image: &str) -> Result<Option<u64>, Failure> {
        let info = self.daemon.info().await?;
        if !info.disk_limits {
            return Ok(None);
        }
        let mut bytes = start.limits.disk_bytes;
        if info.storage == BTRFS {
            // What the image holds is counted there too.
            let image = asked(self.daemon.docker().await?.inspect_image(image)).await?;
            bytes = bytes
                .saturating_add(image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default());
        }
        Ok(Some(bytes))
    }

    pub(crate) async fn stop(&self, sandbox: &SandboxId) -> Result<(), Failure> {
        let _turn = self.locks.hold(sandbox).await;
        let found = self.look(sandbox).await?;
        if let Some(State::RUNNING | State::PAUSED | State::RESTARTING) = found {
            self.thaw(sandbox, found).await?;
            if self.daemon.is_podman().await? {
                // Podman makes a container that has ended ready again for whoever attaches to it: by then nobody may.
                self.links.forget(sandbox);
            }
            self.kill(sandbox).await?;
        }
        self.links.forget(sandbox);
        Ok(())
    }

    async fn kill(&self, sandbox: &SandboxId) -> Result<(), Failure> {
        let (docker, name) = (self.daemon.docker().await?, names::container(sandbox));
        let options = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
        let killed = docker.kill_container(&name, Some(options)).await;
        asked(async { unless(&[NOT_FOUND, CONFLICT], killed) }).await?;
        let mut end = std::pin::pin!(docker.wait_container(&name, None::<WaitContainerOptions>));
        asked(async {
            // A code other than 0 is an error of the client's; what counts is that it ended.
            let _code = end.next().await;
            Ok(())
        })
        .await
    }

    pub(crate) async fn remove(&self, sandbox: &SandboxId) -> Result<(), Failure> {
        let _turn = self.locks.hold(sandbox).await;
        let found = self.look(sandbox).await?;
        if found.is_some() {
            self.thaw(sandbox, found).await?;
            self.remove_container(sandbox).await?;
        }
        self.links.forget(sandbox);
        self.leave(sandbox).await
    }

    /// Lets a paused one go on, for the moment until it is killed: of gVisor's, Docker waits ten seconds in vain that a frozen one dies.
    async fn thaw(&self, sandbox: &SandboxId, found: Option<State>) -> Result<(), Failure> {
        if found == Some(State::PAUSED) {
            // One that cannot be let go on is killed as it is.
            let thawed = self.daemon.docker().await?.unpause_container(&names::container(sandbox)).await;
            drop(asked(async { thawed }).await);
        }
        Ok(())
    }

    async fn remove_container(&self, sandbox: &SandboxId) -> Result<(), Failure> {
        let (docker, name) = (self.daemon.docker().await?, names::container(sandbox));
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        for left in (0..REMOVALS).rev() {
            let removed = docker.remove_container(&name, Some(options.clone()));
            // Conflict: somebody removes it already, which may take a while.
            match asked(async { unless(&[NOT_FOUND, CONFLICT], removed.await) }).await {
                Err(failed) if left > 0 && failed.message.contains(ZOMBIE) => {
                    tokio::time::sleep(REAPING_TIME).await;
                }
                done => {
                    done?;
                    break;
                }
            }
        }
        match self.look(sandbox).await? {
            None => Ok(()),
            Some(_) => Err(failure(FailureKind::System, "Docker is still removing the container")),
        }
    }

    pub(crate) async fn pause(&self, sandbox: &SandboxId) -> Result<(), Failure> {
        let _turn = self.locks.hold(sandbox).await;
        match self.look(sandbox).await? {
            Some(State::PAUSED) => Ok(()),
            Some(State::RUNNING) => {
                asked(self.daemon.docker().await?.pause_container(&names::container(sandbox))).await
            }
            _ => Err(failure(FailureKind::NotFound, "the sandbox does not run")),
        }
    }

    pub(crate) async fn resume(&self, sandbox: &SandboxId) -> Result<(), Failure> {
        let _turn = self.locks.hold(sandbox).await;
        match self.look(sandbox).await? {
            Some(State::RUNNING) => Ok(()),
            Some(State::PAUSED) => {
                asked(self.daemon.docker().await?.unpause_container(&names::container(sandbox))).await
            }
            _ => Err(failure(FailureKind::NotFound, "the sandbox does not run")),
        }
    }

    /// All sandboxes of the installation that Docker holds.
    pub(crate) async fn list(&self) -> Result<Vec<Found>, Failure> {
        let installation = self.daemon.installation();
        let options =
            ListContainersOptionsBuilder::default().all(true).filters(&names::filter(installation)).build();
        let all = asked(self.daemon.docker().await?.list_containers(Some(options))).await?;
        let found = all.into_iter().filter_map(|one| {
            let (sandbox, runtime) = names::owner(installation, &one.labels?)?;
            let state = one.state.map(|state| state.to_string()).unwrap_or_default();
            let paused = state == "paused";
            Some(Found { sandbox, runtime, running: paused || state == "running", paused })
        });
        Ok(found.collect())
    }
}
