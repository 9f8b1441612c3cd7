//! What the launcher prepares in a native sandbox, and nobody in a container of another engine: the user `agent`, and `/tmp`.
//!
//! Host name, name servers and mounts are the engine's. The files may be what an earlier run of the same container has left:
//! nothing here waits, and nothing is read without a bound. What cannot be done (a root that is read-only) is left: commands
//! run all the same.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::Path;

use crate::sys::Rules;
use crate::users::{AGENT, AGENT_ID};

/// Largest file of users or groups that is changed, in bytes: far beyond any real one.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What the kernel adds to the agent's part of the blame for short memory.
const SCORE: &str = "/proc/self/oom_score_adj";

/// Prepares the sandbox, and tells what is different for its processes.
pub(crate) fn prepare(no_capabilities: bool) -> Rules {
    let root = Path::new("/");
    // Anything but a container's first process may see files that are no container's.
    if rustix::process::getpid().is_init() {
        // Each by itself: see above.
        let _left = [ensure_user(root), ensure_tmp(root), std::env::set_current_dir(root)];
    }
    let score = std::fs::read_to_string(SCORE).ok().and_then(|score| score.trim().parse::<i32>().ok());
    Rules { killed_first: score.is_some_and(|score| score < 0), no_capabilities }
}

fn ensure_user(root: &Path) -> io::Result<()> {
    let etc = root.join("etc");
    ensure_folder(&etc, 0o755)?;
    let shell = if root.join("bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
    let user = format!("{AGENT}:x:{AGENT_ID}:{AGENT_ID}:Atoll:/home/{AGENT}:{shell}\n");
    ensure_line(&etc.join("passwd"), "root:x:0:0:root:/root:/bin/sh\n", &user)?;
    ensure_line(&etc.join("group"), "root:x:0:\n", &format!("{AGENT}:x:{AGENT_ID}:\n"))?;
    let home = root.join("home");
    ensure_folder(&home, 0o755)?;
    if ensure_folder(&home.join(AGENT), 0o755)? {
        lchown(home.join(AGENT), Some(AGENT_ID), Some(AGENT_ID))?;
    }
    Ok(())
}

fn ensure_tmp(root: &Path) -> io::Result<()> {
    let tmp = root.join("tmp");
    ensure_folder(&tmp, 0o1777)?;
    let mode = std::fs::symlink_metadata(&tmp)?;
    if mode.is_dir() && mode.permissions().mode() & 0o7777 != 0o1777 {
        std::fs::set_permissions(&tmp, Permissions::from_mode(0o1777))?;
    }
    Ok(())
}

/// Makes a folder where nothing has its name; true when it was made.
fn ensure_folder(path: &Path, mode: u32) -> io::Result<bool> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(mode)).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a file of `name:…` lines have one of the agent's.
fn ensure_line(path: &Path, default: &str, line: &str) -> io::Result<()> {
    let (mut held, mode) = read(path)?.unwrap_or_else(|| (default.to_owned(), 0o644));
    if held.lines().any(|held| held.split(':').next() == Some(AGENT)) {
        return Ok(());
    }
    if !held.is_empty() && !held.ends_with('\n') {
        held.push('\n');
    }
    held.push_str(line);
    replace(path, &held, mode)
}

/// What a regular file holds, and its mode; nothing where there is none.
fn read(path: &Path) -> io::Result<Option<(String, u32)>> {
    // Not waiting: it may be a pipe that nobody writes to.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(error),
        Err(_) => return Ok(None),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), metadata.permissions().mode() & 0o777)))
}

/// Puts a new file in the place of whatever has the name.
fn replace(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    let new = path.with_added_extension("atoll");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content.as_bytes())?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn a_bare_root_gets_a_user_with_a_home() {
        let root = tempfile::tempdir().unwrap();
        ensure_user(root.path()).unwrap();
        ensure_tmp(root.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(root.path().join(name)).unwrap();
        assert_eq!(read("etc/passwd").lines().last(), Some("agent:x:1000:1000:Atoll:/home/agent:/bin/sh"));
        assert_eq!(read("etc/group").lines().last(), Some("agent:x:1000:"));
        assert_eq!(std::fs::metadata(root.path().join("home/agent")).unwrap().uid(), AGENT_ID);
        assert_eq!(std::fs::metadata(root.path().join("tmp")).unwrap().mode() & 0o7777, 0o1777);
        // Once is enough.
        ensure_user(root.path()).unwrap();
        assert_eq!(read("etc/passwd").matches("agent:x").count(), 1);
    }

    #[test]
    fn what_is_there_stays() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc")).unwrap();
        let passwd = root.path().join("etc/passwd");
        std::fs::write(&passwd, "agent:x:77:77::/:/bin/sh").unwrap();
        ensure_user(root.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&passwd).unwrap(), "agent:x:77:77::/:/bin/sh");
    }

    #[test]
    fn no_pipe_and_no_link_in_the_place_of_a_file_does_harm() {
        let root = tempfile::tempdir().unwrap();
        let etc = root.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&outside, "games:x:5:\n").unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, etc.join("passwd"), fifo, mode, 0).unwrap();
        symlink(outside.path(), etc.join("group")).unwrap();
        symlink("/dev/full", etc.join("passwd.atoll")).unwrap();
        ensure_user(root.path()).unwrap();
        assert!(std::fs::read_to_string(etc.join("passwd")).unwrap().contains("agent:x:1000"));
        assert_eq!(std::fs::read_to_string(etc.join("group")).unwrap(), "games:x:5:\nagent:x:1000:\n");
        assert_eq!(std::fs::read_to_string(outside.path()).unwrap(), "games:x:5:\n");
    }
}
