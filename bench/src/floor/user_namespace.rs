//! A user namespace that belongs to the sandbox's own host uid, so that counts per user are its own.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use anyhow::{Context, ensure};
use rustix::process::{Gid, Signal, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::{UIDS, sys};

/// Makes one that maps 0 and up to `uid_base` and up, and answers with its descriptor.
pub(super) fn create(uid_base: u32) -> anyhow::Result<OwnedFd> {
    let (mut ready, mut ready_end) = std::io::pipe().context("a pipe")?;
    let (mut stay, stay_end) = std::io::pipe().context("a pipe")?;
    let Some(holder) = sys::plain_fork()? else {
        drop(stay_end);
        let made = unshare_as(uid_base).is_ok();
        // The parent learns of a failure by what is written, and ends this process in either case.
        ready_end.write_all(&[u8::from(made)]).ok();
        // It ends by being killed; the pipe closes when the parent is gone.
        drop(std::io::copy(&mut stay, &mut std::io::sink()));
        #[expect(clippy::exit, reason = "the forked holder has nothing to return to")]
        std::process::exit(0);
    };
    let mut made = [0];
    ready.read_exact(&mut made).context("the holder of the user namespace ended")?;
    ensure!(made == [1], "the user namespace was refused");
    let folder = format!("/proc/{}", holder.as_raw_nonzero());
    for map in ["uid_map", "gid_map"] {
        std::fs::write(format!("{folder}/{map}"), format!("0 {uid_base} {UIDS}\n")).context("mapping ids")?;
    }
    let namespace = File::open(format!("{folder}/ns/user")).context("opening the user namespace")?;
    rustix::process::kill_process(holder, Signal::KILL).context("ending the holder")?;
    sys::wait(holder)?;
    Ok(namespace.into())
}

fn unshare_as(uid_base: u32) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid_base), Gid::from_raw(uid_base));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    sys::unshare_user()
}
