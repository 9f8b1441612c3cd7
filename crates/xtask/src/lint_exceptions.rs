//! `unsafe` is lifted in a handful of files only.
//!
//! The workspace lint denies `unsafe_code`; what is looked for here is the attribute that lifts the lint, and a
//! crate that does not take part in the workspace's lints at all.

use std::path::Path;

use anyhow::Context;

use crate::house::UNSAFE_ROOMS;

/// Folders that hold sources of ours.
const SOURCE_ROOTS: &[&str] = &["crates", "bench"];

/// Every file that lifts the lint outside the rooms that may, and every crate without the workspace's lints.
pub(crate) fn violations(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for source in SOURCE_ROOTS {
        let folder = root.join(source);
        if folder.is_dir() {
            walk(root, &folder, &mut wrong)?;
        }
    }
    wrong.sort();
    Ok(wrong)
}

fn walk(root: &Path, folder: &Path, wrong: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        let path = entry.path();
        if entry.file_type().with_context(|| format!("reading {}", path.display()))?.is_dir() {
            walk(root, &path, wrong)?;
            continue;
        }
        let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let is_manifest = relative.ends_with("/Cargo.toml");
        if is_manifest || relative.ends_with(".rs") {
            let text =
                std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            wrong.extend(judge(&relative, &text));
        }
    }
    Ok(())
}

/// Why this file is wrong, if it is. `relative` is its path from the workspace root.
fn judge(relative: &str, text: &str) -> Option<String> {
    if relative.ends_with("/Cargo.toml") {
        let inherits =
            text.split_once("[lints]").is_some_and(|(_, rest)| rest.trim_start().starts_with("workspace"));
        return (!inherits).then(|| format!("{relative} does not inherit the workspace's lints"));
    }
    let lifts = text.lines().any(lifts_the_lint);
    let may = UNSAFE_ROOMS.iter().any(|(room, _)| relative.starts_with(room));
    (lifts && !may).then(|| {
        format!("{relative} allows unsafe code; the rooms that may are listed in crates/xtask/src/house.rs")
    })
}

/// An attribute's arguments may stand on lines of their own, so the bare name counts too.
fn lifts_the_lint(line: &str) -> bool {
    let line = line.trim_start();
    let name = concat!("unsafe", "_code");
    line.contains(name)
        && !line.starts_with("//")
        && !line.contains(&format!("{name}\""))
        && !line.contains("forbid(")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifting_the_lint_is_for_the_listed_rooms() {
        let text = concat!("#![allow(unsafe", "_code)]\n");
        assert!(judge("crates/engine/src/lib.rs", text).is_some());
        assert!(judge("crates/agent/src/server.rs", text).is_some());
        assert!(judge("crates/agent/src/sys.rs", text).is_none());
        assert!(judge("crates/launcher/src/mount.rs", text).is_none());
    }

    #[test]
    fn an_attribute_over_several_lines_is_seen() {
        let text = concat!("#[expect(\n    unsafe", "_code,\n    reason = \"x\"\n)]\n");
        assert!(judge("crates/http/src/lib.rs", text).is_some());
    }

    #[test]
    fn talking_about_it_is_fine() {
        assert!(
            judge("crates/http/src/lib.rs", concat!("//! `unsafe", "_code` is denied here.\n")).is_none()
        );
    }

    #[test]
    fn a_crate_must_take_the_workspace_lints() {
        assert!(judge("crates/http/Cargo.toml", "[package]\nname = \"x\"\n").is_some());
        assert!(judge("crates/http/Cargo.toml", "[lints]\nworkspace = true\n").is_none());
    }
}
