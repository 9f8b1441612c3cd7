//! `image import`

use std::fs;

use crate::fake::{Fake, text};

#[test]
fn an_archive_is_sent_from_a_file_or_from_standard_input() {
    let fake = Fake::start(&[]);
    let file = fake.home().join("root.tar");
    fs::write(&file, "archive").unwrap();
    let output = fake.run(&["image", "import", "debian:12", file.to_str().unwrap()]);
    assert_eq!(
        (output.status.code(), text(&output.stdout), text(&output.stderr)),
        (Some(0), "debian:12\n", "")
    );
    assert_eq!(fake.run_with(&["image", "import", "debian:12", "-"], b"archive").status.code(), Some(0));
    let asked = fake.asked("POST /images?name=debian%3A12 archive ");
    assert_eq!(asked.len(), 2, "{:?}", fake.asked(""));
}

#[test]
fn what_would_be_refused_is_not_sent() {
    let fake = Fake::start(&[]);
    let file = fake.home().join("root.tar.xz");
    fs::write(&file, b"\xfd7zXZ\0rest").unwrap();
    for (path, hint) in
        [(file.as_path(), "xzcat"), (fake.home(), "tar -C"), (&fake.home().join("none"), "No such file")]
    {
        let output = fake.run(&["image", "import", "debian:12", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(hint), "{}", text(&output.stderr));
    }
    assert_eq!(
        fake.run(&["image", "import", "debian:12", "-"]).status.code(),
        Some(1),
        "nothing comes from /dev/null"
    );
    assert_eq!(fake.run(&["image", "import", "../x", "-"]).status.code(), Some(2));
    assert!(fake.asked("").is_empty());
}
