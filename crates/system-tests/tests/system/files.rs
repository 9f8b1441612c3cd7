//! Files of real sandboxes, through the API and the command line.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use atoll_api_types::{ChangeFile, CreateSandbox};
use atoll_client::{ClientError, Content, FileAt};
use bytes::Bytes;
use futures_util::stream;

use crate::harness::{Atoll, Inside, until};
use crate::terminal::{PATIENCE, Person};

fn at<'a>(sandbox: &'a Inside<'_>, path: &'a str) -> FileAt<'a> {
    FileAt { sandbox: &sandbox.id, path, user: None }
}

fn content(bytes: &[u8]) -> Content {
    Box::pin(stream::iter([Ok(Bytes::copy_from_slice(bytes))]))
}

async fn write(sandbox: &Inside<'_>, path: &str, text: &str) -> Result<(), ClientError> {
    let client = &sandbox.atoll.client;
    client.file_write(at(sandbox, path), None, None, content(text.as_bytes())).await.map(drop)
}

async fn read(sandbox: &Inside<'_>, path: &str) -> Result<Vec<u8>, ClientError> {
    let mut download = sandbox.atoll.client.file_read(at(sandbox, path)).await?;
    let mut all = Vec::new();
    while let Some(piece) = download.next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> String {
    result.unwrap_err().code().unwrap_or("no answer").to_owned()
}

#[tokio::test]
async fn files_are_the_users_own() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    write(&sandbox, "notes/hello.txt", "hello\n").await.unwrap();
    assert_eq!(
        sandbox.ok("cat notes/hello.txt; stat -c '%U %a' notes/hello.txt").await,
        "hello\nagent 644\n"
    );
    sandbox.ok("echo changed > notes/hello.txt; chmod 600 notes/hello.txt").await;
    assert_eq!(read(&sandbox, "/home/agent/notes/hello.txt").await.unwrap(), b"changed\n");
    write(&sandbox, "notes/hello.txt", "again\n").await.unwrap();
    assert_eq!(sandbox.ok("stat -c '%U %a' notes/hello.txt").await, "agent 600\n");

    // Neither more nor less than that user may do.
    assert_eq!(code(write(&sandbox, "/etc/hostname", "x").await), "file_permission_denied");
    assert_eq!(code(read(&sandbox, "/root/x").await), "file_permission_denied");
    let root = FileAt { user: Some("root"), ..at(&sandbox, "/etc/motd") };
    atoll.client.file_write(root, None, None, content(b"by root")).await.unwrap();
    assert_eq!(sandbox.ok("stat -c %U /etc/motd").await, "root\n");

    let change =
        ChangeFile { to: Some("/tmp/moved".to_owned()), mode: Some("0750".to_owned()), overwrite: false };
    let changed = atoll.client.file_change(at(&sandbox, "notes/hello.txt"), &change).await.unwrap();
    assert_eq!((changed.mode.as_str(), changed.size), ("0750", 6));
    let found = atoll.client.file_search(at(&sandbox, "/tmp"), "again", "content").await.unwrap();
    assert_eq!(found.matches[0].file.path, "moved");
    atoll.client.file_delete(at(&sandbox, "notes"), true).await.unwrap();
    assert_eq!(code(read(&sandbox, "notes/hello.txt").await), "file_not_found");
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn links_lead_nowhere_but_inside() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let secret = atoll.data().join("installation");
    let (path, host) =
        (secret.to_str().unwrap(), std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap());
    sandbox.ok(&format!("ln -s {path} link; ln -s / root; mkfifo pipe")).await;
    for name in ["link", &format!("root/{path}"), path, &format!("../../../../..{path}")] {
        assert_eq!(code(read(&sandbox, name).await), "file_not_found", "{name}");
    }
    assert_ne!(read(&sandbox, "root/etc/hostname").await.unwrap(), host.as_bytes());
    // The agent's own memory and descriptors, by whatever user.
    for user in ["agent", "root"] {
        for name in ["/proc/1/mem", "/proc/1/environ", "/proc/1/root/etc/hostname", "/proc/1/fd/3"] {
            let at = FileAt { user: Some(user), ..at(&sandbox, name) };
            assert!(atoll.client.file_read(at).await.is_err(), "{name} as {user}");
        }
    }
    assert_eq!(code(read(&sandbox, "pipe").await), "not_regular_file");
    assert_eq!(sandbox.ok("echo well").await, "well\n");
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn a_full_sandbox_says_so_and_keeps_what_it_had() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&CreateSandbox { disk: Some(32), ..CreateSandbox::default() }).await;
    write(&sandbox, "file", "before").await.unwrap();
    let piece = Bytes::from(vec![7; 1 << 20]);
    let endless: Content = Box::pin(stream::iter((0..256).map(move |_| Ok(piece.clone()))));
    let full = atoll.client.file_write(at(&sandbox, "file"), None, None, endless).await;
    assert_eq!(code(full), "sandbox_disk_full");
    assert_eq!(read(&sandbox, "file").await.unwrap(), b"before");
    assert_eq!(sandbox.ok("ls -A ~ | grep -v '^\\.\\(bash\\|profile\\)'").await, "file\n");
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn many_bytes_go_in_and_out_and_the_agent_stays_small() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let pieces = (0..256_u32).map(|n| Ok(Bytes::from(vec![n.to_le_bytes()[0]; 1 << 20])));
    let written =
        atoll.client.file_write(at(&sandbox, "big"), None, None, Box::pin(stream::iter(pieces))).await;
    assert_eq!(written.unwrap().size, 256 << 20);
    let mut download = atoll.client.file_read(at(&sandbox, "big")).await.unwrap();
    assert_eq!(download.length(), Some(256 << 20));
    let mut offset = 0_usize;
    while let Some(piece) = download.next().await.unwrap() {
        let expected = |n: usize| u8::try_from((n >> 20) & 0xFF).unwrap();
        assert_eq!(
            (piece[0], piece[piece.len() - 1]),
            (expected(offset), expected(offset + piece.len() - 1))
        );
        offset += piece.len();
    }
    assert_eq!(offset, 256 << 20);
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", sandbox.agent().as_raw_nonzero())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let kib: u64 = peak.split(' ').next().unwrap().parse().unwrap();
    assert!(kib < 24 << 10, "the agent grew to {kib} KiB");
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn cp_carries_files_folders_and_streams_both_ways() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let place = tempfile::tempdir().unwrap();
    let (here, id) = (place.path(), sandbox.id.to_string());
    let cp = |from: &str, to: &str| {
        let done = atoll.cli(&["cp", from, to]);
        assert!(done.status.success(), "{from} {to}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    let local = |name: &str| here.join(name).to_str().unwrap().to_owned();
    std::fs::create_dir_all(here.join("tree/sub")).unwrap();
    std::fs::write(here.join("tree/sub/file"), "deep").unwrap();
    std::fs::set_permissions(here.join("tree/sub/file"), std::fs::Permissions::from_mode(0o750)).unwrap();
    std::os::unix::fs::symlink("sub/file", here.join("tree/link")).unwrap();

    cp(&local("tree/sub/file"), &format!("{id}:"));
    cp(&local("tree/sub/file"), &format!("{id}:renamed"));
    cp(&local("tree"), &format!("{id}:"));
    cp(&local("tree"), &format!("{id}:/tmp/new/name"));
    let seen = sandbox
        .ok("cat file renamed tree/link /tmp/new/name/sub/file; stat -c '%a %U' file tree/sub/file")
        .await;
    assert_eq!(seen, "deepdeepdeepdeep750 agent\n750 agent\n");

    cp(&format!("{id}:tree"), &local("back"));
    assert_eq!(std::fs::read_to_string(here.join("back/link")).unwrap(), "deep");
    cp(&format!("{id}:file"), &local("back"));
    assert_eq!(std::fs::metadata(here.join("back/file")).unwrap().permissions().mode() & 0o777, 0o750);
    assert_eq!(cp(&format!("{id}:file"), "-"), b"deep");
    let tar = cp(&format!("{id}:tree"), "-");
    assert_eq!(&tar[257..262], b"ustar");

    let mut piped = atoll.cli_command("atoll", &["cp", "-", &format!("{id}:piped")]);
    let mut piped = piped.stdin(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(b"from a pipe").unwrap();
    assert!(piped.wait().unwrap().success());
    assert_eq!(sandbox.ok("cat piped").await, "from a pipe");

    for (from, to) in
        [(format!("{id}:a"), format!("{id}:b")), (local("a"), local("b")), (format!("{id}:none"), local("b"))]
    {
        assert_eq!(atoll.cli(&["cp", &from, &to]).status.code(), Some(1), "{from} {to}");
    }
    assert!(!here.join("b").exists());
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn cp_tells_whoever_watches_how_far_it_is() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let place = tempfile::tempdir().unwrap();
    let local = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    // It takes longer than the tenth of a second after which a person is told.
    std::fs::File::create(local("large")).unwrap().set_len(512 << 20).unwrap();
    let remote = format!("{}:large", sandbox.id);
    for (from, to) in [(local("large"), remote.clone()), (remote, local("back"))] {
        let mut person = Person::runs(&atoll, &["cp", &from, &to]);
        assert_eq!(person.status().await, Some(0), "{}", person.text());
        until("how far it was", PATIENCE, async || person.text().contains(" of 512 MiB").then_some(())).await;
        until("nothing of it at the end", PATIENCE, async || {
            person.text().ends_with("\r\x1b[K").then_some(())
        })
        .await;
    }
    assert_eq!(std::fs::metadata(local("back")).unwrap().len(), 512 << 20);
    // A program that reads along is told nothing.
    let quiet = atoll.cli(&["cp", &local("large"), &format!("{}:again", sandbox.id)]);
    assert_eq!((quiet.status.code(), quiet.stdout.len(), quiet.stderr.len()), (Some(0), 0, 0));
    sandbox.delete_in_time().await;
    atoll.finish().await;
}
