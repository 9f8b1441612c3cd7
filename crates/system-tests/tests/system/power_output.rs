//! What a loss of power leaves of the output of execs.
//!
//! The logs are put on a file system in an image file. What that file holds at a moment is what the disk would hold had
//! the power gone then: what the kernel keeps in memory above it is missing.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::mount::{UnmountFlags, unmount};

use crate::harness::{Atoll, until};

/// Bytes of the image, most of which are never written.
const IMAGE_BYTES: u64 = 64 << 20;
/// The promise is about a second; the kernel by itself takes five and more.
const PROMISE: Duration = Duration::from_secs(2);

fn run(program: &str, arguments: &[&Path]) {
    let done = Command::new(program).args(arguments).output().unwrap();
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A mounted image, unmounted when dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Path, place: &Path) -> Self {
        run("mount", &["-o".as_ref(), "loop".as_ref(), image, place]);
        Self(place.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).unwrap();
    }
}

/// What the logs under `folder` hold, as it lies there.
fn held(folder: &Path) -> String {
    let mut bytes = Vec::new();
    for sandbox in std::fs::read_dir(folder).unwrap() {
        let path = sandbox.unwrap().path();
        if path.file_name().unwrap() == "lost+found" {
            continue;
        }
        for log in std::fs::read_dir(path).unwrap() {
            bytes.extend(std::fs::read(log.unwrap().path()).unwrap());
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn output_is_on_the_disk_about_a_second_after_it_was_written() {
    let mut atoll = Atoll::start().await;
    let scratch = tempfile::tempdir().unwrap();
    let (image, copy) = (scratch.path().join("disk"), scratch.path().join("copy"));
    std::fs::File::create(&image).unwrap().set_len(IMAGE_BYTES).unwrap();
    run("mkfs.ext4", &["-q".as_ref(), &image]);
    let logs = atoll.data().join("serve/exec-logs");
    atoll.stop().await;
    std::fs::create_dir_all(&logs).unwrap();
    let mounted = Mounted::new(&image, &logs);
    let owner = std::fs::metadata(atoll.data().join("serve")).unwrap();
    std::os::unix::fs::chown(&logs, Some(owner.uid()), Some(owner.gid())).unwrap();
    atoll.start_again().await;

    let inside = atoll.create().await;
    inside.ok("echo an exec that has ended").await;
    let running = inside.begin("echo an exec that goes on; sleep 1000").await;
    until("its output", PROMISE, async || {
        let exec = atoll.client.exec_get(&inside.id, &running).await.unwrap();
        (crate::harness::stdout(&exec) == "an exec that goes on\n").then_some(())
    })
    .await;
    tokio::time::sleep(PROMISE).await;
    std::fs::copy(&image, &copy).unwrap();

    let after = scratch.path().join("after");
    std::fs::create_dir(&after).unwrap();
    let found = {
        let _mounted = Mounted::new(&copy, &after);
        held(&after)
    };
    for line in ["an exec that has ended\n", "an exec that goes on\n"] {
        assert!(found.contains(line), "{line:?} was lost: {found:?}");
    }
    atoll.delete_all().await;
    drop(mounted);
    atoll.finish().await;
}
