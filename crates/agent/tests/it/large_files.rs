//! Large files, whose descriptors are handed over.

use std::path::{Path, PathBuf};

use atoll_ports::{ContentIn, FileAt, FilePart, FileProblem, Files, FilesError};
use atoll_testkit::contract::gathered;
use atoll_types::FilePath;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tempfile::TempDir;

use crate::harness::{Agent, soon, until};

/// Several blocks and a rest, all unlike each other.
const BYTES: usize = (5 << 20) + 12_345;

fn at(path: &Path) -> FileAt {
    use std::os::unix::ffi::OsStrExt;
    let path = FilePath::new(path.as_os_str().as_bytes().to_vec()).unwrap();
    FileAt { user: "root".parse().unwrap(), path, or_root: false }
}

fn pattern() -> Vec<u8> {
    (0..u32::try_from(BYTES).unwrap())
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0])
        .collect()
}

/// As it comes from a client: in pieces that have nothing to do with blocks, from a source that panics when it is asked
/// after its end.
fn in_pieces(bytes: &[u8]) -> ContentIn {
    let pieces: Vec<_> = bytes.chunks(77_777).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Box::pin(stream::unfold(pieces.into_iter(), async |mut pieces| Some((pieces.next()?, pieces))))
}

fn large_file(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("large");
    std::fs::write(&path, pattern()).unwrap();
    path
}

/// How often this process, which is in the place of serve, has a file open.
fn held(path: &Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    links.filter(|link| std::fs::read_link(link.as_ref().unwrap().path()).is_ok_and(|to| to == path)).count()
}

#[tokio::test]
async fn a_large_file_comes_and_goes_whole_or_in_parts() {
    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let (path, content) = (folder.path().join("large"), pattern());
    let place = at(&path);
    let written = agent.client.write(&agent.sandbox, &place, None, in_pieces(&content));
    assert_eq!(soon(written).await.unwrap().size_bytes, BYTES as u64);
    assert_eq!(std::fs::read(&path).unwrap(), content);
    let second_half = (BYTES / 2) as u64;
    for (part, from) in [
        (FilePart::WHOLE, 0),
        (FilePart::From(second_half, None), BYTES / 2),
        (FilePart::Last(2 << 20), BYTES - (2 << 20)),
    ] {
        let read = soon(agent.client.read(&agent.sandbox, &at(&path), part)).await.unwrap();
        assert_eq!(held(&path), 1, "its descriptor was handed over");
        assert!(soon(gathered(read.content)).await == content[from..], "{part:?}");
    }
    until("it is closed", async || held(&path) == 0).await;
}

#[tokio::test]
async fn a_source_is_not_asked_after_its_end() {
    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let (place, content) = (at(&folder.path().join("file")), pattern());
    for length in [0, 1, 100_000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1] {
        let written = agent.client.write(&agent.sandbox, &place, None, in_pieces(&content[..length]));
        assert_eq!(soon(written).await.unwrap().size_bytes, length as u64);
    }
}

#[tokio::test]
async fn what_is_in_memory_is_paid_for_by_who_writes_it() {
    let (agent, folder) = (Agent::plain(), tempfile::tempdir_in("/dev/shm").unwrap());
    let (path, content) = (folder.path().join("large"), pattern());
    soon(agent.client.write(&agent.sandbox, &at(&path), None, in_pieces(&content))).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == content);
}

#[tokio::test]
async fn a_large_file_that_gets_shorter_ends_with_an_error() {
    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let path = large_file(&folder);
    let mut read = soon(agent.client.read(&agent.sandbox, &at(&path), FilePart::WHOLE)).await.unwrap();
    soon(read.content.next()).await.unwrap().unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1).unwrap();
    let end = loop {
        match soon(read.content.next()).await {
            Some(Ok(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(end, Some(Err(FilesError::File(FileProblem::Failed, _)))), "{end:?}");
    assert!(soon(read.content.next()).await.is_none());
}

#[tokio::test]
async fn a_descriptor_goes_with_its_sandbox_even_while_nobody_reads() {
    let (mut agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let path = large_file(&folder);
    let mut read = soon(agent.client.read(&agent.sandbox, &at(&path), FilePart::WHOLE)).await.unwrap();
    soon(read.content.next()).await.unwrap().unwrap();
    assert_eq!(held(&path), 1);
    agent.process.kill().unwrap();
    until("it is closed", async || held(&path) == 0).await;
    let end = soon(read.content.fold(None, async |_, piece| Some(piece))).await;
    assert!(matches!(end, Some(Err(FilesError::Unreachable(_) | FilesError::Interrupted))), "{end:?}");
}

#[tokio::test]
async fn a_large_content_that_breaks_off_leaves_nothing() {
    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let path = folder.path().join("large");
    let broken = in_pieces(&pattern()).chain(stream::iter([Err(std::io::Error::other("gone"))]));
    let refused = soon(agent.client.write(&agent.sandbox, &at(&path), None, Box::pin(broken))).await;
    assert!(matches!(refused, Err(FilesError::Content(_))), "{refused:?}");
    let waits = in_pieces(&pattern()).chain(stream::pending());
    let place = at(&path);
    let given_up = agent.client.write(&agent.sandbox, &place, None, Box::pin(waits));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), given_up).await.is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
