//! How the host's kernel moves processes between control groups.
//!
//! By default it makes forks and exits as cheap as it can, and lets a move wait for a grace period of RCU unless another move was
//! just before: 10 to 20 ms, in which a create after a pause does nothing. With the option `favordynmods` of cgroup2 (Linux 6.0,
//! Documentation/admin-guide/cgroup-v2.rst) moves do not wait, and a fork takes some tens of nanoseconds more. It counts for
//! hierarchies of version 1, too, and for the whole host, until it is taken back or the host starts anew.

use std::io;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{FsPickFlags, fsconfig_reconfigure, fsconfig_set_flag, fsconfig_set_string, fspick};

/// The option.
const FAVOR_MOVES: &str = "favordynmods";

/// Makes moves cheap, where the kernel knows how and they are not; whether anything was changed.
///
/// # Errors
/// What the kernel says; on a host without such rights that is to be expected.
pub(crate) fn make_cheap() -> io::Result<bool> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let Some((path, options)) = find(&mounts).filter(|(_, options)| !options.contains(&FAVOR_MOVES)) else {
        return Ok(false);
    };
    match reconfigure(path, &options) {
        // A kernel before 6.0.
        Err(Errno::INVAL) => Ok(false),
        other => Ok(other.map(|()| true)?),
    }
}

/// Sets the option, and the others again as they are: what a reconfiguration does not name is taken back.
fn reconfigure(path: &str, options: &[&str]) -> rustix::io::Result<()> {
    let mount = fspick(CWD, path, FsPickFlags::FSPICK_CLOEXEC)?;
    for option in options {
        match option.split_once('=') {
            Some((key, value)) => fsconfig_set_string(&mount, key, value)?,
            None => fsconfig_set_flag(&mount, *option)?,
        }
    }
    fsconfig_set_flag(&mount, FAVOR_MOVES)?;
    fsconfig_reconfigure(&mount)
}

/// Where cgroup2 is mounted, and with which options of its own.
fn find(mounts: &str) -> Option<(&str, Vec<&str>)> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (kind, _source, options) = (right.next()?, right.next()?, right.next()?);
        let own = options.split(',').filter(|option| !matches!(*option, "rw" | "ro")).collect();
        (kind == "cgroup2").then_some((left.split(' ').nth(4)?, own))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_cgroup2_are_found() {
        let mounts = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu
41 31 0:38 / /sys/fs/cgroup rw,nosuid,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot";
        assert_eq!(find(mounts), Some(("/sys/fs/cgroup", vec!["nsdelegate", "memory_recursiveprot"])));
        assert_eq!(find("41 31 0:38 / /x rw - cgroup2 cgroup2 rw"), Some(("/x", vec![])));
        assert_eq!(find("32 31 0:29 / /x rw - cgroup cgroup rw,cpu"), None);
    }
}
