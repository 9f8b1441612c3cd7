//! A Dockerfile or a context of a stranger's: what Docker gets of it is known instructions, each on one line and on images of our choice,
//! and files under plain names; or it is refused.
#![no_main]

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Component;

use atoll_build_context::{Asked, Context, DOCKERFILE_SENT, Dockerfile};
use libfuzzer_sys::fuzz_target;
use rustix::fs::MemfdFlags;

/// The image that every name is.
const IMAGE: &str = "ours:1";
/// What Docker gets as the last file of each context.
const SENT: &str = "FROM ours:1\n";

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        dockerfile(text);
    }
    context(bytes);
});

fn dockerfile(text: &str) {
    let asked = Asked { platform: "linux/amd64", ..Asked::default() };
    let Ok(read) = Dockerfile::parse(text, &asked) else { return };
    let images = read.images().into_iter().map(|name| (name, IMAGE.to_owned())).collect();
    let made = read.render(&images, &[("label", "value")]).expect("every name has an image");
    assert_eq!(made.text.lines().count(), made.steps.len());
    for line in made.text.lines() {
        assert!(!line.ends_with('\\') && line.chars().all(|c| c == '\t' || !c.is_control()), "{line:?}");
        let mut words = line.split(' ');
        match words.next() {
            Some("FROM") => {
                let from = words.next().unwrap_or_default();
                let is_stage = from.starts_with(|c: char| c.is_ascii_lowercase())
                    && !from.contains(['/', ':', '@', '$']);
                assert!(from == IMAGE || is_stage, "{line:?}");
            }
            Some("ADD") => {
                let sources = line.rsplit_once([' ', ',']).map_or("", |(sources, _)| sources);
                assert!(!sources.to_ascii_lowercase().contains("http://"), "{line:?}");
            }
            Some("LABEL") => {
                assert!(["LABEL label=\"value\"", "LABEL label=\"\""].contains(&line), "{line:?}")
            }
            _ => {}
        }
    }
}

fn context(bytes: &[u8]) {
    let mut file = File::from(rustix::fs::memfd_create("context", MemfdFlags::CLOEXEC).expect("memory"));
    file.write_all(bytes).expect("memory");
    let context = Context::open(&file).expect("it can be read");
    let _text = context.dockerfile("Dockerfile");
    let mut made = File::from(rustix::fs::memfd_create("made", MemfdFlags::CLOEXEC).expect("memory"));
    if context.write(SENT, &mut made).is_err() {
        return;
    }
    made.rewind().expect("memory");
    let mut last = String::new();
    for entry in tar::Archive::new(made).entries().expect("a tar") {
        let entry = entry.expect("a tar");
        let path = entry.path().expect("a name").into_owned();
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{path:?}");
        let kind = entry.header().entry_type();
        assert!(kind.is_file() || kind.is_dir() || kind.is_symlink() || kind.is_hard_link(), "{kind:?}");
        last = path.display().to_string();
    }
    assert_eq!(last, DOCKERFILE_SENT);
}
