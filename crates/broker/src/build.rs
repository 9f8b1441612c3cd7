//! Builds of images: what a Dockerfile of a stranger's runs is in containers of Docker's own making.
//!
//! ```text
//!  context ─► read here ─► written anew ─► Docker's builder ─► RUN in containers with our label and limits
//!                                              └─► image ─► saved into serve's file ─► everything of the build removed
//! ```
//! Docker's builder takes no configuration of containers, only some limits. What it lacks is done from here: each container of a build gets
//! a limit of processes as soon as Docker tells of it, and a build ends before the disk is full. Labels stand in the Dockerfile itself, after
//! each `FROM` and before anything else, so that nothing is made without one; and what is left over, by a broker or a Docker that was killed,
//! is known by them ([`crate::built`]).

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::time::Duration;

use atoll_broker_protocol::{Answer, BuildImage, Failure, FailureKind};
use atoll_build_context::{
    Asked, Context, ContextError, DOCKERFILE_SENT, Dockerfile, Rendered, host_platform,
};
use atoll_launcher_protocol::PacketError;
use atoll_packets::Connection;
use atoll_types::Network;
use bollard::errors::Error;
use bollard::models::ContainerUpdateBody;
use bollard::query_parameters::{BuildImageOptions, BuildImageOptionsBuilder, EventsOptionsBuilder};
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::ReceiverStream;

use crate::fail::{asked, failure, of, status};
use crate::names;
use crate::output::{Output, Pieces};
use crate::requests::Broker;

/// Longest build, in seconds, whatever serve says.
const SECONDS_MAX: u32 = 6 * 3_600;
/// Memory of one step of a build, in bytes, without swap: just below 2 GiB, the most that Docker's request holds.
const MEMORY_BYTES: i32 = 2_047 << 20;
/// Processor time of one step, in microseconds of each tenth of a second: two processors.
const CPU_MICROS: (i32, i32) = (200_000, 100_000);
/// Size of `/dev/shm` of one step, in bytes.
const SHM_BYTES: i32 = 64 << 20;
/// Processes and threads of one step.
const PIDS: i64 = 1_024;
/// Room on Docker's disk, in bytes, below which builds end.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// Time between two looks at it.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Pieces of output that wait for serve.
const OUTPUTS: usize = 16;
/// Pieces of the context that wait for Docker.
const PIECES: usize = 4;
/// Descriptors that come with a build.
const DESCRIPTORS: usize = 2;

/// What comes with a build.
struct Files {
    context: File,
    into: File,
}

impl Broker {
    /// Builds an image, unless the connection is closed before.
    pub(crate) async fn build(
        &self,
        client: &mut Connection,
        order: &BuildImage,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), PacketError> {
        let place = match self.builds.begin() {
            Ok(place) => place,
            Err(failed) => return client.send(&Answer::Failed(failed), &[]).await,
        };
        let Ok([context, into]) = <[OwnedFd; DESCRIPTORS]>::try_from(descriptors) else {
            let failed =
                failure(FailureKind::Invalid, "a build comes with its context and a file for the image");
            return client.send(&Answer::Failed(failed), &[]).await;
        };
        let files = Files { context: context.into(), into: into.into() };
        let attended = self.attend(client, order, files, place.id()).await;
        let built = matches!(attended, Ok(Ok(())));
        if let Err(failed) = self.clean(place.id(), built).await {
            crate::log(&format!("what is left of a build is removed later: {}", failed.message));
        }
        let answer = attended?.map_or_else(Answer::Failed, |()| Answer::Done);
        client.send(&answer, &[]).await
    }

    /// Passes on what is written, and gives the build up when nobody listens any more.
    async fn attend(
        &self,
        client: &mut Connection,
        order: &BuildImage,
        files: Files,
        id: &str,
    ) -> Result<Result<(), Failure>, PacketError> {
        let (tell, mut told) = mpsc::channel(OUTPUTS);
        let limit = Duration::from_secs(order.seconds.min(SECONDS_MAX).into());
        let mut work = pin!(tokio::time::timeout(limit, self.work(order, files, id, tell)));
        let done = loop {
            // Cancel safe: a text that was taken is sent, the work is only looked at, and a packet means only that the connection is not
            // what it should be.
            tokio::select! {
                biased;
                Some(text) = told.recv() => client.send(&Answer::Output { text }, &[]).await?,
                done = &mut work => break done,
                _ = client.receive::<atoll_broker_protocol::Call>() => return Err(PacketError::Closed),
            }
        };
        while let Ok(text) = told.try_recv() {
            client.send(&Answer::Output { text }, &[]).await?;
        }
        let late = || {
            let text =
                format!("the build took longer than {} s (the setting imageBuildTime)", limit.as_secs());
            Err(failure(FailureKind::BuildFailed, text))
        };
        Ok(done.unwrap_or_else(|_| late()))
    }

    async fn work(
        &self,
        order: &BuildImage,
        files: Files,
        id: &str,
        tell: mpsc::Sender<String>,
    ) -> Result<(), Failure> {
        if self.daemon.is_podman().await? {
            return Err(failure(
                FailureKind::Unsupported,
                "Podman builds no images for Atoll: Docker Engine does",
            ));
        }
        if order.network != Network::None {
            let text = "a build has no network but 'none': its steps cannot reach the Internet";
            return Err(failure(FailureKind::Unsupported, text));
        }
        let (dockerfile, context) = read(order, files.context).await?;
        let images = self.images_of(&dockerfile, order).await?;
        let installation = self.daemon.installation().as_str();
        let labels = [
            (names::INSTALLATION, installation),
            (names::BUILD, id),
            (names::SANDBOX, ""),
            (names::RUNTIME, ""),
        ];
        let rendered = dockerfile.render(&images, &labels);
        let rendered = rendered.map_err(|error| failure(FailureKind::BadDockerfile, error.to_string()))?;
        tokio::select! {
            built = self.have_built(order, rendered, context, id, tell) => built?,
            // It only looks.
            failed = self.watch_over(id) => return Err(failed),
        }
        self.save(id, files.into, order.bytes_max).await
    }

    /// What Docker calls the images that the Dockerfile names. What such an image would have the builder do is not taken.
    async fn images_of(
        &self,
        dockerfile: &Dockerfile,
        order: &BuildImage,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let docker = self.daemon.docker().await?;
        let mut all = BTreeMap::new();
        for name in dockerfile.images() {
            let digest = order
                .images
                .get(&name)
                .ok_or_else(|| failure(FailureKind::BadDockerfile, format!("there is no image '{name}'")))?;
            let in_docker = names::image(self.daemon.installation(), digest);
            let image = asked(docker.inspect_image(&in_docker)).await?;
            if image.config.and_then(|config| config.on_build).is_some_and(|steps| !steps.is_empty()) {
                let text = format!("the image '{name}' has ONBUILD steps, which are not taken: name another");
                return Err(failure(FailureKind::BadDockerfile, text));
            }
            all.insert(name, in_docker);
        }
        Ok(all)
    }

    /// Has Docker build it.
    async fn have_built(
        &self,
        order: &BuildImage,
        rendered: Rendered,
        context: File,
        id: &str,
        tell: mpsc::Sender<String>,
    ) -> Result<(), Failure> {
        let docker = self.daemon.docker().await?;
        let Rendered { text, steps } = rendered;
        let (pieces, wait) = mpsc::channel(PIECES);
        let sent = spawn_blocking(move || {
            let written = Context::open(&context).and_then(|all| all.write(&text, Pieces::new(&pieces)));
            if let Err(error) = &written {
                // Else Docker would take what came for the whole.
                drop(pieces.blocking_send(Err(std::io::Error::other(error.to_string()))));
            }
            written
        });
        let body = bollard::body_try_stream(ReceiverStream::new(wait));
        let mut output = Output::new(steps, tell);
        let mut answers = Box::pin(docker.build_image(self.options(order, id), None, Some(body)));
        let mut ended = Ok(());
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(info) => output.take(&info.stream.unwrap_or_default()).await,
                Err(error) => {
                    ended = Err(build_failure(&error, &output));
                    break;
                }
            }
        }
        // Where Docker wants no more of the context, whoever writes it has to notice.
        drop(answers);
        // It has been read before: it changes under nobody's hands, as its file has no name.
        match sent.await {
            Ok(Err(error @ (ContextError::Bad(_) | ContextError::TooLarge))) => Err(context_failure(&error)),
            _ => ended,
        }
    }

    fn options(&self, order: &BuildImage, id: &str) -> BuildImageOptions {
        let args: HashMap<String, String> = order.args.clone().into_iter().collect();
        let (quota, period) = CPU_MICROS;
        BuildImageOptionsBuilder::default()
            .dockerfile(DOCKERFILE_SENT)
            .t(&names::built(self.daemon.installation(), id))
            .buildargs(&args)
            .nocache(true)
            .rm(true)
            .forcerm(true)
            .memory(MEMORY_BYTES)
            .memswap(MEMORY_BYTES)
            .cpuquota(quota)
            .cpuperiod(period)
            .shmsize(SHM_BYTES)
            .networkmode("none")
            .build()
    }

    /// Limits the processes of what runs, for as long as there is room on Docker's disk.
    async fn watch_over(&self, id: &str) -> Failure {
        let docker = match self.daemon.docker().await {
            Ok(docker) => docker,
            Err(failed) => return failed,
        };
        let filters = HashMap::from([
            ("label".to_owned(), vec![format!("{}={id}", names::BUILD)]),
            ("type".to_owned(), vec!["container".to_owned()]),
            ("event".to_owned(), vec!["create".to_owned(), "start".to_owned()]),
        ]);
        let options = EventsOptionsBuilder::default().filters(&filters).build();
        let mut events = pin!(docker.events(Some(options)));
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        let folder = self.folder().await;
        loop {
            // Cancel safe: both only wait.
            tokio::select! {
                Some(event) = events.next() => {
                    if let Some(container) = event.ok().and_then(|event| event.actor?.id) {
                        let limit = ContainerUpdateBody { pids_limit: Some(PIDS), ..ContainerUpdateBody::default() };
                        // One that is gone already needs none.
                        drop(asked(docker.update_container(&container, limit)).await);
                    }
                }
                _ = ticks.tick() => {
                    if folder.as_deref().and_then(free_bytes).is_some_and(|free| free < FREE_BYTES_MIN) {
                        return failure(FailureKind::DiskFull, "Docker's disk has no room for the build");
                    }
                }
            }
        }
    }

    /// Where Docker keeps its containers, where that is on this machine.
    async fn folder(&self) -> Option<String> {
        self.daemon.subnets()?;
        asked(self.daemon.docker().await.ok()?.info()).await.ok()?.docker_root_dir
    }

    /// Writes the image into serve's file.
    async fn save(&self, id: &str, into: File, bytes_max: u64) -> Result<(), Failure> {
        let docker = self.daemon.docker().await?;
        let name = names::built(self.daemon.installation(), id);
        let mut image = pin!(docker.export_image(&name));
        let mut into = tokio::fs::File::from_std(into);
        let mut left = bytes_max;
        while let Some(piece) = image.next().await {
            let piece = piece.map_err(|error| of(&error))?;
            left = left.checked_sub(piece.len() as u64).ok_or_else(|| {
                let text =
                    format!("the image has more than {} MiB (the setting maxImageSize)", bytes_max >> 20);
                failure(FailureKind::BuildFailed, text)
            })?;
            into.write_all(&piece).await.map_err(|error| unwritten(&error))?;
        }
        into.flush().await.map_err(|error| unwritten(&error))
    }
}

/// The Dockerfile of a context.
async fn read(order: &BuildImage, context: File) -> Result<(Dockerfile, File), Failure> {
    let (path, args, target) = (order.dockerfile.clone(), order.args.clone(), order.target.clone());
    let read = spawn_blocking(move || {
        let text = Context::open(&context).and_then(|all| all.dockerfile(&path));
        let text = text.map_err(|error| context_failure(&error))?;
        let asked = Asked { args, target: target.as_deref(), platform: &host_platform() };
        let dockerfile = Dockerfile::parse(&text, &asked);
        let dockerfile =
            dockerfile.map_err(|error| failure(FailureKind::BadDockerfile, error.to_string()))?;
        Ok((dockerfile, context))
    });
    read.await.unwrap_or_else(|error| Err(failure(FailureKind::System, error.to_string())))
}

fn context_failure(error: &ContextError) -> Failure {
    let kind = match error {
        ContextError::Bad(_) | ContextError::NoDockerfile(_) => FailureKind::BadContext,
        ContextError::TooLarge => FailureKind::ContextTooLarge,
        ContextError::Io(_) => FailureKind::System,
    };
    failure(kind, error.to_string())
}

/// Docker tells in the middle of its answer what failed, or refuses the Dockerfile before it begins.
fn build_failure(error: &Error, output: &Output) -> Failure {
    match error {
        Error::DockerStreamError { error } if error.contains("no space left on device") => {
            failure(FailureKind::DiskFull, "Docker's disk has no room for the build")
        }
        Error::DockerStreamError { error } => failure(FailureKind::BuildFailed, output.explained(error)),
        refused if status(refused) == Some(400) => {
            failure(FailureKind::BadDockerfile, output.explained(&of(refused).message))
        }
        other => of(other),
    }
}

fn unwritten(error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            failure(FailureKind::DiskFull, "the host's disk has no room for the image")
        }
        _ => failure(FailureKind::System, format!("the image cannot be written: {error}")),
    }
}

/// Room for anybody on the disk of a folder, in bytes.
fn free_bytes(folder: &str) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_a_disk_is_known() {
        assert!(free_bytes("/").is_some());
        assert_eq!(free_bytes("/nothing/there"), None);
    }

    #[test]
    fn what_docker_says_of_a_build_has_a_kind() {
        let (tell, _told) = mpsc::channel(1);
        let output = Output::new(Vec::new(), tell);
        let streamed =
            |error: &str| build_failure(&Error::DockerStreamError { error: error.to_owned() }, &output);
        assert_eq!(streamed("COPY failed: x").kind, FailureKind::BuildFailed);
        assert_eq!(streamed("write /x: no space left on device").kind, FailureKind::DiskFull);
        let refused =
            Error::DockerResponseServerError { status_code: 400, message: "parse error".to_owned() };
        assert_eq!(build_failure(&refused, &output).kind, FailureKind::BadDockerfile);
    }
}
