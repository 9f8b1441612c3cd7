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
        Answer::Images { digests, more: false, .. } => digests,
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

#[test]
fn an_image_is_packed_into_a_layer_that_is_an_image_again() {
    let scratch = tempfile::tempdir().unwrap();
    let host = Host::with_unpack(unpack_program());
    let mut client = host.client();
    let digest = import(&mut client, &archive(scratch.path())).unwrap();
    let packed = |client: &mut Client, digest: &ImageDigest, max_bytes| {
        let file = tempfile::tempfile().unwrap();
        let call = Call::ExportImage { digest: digest.clone(), max_bytes };
        client.call_with(call, &[file.as_fd()]).map(|answer| match answer {
            Answer::Exported { digest, diff_id, bytes } => (file, digest, diff_id, bytes),
            other => panic!("{other:?}"),
        })
    };
    let (mut file, layer, diff_id, bytes) = packed(&mut client, &digest, 1 << 30).unwrap();
    assert_eq!(file.metadata().unwrap().len(), bytes);
    file.rewind().unwrap();
    let path = scratch.path().join("layer.tar.gz");
    std::io::copy(&mut file, &mut std::fs::File::create(&path).unwrap()).unwrap();
    let sum = Command::new("sh")
        .args([
            "-c",
            "sha256sum < \"$0\"; gzip -dc \"$0\" | sha256sum; tar -tvzf \"$0\"",
            path.to_str().unwrap(),
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(sum.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with(layer.as_str()) && lines[1].starts_with(diff_id.as_str()), "{text}");
    assert!(
        text.contains("-rwxr-xr-x 0/0") && text.contains("etc/shadow -> ../../../../etc/shadow"),
        "{text}"
    );

    // The same again, whoever asks; and an image of its own.
    assert_eq!(packed(&mut client, &digest, 1 << 30).unwrap().1, layer);
    file.rewind().unwrap();
    let again = import(&mut client, &file).unwrap();
    assert_eq!((&again, packed(&mut client, &again, 1 << 30).unwrap().1), (&layer, layer.clone()));

    assert_eq!(packed(&mut client, &digest, 1_000).unwrap_err().kind, FailureKind::BadArchive);
    let none = "0".repeat(64).parse().unwrap();
    assert_eq!(packed(&mut client, &none, 1_000).unwrap_err().kind, FailureKind::NotFound);
    // What cannot be written to holds no layer.
    let read_only = std::fs::File::open(&path).unwrap();
    let call = Call::ExportImage { digest, max_bytes: 1 << 30 };
    assert_eq!(client.call_with(call.clone(), &[read_only.as_fd()]).unwrap_err().kind, FailureKind::Invalid);
    assert_eq!(client.call(call).unwrap_err().kind, FailureKind::Invalid);
    eventually(|| client.audit().1 == 0);
    assert!(host.traces().iter().all(|trace| !trace.starts_with("group")));
}

/// The archive of an image with these layers, of which only those that are `sent` are in it.
fn layered(
    dir: &std::path::Path,
    layers: &[&std::path::Path],
    sent: std::ops::RangeFrom<usize>,
) -> std::fs::File {
    let script = r#"
set -e; root=$(mktemp -d); mkdir -p "$root/blobs/sha256"; cd "$root"
sum() { sha256sum "$1" | cut -d' ' -f1; }
put() { mv "$1" "blobs/sha256/$(sum "$1")"; }
arch=$(uname -m); [ "$arch" = x86_64 ] && arch=amd64; [ "$arch" = aarch64 ] && arch=arm64
ids=; descriptors=; number=0; from=$1; shift
for layer; do
    tar -C "$layer" --sort=name --mtime=@1 --owner=0 --group=0 -cf plain .
    ids="$ids,\"sha256:$(sum plain)\""; gzip -n plain
    descriptors="$descriptors,{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:$(sum plain.gz)\",\"size\":$(stat -c %s plain.gz)}"
    if [ "$number" -ge "$from" ]; then put plain.gz; else rm plain.gz; fi; number=$((number + 1))
done
printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[%s]}}' "$arch" "${ids#,}" > config
config=$(sum config); size=$(stat -c %s config); put config
printf '{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[%s]}' "$config" "$size" "${descriptors#,}" > manifest
manifest=$(sum manifest); size=$(stat -c %s manifest); put manifest
printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s}]}' "$manifest" "$size" > index.json
printf '{"imageLayoutVersion":"1.0.0"}' > oci-layout
tar -cf "$OUT" .; rm -rf "$root"
"#;
    let out = dir.join("layered.tar");
    let made = Command::new("bash")
        .args(["-c", script, "layered", &sent.start.to_string()])
        .args(layers)
        .env("OUT", &out)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::File::open(out).unwrap()
}

/// A base that says what is in it, and two layers over it.
fn layers(dir: &std::path::Path) -> [std::path::PathBuf; 3] {
    archive(dir);
    let base = dir.join("image");
    let noise: Vec<u8> =
        (0..6_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(base.join("usr/large"), noise).unwrap();
    let (one, two) = (dir.join("one"), dir.join("two"));
    for (layer, text) in [(&one, "one"), (&two, "two")] {
        std::fs::create_dir_all(layer.join("etc")).unwrap();
        std::fs::write(layer.join("etc/which"), text).unwrap();
        std::fs::write(layer.join("etc/.wh.shadow"), "").unwrap();
    }
    [base, one, two]
}

fn sizes(client: &mut Client) -> Vec<(u64, u64)> {
    match client.call(Call::ListImages { after: None }).unwrap() {
        Answer::Images { digests, sizes, more: false } => {
            assert_eq!(digests.len(), sizes.len());
            sizes.into_iter().map(|size| (size.shared_bytes, size.unique_bytes)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn names(host: &Host, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(host.dir.path().join("native/pool").join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn layers_that_images_share_are_kept_once_and_as_long_as_one_has_them() {
    let scratch = tempfile::tempdir().unwrap();
    let [base, one, two] = layers(scratch.path());
    let host = Host::with_unpack(unpack_program());
    let mut client = host.client();
    let first = import(&mut client, &layered(scratch.path(), &[&base, &one], 0..)).unwrap();
    assert_eq!((names(&host, "layers").len(), names(&host, "images")), (2, vec![first.to_string()]));
    let alone = sizes(&mut client);
    assert!(alone[0].0 == 0 && alone[0].1 > 20_000_000, "{alone:?}");

    // Of the second only its own layer is sent: the other is here.
    let again = import(&mut client, &layered(scratch.path(), &[&base, &one], 2..)).unwrap();
    assert_eq!(again, first, "the same layers are the same image");
    let second = import(&mut client, &layered(scratch.path(), &[&base, &two], 1..)).unwrap();
    assert_ne!(second, first);
    assert_eq!(names(&host, "layers").len(), 3);
    let both = sizes(&mut client);
    assert!(both.iter().all(|size| size.0 > 20_000_000 && size.1 < 1_000), "{both:?}");

    // Each has its own, hidden files are hidden, and the base is whole.
    let shown = |image: &ImageDigest, path: &str| {
        std::fs::read(host.dir.path().join(format!("native/pool/images/{image}/rootfs/{path}")))
    };
    for (image, text) in [(&first, "one"), (&second, "two")] {
        assert_eq!(shown(image, "etc/which").unwrap(), text.as_bytes());
        assert!(shown(image, "etc/shadow").is_err());
        assert!(!host.dir.path().join(format!("native/pool/images/{image}/look")).exists());
    }
    // The first goes, the second runs.
    client.call(Call::RemoveImage { digest: first }).unwrap();
    eventually(|| client.audit().1 == 0);
    assert_eq!(names(&host, "layers").len(), 2);
    assert_eq!(sizes(&mut client)[0].0, 0, "nobody has the base beside it");
    let mut request = host_sandbox(0);
    request.image = ImageSource::Unpacked(second.clone());
    client.start(request.clone()).unwrap();
    let (text, code) = host.exec(&request.sandbox, 1000, &["/bin/tool", "x"]);
    assert!(code == 0 && text.starts_with("tool 1000 x\n"), "{text}");
    client.remove(&request.sandbox);
    client.call(Call::RemoveImage { digest: second }).unwrap();
    eventually(|| client.audit().1 == 0);
    assert_eq!((names(&host, "layers"), names(&host, "images")), (vec![], vec![]));
}

#[test]
fn a_layer_that_is_wrong_or_missing_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let [base, one, two] = layers(scratch.path());
    let host = Host::with_unpack(unpack_program());
    let mut client = host.client();
    let refused = |client: &mut Client, file: &std::fs::File| {
        let failure =
            client.call_with(Call::ImportImage { max_bytes: 1 << 30 }, &[file.as_fd()]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::BadArchive);
        failure.message
    };
    let missing = refused(&mut client, &layered(scratch.path(), &[&base, &one, &two], 1..));
    assert!(missing.contains("is missing"), "{missing}");
    // The second layer is not what its name says: the first was good, and goes too.
    let whole = layered(scratch.path(), &[&base, &one], 0..);
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut { whole }, &mut bytes).unwrap();
    let mut at = 0;
    while at + 512 <= bytes.len() {
        let text = String::from_utf8_lossy(&bytes[at..at + 100]).into_owned();
        let size = String::from_utf8_lossy(&bytes[at + 124..at + 135]).into_owned();
        let size = usize::from_str_radix(size.trim_matches('\0'), 8).unwrap_or(0);
        if text.contains("blobs/sha256/")
            && (50..1_000).contains(&size)
            && bytes[at + 512..].starts_with(&[0x1F, 0x8B])
        {
            bytes[at + 512 + size - 1] ^= 1;
        }
        at += 512 + size.next_multiple_of(512);
    }
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let wrong = refused(&mut client, &file);
    assert!(wrong.contains("layer 2 of the image") && wrong.contains("digest"), "{wrong}");
    eventually(|| client.audit().1 == 0);
    assert_eq!((names(&host, "layers"), names(&host, "images")), (vec![], vec![]));
}
