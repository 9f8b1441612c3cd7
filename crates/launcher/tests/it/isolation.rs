//! What a sandbox is kept from, and what it has.

use std::os::unix::fs::MetadataExt;

use atoll_types::Capabilities;

use crate::host::{Host, eventually, host_sandbox};

/// The value of a line `name:\tvalue` of a status file.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line =
        status.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {status}"));
    line.split_once(':').unwrap().1.trim()
}

#[test]
fn a_command_is_confined() {
    let host = Host::new();
    let request = host_sandbox(7);
    let mut client = host.client();
    assert!(!client.start(request.clone()).unwrap());
    let id = &request.sandbox;
    let run = |uid, script: &str| host.shell(id, uid, script).0;

    assert_eq!(run(1000, "id -un; hostname; pwd"), format!("agent\nsandbox-{id}\n/\n"));
    let map: Vec<String> = run(0, "cat /proc/self/uid_map").split_whitespace().map(str::to_owned).collect();
    assert_eq!(map, ["0", &(0x7000_0000_u32 + 7 * 65_536).to_string(), "65536"]);

    let status = run(0, "cat /proc/self/status");
    assert_eq!((field(&status, "NoNewPrivs"), field(&status, "Seccomp")), ("1", "2"));
    assert_eq!(
        (field(&status, "CapBnd"), field(&status, "CapEff")),
        ("00000000000004fb", "00000000000004fb")
    );
    assert_eq!(field(&run(1000, "cat /proc/self/status"), "CapEff"), "0000000000000000");

    for namespace in ["pid", "mnt", "net", "ipc", "uts", "user", "cgroup"] {
        let inside = run(0, &format!("readlink /proc/self/ns/{namespace}"));
        let outside = std::fs::read_link(format!("/proc/self/ns/{namespace}")).unwrap();
        assert_ne!(inside.trim(), outside.to_str().unwrap(), "{namespace}");
    }
    client.remove(id);
}

#[test]
fn what_needs_rights_over_the_host_is_refused() {
    let host = Host::new();
    let request = host_sandbox(0);
    host.client().start(request.clone()).unwrap();
    let refused = [
        "mount -t tmpfs none /mnt",
        "unshare -U true",
        "unshare -m true",
        "mknod /tmp/sda b 8 0",
        "echo 1 > /proc/sys/kernel/panic",
        "echo b > /proc/sysrq-trigger",
        "echo x > /usr/bin/evil",
        "hostname evil",
        "date -s 2000-01-01",
        "dmesg",
        "echo 1 > /sys/fs/cgroup/memory/memory.limit_in_bytes",
        "ip link add dummy0 type dummy",
        "chroot / true",
        "cat /proc/1/environ",
        "ls -l /proc/1/fd/",
        "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'",
        "python3 -c 'import socket; socket.socket(40, 1)'",
        "python3 -c 'import socket; socket.socket(38, 5)'",
        "python3 -c 'import os; os.unshare(0x10000000)'",
    ];
    for script in refused {
        let (text, code) = host.shell(&request.sandbox, 0, script);
        assert_ne!(code, 0, "{script}: {text}");
    }
    // The same tools do work where they may: the refusals above are not just missing programs.
    let python = "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM)'";
    assert_eq!(host.shell(&request.sandbox, 0, python), (String::new(), 0));
    for (path, content) in
        [("/proc/kcore", ""), ("/proc/keys", ""), ("/proc/timer_list", ""), ("/proc/kallsyms", "")]
    {
        let (text, _) = host.shell(&request.sandbox, 0, &format!("test ! -e {path} || head -c 10 {path}"));
        assert_eq!(text, content, "{path}");
    }
    for path in ["/proc/acpi", "/sys/firmware", "/proc/scsi"] {
        let (text, _) = host.shell(&request.sandbox, 0, &format!("test ! -e {path} || ls -A {path}"));
        assert_eq!(text, "", "{path}");
    }
}

#[test]
fn nothing_is_seen_of_what_lies_beneath_the_root() {
    let host = Host::new();
    let request = host_sandbox(0);
    host.client().start(request.clone()).unwrap();
    let run = |script: &str| host.shell(&request.sandbox, 0, script).0;
    let roots = run("stat -L -c %d:%i / /.. /proc/self/root /proc/self/root/.. /proc/self/cwd/../..");
    let roots: Vec<&str> = roots.lines().collect();
    assert_eq!(roots, [roots[0]; 5]);
    let mounts = run("cat /proc/self/mountinfo");
    let kinds: Vec<(&str, &str)> = mounts
        .lines()
        .map(|line| {
            let place = line.split(' ').nth(4).unwrap();
            (place, line.split_once(" - ").unwrap().1.split(' ').next().unwrap())
        })
        .collect();
    assert_eq!(
        kinds.iter().filter(|(place, _)| *place == "/").collect::<Vec<_>>(),
        [&("/", "overlay")],
        "{mounts}"
    );
    let places = ["/", "/usr", "/usr/local", "/dev", "/proc", "/sys"];
    let below = |place: &str| ["/dev/", "/proc/", "/sys/"].iter().any(|top| place.starts_with(top));
    assert!(kinds.iter().all(|(place, _)| places.contains(place) || below(place)), "{mounts}");
    assert!(mounts.lines().all(|line| !line.contains(" shared:") && !line.contains(" master:")), "{mounts}");
}

#[test]
fn the_folders_of_the_small_file_system_are_apart() {
    let host = Host::new();
    let request = host_sandbox(0);
    host.client().start(request.clone()).unwrap();
    // All that fits: devices go on, and what is masked stays empty.
    let fill = "for n in $(seq 100); do mkdir /dev/d$n || break; done 2>&1 | tail -1; ls -d /dev/d* | wc -l";
    let (text, _) = host.shell(&request.sandbox, 0, fill);
    let (refusal, made) = text.trim().rsplit_once('\n').unwrap();
    assert!(refusal.contains("No space left"), "{text}");
    assert!((30..72).contains(&made.parse::<u32>().unwrap()), "{text}");
    let masked = "ls -A /sys/firmware; touch /sys/firmware/x 2>&1; echo x > /dev/null && ls /sys/fs/cgroup";
    let (text, _) = host.shell(&request.sandbox, 0, masked);
    assert!(text.starts_with("touch: ") && text.contains("Read-only"), "{text}");
    assert!(!text.contains("d1"), "{text}");
    let ways = "ls -A /dev/.. | grep -c small; mv /dev/d1 /sys/firmware/ 2>&1; ls -A /sys/firmware";
    let (text, _) = host.shell(&request.sandbox, 0, ways);
    assert!(text.starts_with("0\n") && text.lines().count() == 2, "{text}");
}

#[test]
fn the_agent_has_its_descriptors_and_no_others() {
    let host = Host::new();
    let request = host_sandbox(0);
    host.client().start(request.clone()).unwrap();
    let (text, _) = host.exec(&request.sandbox, 0, &["@fds"]);
    let fds: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let of = |number: &str| fds.iter().find(|(fd, _)| *fd == number).map(|(_, target)| *target).unwrap();
    assert!([0, 1, 2].iter().all(|n: &i32| of(&n.to_string()) == "/dev/null"), "{fds:?}");
    assert!(of("3").starts_with("socket:"), "{fds:?}");
    assert!((4..8).all(|n: i32| of(&n.to_string()).ends_with("cgroup.procs")), "{fds:?}");
    // Beside these only the folder that is being read and this connection.
    assert_eq!(fds.len(), 10, "{fds:?}");
}

#[test]
fn a_command_sees_only_its_own_processes_and_network() {
    let host = Host::new();
    let (one, two) = (host_sandbox(0), host_sandbox(1));
    let mut client = host.client();
    client.start(one.clone()).unwrap();
    client.start(two).unwrap();
    let run = |script: &str| host.shell(&one.sandbox, 0, script).0;
    assert!(run("ls -d /proc/[0-9]* | wc -l").trim().parse::<u32>().unwrap() < 6);
    assert_eq!(run("ls /sys/class/net"), "lo\n");
    assert_eq!(run("cat /sys/class/net/lo/operstate").trim(), "unknown");
    assert!(run("cat /proc/mounts").lines().all(|line| !line.contains(host.dir.path().to_str().unwrap())));
    assert_eq!(run("cat /etc/hostname"), format!("sandbox-{}\n", one.sandbox));
    assert_eq!(run("locale -a | grep -i c.utf; date +%Z").lines().last().unwrap(), "UTC");
}

#[test]
fn two_sandboxes_share_no_owner() {
    let host = Host::new();
    let (one, two) = (host_sandbox(3), host_sandbox(4));
    let mut client = host.client();
    client.start(one.clone()).unwrap();
    client.start(two.clone()).unwrap();
    let owner = |id| {
        let procs = std::fs::read_to_string(host.cgroup("memory", id).join("cgroup.procs")).unwrap();
        let pid = procs.lines().next().unwrap().to_owned();
        std::fs::metadata(format!("/proc/{pid}")).unwrap().uid()
    };
    let _sleepers = [&one, &two].map(|request| host.spawn_exec(&request.sandbox, 0, "sleep 60"));
    eventually(|| {
        [&one, &two].iter().all(|r| {
            !std::fs::read_to_string(host.cgroup("memory", &r.sandbox).join("cgroup.procs"))
                .unwrap()
                .is_empty()
        })
    });
    assert_eq!(owner(&one.sandbox), 0x7000_0000 + 3 * 65_536);
    assert_eq!(owner(&two.sandbox), 0x7000_0000 + 4 * 65_536);
    // A third that asks for a range in use is refused.
    let mut third = host_sandbox(4);
    third.limits.pids = 64;
    assert!(client.start(third).unwrap_err().message.contains("in use"));
}

#[test]
fn a_read_only_root_is_read_only() {
    let host = Host::new();
    let mut request = host_sandbox(0);
    request.read_only_root = true;
    host.client().start(request.clone()).unwrap();
    assert_ne!(host.shell(&request.sandbox, 0, "touch /etc/x").1, 0);
    assert_ne!(host.shell(&request.sandbox, 0, "touch /usr/local/x").1, 0);
    assert_eq!(host.shell(&request.sandbox, 1000, "echo hi > /tmp/x && cat /tmp/x"), ("hi\n".to_owned(), 0));
}

#[test]
fn a_sandbox_may_have_no_capabilities() {
    let host = Host::new();
    let mut request = host_sandbox(0);
    request.capabilities = Capabilities::None;
    host.client().start(request.clone()).unwrap();
    let (status, _) = host.shell(&request.sandbox, 1000, "cat /proc/self/status");
    assert_eq!(
        (field(&status, "CapEff"), field(&status, "CapBnd")),
        ("0000000000000000", "0000000000000000")
    );
    assert_ne!(host.shell(&request.sandbox, 0, "chown 1000 /etc").1, 0);
}

#[test]
fn programs_of_the_host_build_and_run() {
    let host = Host::new();
    let request = host_sandbox(0);
    host.client().start(request.clone()).unwrap();
    let c = "cd ~ && printf '#include <stdio.h>\nint main(void){puts(\"built\");}\n' > a.c && gcc -O1 -o a a.c && ./a";
    assert_eq!(host.shell(&request.sandbox, 1000, c), ("built\n".to_owned(), 0));
    let python = "/usr/bin/python3 -c 'import json,ssl,sqlite3,threading; print(json.dumps([1]))'";
    assert_eq!(host.shell(&request.sandbox, 1000, python), ("[1]\n".to_owned(), 0));
    let node = "/usr/bin/node -e 'console.log(require(\"os\").cpus().length > 0, process.getuid())'";
    assert_eq!(host.shell(&request.sandbox, 1000, node), ("true 1000\n".to_owned(), 0));
    assert_eq!(
        host.shell(
            &request.sandbox,
            0,
            "echo '#!/bin/sh\necho mine' > /usr/local/bin/t && chmod +x /usr/local/bin/t && t"
        )
        .0,
        "mine\n"
    );
}

/// A folder in the host's `/usr`, gone with this value.
struct InUsr(std::path::PathBuf);

impl InUsr {
    fn new() -> Self {
        let folder = std::path::PathBuf::from(format!("/usr/share/atoll-test-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// As package managers write files.
    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.0.join("new"), text).unwrap();
        std::fs::rename(self.0.join("new"), self.0.join(name)).unwrap();
    }
}

impl Drop for InUsr {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn an_upgrade_of_the_host_is_seen_by_those_who_run() {
    let folder = InUsr::new();
    folder.put("replaced", "old");
    folder.put("removed", "old");
    let host = Host::new();
    let requests = [host_sandbox(0), host_sandbox(1)];
    let mut client = host.client();
    let look = format!("cd {} && cat replaced removed added 2>/dev/null; ls", folder.0.display());
    for request in &requests {
        client.start(request.clone()).unwrap();
        assert_eq!(host.shell(&request.sandbox, 1000, &look).0, "oldoldremoved\nreplaced\n");
    }
    folder.put("replaced", "new");
    folder.put("added", "new");
    std::fs::remove_file(folder.0.join("removed")).unwrap();
    // What a package manager does last.
    drop(std::fs::File::create(folder.0.with_extension("mark")).unwrap());
    std::fs::remove_file(folder.0.with_extension("mark")).unwrap();
    for request in &requests {
        eventually(|| host.shell(&request.sandbox, 1000, &look).0 == "newnewadded\nreplaced\n");
        client.remove(&request.sandbox);
    }
}
