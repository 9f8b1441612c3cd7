//! Runs the real supervisor with stand-ins for its parts.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) const UID: u32 = 64_321;
pub(crate) const GID: u32 = 64_322;
pub(crate) const EGRESS: u32 = 64_323;
pub(crate) const BROKER: u32 = 64_324;
const PATIENCE: Duration = Duration::from_secs(20);

/// A place for data folders, and the listener.
pub(crate) struct Rig {
    pub(crate) place: tempfile::TempDir,
    pub(crate) listener: TcpListener,
}

/// A supervisor that runs; it and its parts are killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    log: Arc<Mutex<Vec<String>>>,
    record: PathBuf,
}

pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    // A zombie that init has not reaped yet is dead.
    stat.is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

impl Rig {
    /// None where this is not root: a supervisor cannot run then.
    pub(crate) fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not tested: this needs root");
            return None;
        }
        let place = tempfile::Builder::new().prefix("atoll-super-").tempdir_in("/tmp").unwrap();
        chmod(place.path(), 0o755);
        let record = place.path().join("record");
        std::fs::create_dir(&record).unwrap();
        chmod(&record, 0o777);
        Some(Self { place, listener: TcpListener::bind("127.0.0.1:0").unwrap() })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.place.path().join("record")
    }

    /// Tells a part what to do from its next start on.
    pub(crate) fn tell(&self, role: &str, does: &str) {
        std::fs::write(self.record().join(format!("{role}.does")), does).unwrap();
    }

    pub(crate) fn start(&self) -> Running {
        self.start_at(&self.data())
    }

    pub(crate) fn start_at(&self, data: &Path) -> Running {
        self.start_with(data, &[])
    }

    /// With more options.
    pub(crate) fn start_with(&self, data: &Path, options: &[&str]) -> Running {
        let supervisor = env!("CARGO_BIN_EXE_atoll-supervisor");
        let stand_in = Path::new(supervisor).parent().unwrap().join("examples/stand_in");
        let open = || OwnedFd::from(File::open(&stand_in).unwrap());
        let mut descriptors = vec![OwnedFd::from(self.listener.try_clone().unwrap())];
        descriptors.extend((0..6).map(|_| open()));
        // Something that must not reach the parts.
        descriptors.push(OwnedFd::from(File::open("/dev/zero").unwrap()));
        let aside: Vec<OwnedFd> =
            descriptors.iter().map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 100).unwrap()).collect();
        let mut command = Command::new(supervisor);
        command
            .args(["--data-dir".as_ref(), data.as_os_str()])
            .args(["--serve-uid", &UID.to_string(), "--serve-gid", &GID.to_string()])
            .args(["--egress-id", &EGRESS.to_string()])
            .args(options)
            .args(["--", "atoll", "serve"])
            .args(["--data-dir".as_ref(), data.as_os_str()])
            .env("ATOLL_TEST", "passed through")
            .env("ATOLL_ROLE", "wrong")
            .stderr(Stdio::piped());
        let place = move || {
            for (number, fd) in (3..).zip(&aside) {
                // SAFETY: between fork and exec, to numbers that nobody uses there.
                if unsafe { libc::dup2(fd.as_raw_fd(), number) } < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        };
        // SAFETY: `place` only makes system calls.
        let mut child = unsafe { command.pre_exec(place) }.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, err) = (Arc::clone(&log), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(err).lines().map_while(Result::ok) {
                eprintln!("{line}");
                lines.lock().unwrap().push(line);
            }
        });
        Running { child, log, record: self.record() }
    }
}

impl Running {
    /// What a part noted, of all its starts, oldest first.
    pub(crate) fn notes(&self, role: &str) -> Vec<(u32, String)> {
        let mut notes: Vec<_> = std::fs::read_dir(&self.record)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.strip_prefix(role)?.strip_prefix('.')?.parse().ok()?;
                Some((
                    entry.metadata().unwrap().modified().unwrap(),
                    pid,
                    std::fs::read_to_string(entry.path()).unwrap(),
                ))
            })
            .collect();
        notes.sort();
        notes.into_iter().map(|(_, pid, text)| (pid, text)).collect()
    }

    /// Waits until a part was started this often; its last process and what it noted.
    pub(crate) fn started(&self, role: &str, times: usize) -> (u32, String) {
        until(&format!("start {times} of {role}"), || {
            let notes = self.notes(role);
            (notes.len() >= times).then(|| notes.last().unwrap().clone())
        })
    }

    pub(crate) fn both_started(&self) -> (u32, u32) {
        (self.started("launcher", 1).0, self.started("serve", 1).0)
    }

    pub(crate) fn signal(&self, which: Signal) {
        signal(self.child.id(), which);
    }

    /// Waits for its end; exit code and log.
    pub(crate) fn ended(&mut self) -> (Option<i32>, String) {
        let status = until("the end of the supervisor", || self.child.try_wait().unwrap());
        std::thread::sleep(Duration::from_millis(50));
        (status.code(), self.log())
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            // The parts follow by their parent-death signal.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
