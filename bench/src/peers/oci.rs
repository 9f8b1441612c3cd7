//! runc and bubblewrap, on the same small root.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use super::{repeat, run, until_first_byte};

/// `runc run` of a bundle, to the first byte.
pub(crate) fn runc(scratch: &Path, rootfs: &Path, count: usize) -> anyhow::Result<Vec<Duration>> {
    let bundle = scratch.join("bundle");
    std::fs::create_dir_all(&bundle)?;
    run(Command::new("runc").arg("spec").current_dir(&bundle))?;
    let path = bundle.join("config.json");
    let mut config: Value =
        serde_json::from_slice(&std::fs::read(&path)?).context("the specification of runc")?;
    let changes = [
        ("/process/terminal", json!(false)),
        ("/process/args", json!(["/bin/echo", "ready"])),
        ("/root/path", json!(rootfs)),
    ];
    for (pointer, value) in changes {
        *config.pointer_mut(pointer).with_context(|| format!("runc's specification has no {pointer}"))? =
            value;
    }
    std::fs::write(&path, config.to_string())?;
    let state = scratch.join("runc");
    repeat(count, |number| {
        let name = format!("atoll-bench-{}-{number}", std::process::id());
        until_first_byte(
            Command::new("runc").arg("--root").arg(&state).arg("run").arg("--bundle").arg(&bundle).arg(name),
        )
    })
}

/// bubblewrap with every namespace, without the limits and filters that it does not have.
pub(crate) fn bubblewrap(rootfs: &Path, count: usize) -> anyhow::Result<Vec<Duration>> {
    repeat(count, |_| {
        let mut command = Command::new("bwrap");
        command.args(["--unshare-all", "--uid", "0", "--gid", "0", "--ro-bind"]).arg(rootfs).arg("/");
        until_first_byte(command.args(["--proc", "/proc", "--dev", "/dev", "/bin/echo", "ready"]))
    })
}
