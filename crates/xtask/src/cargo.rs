//! What cargo knows about the workspace.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;

/// The workspace, as `cargo metadata` tells it.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
    pub(crate) workspace_root: PathBuf,
}

/// One crate of the workspace.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a crate's dependency tables.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Absent for an ordinary dependency.
    pub(crate) kind: Option<DependencyKind>,
    /// Present for a crate of the same repository.
    pub(crate) path: Option<PathBuf>,
}

/// Which of the special dependency tables a line stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DependencyKind {
    Dev,
    Build,
}

impl Workspace {
    /// Asks cargo, without building and without the crates of others.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let output = Command::new(program())
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .context("cargo metadata could not be started")?;
        ensure!(
            output.status.success(),
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).context("cargo metadata answered something unexpected")
    }

    /// Where the small programs are put, and found by an `atoll` that was built beside.
    pub(crate) fn dist_dir(&self) -> PathBuf {
        self.target_directory.join("dist")
    }
}

/// The cargo that runs us, else the one on the path.
pub(crate) fn program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The target triple of this machine, such as `x86_64-unknown-linux-gnu`.
pub(crate) fn host_triple() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc could not be started")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .context("rustc -vV names no host")
}
