//! Imported images.

use std::io::{Seek, Write};
use std::os::fd::AsFd;
use std::process::Command;

use atoll_launcher_protocol::{Answer, Call, FailureKind};
use atoll_types::{ImageDigest, ImageSource};

use crate::host::{Client, Host, eventually, host_sandbox, unpack_program};

/// A root file system with a static shell, as an archive.
fn archive(dir: &std::path::Path) -> std::fs::File {
    let root = dir.join("image");
    for folder in ["bin", "etc", "home", "usr/bin"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    let source = dir.join("sh.c");
    let program = r#"#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int n, char **a) { printf("tool %d %s\n", getuid(), n > 1 ? a[1] : ""); FILE *f = fopen("/etc/passwd", "r");
char b[512]; while (f && fgets(b, 512, f)) fputs(b, stdout); return f == 0; }"#;
    std::fs::write(&source, program).unwrap();
    let compiled = Command::new("gcc")
        .arg("-static")
        .arg("-o")
        .arg(root.join("bin/tool"))
        .arg(&source)
        .status()
        .unwrap();
    assert!(compiled.success());
    std::os::unix::fs::symlink("../../../../etc/shadow", root.join("etc/shadow")).unwrap();
    let tar = dir.join("image.tar");
    let packed = Command::new("tar")
        .arg("-C")
        .arg(&root)
        .args(["--owner=0", "--group=0", "-cf"])
        .arg(&tar)
        .arg(".")
        .status();
    assert!(packed.unwrap().success());
    std::fs::File::open(tar).unwrap()
}

fn import(client: &mut Client, file: &std::fs::File) -> Result<ImageDigest, FailureKind> {
    match client.call_with(Call::ImportImage { max_bytes: 1 << 30 }, &[file.as_fd()]) {
        Ok(Answer::Imported { digest, bytes, .. }) => {
            assert!(bytes > 0);
            Ok(digest)
        }
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err(failure.kind),
    }
}

#[test]
fn an_archive_becomes_an_image_that_runs() {
    let scratch = tempfile::tempdir().unwrap();
    let host = Host::with_unpack(unpack_program());
    let mut client = host.client();
    let file = archive(scratch.path());
    let digest = import(&mut client, &file).unwrap();
    let sum = Command::new("sha256sum").arg(scratch.path().join("image.tar")).output().unwrap();
    assert!(String::from_utf8(sum.stdout).unwrap().starts_with(digest.as_str()));
    // The same again is the same image.
    assert_eq!(import(&mut client, &file).unwrap(), digest);
    let mut listed = |after| match client.call(Call::ListImages { after }).unwrap() {
        Answer::Images { digests, more: false } => digests,
        other => panic!("{other:?}"),
    };
    assert_eq!(listed(None), std::slice::from_ref(&digest));
    assert_eq!(listed(Some(digest.clone())), []);

    let mut request = host_sandbox(0);
    request.image = ImageSource::Unpacked(digest.clone());
    client.start(request.clone()).unwrap();
    let (text, code) = host.exec(&request.sandbox, 1000, &["/bin/tool", "x"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("tool 1000 x\n") && text.contains("agent:x:1000:1000:"), "{text}");

    // In use, even while stopped; not after.
    client.stop(&request.sandbox);
    let remove = || Call::RemoveImage { digest: digest.clone() };
    assert_eq!(client.call(remove()).unwrap_err().kind, FailureKind::Conflict);
    client.remove(&request.sandbox);
    client.call(remove()).unwrap();
    client.call(remove()).unwrap();
    assert_eq!(client.start(request).unwrap_err().kind, FailureKind::NotFound);
    eventually(|| client.audit().1 == 0);
    assert!(host.traces().iter().all(|trace| !trace.starts_with("group")));
}

#[test]
fn a_bad_archive_is_refused_and_leaves_nothing() {
    let host = Host::with_unpack(unpack_program());
    let mut client = host.client();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[7; 4_096]).unwrap();
    file.rewind().unwrap();
    assert_eq!(import(&mut client, &file), Err(FailureKind::BadArchive));
    let scratch = tempfile::tempdir().unwrap();
    let good = archive(scratch.path());
    let call = Call::ImportImage { max_bytes: 1_000 };
    assert_eq!(client.call_with(call, &[good.as_fd()]).unwrap_err().kind, FailureKind::BadArchive);
    // A pipe is no file, and no descriptor is none.
    let (read, _write) = rustix::pipe::pipe().unwrap();
    let call = Call::ImportImage { max_bytes: 1_000 };
    assert_eq!(client.call_with(call.clone(), &[read.as_fd()]).unwrap_err().kind, FailureKind::Invalid);
    assert_eq!(client.call(call).unwrap_err().kind, FailureKind::Invalid);
    eventually(|| client.audit().1 == 0);
    let images = std::fs::read_dir(host.dir.path().join("native/pool/images")).unwrap();
    assert_eq!(images.count(), 0);
}
