//! Stands in for the parts in the tests of the supervisor: notes what it was given, then does what it is told.
//!
//! The folder `record` beside the data folder holds `ROLE.does` (`stay`, `deaf`, `orphan` or `exit N`), and gets one file
//! `ROLE.PID` for each start.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::exit,
    clippy::zombie_processes,
    reason = "a test says what it expects"
)]
#![allow(unsafe_code, reason = "to ignore a signal")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn main() {
    let argv: Vec<String> = std::env::args().collect();
    let role = match &*argv[0] {
        "atoll-launcher" => "launcher",
        "atoll-egress" => "egress",
        "atoll-broker" => "broker",
        _ => "serve",
    };
    let record = data_dir(&argv).parent().unwrap().join("record");
    let does = std::fs::read_to_string(record.join(format!("{role}.does"))).unwrap_or_default();
    if does.trim() == "deaf" {
        // SAFETY: ignoring a signal needs no code.
        unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    }
    note(&record, role, &argv);
    match does.trim().split_once(' ') {
        Some(("exit", code)) => std::process::exit(code.parse().unwrap()),
        _ if does.trim() == "orphan" => {
            let child = std::process::Command::new("/bin/sleep").arg("1").spawn().unwrap();
            std::fs::write(record.join("orphan"), child.id().to_string()).unwrap();
        }
        _ => {}
    }
    std::thread::sleep(Duration::from_secs(300));
}

/// From its own command line, or from the supervisor's where it is not told.
fn data_dir(argv: &[String]) -> PathBuf {
    let text =
        std::fs::read_to_string(format!("/proc/{}/cmdline", std::os::unix::process::parent_id())).unwrap();
    let all: Vec<&str> = argv.iter().map(String::as_str).chain(text.split('\0')).collect();
    let option = all.iter().position(|word| *word == "--data-dir").unwrap();
    all[option + 1].into()
}

fn note(record: &Path, role: &str, argv: &[String]) {
    let mut text = format!("argv {}\ncwd {}\n", argv.join(" "), std::env::current_dir().unwrap().display());
    for (name, value) in std::env::vars() {
        writeln!(text, "env {name}={value}").unwrap();
    }
    for line in std::fs::read_to_string("/proc/self/status").unwrap().lines() {
        writeln!(text, "status {}", line.replace('\t', " ")).unwrap();
    }
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    writeln!(text, "session {}", fields[3]).unwrap();
    let mut numbers: Vec<u32> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    for number in numbers {
        // The listing's own descriptor is closed by now.
        if let Ok(target) = std::fs::read_link(format!("/proc/self/fd/{number}")) {
            writeln!(text, "fd {number} {}", target.display()).unwrap();
        }
    }
    let pid = std::process::id();
    let new: PathBuf = record.join(format!("new.{pid}"));
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, record.join(format!("{role}.{pid}"))).unwrap();
}
