//! Removes one finding. Everything may be repeated.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Signal, pidfd_send_signal};

use crate::collect::{self, Place, collect, docker, pidfd};
use crate::finding::Target;
use crate::remove::remove_tree;
use crate::world::Process;

/// How long processes may take to die, and groups to become empty: both take milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// A finding could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum FixError {
    /// The system refused.
    #[error("cannot remove {what}")]
    System {
        /// What.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Processes do not die, though they were killed and thawed.
    #[error("processes of {0} do not die")]
    Undead(String),
    /// It is nothing that can be removed.
    #[error("this must be mended by hand")]
    ByHand,
}

pub(crate) fn fix(place: &Place, target: &Target) -> Result<(), FixError> {
    let at = |what: String| move |source| FixError::System { what, source };
    match target {
        Target::Nothing => Err(FixError::ByHand),
        Target::SandboxProcesses(id) => {
            end(&format!("sandbox {id}"), || {
                let world = collect(place)?;
                let Some(traces) = world.sandboxes.get(id) else { return Ok(true) };
                traces.processes.iter().for_each(|process| kill(*process));
                // A frozen process of version 1 ignores even SIGKILL until it is thawed.
                traces.cgroups.iter().for_each(|group| thaw(group));
                Ok(traces.processes.is_empty())
            })
        }
        Target::Processes(processes) => end("the installation", || {
            let left = processes.iter().filter(|process| pidfd(**process).is_some());
            Ok(left.inspect(|process| kill(**process)).count() == 0)
        }),
        Target::Cgroup(path) => remove_group(path).map_err(at(path.display().to_string())),
        Target::Mount(path) => unmount_all(path).map_err(at(path.display().to_string())),
        Target::NamedMount(path) => {
            unmount_all(path).and_then(|()| remove_name(path)).map_err(at(path.display().to_string()))
        }
        Target::HostRules => remove_rules(place).map_err(at("the rules".to_owned())),
        Target::LoopDevice(path) => detach(path).map_err(at(path.display().to_string())),
        Target::Tree(path) => remove_below(place, path).map_err(at(path.display().to_string())),
        Target::Container(id) => docker::remove_container(place, id).map_err(at(format!("container {id}"))),
        Target::DockerNetwork(id) => docker::remove_network(place, id).map_err(at(format!("network {id}"))),
        Target::DockerVolume(name) => {
            docker::remove_volume(place, name).map_err(at(format!("volume {name}")))
        }
        Target::BuiltImage(name) => docker::remove_built(place, name).map_err(at(format!("image {name}"))),
        Target::DockerImage(tag) => docker::remove_image(place, tag).map_err(at(format!("image {tag}"))),
    }
}

/// Repeats `step` until it says that all are gone.
fn end(what: &str, mut step: impl FnMut() -> io::Result<bool>) -> Result<(), FixError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match step() {
            Ok(true) => return Ok(()),
            Ok(false) if Instant::now() >= until => return Err(FixError::Undead(what.to_owned())),
            Ok(false) => std::thread::sleep(PAUSE),
            Err(source) => return Err(FixError::System { what: what.to_owned(), source }),
        }
    }
}

fn kill(process: Process) {
    if let Some(fd) = pidfd(process) {
        // One that died in between is what was wanted; one that lives on is seen at the next look.
        let _seen_next_time = pidfd_send_signal(fd, Signal::KILL);
    }
}

/// Both versions' way; the files that a group does not have are not made.
fn thaw(group: &Path) {
    for (file, value) in
        [("freezer.state", "THAWED"), ("workload/cgroup.kill", "1"), ("workload/cgroup.freeze", "0")]
    {
        let opened = std::fs::OpenOptions::new().write(true).open(group.join(file));
        drop(opened.and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes())));
    }
}

/// Removes a group and those in it. Its processes are gone or dying: the last one may take a moment to be switched out.
fn remove_group(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&entry.path())?;
        }
    }
    // Gives the pages of a memory group back: removed with them, it would stay in the kernel as long as they are cached.
    let force = std::fs::OpenOptions::new().write(true).open(path.join("memory.force_empty"));
    drop(force.and_then(|mut file| io::Write::write_all(&mut file, b"0")));
    let until = Instant::now() + PATIENCE;
    loop {
        match std::fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < until => {
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}

/// Mounts may lie on each other at one point.
fn unmount_all(path: &Path) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match unmount(path, UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            // No mount point any more.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => return Ok(()),
            // A process that was killed may still hold it for a moment.
            Err(rustix::io::Errno::BUSY) if Instant::now() < until => std::thread::sleep(PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The empty file that a namespace was mounted on.
fn remove_name(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() && meta.len() == 0 => std::fs::remove_file(path),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn detach(device: &Path) -> io::Result<()> {
    let output = Command::new("losetup")
        .arg("--detach")
        .arg(device)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn remove_rules(place: &Place) -> io::Result<()> {
    match collect::nft(&["delete", "table", "inet", &place.group_name()])? {
        Some(Err(problem)) if !problem.contains("No such file") => Err(io::Error::other(problem)),
        _ => Ok(()),
    }
}

fn remove_below(place: &Place, path: &Path) -> io::Result<()> {
    // Paths are made of names of ours; this is the last place to see that.
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let (Some(parent), Some(name), true) = (path.parent().and_then(Path::to_str), path.file_name(), plain)
    else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    let Some(parent) = collect::open(&place.root, parent)? else { return Ok(()) };
    let name: &OsStr = name;
    remove_tree(parent, &CString::new(name.as_bytes())?)
}
