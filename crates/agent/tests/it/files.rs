//! Files, by helpers.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use atoll_agent_protocol::frames::FILE_HELPERS_MAX;
use atoll_ports::{FileAt, FileChange, FileEventKind, FilePart, FileProblem, FileSearch, Files, FilesError};
use atoll_testkit::contract::{self, content, gathered};
use atoll_types::FilePath;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use crate::harness::{Agent, soon, until};

fn at(path: impl AsRef<Path>) -> FileAt {
    use std::os::unix::ffi::OsStrExt;
    let path = FilePath::new(path.as_ref().as_os_str().as_bytes().to_vec()).unwrap();
    FileAt { user: "root".parse().unwrap(), path, or_root: false }
}

fn problem<T: std::fmt::Debug>(result: Result<T, FilesError>) -> FileProblem {
    match result {
        Err(FilesError::File(problem, _)) => problem,
        other => panic!("{other:?}"),
    }
}

async fn write(agent: &Agent, path: impl AsRef<Path>, text: &str) -> Result<(), FilesError> {
    soon(agent.client.write(&agent.sandbox, &at(path), None, content(&[text.as_bytes()]))).await.map(drop)
}

async fn read(agent: &Agent, path: impl AsRef<Path>) -> Result<Vec<u8>, FilesError> {
    let read = soon(agent.client.read(&agent.sandbox, &at(path), FilePart::WHOLE)).await?;
    Ok(gathered(read.content).await)
}

/// Names in a directory, hidden ones too.
fn names(folder: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn it_keeps_the_promises() {
    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let top = folder.path().join("contract");
    soon(contract::files(&agent.client, &agent.sandbox, "root", top.to_str().unwrap())).await;
}

#[tokio::test]
async fn a_hello_tells_of_files_and_an_unknown_user_is_told() {
    let agent = Agent::plain();
    let nobody = FileAt { user: "nosuchuser".parse().unwrap(), ..at("/tmp") };
    let refused = soon(agent.client.stat(&agent.sandbox, &nobody)).await;
    assert!(matches!(refused, Err(FilesError::NoUser(_))), "{refused:?}");
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused_and_holds_nobody() {
    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let (fifo, loops) = (folder.path().join("fifo"), folder.path().join("loop"));
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    symlink("loop", &loops).unwrap();
    symlink("fifo", folder.path().join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    for name in ["fifo", "link", "socket"] {
        let path = folder.path().join(name);
        assert_eq!(problem(read(&agent, &path).await), FileProblem::NotRegular, "{name}");
        assert_eq!(problem(write(&agent, &path, "x").await), FileProblem::NotRegular, "{name}");
    }
    for device in ["/dev/zero", "/dev/tty", "/dev/full"] {
        assert_eq!(problem(read(&agent, device).await), FileProblem::NotRegular, "{device}");
    }
    assert_eq!(problem(read(&agent, &loops).await), FileProblem::BadPath);
    assert_eq!(problem(write(&agent, &loops, "x").await), FileProblem::BadPath);
    let long = folder.path().join("a".repeat(256));
    assert_eq!(problem(write(&agent, &long, "x").await), FileProblem::BadPath);
    assert!(fifo.symlink_metadata().unwrap().file_type().is_fifo());
}

#[tokio::test]
async fn a_file_is_replaced_whole_and_keeps_its_rights_and_owner() {
    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    std::fs::write(&file, "before").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o4751)).unwrap();
    std::os::unix::fs::chown(&file, Some(1_234), Some(5_678)).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o4751)).unwrap();
    symlink("file", &link).unwrap();
    let before = std::fs::File::open(&file).unwrap();
    write(&agent, &link, "after").await.unwrap();
    let stat = std::fs::metadata(&file).unwrap();
    assert_eq!((stat.uid(), stat.gid(), stat.mode() & 0o7777), (1_234, 5_678, 0o4751));
    assert!(link.is_symlink() && std::fs::read_to_string(&file).unwrap() == "after");
    assert_eq!(std::io::read_to_string(&before).unwrap(), "before", "it was written over");
    let mut names = names(&folder);
    names.sort();
    assert_eq!(names, ["file", "link"]);
}

#[tokio::test]
async fn a_write_that_breaks_off_leaves_nothing() {
    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let target = folder.path().join("file");
    let endless = stream::iter(std::iter::repeat_with(|| Ok(Bytes::from_static(&[b'x'; 10_000])))).take(20);
    let endless = endless.chain(stream::pending());
    let place = at(&target);
    let writing = agent.client.write(&agent.sandbox, &place, None, Box::pin(endless));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), writing).await.is_err());
    until("the helper is gone", async || helpers(&agent).await == 0).await;
    assert_eq!(names(&folder), Vec::<String>::new());
}

/// Helpers that live.
async fn helpers(agent: &Agent) -> usize {
    let ran = agent.sh(&format!("pgrep -P {} -x -c atoll-files; true", agent.process.id())).await;
    ran.out().trim().parse().unwrap()
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_nothing() {
    let (agent, folder) = (Agent::as_init(), tempfile::tempdir().unwrap());
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    // In the agent's own view of mounts, which is that of the host: unmounted below.
    assert_eq!(agent.sh(&format!("mount -t tmpfs -o size=1m none {}", disk.display())).await.code(), 0);
    let big = content(&[&[b'x'; 700_000], &[b'y'; 700_000]]);
    let refused = soon(agent.client.write(&agent.sandbox, &at(disk.join("big")), None, big)).await;
    let left = agent
        .sh(&format!("ls -A {0} | wc -l; df --output=used {0} | tail -1; umount {0}", disk.display()))
        .await;
    assert_eq!(problem(refused), FileProblem::NoSpace);
    assert_eq!(left.out().split_whitespace().collect::<Vec<_>>(), ["0", "0"]);
}

#[tokio::test]
async fn helpers_are_bounded_and_end_when_nobody_listens() {
    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let place = at(folder.path());
    let mut watches = Vec::new();
    let refused = loop {
        match soon(agent.client.watch(&agent.sandbox, &place, false)).await {
            Ok(mut events) => {
                assert_eq!(soon(events.next()).await.unwrap().unwrap()[0].kind, FileEventKind::Ready);
                watches.push(events);
            }
            Err(error) => break error,
        }
        assert!(watches.len() < 100, "no bound");
    };
    assert_eq!(refused, FilesError::TooMany);
    // Commands need no seat.
    assert_eq!(agent.sh("echo well").await.out(), "well\n");
    drop(watches);
    until("the helpers are gone", async || helpers(&agent).await == 0).await;
    write(&agent, folder.path().join("file"), "x").await.unwrap();
}

/// What is told of single files is many small frames, of which h2 lets few wait.
#[tokio::test]
async fn watches_that_are_not_read_do_not_end_others() {
    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let place = at(folder.path());
    let mut unread = Vec::new();
    for _ in 2..FILE_HELPERS_MAX {
        unread.push(soon(agent.client.watch(&agent.sandbox, &place, false)).await.unwrap());
    }
    let mut read = soon(agent.client.watch(&agent.sandbox, &place, false)).await.unwrap();
    soon(read.next()).await.unwrap().unwrap();
    for round in 0..1_500 {
        std::fs::write(folder.path().join(format!("{round}")), "").unwrap();
        let name = format!("{round}").into_bytes();
        while !soon(read.next()).await.unwrap().unwrap().iter().any(|event| event.path == name) {}
    }
    write(&agent, folder.path().join("file"), "x").await.unwrap();
}

#[tokio::test]
async fn a_helper_that_is_killed_is_told() {
    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let mut events = soon(agent.client.watch(&agent.sandbox, &at(folder.path()), false)).await.unwrap();
    soon(events.next()).await.unwrap().unwrap();
    agent.sh(&format!("pkill -KILL -P {} -x atoll-files", agent.process.id())).await;
    assert_eq!(soon(events.next()).await.unwrap(), Err(FilesError::Interrupted));
    assert!(soon(events.next()).await.is_none());
}

#[tokio::test]
async fn a_reader_that_takes_nothing_stops_the_helper_and_not_the_agent() {
    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let path = folder.path().join("sparse");
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    // More than the window of execs would hold.
    let mut contents = Vec::new();
    for _ in 0..16 {
        let read = soon(agent.client.read(&agent.sandbox, &at(&path), FilePart::WHOLE)).await.unwrap();
        assert_eq!(read.length, 1 << 40);
        let mut content = read.content;
        soon(content.next()).await.unwrap().unwrap();
        contents.push(content);
    }
    for _ in 0..20 {
        assert_eq!(agent.sh("echo well").await.out(), "well\n");
    }
    let memory = std::fs::read_to_string(format!("/proc/{}/status", agent.process.id())).unwrap();
    let rss = memory.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().trim().to_owned();
    let kib: u64 = rss.split(' ').next().unwrap().parse().unwrap();
    assert!(kib < 16 << 10, "{kib} KiB");
    drop(contents);
    until("the helpers are gone", async || helpers(&agent).await == 0).await;
}

/// An archive with one entry, as a hostile one is: without the library's own checks.
fn archive(entries: &[(tar::EntryType, &str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, path, link) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o6755);
        header.set_size(0);
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        builder.append(&header, std::io::empty()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[tokio::test]
async fn an_archive_makes_nothing_outside_its_directory() {
    use tar::EntryType::{Block, Char, GNUSparse, Link, Regular, Symlink};

    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let outside = folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), "untouched").unwrap();
    let out = outside.to_str().unwrap().to_owned();
    for (n, entries) in [
        vec![(Regular, "../outside/file", "")],
        vec![(Regular, "a/../../outside/file", "")],
        vec![(Symlink, "link", out.as_str()), (Regular, "link/file", "")],
        vec![(Symlink, "link", "../outside"), (Regular, "link/file", "")],
        vec![(Link, "hard", "../outside/file")],
        vec![(Symlink, "link", "../outside"), (Link, "hard", "link/file")],
        vec![(Char, "device", "")],
        vec![(Block, "device", "")],
        vec![(GNUSparse, "sparse", "")],
    ]
    .into_iter()
    .enumerate()
    {
        let target = folder.path().join(format!("target{n}"));
        let tar = archive(&entries);
        let refused = soon(agent.client.unpack(&agent.sandbox, &at(&target), content(&[&tar]))).await;
        assert_eq!(problem(refused), FileProblem::BadArchive, "{entries:?}");
    }
    assert_eq!(std::fs::read_to_string(outside.join("file")).unwrap(), "untouched");
    assert_eq!(std::fs::metadata(outside.join("file")).unwrap().nlink(), 1);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    // A link that was there is replaced, not written through; set-uid bits do not come from archives.
    let target = folder.path().join("replaced");
    std::fs::create_dir(&target).unwrap();
    symlink(outside.join("file"), target.join("name")).unwrap();
    let tar = archive(&[(Regular, "name", "")]);
    soon(agent.client.unpack(&agent.sandbox, &at(&target), content(&[&tar]))).await.unwrap();
    assert_eq!(std::fs::read_to_string(outside.join("file")).unwrap(), "untouched");
    assert_eq!(target.join("name").symlink_metadata().unwrap().mode() & 0o7777, 0o755);
}

#[tokio::test]
async fn links_are_moved_and_removed_themselves() {
    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let (kept, link) = (folder.path().join("kept"), folder.path().join("link"));
    std::fs::create_dir(&kept).unwrap();
    std::fs::write(kept.join("file"), "kept").unwrap();
    symlink("kept", &link).unwrap();
    let moved = folder.path().join("moved");
    let change = FileChange { to: Some(at(&moved).path), ..FileChange::default() };
    soon(agent.client.change(&agent.sandbox, &at(&link), &change)).await.unwrap();
    assert!(moved.is_symlink());
    soon(agent.client.remove(&agent.sandbox, &at(&moved), true)).await.unwrap();
    assert!(!moved.is_symlink() && kept.join("file").exists());
    for path in ["/", "/tmp/.", "/tmp/.."] {
        let refused = soon(agent.client.remove(&agent.sandbox, &at(path), true)).await;
        assert_eq!(problem(refused), FileProblem::BadPath, "{path}");
    }
}

#[tokio::test]
async fn names_may_be_any_bytes() {
    use std::os::unix::ffi::OsStrExt;

    let (agent, folder) = (Agent::plain(), tempfile::tempdir().unwrap());
    let name = std::ffi::OsStr::from_bytes(b"line\nfeed \xff\xfe\x01");
    write(&agent, folder.path().join(name), "content").await.unwrap();
    assert_eq!(read(&agent, folder.path().join(name)).await.unwrap(), b"content");
    let page = soon(agent.client.list(&agent.sandbox, &at(folder.path()), b"", 10)).await.unwrap();
    assert_eq!(page.entries[0].name, name.as_bytes());
    let search = FileSearch { text: "FEED".to_owned(), in_names: true, in_contents: false, limit: 10 };
    let found = soon(agent.client.search(&agent.sandbox, &at(folder.path()), &search)).await.unwrap();
    assert_eq!(found.matches[0].entry.name, name.as_bytes());
    let tar = gathered(soon(agent.client.pack(&agent.sandbox, &at(folder.path()))).await.unwrap()).await;
    let copy = folder.path().join("copy");
    soon(agent.client.unpack(&agent.sandbox, &at(&copy), content(&[&tar]))).await.unwrap();
    assert_eq!(read(&agent, copy.join(name)).await.unwrap(), b"content");
}

#[tokio::test]
async fn files_of_the_kernel_without_a_size_are_read() {
    let agent = Agent::plain();
    assert!(read(&agent, "/proc/self/status").await.unwrap().starts_with(b"Name:\tatoll-files"));
    let held = soon(agent.client.list(&agent.sandbox, &at("/proc/self/fd"), b"", 100)).await.unwrap();
    assert!(held.entries.len() < 12, "{held:?}");
    let none: Vec<atoll_ports::HeldExec> =
        atoll_ports::AgentLink::list(&agent.client, &agent.sandbox).await.unwrap();
    assert_eq!(none, []);
}
