//! Unpacks an archive of a root file system, or of an image, confined to the folder it fills.
//!
//! `atoll-unpack MAX_BYTES` reads a tar archive from standard input, which must be a regular file, fills its own root
//! folder (`/`) and says on standard output, in two lines of JSON, the archive's digest and what came of it. The launcher
//! has put it into a root that holds nothing else, without network, privileges or other programs. All of it is meant to
//! hold even when the parser does not: so the digest is taken and said before the first byte is parsed. What an image says of itself is told in the second line.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags};
use serde_json::json;

use atoll_unpack::{Refused, Unpacked, digest_of, unpack};

fn main() -> ExitCode {
    let outcome = run();
    let line = match &outcome {
        Ok(unpacked) => json!({"unpacked": {
            "bytes": unpacked.bytes, "entries": unpacked.entries, "skipped": unpacked.skipped,
            "config": unpacked.config,
        }}),
        Err(refused) => json!({refused.outcome(): refused.to_string()}),
    };
    if say(&line).is_ok() && outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run() -> Result<Unpacked, Refused> {
    let max_bytes = std::env::args().nth(1).and_then(|text| text.parse().ok()).ok_or(Refused::Usage)?;
    let input = std::io::stdin().as_fd().try_clone_to_owned().map(File::from).map_err(Refused::Unreadable)?;
    let digest = digest_of(&input).map_err(Refused::Unreadable)?;
    say(&json!({"digest": digest})).map_err(Refused::Unreadable)?;
    let root = open_root().map_err(|errno| Refused::Unreadable(errno.into()))?;
    let unpacked = unpack(&input, &root, max_bytes)?;
    // An image is there or not: it is on disk before anybody hears of it.
    rustix::fs::syncfs(&root).map_err(|errno| Refused::Unreadable(errno.into()))?;
    Ok(unpacked)
}

fn open_root() -> rustix::io::Result<OwnedFd> {
    rustix::fs::open("/", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn say(line: &serde_json::Value) -> std::io::Result<()> {
    let mut output = std::io::stdout();
    output.write_all(format!("{line}\n").as_bytes())?;
    output.flush()
}
