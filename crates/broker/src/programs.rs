//! The agent's program, in a volume of Docker's: that works where Docker is another machine, and needs no mount of a host's folder.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use atoll_broker_protocol::{Failure, FailureKind};
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions, UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::container::{self, AGENT_FILE, AGENT_FOLDER};
use crate::daemon::Daemon;
use crate::fail::{asked, failure, unless};
use crate::names;

/// Largest program, in bytes.
const PROGRAM_BYTES_MAX: u64 = 64 << 20;
/// Bytes of the digest in the volume's name: enough to tell releases apart.
const DIGEST_BYTES: usize = 8;

/// The agent's program.
#[derive(Debug)]
pub(crate) struct Programs {
    bytes: Bytes,
    digest: String,
    /// Whether this process has filled the volume.
    filled: Mutex<bool>,
}

impl Programs {
    /// Reads it, by positions: the launcher and others share this open file and its offset, and read it at the same time.
    pub(crate) fn new(agent: &File) -> io::Result<Self> {
        let length = agent.metadata()?.len().min(PROGRAM_BYTES_MAX);
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        agent.read_exact_at(&mut bytes, 0)?;
        let digest = Sha256::digest(&bytes);
        let digest = digest.iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { bytes: bytes.into(), digest, filled: Mutex::new(false) })
    }

    fn volume_name(&self, daemon: &Daemon) -> String {
        format!("atoll-{}-agent-{}", daemon.installation(), self.digest)
    }

    /// The volume with the program in it. Filled once in the life of this process: what is there may be half of it. Docker puts the
    /// new file in the place of the old one, which those who run it keep.
    pub(crate) async fn volume(&self, daemon: &Daemon, image: &str) -> Result<String, Failure> {
        let mut filled = self.filled.lock().await;
        let name = self.volume_name(daemon);
        if !*filled {
            self.fill(daemon, image, &name).await?;
            *filled = true;
        }
        Ok(name)
    }

    /// The volume is not there after all.
    pub(crate) async fn forget(&self) {
        *self.filled.lock().await = false;
    }

    async fn fill(&self, daemon: &Daemon, image: &str, volume: &str) -> Result<(), Failure> {
        let docker = daemon.docker().await?;
        let request = VolumeCreateRequest {
            name: Some(volume.to_owned()),
            labels: Some(names::labels(daemon.installation())),
            ..VolumeCreateRequest::default()
        };
        asked(docker.create_volume(request)).await?;
        let filler = format!("atoll-{}-agent", daemon.installation());
        remove(daemon, &filler).await?;
        let options = CreateContainerOptionsBuilder::default().name(&filler).build();
        let body = container::filler(daemon.installation(), image.to_owned(), volume);
        asked(docker.create_container(Some(options), body)).await?;
        let options = UploadToContainerOptionsBuilder::default().path(AGENT_FOLDER).build();
        let archive = self.archive().map_err(|error| failure(FailureKind::System, error.to_string()))?;
        let uploaded =
            asked(docker.upload_to_container(&filler, Some(options), bollard::body_full(archive))).await;
        remove(daemon, &filler).await?;
        uploaded
    }

    fn archive(&self) -> io::Result<Bytes> {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(self.bytes.len().try_into().map_err(io::Error::other)?);
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_data(&mut header, AGENT_FILE, &self.bytes[..])?;
        Ok(archive.into_inner()?.into())
    }

    /// Removes volumes of other releases that no container uses any more.
    pub(crate) async fn sweep(&self, daemon: &Daemon) -> Result<(), Failure> {
        let docker = daemon.docker().await?;
        let options =
            ListVolumesOptionsBuilder::default().filters(&names::filter(daemon.installation())).build();
        let all = asked(docker.list_volumes(Some(options))).await?;
        for volume in all.volumes.unwrap_or_default() {
            if volume.name != self.volume_name(daemon) {
                // Conflict: somebody uses it.
                let removed = docker.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await;
                asked(async { unless(&[404, 409], removed) }).await?;
            }
        }
        Ok(())
    }
}

async fn remove(daemon: &Daemon, container: &str) -> Result<(), Failure> {
    let docker = daemon.docker().await?;
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    asked(async { unless(&[404], docker.remove_container(container, Some(options)).await) }).await
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn the_archive_holds_the_program_for_all_to_execute() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"program").unwrap();
        let programs = Programs::new(&file).unwrap();
        assert_eq!(programs.digest.len(), 2 * DIGEST_BYTES);
        let bytes = programs.archive().unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut entries = archive.entries().unwrap();
        let mut entry = entries.next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap().to_str(), Some("agent"));
        assert_eq!(entry.header().mode().unwrap(), 0o755);
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!(text, "program");
        assert!(entries.next().is_none());
        // Whoever shares the open file has read it to its end.
        assert_eq!(Programs::new(&file).unwrap().bytes, programs.bytes);
    }
}
