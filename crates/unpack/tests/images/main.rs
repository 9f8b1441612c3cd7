//! Archives of images: what they unpack to, and why hostile and broken ones are refused.

#![allow(clippy::unwrap_used, clippy::panic)]

mod kit;

use kit::{Layout, architecture, digest, files, gzip, layered, refused, tar, unpacked, zstd};
use serde_json::json;

#[test]
fn layers_of_each_packing_lie_over_each_other_in_their_order() {
    let plain = [
        tar(&["d etc/", "etc/a 1", "etc/b 1"]),
        tar(&["d etc/", "etc/b 2", "etc/c 2"]),
        tar(&["d etc/", "etc/c 3", "h etc/d etc/c"]),
    ];
    let packed = [
        (plain[0].clone(), plain[0].clone()),
        (gzip(&plain[1]), plain[1].clone()),
        (zstd(&plain[2]), plain[2].clone()),
    ];
    let layout = Layout::new(&packed, &architecture());
    let archive = layout.archive();
    for archive in [archive.clone(), gzip(&archive), zstd(&archive)] {
        let (found, done) = unpacked(&archive);
        assert_eq!(found, ["etc/", "etc/a=1", "etc/b=2", "etc/c=3", "etc/d=3"]);
        let config = done.config.unwrap();
        assert_eq!(config.manifest.unwrap().as_str(), layout.manifest);
        assert_eq!(config.command.unwrap().to_argv(), ["serve"]);
        assert_eq!(config.exposed_ports[0].as_str(), "80/tcp");
    }
}

#[test]
fn several_members_of_a_compressed_layer_are_one() {
    let plain = tar(&["a 1", "b 2"]);
    let (first, second) = plain.split_at(700);
    for packed in [[gzip(first), gzip(second)].concat(), [zstd(first), zstd(second)].concat()] {
        assert_eq!(
            unpacked(&Layout::new(&[(packed, plain.clone())], &architecture()).archive()).0,
            ["a=1", "b=2"]
        );
    }
}

#[test]
fn what_docker_saves_is_read() {
    let (first, second) = (tar(&["a 1", "b 1"]), tar(&[".wh.a"]));
    let config = kit::config(&[digest(&first), digest(&second), digest(&first)], &architecture());
    let list = json!([{"Config": format!("{}.json", digest(&config)), "RepoTags": ["x:1"],
        "Layers": ["aa/layer.tar", "bb/layer.tar", "cc/layer.tar"]}]);
    let parts = [
        (format!("{}.json", digest(&config)), config),
        ("aa/layer.tar".to_owned(), first),
        ("bb/layer.tar".to_owned(), second),
        ("manifest.json".to_owned(), list.to_string().into_bytes()),
    ];
    let mut archive = files(&parts);
    // A layer that is there already is a link in older versions. Two blocks of zeros are the end of an archive.
    archive.truncate(archive.len() - 1024);
    archive.extend(tar(&["l cc/layer.tar ../aa/layer.tar"]));
    let (found, done) = unpacked(&archive);
    assert_eq!(found, ["a=1", "b=1"]);
    assert_eq!(done.config.unwrap().manifest, None);
}

#[test]
fn whiteouts_hide_what_is_below_and_never_what_is_beside() {
    let below: &[&str] = &["d a/", "a/x 1", "a/y 1", "d a/sub/", "a/sub/deep 1", "b 1", "l link a"];
    let cases: [(&[&str], &[&str]); 9] = [
        (&[".wh.b"], &["a/", "a/sub/", "a/sub/deep=1", "a/x=1", "a/y=1", "link->a"]),
        (&["a/.wh.x", "a/.wh.sub"], &["a/", "a/y=1", "b=1", "link->a"]),
        (&[".wh.a"], &["b=1", "link->a"]),
        (&[".wh.link"], &["a/", "a/sub/", "a/sub/deep=1", "a/x=1", "a/y=1", "b=1"]),
        // In any order.
        (&["d a/", "a/.wh..wh..opq", "a/new 2"], &["a/", "a/new=2", "b=1", "link->a"]),
        (&["d a/", "a/new 2", "a/x 2", "a/.wh..wh..opq"], &["a/", "a/new=2", "a/x=2", "b=1", "link->a"]),
        (&["a/sub/new 2", "a/.wh..wh..opq"], &["a/", "a/sub/", "a/sub/new=2", "b=1", "link->a"]),
        (
            &["b 2", ".wh.b", ".wh.nothing", "none/.wh..wh..opq", ".wh..wh.plnk/1 x"],
            &["a/", "a/sub/", "a/sub/deep=1", "a/x=1", "a/y=1", "b=2", "link->a"],
        ),
        // What has another kind now takes the place of all that was there.
        (&["a 2", "d link/", "link/z 2", "d b/"], &["a=2", "b/", "link/", "link/z=2"]),
    ];
    for (above, expected) in cases {
        assert_eq!(unpacked(&layered(&[below, above])).0, expected, "{above:?}");
    }
    // Hidden and made again above.
    assert_eq!(
        unpacked(&layered(&[below, &[".wh.a", ".wh.link"], &["d a/", "a/x 3"]])).0,
        ["a/", "a/x=3", "b=1"]
    );
    // The lowest layer hides nothing.
    assert_eq!(unpacked(&layered(&[&["a 1", ".wh.a", ".wh..wh..opq"]])).0, ["a=1"]);
}

#[test]
fn a_root_file_system_with_names_of_a_layout_stays_one() {
    for lines in [
        &["manifest.json []", "a 1"][..],
        &["oci-layout x", "index.json x"],
        &["manifest.json {}"],
        &[".wh.a 1"],
    ] {
        let (found, done) = unpacked(&tar(lines));
        assert_eq!((found.len(), done.config), (lines.len(), None), "{lines:?}");
    }
}

#[test]
fn nothing_is_written_or_removed_outside_the_root() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("file"), "untouched").unwrap();
    let out = outside.path().to_str().unwrap();
    let link = format!("l out {out}");
    for above in [
        &["out/file evil"][..],
        &["out/.wh.file"],
        &["out/.wh..wh..opq"],
        &["d out/", "out/.wh..wh..opq"],
        &["h mine out/file"],
        &[".wh.."],
        &[".wh..."],
        &["../.wh.file"],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let _either = kit::unpack_into(dir.path(), &layered(&[&[&link], above]), 1 << 20);
        assert_eq!(kit::listing(outside.path()), ["file=untouched"], "{above:?}");
    }
}

#[test]
fn what_is_not_what_it_is_said_to_be_is_refused() {
    let plain = tar(&["a 1"]);
    let good = Layout::new(&[(gzip(&plain), plain.clone())], &architecture());
    let expect = |layout: &Layout, words: &str| {
        let why = refused(&layout.archive());
        assert!(why.contains(words), "{why}");
    };

    // A layer with other bytes than its digest says, one that is cut off, one that is not there.
    let mut other = good.clone();
    other.blobs[2].1 = gzip(&tar(&["a 2"]));
    expect(&other, "layer 1 of the image: the layer is not what the image names");
    let mut cut = good.clone();
    let half = cut.blobs[2].1.len() / 2;
    cut.blobs[2].1.truncate(half);
    expect(&cut, "the layer is not what the image names");
    let mut missing = good.clone();
    missing.blobs.pop();
    expect(&missing, "is missing");
    let mut archive = good.archive();
    archive.truncate(archive.len() / 3);
    kit::unpack_into(tempfile::tempdir().unwrap().path(), &archive, 1 << 20).unwrap_err();

    // A layer that unpacks to something else than the configuration says.
    expect(&Layout::new(&[(gzip(&plain), tar(&["a 2"]))], &architecture()), "the unpacked layer is not what");
    // Documents.
    for (blob, words) in [(0, "the manifest is not what"), (1, "the configuration is not what")] {
        let mut changed = good.clone();
        changed.blobs[blob].1.push(b' ');
        expect(&changed, words);
    }
    expect(&Layout::new(&[(plain.clone(), plain)], "s390x"), "made for linux/s390x");
    let mut empty = good.clone();
    empty.index = json!({"schemaVersion": 2, "manifests": []});
    expect(&empty, "its index is empty");
    let mut two = good.clone();
    let mut second = two.index["manifests"][0].clone();
    second["digest"] = json!(format!("sha256:{}", "b".repeat(64)));
    two.index["manifests"].as_array_mut().unwrap().push(second);
    expect(&two, "several images");
    let mut long = good.clone();
    long.blobs[0].1 = vec![b' '; (4 << 20) + 1];
    expect(&long, "more than 4194304 bytes");
    // An index that names itself.
    let mut around = good;
    around.index["manifests"][0]["mediaType"] = json!("application/vnd.oci.image.index.v1+json");
    expect(&around, "index");
}

#[test]
fn a_little_that_unpacks_to_much_is_refused() {
    let bomb = vec![0; 100 << 20];
    // After the end of the layer's own archive, and as the archive itself.
    let plain = [tar(&["a 1"]), bomb].concat();
    for packed in [gzip(&plain), zstd(&plain)] {
        let why = refused(&Layout::new(&[(packed.clone(), plain.clone())], &architecture()).archive());
        assert!(why.contains("more than the 1048576 bytes"), "{why}");
        assert!(refused(&packed).contains("more than the 1048576 bytes"));
    }
    let mut layers: Vec<&[&str]> = Vec::new();
    layers.resize(600, &["a 1"]);
    assert!(refused(&layered(&layers)).contains("more than 512 layers"));
    // A file of every layer counts, also where the next one replaces it.
    let large = format!("a {}", "x".repeat(600 << 10));
    assert!(
        refused(&layered(&[&[&large], &[&large]]))
            .contains("layer 2 of the image: the archive unpacks to more")
    );
}

#[test]
fn deep_and_broken_whiteouts_are_refused() {
    assert!(refused(&layered(&[&["a 1"], &[".wh.."]])).contains("impossible name"));
    // Deeper than a path may be: each link leads to the end of the last one.
    let deep = "d/".repeat(45);
    let mut below = vec![format!("d {deep}"), format!("l l0 {deep}")];
    for n in 1..6 {
        below.push(format!("d l{}/{deep}", n - 1));
        below.push(format!("l l{n} l{}/{deep}", n - 1));
    }
    let below: Vec<&str> = below.iter().map(String::as_str).collect();
    unpacked_alone(&below);
    assert!(refused(&layered(&[&below, &[".wh.d"]])).contains("too long"));
}

fn unpacked_alone(lines: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    kit::unpack_into(dir.path(), &layered(&[lines]), 1 << 20).unwrap();
}
