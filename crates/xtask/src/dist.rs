//! Builds what ships.
//!
//! The six small programs are static, so that they run in a sandbox that has no libraries and on any host; they
//! have a target folder of their own, because other flags there would rebuild the whole workspace here.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::cargo::{self, Workspace};

/// The programs that travel with `atoll`.
const SMALL_PROGRAMS: [&str; 6] =
    ["atoll-agent", "atoll-broker", "atoll-egress", "atoll-launcher", "atoll-supervisor", "atoll-unpack"];

/// Names the folder of the small programs to the crate that embeds them.
const EMBED_DIR: &str = "ATOLL_EMBED_DIR";

/// Builds the small programs into the `dist` folder.
pub(crate) fn programs(workspace: &Workspace) -> anyhow::Result<()> {
    let triple = cargo::host_triple()?;
    let build_dir = workspace.target_directory.join("dist-build");
    let mut build = Command::new(cargo::program());
    build
        .args(["build", "--profile", "small", "--target", &triple, "--target-dir"])
        .arg(&build_dir)
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    for program in SMALL_PROGRAMS {
        build.args(["--package", program]);
    }
    run(&mut build)?;

    let built = build_dir.join(triple).join("small");
    let dist = workspace.dist_dir();
    std::fs::create_dir_all(&dist).with_context(|| format!("creating {}", dist.display()))?;
    for program in SMALL_PROGRAMS {
        let bytes = install(&built.join(program), &dist.join(program))?;
        println!("dist: {} {} KiB", dist.join(program).display(), bytes / 1024);
    }
    Ok(())
}

/// Builds `atoll` with the small programs inside: in the workspace's own target folder, where most of it is built already.
pub(crate) fn embedded(workspace: &Workspace, profile: &str, output: Option<&Path>) -> anyhow::Result<()> {
    let mut build = Command::new(cargo::program());
    build
        .args(["build", "--package", "atoll-cli", "--features", "embed", "--profile", profile])
        .arg("--target-dir")
        .arg(&workspace.target_directory)
        .env(EMBED_DIR, workspace.dist_dir());
    run(&mut build)?;

    let built = workspace.target_directory.join(profile_folder(profile)).join("atoll");
    let target: PathBuf = output.map_or_else(|| workspace.dist_dir().join("atoll"), Path::to_path_buf);
    let bytes = install(&built, &target)?;
    println!("dist: {} {} KiB", target.display(), bytes / 1024);
    Ok(())
}

/// Cargo keeps the profile `dev` in the folder `debug`.
fn profile_folder(profile: &str) -> &str {
    if profile == "dev" { "debug" } else { profile }
}

/// Replaces `to` in one step: it may be running. Leaves it alone when nothing changed. Answers with its size.
fn install(from: &Path, to: &Path) -> anyhow::Result<usize> {
    let new = std::fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    if std::fs::read(to).is_ok_and(|old| old == new) {
        return Ok(new.len());
    }
    let mut beside = to.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    std::fs::copy(from, &beside).with_context(|| format!("writing {}", Path::new(&beside).display()))?;
    std::fs::rename(&beside, to).with_context(|| format!("replacing {}", to.display()))?;
    Ok(new.len())
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("starting {}", command.get_program().display()))?;
    let args: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    ensure!(status.success(), "cargo {} failed: {status}", args.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_program_keeps_its_file() {
        use std::os::unix::fs::MetadataExt;

        let folder = std::env::temp_dir().join(format!("atoll-xtask-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (from, to) = (folder.join("from"), folder.join("to"));
        std::fs::write(&from, b"one").unwrap();

        assert_eq!(install(&from, &to).unwrap(), 3);
        let first = std::fs::metadata(&to).unwrap().ino();
        assert_eq!(install(&from, &to).unwrap(), 3);
        assert_eq!(std::fs::metadata(&to).unwrap().ino(), first);

        std::fs::write(&from, b"other").unwrap();
        assert_eq!(install(&from, &to).unwrap(), 5);
        assert_eq!(std::fs::read(&to).unwrap(), b"other");
        assert_ne!(std::fs::metadata(&to).unwrap().ino(), first);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_folder_of_a_profile() {
        assert_eq!(profile_folder("dev"), "debug");
        assert_eq!(profile_folder("release"), "release");
    }
}
