//! The smallest root that answers: static programs. It is the peers' best case.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::run;

const BUSYBOX: &str = "/bin/busybox";
/// Built for musl, the libc of the small images that people use.
const SMALL: &str = include_str!("small.c");
/// Names of the small program.
const NAMES: [&str; 4] = ["cat", "echo", "sleep", "true"];

/// Whose `true` and `echo` are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// Built for musl: starts as fast as the kernel lets it.
    Musl,
    /// Debian's busybox, linked with glibc, whose start asks the processor what it is some ninety times. Where each such
    /// question goes to a hypervisor, that takes a millisecond: as long as all the rest of a command.
    Glibc,
}

impl Program {
    /// The row of the one, or of the other.
    pub(crate) fn row(self, name: &str) -> String {
        match self {
            Self::Musl => name.to_owned(),
            Self::Glibc => format!("{name}, a program for glibc"),
        }
    }

    /// What is executed.
    pub(crate) fn argv<'a>(self, words: &[&'a str]) -> Vec<&'a str> {
        match (self, words) {
            (Self::Musl, _) => words.to_vec(),
            (Self::Glibc, [program, arguments @ ..]) => {
                let name = program.rsplit('/').next().unwrap_or(program);
                [BUSYBOX, name].into_iter().chain(arguments.iter().copied()).collect()
            }
            (Self::Glibc, []) => Vec::new(),
        }
    }
}

/// Fills a new folder.
pub(crate) fn make(root: &Path) -> anyhow::Result<()> {
    for folder in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    std::fs::copy(BUSYBOX, root.join("bin/busybox")).context("busybox-static is not installed")?;
    symlink("busybox", root.join("bin/sh"))?;
    let source = root.join("tmp/small.c");
    std::fs::write(&source, SMALL)?;
    let mut compiler = Command::new("musl-gcc");
    compiler.args(["-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]);
    run(compiler.arg(root.join("bin/small")).arg(&source)).context("musl-tools is not installed")?;
    std::fs::remove_file(&source)?;
    for name in NAMES {
        symlink("small", root.join("bin").join(name))?;
    }
    std::fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\n")?;
    Ok(())
}
