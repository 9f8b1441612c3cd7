//! What a real Docker has made and saved, imported and run.

use std::path::Path;
use std::process::Command;

use rustix::fs::{XattrFlags, setxattr};

use crate::harness::{Atoll, Dockerd};

/// To bind ports below 1024, and at once: as the file system writes it, second version.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Changes what is below, or shows what there is.
const TOOL: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
static void show(const char *a, const char *b) {
    struct stat x, y;
    if (stat(a, &x) || stat(b, &y)) printf("%s or %s is missing\n", a, b);
    else printf("%s %d %s\n", a, (int)x.st_nlink, x.st_ino == y.st_ino ? "same" : "other");
}
int main(int n, char **a) {
    char value[64];
    if (n > 1 && !strcmp(a[1], "change")) return unlink("/srv/old") || link("/srv/one", "/srv/two");
    show("/bin/tool", "/bin/again");
    show("/srv/one", "/srv/two");
    printf("capability %d old %d %s\n", (int)getxattr("/bin/tool", "security.capability", value, sizeof value),
        access("/srv/old", F_OK), getenv("GREETING"));
}
"#;

fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// The tar of a root with a hard link, a file with a capability, and something to be deleted.
fn root(folder: &Path) -> String {
    for below in ["root/bin", "root/srv"] {
        std::fs::create_dir_all(folder.join(below)).unwrap();
    }
    std::fs::write(folder.join("tool.c"), TOOL).unwrap();
    run(Command::new("gcc").args(["-static", "-o", "root/bin/tool", "tool.c"]).current_dir(folder));
    std::fs::hard_link(folder.join("root/bin/tool"), folder.join("root/bin/again")).unwrap();
    setxattr(folder.join("root/bin/tool"), "security.capability", &CAPABILITY, XattrFlags::empty()).unwrap();
    for file in ["root/srv/old", "root/srv/one"] {
        std::fs::write(folder.join(file), "content").unwrap();
    }
    let tar =
        ["-C", "root", "--owner=0", "--group=0", "--xattrs", "--xattrs-include=*", "-cf", "root.tar", "."];
    run(Command::new("tar").args(tar).current_dir(folder));
    folder.join("root.tar").to_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_docker_saves_is_imported_whole() {
    let atoll = Atoll::start().await;
    let folder = tempfile::tempdir().unwrap();
    let root = root(folder.path());
    let saved = folder.path().join("saved.tar").to_str().unwrap().to_owned();
    {
        let docker = Dockerd::start(false);
        let docker = |arguments: &[&str]| run(docker.command().args(arguments));
        docker(&["import", &root, "below:1"]);
        docker(&["run", "--name", "box", "--network=none", "below:1", "/bin/tool", "change"]);
        docker(&["commit", "--change", "ENV GREETING=docker", "--change", "USER 1000", "box", "above:1"]);
        docker(&["rm", "--force", "box"]);
        docker(&["save", "--output", &saved, "above:1"]);
    }
    let imported = atoll.cli(&["image", "import", "above:1", &saved]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let ran = atoll.cli(&["run", "--image", "above:1", "--", "/bin/tool"]);
    let expected = "/bin/tool 2 same\n/srv/one 2 same\ncapability 20 old -1 docker\n";
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), expected, "{}", String::from_utf8_lossy(&ran.stderr));
    let removed = atoll.cli(&["image", "rm", "above:1"]);
    assert!(removed.status.success());
    atoll.finish().await;
}
