//! On the real host, as root: what is found and what is removed, and that a neighbour keeps everything.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test says what it expects")]

use std::convert::Infallible;
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use atoll_doctor::{Doctor, Kind, Recorded, Records, Report, Severity};
use atoll_types::{InstallationId, SandboxId};
use rustix::fs::FlockOperation;

/// A data folder with one sandbox in it, made by hand; its process is frozen.
struct House {
    folder: tempfile::TempDir,
    installation: InstallationId,
    sandbox: SandboxId,
    process: Child,
}

fn run(program: &str, args: &[&Path]) {
    let status = Command::new(program).args(args).stdout(std::process::Stdio::null()).status().unwrap();
    assert!(status.success(), "{program} {args:?}");
}

/// The cgroup folders that stand for a sandbox here: version 1 where it is mounted.
fn groups(installation: &InstallationId, sandbox: &SandboxId) -> Vec<PathBuf> {
    let base = format!("atoll-{installation}");
    if Path::new("/sys/fs/cgroup/freezer").exists() {
        let of = |controller: &str, name: &str| {
            Path::new("/sys/fs/cgroup").join(controller).join(&base).join(name)
        };
        return vec![
            of("freezer", &format!("sandbox-{sandbox}")),
            of("memory", &format!("sandbox-{sandbox}")),
            of("memory", &format!("agent-{sandbox}")),
        ];
    }
    vec![Path::new("/sys/fs/cgroup").join(&base).join(format!("sandbox-{sandbox}/workload"))]
}

impl House {
    /// None where this is not root: then nothing of this can be made.
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not tested: this needs root");
            return None;
        }
        Some(Self::make())
    }

    fn make() -> Self {
        let folder = tempfile::Builder::new().prefix("atoll-doctor-").tempdir_in("/tmp").unwrap();
        let (installation, sandbox) = (InstallationId::random(), SandboxId::random());
        let dir = folder.path();
        std::fs::write(dir.join("installation"), format!("{installation}\n")).unwrap();
        for name in ["run/agents", "native/pool", &format!("serve/exec-logs/{sandbox}")] {
            std::fs::create_dir_all(dir.join(name)).unwrap();
        }
        std::fs::write(dir.join(format!("serve/exec-logs/{sandbox}/log")), "x").unwrap();
        drop(UnixListener::bind(dir.join(format!("run/agents/{sandbox}.sock"))).unwrap());
        let process = Command::new("/bin/sleep").arg("300").spawn().unwrap();
        for group in groups(&installation, &sandbox) {
            std::fs::create_dir_all(&group).unwrap();
            if !group.to_string_lossy().contains("agent-") {
                std::fs::write(group.join("cgroup.procs"), process.id().to_string()).unwrap();
            }
        }
        let group = &groups(&installation, &sandbox)[0];
        let version_1 = group.join("freezer.state").exists();
        let (file, value) = if version_1 { ("freezer.state", "FROZEN") } else { ("cgroup.freeze", "1") };
        std::fs::write(group.join(file), value).unwrap();
        Self { folder, installation, sandbox, process }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Storage on btrfs, with the sandbox's layer as a subvolume.
    fn mount_pool(&self) {
        let image = self.path().join("native/pool.img");
        std::fs::File::create(&image).unwrap().set_len(128 << 20).unwrap();
        run("mkfs.btrfs", &[Path::new("--quiet"), &image]);
        let pool = self.path().join("native/pool");
        run("mount", &[Path::new("-oloop"), &image, &pool]);
        let sandbox = pool.join(format!("sandboxes/{}", self.sandbox));
        for dir in [&sandbox, &pool.join("images"), &pool.join("trash/old")] {
            std::fs::create_dir_all(dir).unwrap();
        }
        run("btrfs", &[Path::new("subvolume"), Path::new("create"), &sandbox.join("layer")]);
        std::fs::create_dir_all(sandbox.join("layer/upper/etc")).unwrap();
        std::fs::write(sandbox.join("layer/upper/etc/file"), "x").unwrap();
    }

    fn known(&self) -> Records {
        Records {
            sandboxes: [(self.sandbox.clone(), Recorded { uid_slot: 1, running: true })].into(),
            ..Records::default()
        }
    }

    fn examine(&self, records: &Records) -> Report {
        Doctor::open(self.path()).unwrap().examine(|| Ok::<_, Infallible>(records.clone())).unwrap()
    }

    fn fix(&self, report: &Report) {
        let doctor = Doctor::open(self.path()).unwrap();
        for finding in &report.findings {
            doctor.fix(finding).unwrap_or_else(|error| panic!("{finding:?}: {error:?}"));
        }
    }

    fn is_alive(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let report = self.examine(&Records::default());
        let doctor = Doctor::open(self.path()).unwrap();
        report.findings.iter().for_each(|finding| drop(doctor.fix(finding)));
        drop(self.process.wait());
        for finding in &self.examine(&Records::default()).findings {
            drop(doctor.fix(finding));
        }
    }
}

fn kinds(report: &Report, severity: Severity) -> Vec<Kind> {
    report
        .findings
        .iter()
        .filter(|finding| finding.severity == severity)
        .map(|finding| finding.kind)
        .collect()
}

#[test]
fn with_a_record_everything_is_well_though_nothing_of_atoll_runs() {
    let Some(house) = House::new() else { return };
    house.mount_pool();
    let report = house.examine(&house.known());
    assert!(report.is_healthy(), "{report:#?}");
    assert_eq!(report.sandboxes_alive, 1);
    assert!(report.notes[0].contains("does not run"), "{:?}", report.notes);
    // The storage is in use; only what was removed before waits.
    assert_eq!(kinds(&report, Severity::Idle), [Kind::Files]);
}

#[test]
fn without_a_record_all_of_it_is_found_and_removed_and_a_neighbour_stays() {
    let (Some(mut house), Some(mut neighbour)) = (House::new(), House::new()) else { return };
    house.mount_pool();
    let report = house.examine(&Records::default());
    let found = kinds(&report, Severity::Leak);
    for kind in [Kind::Process, Kind::Cgroup, Kind::Socket, Kind::ExecLog, Kind::Files] {
        assert!(found.contains(&kind), "{kind:?}: {report:#?}");
    }
    house.fix(&report);
    assert!(!house.is_alive() && neighbour.is_alive());
    let sandbox = &house.sandbox;
    for left in [
        format!("run/agents/{sandbox}.sock"),
        format!("serve/exec-logs/{sandbox}"),
        format!("native/pool/sandboxes/{sandbox}"),
    ] {
        assert!(!house.path().join(&left).exists(), "{left}");
    }
    // Now that nothing is alive, the storage and the groups are idle.
    let report = house.examine(&Records::default());
    assert!(report.is_healthy(), "{report:#?}");
    assert!(kinds(&report, Severity::Idle).contains(&Kind::Mount), "{report:#?}");
    house.fix(&report);
    assert_eq!(house.examine(&Records::default()).findings, []);
    assert!(!groups(&house.installation, sandbox)[0].parent().unwrap().exists());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(house.path().to_str().unwrap()));
    let report = neighbour.examine(&neighbour.known());
    assert!(report.is_healthy() && report.sandboxes_alive == 1, "{report:#?}");
}

#[test]
fn who_holds_the_lock_is_the_supervisor() {
    let Some(house) = House::new() else { return };
    let mut lock = std::fs::File::create(house.path().join("lock")).unwrap();
    writeln!(lock, "4711").unwrap();
    let doctor = Doctor::open(house.path()).unwrap();
    assert_eq!(doctor.world().unwrap().supervisor, None);
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
    assert_eq!(doctor.world().unwrap().supervisor, Some(4711));
    // A doctor at work is no supervisor to another one.
    rustix::fs::flock(&lock, FlockOperation::LockShared).unwrap();
    assert_eq!(doctor.world().unwrap().supervisor, None);
}

#[test]
fn a_foreign_mount_is_removed_before_what_it_lies_in_and_keeps_its_files() {
    let Some(house) = House::new() else { return };
    let precious = tempfile::tempdir().unwrap();
    std::fs::write(precious.path().join("file"), "x").unwrap();
    let point = house.path().join(format!("serve/exec-logs/{}/mnt", house.sandbox));
    std::fs::create_dir(&point).unwrap();
    run("mount", &[Path::new("--bind"), precious.path(), &point]);
    let report = house.examine(&Records::default());
    let log = report.findings.iter().find(|finding| finding.kind == Kind::ExecLog).unwrap();
    let doctor = Doctor::open(house.path()).unwrap();
    assert!(doctor.fix(log).is_err(), "a mount must not be crossed");
    house.fix(&report);
    assert!(precious.path().join("file").exists() && !point.exists());
}

#[test]
fn a_folder_that_is_no_installation_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    for text in [None, Some("../../etc"), Some("")] {
        if let Some(text) = text {
            std::fs::write(folder.path().join("installation"), text).unwrap();
        }
        let error = Doctor::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is no data folder of Atoll"), "{error}");
    }
}

#[test]
fn a_stale_root_goes_and_the_one_in_use_stays() {
    let Some(house) = House::new() else { return };
    house.mount_pool();
    let pool = house.path().join("native/pool");
    for name in ["host-1/etc", "host-2/etc", "host-3/etc"] {
        std::fs::create_dir_all(pool.join(name)).unwrap();
    }
    assert!(kinds(&house.examine(&house.known()), Severity::Leak).is_empty(), "nobody says which is in use");
    std::os::unix::fs::symlink("host-3", pool.join("host")).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", house.process.id())).unwrap();
    let start_time = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(19).unwrap().to_owned();
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let state = format!(
        r#"{{"image":"host","uid_slot":1,"root":"host-1","process":{{"pid":{},"start_time":{start_time},"boot_id":"{}"}}}}"#,
        house.process.id(),
        boot_id.trim(),
    );
    std::fs::write(pool.join(format!("sandboxes/{}/state.json", house.sandbox)), state).unwrap();
    let report = house.examine(&house.known());
    assert_eq!(kinds(&report, Severity::Leak), [Kind::HostRoot], "{report:#?}");
    house.fix(&report);
    let left = |name: &str| pool.join(name).exists();
    assert!(left("host-1") && !left("host-2") && left("host-3") && left("host"));
    assert!(house.examine(&house.known()).is_healthy());
}

/// A network namespace that lives by its name alone, as `ip netns add` makes one.
fn name_namespace(name: &str) -> PathBuf {
    let folder = Path::new("/run/netns");
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    std::fs::File::create_new(&path).unwrap();
    run("unshare", &[Path::new(&format!("--net={}", path.display())), Path::new("true")]);
    path
}

#[test]
fn a_network_namespace_of_ours_goes_and_one_of_others_stays() {
    let (Some(house), Some(neighbour)) = (House::new(), House::new()) else { return };
    let ours = name_namespace(&format!("atoll-{}-bridge", house.installation));
    let theirs = name_namespace(&format!("atoll-{}-bridge", neighbour.installation));
    let report = house.examine(&house.known());
    assert_eq!(kinds(&report, Severity::Leak), [Kind::NetworkNamespace], "{report:#?}");
    house.fix(&report);
    assert!(!ours.exists() && theirs.exists());
    assert!(house.examine(&house.known()).is_healthy());
    neighbour.fix(&neighbour.examine(&neighbour.known()));
    assert!(!theirs.exists());
}

/// Tables of the host's packet filter.
fn tables() -> String {
    let output = Command::new("nft").args(["list", "tables"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn rules_without_a_router_go_and_those_of_others_stay() {
    let (Some(house), Some(neighbour)) = (House::new(), House::new()) else { return };
    let name = |house: &House| format!("atoll-{}", house.installation);
    for house in [&house, &neighbour] {
        run("nft", &["add", "table", "inet", &name(house)].map(Path::new));
    }
    let report = house.examine(&house.known());
    assert_eq!(kinds(&report, Severity::Leak), [Kind::FirewallRules], "{report:#?}");
    house.fix(&report);
    assert!(!tables().contains(&name(&house)) && tables().contains(&name(&neighbour)));
    assert!(house.examine(&house.known()).is_healthy());
    neighbour.fix(&neighbour.examine(&neighbour.known()));
    assert!(!tables().contains(&name(&neighbour)));
}

#[test]
fn a_router_stays_while_a_sandbox_lives_and_goes_when_none_does() {
    let (Some(house), Some(dead)) = (House::new(), House::new()) else { return };
    let routers = [&house, &dead].map(|house| {
        run("nft", &["add", "table", "inet", &format!("atoll-{}", house.installation)].map(Path::new));
        name_namespace(&format!("atoll-{}", house.installation))
    });
    assert_eq!(house.examine(&house.known()).findings, []);
    // First the sandbox, then what it used.
    for _round in 0..2 {
        dead.fix(&dead.examine(&Records::default()));
    }
    assert_eq!(dead.examine(&Records::default()).findings, []);
    assert!(routers[0].exists() && !routers[1].exists());
    assert!(!tables().contains(dead.installation.as_str()));
    for _round in 0..2 {
        house.fix(&house.examine(&Records::default()));
    }
    assert!(!routers[0].exists() && !tables().contains(house.installation.as_str()));
}
