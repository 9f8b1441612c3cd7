//! Programs that run inside sandboxes, as sealed copies in memory: a file on disk could be replaced between two
//! starts, and a path to it would have to exist inside.

use std::fs::File;
use std::io::Seek;
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, Mode, SealFlags, fchmod, fcntl_add_seals, memfd_create};

use crate::report::{At, Step, StepError};

/// MFD_EXEC of Linux 6.3: says that the memory is meant to be executed; older kernels know no such flag.
const MEMFD_EXEC: MemfdFlags = MemfdFlags::from_bits_retain(0x10);

/// Copies a program into memory that nobody can change any more.
pub(crate) fn seal(program: OwnedFd) -> Result<OwnedFd, StepError> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = memfd_create("atoll", flags | MEMFD_EXEC).or_else(|_| memfd_create("atoll", flags));
    let mut memory = File::from(memory.at(Step::CopyProgram)?);
    let mut program = File::from(program);
    // The launcher before this one read it to its end, through the same open file.
    program.rewind().at(Step::CopyProgram)?;
    std::io::copy(&mut program, &mut memory).at(Step::CopyProgram)?;

    // Executable, but not readable, for all but this host's root. The kernel then treats whoever executes it as not
    // dumpable before its first instruction, and ties its memory to the host's user namespace: no process of a
    // sandbox, not even its root, may trace the agent or take its descriptors.
    fchmod(&memory, Mode::from_raw_mode(0o711)).at(Step::SealProgram)?;

    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&memory, seals).at(Step::SealProgram)?;
    Ok(memory.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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
}
