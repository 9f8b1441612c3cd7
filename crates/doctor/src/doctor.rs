//! The way in: opens an installation, looks at it, mends it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atoll_types::InstallationId;
use rustix::fs::{CWD, Mode, OFlags, openat};
use serde::Serialize;

use crate::collect::{Place, collect};
use crate::examine::examine;
use crate::finding::Finding;
use crate::fix::{FixError, fix};
use crate::records::Records;
use crate::world::{Program, World};

/// Work under way is over after this time, or is at another place: a create takes milliseconds, as does a delete.
const SECOND_LOOK: Duration = Duration::from_millis(500);
/// Looks before something that comes and goes is believed.
const LOOKS_MAX: u32 = 4;
/// The id, a newline, and something more to see that there is more.
const INSTALLATION_BYTES_MAX: u64 = 64;

/// Why nothing could be said.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The folder is not there or not one of ours.
    #[error("{} is no data folder of Atoll", path.display())]
    NoInstallation {
        /// Which folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The host could not be looked at.
    #[error("cannot look at the host (only root can)")]
    Look(#[source] io::Error),
    /// The caller could not read the records.
    #[error("cannot read the records")]
    Records(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What there is to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whose.
    pub installation: InstallationId,
    /// What runs and what does not, for people.
    pub notes: Vec<String>,
    /// Sandboxes with a process.
    pub sandboxes_alive: usize,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing leaks.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self.findings.iter().any(Finding::is_leak)
    }
}

/// Looks at one installation.
#[derive(Debug)]
pub struct Doctor {
    place: Place,
}

impl Doctor {
    /// Opens a data folder.
    ///
    /// # Errors
    /// When it is none.
    pub fn open(data_dir: &Path) -> Result<Self, DoctorError> {
        let open = || -> io::Result<Place> {
            let path = std::fs::canonicalize(data_dir)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let root = openat(CWD, &path, flags, Mode::empty())?;
            let installation = read_installation(&root)?;
            Ok(Place { path, root, installation })
        };
        let place = open().map_err(|source| DoctorError::NoInstallation { path: data_dir.into(), source })?;
        Ok(Self { place })
    }

    /// The installation's id.
    #[must_use]
    pub fn installation(&self) -> &InstallationId {
        &self.place.installation
    }

    /// What the host holds now.
    ///
    /// # Errors
    /// When it cannot be seen.
    pub fn world(&self) -> Result<World, DoctorError> {
        collect(&self.place).map_err(DoctorError::Look)
    }

    /// Looks at everything. `records` is asked after the host has been looked at: a record comes before what it speaks of and
    /// goes after it, so whatever has none then has none at all. What is found is looked for again, since a
    /// sandbox may have been deleted in between.
    ///
    /// # Errors
    /// When the host or the records cannot be read.
    pub fn examine<E>(&self, mut records: impl FnMut() -> Result<Records, E>) -> Result<Report, DoctorError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut look = || -> Result<(World, Vec<Finding>), DoctorError> {
            let world = self.world()?;
            let records = records().map_err(|error| DoctorError::Records(error.into()))?;
            let findings = examine(&world, &records);
            Ok((world, findings))
        };
        let (mut world, mut findings) = look()?;
        for _look in 1..LOOKS_MAX {
            // While nothing of Atoll runs, nothing can be under way.
            if world.supervisor.is_none() || !findings.iter().any(Finding::is_leak) {
                break;
            }
            std::thread::sleep(SECOND_LOOK);
            let (now, again) = look()?;
            world = now;
            findings = again.into_iter().filter(|new| findings.iter().any(|old| new.is_same(old))).collect();
        }
        let sandboxes_alive = world.sandboxes.values().filter(|traces| !traces.processes.is_empty()).count();
        Ok(Report {
            installation: self.place.installation.clone(),
            notes: notes(&world, sandboxes_alive),
            sandboxes_alive,
            findings,
        })
    }

    /// Removes one finding; one that is gone by now is fine.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn fix(&self, finding: &Finding) -> Result<(), FixError> {
        fix(&self.place, &finding.target)
    }
}

fn read_installation(root: &OwnedFd) -> io::Result<InstallationId> {
    use std::io::Read as _;

    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(root, "installation", flags, Mode::empty())?;
    let mut text = String::new();
    std::fs::File::from(file).take(INSTALLATION_BYTES_MAX).read_to_string(&mut text)?;
    text.trim().parse().map_err(io::Error::other)
}

fn notes(world: &World, alive: usize) -> Vec<String> {
    let mut notes = Vec::new();
    match world.supervisor {
        Some(pid) => notes.push(format!("the supervisor runs (pid {pid})")),
        None => notes.push("Atoll does not run; sandboxes that were running go on without it".to_owned()),
    }
    for (program, name) in [(Program::Serve, "serve"), (Program::Launcher, "the launcher")] {
        if world.supervisor.is_some() && !world.runs(program) {
            notes.push(format!("{name} is down; the supervisor starts it again"));
        }
    }
    if world.plain_pool {
        notes.push("disk limits do not hold: the storage is plain folders".to_owned());
    }
    if let Some(why) = world.docker.as_ref().and_then(|docker| docker.away.as_ref()) {
        notes.push(format!("what Docker holds was not looked at: {why}"));
    }
    notes.push(match alive {
        1 => "1 sandbox is alive".to_owned(),
        n => format!("{n} sandboxes are alive"),
    });
    notes
}
