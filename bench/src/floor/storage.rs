//! A btrfs pool in a file of its own, with a skeleton to start from and a subvolume for each sandbox.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::{cgroup, sys};

/// Size of the file behind the pool, in bytes; it is sparse.
const POOL_BYTES: u64 = 8 << 30;
/// Limit of one sandbox's layer, in bytes.
const LAYER_BYTES: u64 = 1 << 30;

/// A mounted pool.
#[derive(Debug)]
pub(crate) struct Pool {
    root: PathBuf,
    layers: File,
}

/// One sandbox's writable layer.
pub(super) struct Layer {
    name: String,
    pub(super) folder: PathBuf,
}

impl Pool {
    /// Makes and mounts a pool below a folder; not timed.
    pub(crate) fn prepare(folder: &Path) -> anyhow::Result<Self> {
        let (image, root) = (folder.join("floor.img"), folder.join("floor"));
        File::create(&image)?.set_len(POOL_BYTES)?;
        std::fs::create_dir(&root)?;
        command("mkfs.btrfs", &["-q".as_ref(), image.as_ref()])?;
        command("mount", &["-o".as_ref(), "loop,nosuid,nodev".as_ref(), image.as_ref(), root.as_ref()])?;
        sys::enable_quota(File::open(&root)?).context("simple quotas of btrfs")?;
        make_skeleton(&root.join("skeleton"))?;
        // Mount points, shared by all: each sandbox sees its own mounts there.
        for point in ["layers", "lower", "upper", "root"] {
            std::fs::create_dir(root.join(point))?;
        }
        cgroup::prepare()?;
        Self::open(&root)
    }

    /// Uses a pool that another process has prepared.
    pub(crate) fn open(root: &Path) -> anyhow::Result<Self> {
        let layers = File::open(root.join("layers")).context("opening the pool")?;
        Ok(Self { root: root.to_path_buf(), layers })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Unmounts it.
    pub(crate) fn tear_down(self) -> anyhow::Result<()> {
        drop(self.layers);
        cgroup::tear_down();
        command("umount", &[self.root.as_ref()])
    }

    pub(super) fn create_layer(&self, name: &str) -> anyhow::Result<Layer> {
        sys::subvolume_create(&self.layers, name).context("creating a subvolume")?;
        let folder = self.root.join("layers").join(name);
        let opened = File::open(&folder).context("opening the subvolume")?;
        sys::limit_bytes(&opened, LAYER_BYTES).context("limiting the subvolume")?;
        for part in ["upper", "work"] {
            rustix::fs::mkdirat(&opened, part, rustix::fs::Mode::from_raw_mode(0o755))
                .context("making a layer")?;
        }
        Ok(Layer { name: name.to_owned(), folder })
    }

    pub(super) fn remove_layer(&self, layer: &Layer) -> anyhow::Result<()> {
        sys::subvolume_remove(&self.layers, &layer.name).context("removing a subvolume")
    }
}

/// The root that the image `host` starts from: folders, links into `/usr`, and who is who.
fn make_skeleton(root: &Path) -> anyhow::Result<()> {
    for folder in ["dev", "etc", "home/agent", "proc", "root", "run", "sys", "tmp", "usr", "var/tmp"] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    for link in ["bin", "lib", "lib64", "sbin"] {
        symlink(format!("usr/{link}"), root.join(link))?;
    }
    std::fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\nagent:x:1000:1000::/home/agent:/bin/sh\n",
    )?;
    Ok(())
}

fn command(program: &str, arguments: &[&std::ffi::OsStr]) -> anyhow::Result<()> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| format!("starting {program}"))?;
    ensure!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
