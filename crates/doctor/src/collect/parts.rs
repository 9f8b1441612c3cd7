//! Supervisor, serve and launcher.

use std::fs::File;
use std::io::{self, Read as _};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;

use crate::collect::{Place, processes};
use crate::world::{Part, Program, World};

/// Digits of the longest process id, and a newline.
const PID_BYTES_MAX: u64 = 16;

pub(crate) fn collect(place: &Place, world: &mut World) -> io::Result<()> {
    world.supervisor = supervisor(place)?;
    for pid in processes::all()? {
        let Some(program) = program(place, pid) else { continue };
        if let Some(process) = processes::identity(pid) {
            world.parts.push(Part { program, process });
        }
    }
    Ok(())
}

/// Who holds the lock.
fn supervisor(place: &Place) -> io::Result<Option<u32>> {
    let lock =
        match openat(&place.root, "lock", OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        {
            Ok(lock) => lock,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
    // Shared, so that two doctors do not take each other for a supervisor. It is given back at the end of this function.
    match flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            File::from(lock).take(PID_BYTES_MAX).read_to_string(&mut pid)?;
            Ok(Some(pid.trim().parse().unwrap_or(0)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Which part of this installation a process is. Only root's or serve's own processes could pretend to be one, and none of
/// those is a sandbox's.
fn program(place: &Place, pid: i32) -> Option<Program> {
    let command = processes::read(pid, "cmdline")?;
    let mut words = command.split(|byte| *byte == 0);
    match words.next()? {
        b"atoll-launcher" => {
            let folder = words.skip_while(|word| *word != b"--data-dir").nth(1)?;
            let same =
                std::fs::canonicalize(std::str::from_utf8(folder).ok()?).is_ok_and(|path| path == place.path);
            same.then_some(Program::Launcher)
        }
        b"atoll" => {
            let environment = processes::read(pid, "environ")?;
            let has =
                |wanted: &str| environment.split(|byte| *byte == 0).any(|word| word == wanted.as_bytes());
            let ours = has("ATOLL_ROLE=serve") && has(&format!("ATOLL_INSTALLATION={}", place.installation));
            ours.then_some(Program::Serve)
        }
        _ => None,
    }
}
