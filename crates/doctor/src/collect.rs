//! Looks at the host. Every collector fills its part of the [`World`].

mod cgroups;
pub(crate) mod docker;
mod files;
mod loops;
mod mounts;
mod parts;
mod processes;
mod rules;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use atoll_types::InstallationId;

use crate::world::World;

pub(crate) use files::open;
pub(crate) use processes::pidfd;
pub(crate) use rules::nft;

/// One installation: its folder and its id.
#[derive(Debug)]
pub(crate) struct Place {
    /// The data folder, as the kernel shows it in its own lists.
    pub(crate) path: PathBuf,
    /// The data folder.
    pub(crate) root: OwnedFd,
    /// The id that every name on the host carries.
    pub(crate) installation: InstallationId,
}

impl Place {
    /// Name of the installation's own control groups, of the router of its networks, and of its rules.
    pub(crate) fn group_name(&self) -> String {
        format!("atoll-{}", self.installation)
    }
}

/// Collects everything. Things come and go meanwhile; what vanishes is not there.
pub(crate) fn collect(place: &Place) -> io::Result<World> {
    let mut world = World::default();
    let mounts = mounts::read()?;
    parts::collect(place, &mut world)?;
    cgroups::collect(place, &mounts, &mut world);
    files::collect(place, &mut world)?;
    processes::collect(place, &mut world)?;
    mounts::collect(place, &mounts, &mut world);
    loops::collect(place, &mut world)?;
    rules::collect(place, &mut world)?;
    docker::collect(place, &mut world)?;
    Ok(world)
}
