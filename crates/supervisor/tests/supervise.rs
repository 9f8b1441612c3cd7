//! The real supervisor, as root, with stand-ins for its parts.

#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::exit, reason = "a test says what it expects")]
#![allow(unsafe_code, reason = "descriptors are put in place between fork and exec")]

mod rig;

use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::time::{Duration, Instant};

use rig::{BROKER, EGRESS, GID, Rig, UID, alive, chmod, signal, until};
use rustix::process::Signal;

fn has(text: &str, line: &str) {
    assert!(text.lines().any(|l| l.trim_end() == line), "{line:?} is missing in:\n{text}");
}

#[test]
fn serve_is_given_its_descriptors_and_can_do_nothing_more() {
    let Some(rig) = Rig::new() else { return };
    let running = rig.start();
    let (pid, note) = running.started("serve", 1);
    let data = rig.data().display().to_string();
    for line in [
        format!("argv atoll serve --data-dir {data}"),
        "cwd /".to_owned(),
        "env ATOLL_ROLE=serve".to_owned(),
        "env ATOLL_LISTEN_FD=3".to_owned(),
        "env ATOLL_RUN_FD=4".to_owned(),
        "env ATOLL_DATA_FD=5".to_owned(),
        "env ATOLL_TEST=passed through".to_owned(),
        format!(
            "env ATOLL_INSTALLATION={}",
            std::fs::read_to_string(rig.data().join("installation")).unwrap().trim()
        ),
        format!("status Uid: {UID} {UID} {UID} {UID}"),
        format!("status Gid: {GID} {GID} {GID} {GID}"),
        "status Groups:".to_owned(),
        "status CapInh: 0000000000000000".to_owned(),
        "status CapPrm: 0000000000000000".to_owned(),
        "status CapEff: 0000000000000000".to_owned(),
        "status CapBnd: 0000000000000000".to_owned(),
        "status CapAmb: 0000000000000000".to_owned(),
        "status NoNewPrivs: 1".to_owned(),
        "status SigBlk: 0000000000000000".to_owned(),
        format!("session {pid}"),
        "fd 0 /dev/null".to_owned(),
        format!("fd 4 {data}/run"),
        format!("fd 5 {data}/serve"),
    ] {
        has(&note, &line);
    }
    let listener = std::fs::metadata(format!("/proc/{pid}/fd/3")).unwrap().ino();
    let ours = std::fs::metadata(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&rig.listener)))
        .unwrap();
    assert_eq!(listener, ours.ino());
    assert!(!note.contains("fd 6 "), "more than it was given:\n{note}");
}

#[test]
fn the_launcher_is_root_with_its_socket_and_programs_and_nothing_of_the_environment() {
    let Some(rig) = Rig::new() else { return };
    let running = rig.start();
    let (_, note) = running.started("launcher", 1);
    let data = rig.data().display().to_string();
    has(&note, &format!("argv atoll-launcher --data-dir {data} --serve-uid {UID} --serve-gid {GID}"));
    has(&note, "status Uid: 0 0 0 0");
    has(&note, "env PATH=/usr/sbin:/usr/bin:/sbin:/bin");
    assert_eq!(note.lines().filter(|line| line.starts_with("env ")).count(), 1, "{note}");
    assert!(
        note.contains("fd 3 socket:") && note.contains("fd 6 socket:") && !note.contains("fd 7 "),
        "{note}"
    );
    assert_eq!(note.matches("examples/stand_in").count(), 2, "{note}");
    // Its socket takes connections before anybody accepts them.
    let run = std::fs::File::open(rig.data().join("run")).unwrap();
    let kind = rustix::net::SocketType::SEQPACKET;
    let socket = rustix::net::socket(rustix::net::AddressFamily::UNIX, kind, None).unwrap();
    let path = format!("/proc/self/fd/{}/launcher.sock", std::os::fd::AsRawFd::as_raw_fd(&run));
    rustix::net::connect(&socket, &rustix::net::SocketAddrUnix::new(path).unwrap()).unwrap();
}

#[test]
fn the_data_folder_has_its_owners_and_modes() {
    let Some(rig) = Rig::new() else { return };
    let running = rig.start();
    let (launcher, serve) = running.both_started();
    for (name, uid, gid, mode) in [
        ("", 0, 0, 0o040_755),
        ("lock", 0, 0, 0o100_644),
        ("installation", 0, 0, 0o100_644),
        ("serve", UID, GID, 0o040_700),
        ("run", 0, GID, 0o040_750),
        ("run/agents", 0, GID, 0o040_750),
        ("run/launcher.sock", 0, GID, 0o140_660),
        ("native", 0, 0, 0o040_700),
    ] {
        let stat = std::fs::symlink_metadata(rig.data().join(name)).unwrap();
        assert_eq!((stat.uid(), stat.gid(), stat.mode()), (uid, gid, mode), "{name}");
    }
    let noted = |name: &str| -> u32 {
        until(name, || std::fs::read_to_string(rig.data().join(name)).ok()?.trim().parse().ok())
    };
    assert_eq!(noted("lock"), running.child.id());
    assert_eq!((noted("run/serve.pid"), noted("run/launcher.pid")), (serve, launcher));
}

#[test]
fn egress_is_a_user_of_its_own_with_one_descriptor_that_outlives_it() {
    let Some(rig) = Rig::new() else { return };
    let running = rig.start();
    let (pid, note) = running.started("egress", 1);
    has(&note, &format!("status Uid: {EGRESS} {EGRESS} {EGRESS} {EGRESS}"));
    has(&note, &format!("status Gid: {EGRESS} {EGRESS} {EGRESS} {EGRESS}"));
    has(&note, "status CapBnd: 0000000000000000");
    has(&note, "status NoNewPrivs: 1");
    assert_eq!(note.lines().filter(|line| line.starts_with("env ")).count(), 0, "{note}");
    assert!(note.contains("fd 3 socket:") && !note.contains("fd 4 "), "{note}");
    let socket = |note: &str| note.lines().find(|line| line.starts_with("fd 3 ")).unwrap().to_owned();
    signal(pid, Signal::KILL);
    let (_, again) = running.started("egress", 2);
    assert_eq!(socket(&again), socket(&note));
    running.signal(Signal::TERM);
}

#[test]
fn the_broker_is_a_user_of_its_own_in_the_group_of_dockers_socket_and_no_other() {
    let Some(rig) = Rig::new() else { return };
    let docker = rig.place.path().join("docker.sock");
    std::fs::write(&docker, "").unwrap();
    chown(&docker, None, Some(64_999)).unwrap();
    let (id, host) = (BROKER.to_string(), format!("unix://{}", docker.display()));
    let networks = ["--docker-subnets", "10.0.0.0/8,28", "--docker-gpus", "off"];
    let flags = [["--broker-id", &id, "--docker-host", &host], networks].concat();
    let running = rig.start_with(&rig.data(), &flags);
    let (_, note) = running.started("broker", 1);
    has(&note, &format!("status Uid: {BROKER} {BROKER} {BROKER} {BROKER}"));
    has(&note, &format!("status Gid: {BROKER} {BROKER} {BROKER} {BROKER}"));
    has(&note, "status Groups: 64999");
    has(&note, "status CapBnd: 0000000000000000");
    has(&note, "status CapEff: 0000000000000000");
    has(&note, "status NoNewPrivs: 1");
    assert!(
        note.contains(&format!("--docker-host {host} --docker-subnets 10.0.0.0/8,28 --docker-gpus off")),
        "{note}"
    );
    assert_eq!(note.lines().filter(|line| line.starts_with("env ")).count(), 0, "{note}");
    assert!(
        note.contains("fd 3 socket:") && note.contains("run/docker") && !note.contains("fd 6 "),
        "{note}"
    );
    // What serve may open, and nobody else.
    for (name, uid, mode) in [("run/docker", BROKER, 0o42_750), ("run/broker.sock", 0, 0o140_660)] {
        let stat = std::fs::symlink_metadata(rig.data().join(name)).unwrap();
        assert_eq!((stat.uid(), stat.gid(), stat.mode()), (uid, GID, mode), "{name}");
    }
    let (_, serve) = running.started("serve", 1);
    has(&serve, "status Groups:");
    running.signal(Signal::TERM);
}

#[test]
fn without_docker_there_is_no_broker_and_no_socket_of_one() {
    let Some(rig) = Rig::new() else { return };
    std::fs::create_dir_all(rig.data().join("run")).unwrap();
    std::fs::write(rig.data().join("run/broker.sock"), "").unwrap();
    let running = rig.start();
    running.both_started();
    assert!(!rig.data().join("run/broker.sock").exists());
    assert_eq!(running.notes("broker").len(), 0);
    running.signal(Signal::TERM);
}

#[test]
fn a_second_one_finds_the_lock_and_says_whose_it_is() {
    let Some(rig) = Rig::new() else { return };
    let first = rig.start();
    first.both_started();
    let (code, log) = rig.start().ended();
    assert_eq!(code, Some(75));
    let said = format!("another atoll already serves {} (pid {})", rig.data().display(), first.child.id());
    assert!(log.contains(&said), "{log}");
    assert_eq!(first.notes("serve").len(), 1);
}

#[test]
fn a_part_that_dies_comes_back_with_back_off_and_its_sockets_were_never_closed() {
    let Some(rig) = Rig::new() else { return };
    rig.tell("serve", "exit 1");
    let began = Instant::now();
    let running = rig.start();
    let mut connections = Vec::new();
    // Waits of 100, 200 and 400 ms lie before the fourth start.
    until("four starts", || {
        // Nobody accepts here, so they wait in the listener's backlog, which is longer than this.
        if connections.len() < 50 {
            connections.push(TcpStream::connect(rig.listener.local_addr().unwrap()).unwrap());
        }
        (running.notes("serve").len() >= 4).then_some(())
    });
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
    rig.tell("serve", "stay");
    let (launcher, _) = running.started("launcher", 1);
    signal(launcher, Signal::KILL);
    running.started("launcher", 2);
    running.started("serve", 5);
    let log = running.log();
    assert!(log.contains("serve ended with code 1"), "{log}");
    assert!(log.contains("launcher was ended by signal 9"), "{log}");
}

#[test]
fn a_wrong_configuration_at_the_first_start_ends_everything() {
    let Some(rig) = Rig::new() else { return };
    rig.tell("serve", "exit 78");
    let mut running = rig.start();
    assert_eq!(running.ended().0, Some(78));
    assert_eq!(running.notes("serve").len(), 1);
    for (launcher, _) in running.notes("launcher") {
        assert!(!alive(launcher));
    }
}

#[test]
fn a_later_configuration_error_is_a_death_like_any_other() {
    let Some(rig) = Rig::new() else { return };
    let running = rig.start();
    let (serve, _) = running.started("serve", 1);
    rig.tell("serve", "exit 78");
    signal(serve, Signal::KILL);
    running.started("serve", 3);
}

#[test]
fn asked_to_stop_it_ends_serve_and_then_the_launcher() {
    let Some(rig) = Rig::new() else { return };
    for signal in [Signal::TERM, Signal::INT] {
        let mut running = rig.start();
        let (launcher, serve) = running.both_started();
        running.signal(signal);
        let (code, log) = running.ended();
        assert_eq!(code, Some(0));
        let (first, second) =
            (log.find("serve was ended by signal 15"), log.find("launcher was ended by signal 15"));
        assert!(first.is_some() && first < second, "{log}");
        assert!(!alive(launcher) && !alive(serve));
        for name in ["serve", "launcher", "supervisor"] {
            assert!(!rig.data().join(format!("run/{name}.pid")).exists(), "{name}");
        }
        for entry in std::fs::read_dir(rig.record()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

#[test]
fn asked_twice_it_does_not_wait_for_one_who_is_deaf() {
    let Some(rig) = Rig::new() else { return };
    rig.tell("serve", "deaf");
    rig.tell("launcher", "deaf");
    let mut running = rig.start();
    let (launcher, serve) = running.both_started();
    running.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    assert!(alive(serve) && alive(launcher));
    let asked = Instant::now();
    running.signal(Signal::TERM);
    assert_eq!(running.ended().0, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(3));
    assert!(!alive(launcher) && !alive(serve));
}

#[test]
fn one_who_is_deaf_is_killed_when_its_time_is_over() {
    let Some(rig) = Rig::new() else { return };
    rig.tell("serve", "deaf");
    let mut running = rig.start();
    running.both_started();
    let asked = Instant::now();
    running.signal(Signal::TERM);
    let (code, log) = running.ended();
    assert_eq!(code, Some(0));
    assert!(asked.elapsed() >= Duration::from_secs(10), "{:?}", asked.elapsed());
    assert!(
        log.contains("serve did not stop in time") && log.contains("launcher was ended by signal 15"),
        "{log}"
    );
}

#[test]
fn killed_it_takes_the_parts_along_and_the_next_one_starts_at_once() {
    let Some(rig) = Rig::new() else { return };
    let mut first = rig.start();
    let (launcher, serve) = first.both_started();
    let installation = std::fs::read_to_string(rig.data().join("installation")).unwrap();
    first.signal(Signal::KILL);
    first.child.wait().unwrap();
    until("the parts' death", || (!alive(launcher) && !alive(serve)).then_some(()));
    let second = rig.start();
    second.started("serve", 2);
    assert_eq!(std::fs::read_to_string(rig.data().join("installation")).unwrap(), installation);
}

#[test]
fn processes_whose_launcher_died_live_on_and_are_reaped() {
    let Some(rig) = Rig::new() else { return };
    rig.tell("launcher", "orphan");
    let running = rig.start();
    let orphan: u32 =
        until("the orphan", || std::fs::read_to_string(rig.record().join("orphan")).ok()?.parse().ok());
    rig.tell("launcher", "stay");
    signal(running.started("launcher", 1).0, Signal::KILL);
    running.started("launcher", 2);
    let status = std::fs::read_to_string(format!("/proc/{orphan}/status")).unwrap();
    has(&status.replace('\t', " "), &format!("PPid: {}", running.child.id()));
    // Gone altogether: not even a zombie.
    until("its end", || (!std::path::Path::new(&format!("/proc/{orphan}")).exists()).then_some(()));
}

#[test]
fn a_folder_that_serve_cannot_reach_is_named() {
    let Some(rig) = Rig::new() else { return };
    let closed = rig.place.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    chmod(&closed, 0o700);
    let (code, log) = rig.start_at(&closed.join("deep/data")).ended();
    assert_eq!(code, Some(78));
    assert!(log.contains(&format!("cannot pass {}:", closed.display())), "{log}");
}

#[test]
fn a_folder_of_somebody_else_is_refused() {
    let Some(rig) = Rig::new() else { return };
    std::fs::create_dir(rig.data()).unwrap();
    chmod(&rig.data(), 0o777);
    let (code, log) = rig.start().ended();
    assert!(code == Some(78) && log.contains("written by others"), "{log}");
    chmod(&rig.data(), 0o755);
    chown(rig.data(), Some(UID), Some(GID)).unwrap();
    let (code, log) = rig.start().ended();
    assert!(code == Some(78) && log.contains("must belong to root"), "{log}");
    let link = rig.place.path().join("link");
    std::os::unix::fs::symlink("/tmp", &link).unwrap();
    let (code, log) = rig.start_at(&link).ended();
    assert!(code == Some(1) && log.contains("as a folder"), "{log}");
}
