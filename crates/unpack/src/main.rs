//! Unpacks an archive of a root file system, or of an image, confined to the folder it fills.
//!
//! `atoll-unpack MAX_BYTES` reads a tar archive from standard input, which must be a regular file, fills its own root
//! folder (`/`) and says on standard output, in two lines of JSON, the archive's digest and what came of it. The launcher
//! has put it into a root that holds nothing else, without network, privileges or other programs. All of it is meant to
//! hold even when the parser does not: so the digest is taken and said before the first byte is parsed. What an image says of itself is told in the second line.
//!
//! An image may be unpacked layer by layer: `atoll-unpack look` says where they are and what the image says of itself, and
//! `atoll-unpack layer NUMBER START LENGTH DIGEST DIFF_ID MAX_BYTES` puts one over what is in the root. The digest of its bytes is
//! said before the first of them is parsed, and by it the launcher names what comes of it: a layer that took the parser over
//! could not pass itself off as another.
//!
//! `atoll-unpack pack MAX_BYTES` goes the other way: it writes its root folder into standard input, a file that it may write, as
//! one layer compressed by gzip, and says in one line of JSON what that is.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags};
use serde_json::json;

use atoll_unpack::{LayerJob, Looked, Packed, Refused, Unpacked, digest_of, look, pack, unpack};

/// First argument where a layer is wanted.
const PACK: &str = "pack";
/// And where an image is unpacked layer by layer.
const LOOK: &str = "look";
const LAYER: &str = "layer";
/// Longest line that the launcher reads, less some, in bytes: an image of more layers is unpacked as a whole.
const LINE_BYTES_MAX: usize = 46 << 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [word, bytes] if word == PACK => run_pack(bytes).map(|packed| packed_line(&packed)),
        [word] if word == LOOK => {
            standard_input().and_then(|input| look(&input)).map(|looked| looked_line(looked.as_ref()))
        }
        [word, rest @ ..] if word == LAYER => run_layer(rest),
        [bytes] => run(bytes).map(|unpacked| unpacked_line(&unpacked)),
        _ => Err(Refused::Usage),
    };
    let line = match &outcome {
        Ok(line) => line.clone(),
        Err(refused) => json!({refused.outcome(): refused.to_string()}),
    };
    if say(&line).is_ok() && outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn unpacked_line(unpacked: &Unpacked) -> serde_json::Value {
    json!({"unpacked": {
        "bytes": unpacked.bytes, "entries": unpacked.entries, "skipped": unpacked.skipped,
        "config": unpacked.config,
    }})
}

fn packed_line(packed: &Packed) -> serde_json::Value {
    json!({"packed": {"digest": packed.digest, "diff_id": packed.diff_id, "bytes": packed.bytes}})
}

fn looked_line(looked: Option<&Looked>) -> serde_json::Value {
    let line = looked.map(|looked| {
        let layers = looked
            .layers
            .iter()
            .map(|layer| json!({"digest": layer.digest, "diff_id": layer.diff_id, "place": layer.place}));
        json!({"looked": {"config": looked.config, "layers": layers.collect::<Vec<_>>()}})
    });
    let fits = |line: &serde_json::Value| line.to_string().len() <= LINE_BYTES_MAX;
    line.filter(fits).unwrap_or_else(|| json!({"looked": null}))
}

fn run_layer(words: &[String]) -> Result<serde_json::Value, Refused> {
    let [number, start, length, digest, diff_id, max_bytes] = words else { return Err(Refused::Usage) };
    let parsed = |word: &String| word.parse::<u64>().map_err(|_| Refused::Usage);
    let job = LayerJob {
        number: number.parse().map_err(|_| Refused::Usage)?,
        start: parsed(start)?,
        length: parsed(length)?,
        digest: digest.clone(),
        diff_id: diff_id.clone(),
        max_bytes: parsed(max_bytes)?,
    };
    let input = standard_input()?;
    let digest = job.measure(&input)?;
    say(&json!({"digest": digest})).map_err(Refused::Unreadable)?;
    let root = open_root().map_err(|errno| Refused::Unreadable(errno.into()))?;
    let unpacked = job.unpack(&input, digest, &root)?;
    rustix::fs::syncfs(&root).map_err(|errno| Refused::Unreadable(errno.into()))?;
    Ok(json!({"layer": {"bytes": unpacked.bytes, "counted": unpacked.counted}}))
}

/// The file that stands as standard input.
fn standard_input() -> Result<File, Refused> {
    std::io::stdin().as_fd().try_clone_to_owned().map(File::from).map_err(Refused::Unreadable)
}

fn run_pack(max_bytes: &str) -> Result<Packed, Refused> {
    let max_bytes = max_bytes.parse().map_err(|_| Refused::Usage)?;
    let root = open_root().map_err(|errno| Refused::Unreadable(errno.into()))?;
    pack(&root, standard_input()?, max_bytes)
}

fn run(max_bytes: &str) -> Result<Unpacked, Refused> {
    let max_bytes = max_bytes.parse().map_err(|_| Refused::Usage)?;
    let input = standard_input()?;
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
