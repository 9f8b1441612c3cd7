//! An archive of a stranger's: whatever it holds, it becomes files within the bounds, in its folder, or an error.
#![no_main]

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, Mode, OFlags};

/// Bytes that an archive may unpack to, here.
const MAX_BYTES: u64 = 1 << 20;
/// Beside the folder, where nothing may change.
const CANARY: &[u8] = b"untouched";

fuzz_target!(|bytes: &[u8]| {
    let place = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let (canary, folder) = (place.path().join("canary"), place.path().join("root"));
    std::fs::write(&canary, CANARY).expect("a canary");
    std::fs::create_dir(&folder).expect("a folder");
    let root: OwnedFd =
        rustix::fs::open(&folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).expect("a folder");
    let outcome = atoll_unpack::unpack(&archive(bytes), &root, MAX_BYTES);
    let found = measure(&folder);
    assert!(found <= MAX_BYTES, "{found} bytes of files");
    if let Ok(done) = outcome {
        assert!(done.bytes <= MAX_BYTES && (done.entries > 0 || done.config.is_some()), "{done:?}");
    }
    assert_eq!(std::fs::read(&canary).expect("the canary"), CANARY);
    assert_eq!(
        std::fs::read_dir(place.path()).expect("the place").count(),
        2,
        "something is beside the folder"
    );
});

fn archive(bytes: &[u8]) -> File {
    let mut file = File::from(rustix::fs::memfd_create("archive", MemfdFlags::CLOEXEC).expect("memory"));
    file.write_all(bytes).expect("memory");
    std::io::Seek::rewind(&mut file).expect("memory");
    file
}

/// Bytes of all files below, links not followed; devices are none.
fn measure(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).expect("a folder of ours") {
        let path = entry.expect("an entry").path();
        let status = path.symlink_metadata().expect("a file of ours");
        let kind = status.file_type();
        assert!(
            !kind.is_block_device() && !kind.is_char_device() && !kind.is_socket(),
            "{path:?} is a device"
        );
        if kind.is_dir() {
            bytes += measure(&path);
        } else if kind.is_file() {
            // Each hard link of it is the same file.
            bytes += status.len() / status.nlink();
        }
    }
    bytes
}
