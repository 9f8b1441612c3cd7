//! Programs that run inside sandboxes, as sealed copies in memory: a file on disk could be replaced between two
//! starts, and a path to it would have to exist inside.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, Mode, SealFlags, fchmod, fcntl_add_seals, memfd_create};

use crate::report::{At, Step, StepError};

/// MFD_EXEC of Linux 6.3: says that the memory is meant to be executed; older kernels know no such flag.
const MEMFD_EXEC: MemfdFlags = MemfdFlags::from_bits_retain(0x10);

/// Bytes that are copied at once.
const COPY_BYTES: usize = 64 << 10;

/// Copies a program into memory that nobody can change any more.
pub(crate) fn seal(program: OwnedFd) -> Result<OwnedFd, StepError> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = memfd_create("atoll", flags | MEMFD_EXEC).or_else(|_| memfd_create("atoll", flags));
    let mut memory = File::from(memory.at(Step::CopyProgram)?);
    copy(&File::from(program), &mut memory).at(Step::CopyProgram)?;

    // Executable, but not readable, for all but this host's root. The kernel then treats whoever executes it as not
    // dumpable before its first instruction, and ties its memory to the host's user namespace: no process of a
    // sandbox, not even its root, may trace the agent or take its descriptors.
    fchmod(&memory, Mode::from_raw_mode(0o711)).at(Step::SealProgram)?;

    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&memory, seals).at(Step::SealProgram)?;
    Ok(memory.into())
}

/// Copies a file by positions: others share this open file and its offset, the broker among them, and read it at the same time.
fn copy(from: &File, to: &mut File) -> std::io::Result<()> {
    let mut piece = vec![0; COPY_BYTES];
    let mut at = 0;
    loop {
        let read = from.read_at(&mut piece, at)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&piece[..read])?;
        at += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn the_next_launcher_gets_the_whole_program_too() {
        let mut program = File::from(memfd_create("program", MemfdFlags::CLOEXEC).unwrap());
        program.write_all(b"the program").unwrap();
        for _launcher in 0..2 {
            let sealed = File::from(seal(program.try_clone().unwrap().into()).unwrap());
            assert_eq!(sealed.metadata().unwrap().len(), 11);
        }
    }

    #[test]
    fn whoever_else_reads_the_program_meanwhile_takes_nothing_from_it() {
        let mut program = File::from(memfd_create("program", MemfdFlags::CLOEXEC).unwrap());
        program.write_all(&[7; 4 << 20]).unwrap();
        let other = program.try_clone().unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    (&other).seek(SeekFrom::End(0)).unwrap();
                }
            });
            let sealed = File::from(seal(program.try_clone().unwrap().into()).unwrap());
            done.store(true, Ordering::Relaxed);
            assert_eq!(sealed.metadata().unwrap().len(), 4 << 20);
        });
    }
}
