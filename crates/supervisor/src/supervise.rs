//! The loop: one place waits, for signals and for time.

use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, wait};

use crate::part::{Part, Parts, State};
use crate::report;
use crate::sys;

/// A part that is being killed ends at once unless the kernel is stuck; then it is left behind.
const KILL_GRACE: Duration = Duration::from_secs(2);
/// The loop looks at the clock at least this often.
const TURN_MAX: Duration = Duration::from_secs(3_600);

/// What the inner serve ends with when its configuration is wrong (EX_CONFIG).
const CONFIG_ERROR: i32 = 78;

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was asked to.
    Stopped,
    /// Serve said that its configuration is wrong.
    Misconfigured,
}

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    /// A part has been asked and may use the time until then.
    Asked {
        until: Instant,
    },
    /// Has been killed.
    Killed {
        until: Instant,
    },
}

#[derive(Debug)]
struct Loop<'a> {
    parts: Parts,
    run: &'a OwnedFd,
    stop: Stop,
    ended: Ended,
}

/// Keeps the parts alive until it is asked to stop.
pub(crate) fn run(parts: Parts, run: &OwnedFd) -> anyhow::Result<Ended> {
    let signals =
        sys::signal_descriptor(&[libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT])
            .context("cannot receive signals")?;
    let mut this = Loop { parts, run, stop: Stop::No, ended: Ended::Stopped };
    write_pid(run, "supervisor", Some(rustix::process::getpid()));
    for part in this.parts.each() {
        part.start();
        write_pid(run, part.name, part.pid());
    }
    while !this.is_over() {
        this.sleep(&signals)?;
        while let Some(signal) = sys::next_signal(signals.as_fd()) {
            if signal != libc::SIGCHLD {
                this.ask_to_stop();
            }
        }
        // Signals of one kind merge, so children are always asked for.
        this.reap()?;
        this.turn();
    }
    write_pid(run, "supervisor", None);
    Ok(this.ended)
}

impl Loop<'_> {
    fn is_over(&self) -> bool {
        self.parts.by_end().all(|(part, _)| part.state == State::Stopped)
    }

    fn sleep(&mut self, signals: &OwnedFd) -> anyhow::Result<()> {
        let now = Instant::now();
        let restarts = self.parts.by_end().map(|(part, _)| match part.state {
            State::Waiting { until } => Some(until),
            State::Running { .. } | State::Stopped => None,
        });
        let stop = match self.stop {
            Stop::No => None,
            Stop::Asked { until } | Stop::Killed { until } => Some(until),
        };
        let next = restarts.flatten().chain(stop).min();
        let wait = next.map_or(TURN_MAX, |next| next.saturating_duration_since(now)).min(TURN_MAX);
        let wait = Timespec::try_from(wait).context("a wait is too long")?;
        match poll(&mut [PollFd::new(signals, PollFlags::IN)], Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error).context("cannot wait"),
        }
    }

    /// The first asking begins the orderly stop, the second one kills what is left.
    fn ask_to_stop(&mut self) {
        match self.stop {
            Stop::No => {
                report::line("stopping: serve first, then the launcher; sandboxes go on");
                self.begin_stop();
            }
            Stop::Asked { .. } | Stop::Killed { .. } => {
                report::line("asked again: killing what is left");
                self.kill_all();
            }
        }
    }

    fn begin_stop(&mut self) {
        for part in self.parts.each() {
            if let State::Waiting { .. } = part.state {
                part.state = State::Stopped;
            }
        }
        self.ask_next();
    }

    /// Who is next to end, with its time for it.
    fn next_to_end(&self) -> Option<(&Part, Duration)> {
        self.parts.by_end().find(|(part, _)| part.pid().is_some())
    }

    fn ask_next(&mut self) {
        let Some((part, grace)) = self.next_to_end() else { return };
        part.signal(Signal::TERM);
        self.stop = Stop::Asked { until: Instant::now() + grace };
    }

    fn kill_all(&mut self) {
        for part in self.parts.each() {
            part.signal(Signal::KILL);
        }
        self.stop = Stop::Killed { until: Instant::now() + KILL_GRACE };
    }

    /// What time has brought: restarts and deadlines.
    fn turn(&mut self) {
        let now = Instant::now();
        let run = self.run;
        for part in self.parts.each() {
            if let State::Waiting { until } = part.state
                && now >= until
            {
                part.start();
                write_pid(run, part.name, part.pid());
            }
        }
        match self.stop {
            Stop::Asked { until } if now >= until => {
                if let Some((late, _)) = self.next_to_end() {
                    report::line(&format!("{} did not stop in time, killing it", late.name));
                    late.signal(Signal::KILL);
                }
                self.stop = Stop::Killed { until: now + KILL_GRACE };
            }
            Stop::Killed { until } if now >= until => {
                for part in self.parts.each() {
                    if part.pid().is_some() {
                        report::line(&format!("{} does not even die, leaving it behind", part.name));
                        part.state = State::Stopped;
                    }
                }
            }
            Stop::No | Stop::Asked { .. } | Stop::Killed { .. } => {}
        }
    }

    /// Takes the status of everyone who died: parts, and agents whose launcher died before them.
    fn reap(&mut self) -> anyhow::Result<()> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => self.died(pid, status),
                Ok(None) | Err(Errno::CHILD) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot wait for children"),
            }
        }
    }

    fn died(&mut self, pid: Pid, status: WaitStatus) {
        let (run, stop) = (self.run, self.stop);
        let Some(part) = self.parts.each().find(|part| part.pid() == Some(pid)) else { return };
        let lived = match part.state {
            State::Running { since, .. } => since.elapsed(),
            State::Waiting { .. } | State::Stopped => Duration::ZERO,
        };
        write_pid(run, part.name, None);
        let how = describe(status);
        if stop == Stop::No {
            if part.name == "serve" && part.starts == 1 && status.exit_status() == Some(CONFIG_ERROR) {
                report::line("serve says that its configuration is wrong; stopping");
                part.state = State::Stopped;
                self.ended = Ended::Misconfigured;
                self.begin_stop();
                return;
            }
            let wait = part.wait(lived);
            report::line(&format!(
                "{} {how} after {} ms, next start in {} ms",
                part.name,
                lived.as_millis(),
                wait.as_millis()
            ));
        } else {
            report::line(&format!("{} {how}", part.name));
            self.stopped(pid);
        }
    }

    fn stopped(&mut self, pid: Pid) {
        let mut is = |part: &mut Part| {
            if part.pid() == Some(pid) {
                part.state = State::Stopped;
            }
        };
        self.parts.each().for_each(&mut is);
        // One that was late and has been killed gives its turn to the next, too. (When all were killed, asking does no harm.)
        self.ask_next();
    }
}

fn describe(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("ended with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Notes a part's process id in `run/NAME.pid`, or removes the note. For people, tests and `doctor`, who check it against
/// the process; a note that cannot be written is no reason to stop.
fn write_pid(run: &OwnedFd, name: &str, pid: Option<Pid>) {
    let file = format!("{name}.pid");
    let result = match pid {
        None => unlinkat(run, &file, AtFlags::empty()),
        Some(pid) => {
            // Renamed into place, so that nobody reads half a number.
            let new = format!("{file}.new");
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(run, &new, flags, Mode::from_raw_mode(0o644))
                .and_then(|fd| rustix::io::write(fd, format!("{pid}\n").as_bytes()))
                .and_then(|_| renameat(run, &new, run, &file))
        }
    };
    match result {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => report::line(&format!("cannot note the process id of {name}: {error}")),
    }
}
