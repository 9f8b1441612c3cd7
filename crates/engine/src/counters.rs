//! What is counted for `/metrics`, by the names of the documents that Atoll follows.
//!
//! Counting costs some ten nanoseconds and no lock that a request could wait for. Without a recorder, as in tests, it is nothing.

use std::collections::HashSet;
use std::time::Duration;

use atoll_ports::ExecRecord;
use atoll_types::{Command, SandboxId};
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use parking_lot::Mutex;

use crate::{Engine, EngineError};

const CREATED: &str = "sandbox_created_total";
const EXECS: &str = "sandbox_exec_total";
const EXEC_SECONDS: &str = "sandbox_exec_duration_seconds";
const VIOLATIONS: &str = "quota_violations_total";
pub(crate) const SESSIONS_CREATED: &str = "sessions_created_total";
const SESSIONS_REFUSED: &str = "sessions_refused_total";
const SESSION_COMMANDS_REFUSED: &str = "sessions_commands_refused_total";
const SNAPSHOTS_CREATED: &str = "snapshot_created_total";
const SNAPSHOTS_RESTORED: &str = "snapshot_restored_total";
const SNAPSHOT_BYTES: &str = "snapshot_size_bytes";

/// Pairs of a sandbox and a command that are told apart where that is asked for, until the next start: each is a line of every
/// scrape, of some 100 bytes.
const PAIRS_MAX: usize = 1_000;
/// Longest name of a command in a label, in characters.
const COMMAND_CHARS_MAX: usize = 32;
/// Stands for what is not told apart any more.
const OTHER: &str = "other";

/// What can run out, as `quota_violations_total` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    Sandboxes,
    Cpu,
    Memory,
    Storage,
    Egress,
    Execs,
    SandboxExecs,
}

impl Violation {
    const ALL: [Self; 7] = [
        Self::Sandboxes,
        Self::Cpu,
        Self::Memory,
        Self::Storage,
        Self::Egress,
        Self::Execs,
        Self::SandboxExecs,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sandboxes => "sandboxes",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Storage => "storage",
            Self::Egress => "egress",
            Self::Execs => "execs",
            Self::SandboxExecs => "sandbox_execs",
        }
    }
}

/// Why a public session is not begun, as `sessions_refused_total` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionRefusal {
    /// The address has as many as it may.
    Address,
    /// The address has begun as many in the last time as it may.
    Rate,
    /// The class has as many as it may.
    Class,
    /// The server has as many as it may.
    All,
    /// The page is of a site that may not.
    Origin,
    /// No runtime is good enough.
    Runtime,
}

impl SessionRefusal {
    const ALL: [Self; 6] = [Self::Address, Self::Rate, Self::Class, Self::All, Self::Origin, Self::Runtime];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Rate => "rate",
            Self::Class => "class",
            Self::All => "all",
            Self::Origin => "origin",
            Self::Runtime => "runtime",
        }
    }

    /// Counts one.
    pub fn count(self) {
        counter!(SESSIONS_REFUSED, "reason" => self.as_str()).increment(1);
    }
}

/// Counts a command of a public session that came too soon.
pub fn count_session_command_refused() {
    counter!(SESSION_COMMANDS_REFUSED).increment(1);
}

/// Describes what is counted, so that every name is there from the first look on. `by_sandbox`: whether execs are counted so,
/// which have no name before.
pub fn describe_metrics(by_sandbox: bool) {
    describe_counter!(CREATED, "Sandboxes that were created.");
    counter!(CREATED).increment(0);
    describe_counter!(EXECS, "Commands that were started in sandboxes.");
    if !by_sandbox {
        counter!(EXECS).increment(0);
    }
    describe_histogram!(EXEC_SECONDS, Unit::Seconds, "Time from the start of a command to its end.");
    drop(histogram!(EXEC_SECONDS));
    describe_counter!(VIOLATIONS, "Requests that were refused because a quota was used up.");
    Violation::ALL.iter().for_each(|kind| counter!(VIOLATIONS, "type" => kind.as_str()).increment(0));
    describe_counter!(SESSIONS_CREATED, "Public sessions that were begun.");
    counter!(SESSIONS_CREATED).increment(0);
    describe_counter!(SESSIONS_REFUSED, "Public sessions that were not begun.");
    SessionRefusal::ALL.iter().for_each(|r| counter!(SESSIONS_REFUSED, "reason" => r.as_str()).increment(0));
    describe_counter!(SESSION_COMMANDS_REFUSED, "Commands of public sessions that came too soon.");
    counter!(SESSION_COMMANDS_REFUSED).increment(0);
    // No sandbox has been kept in a snapshot yet, and this says so.
    describe_counter!(SNAPSHOTS_CREATED, "Snapshots that were created.");
    counter!(SNAPSHOTS_CREATED).increment(0);
    describe_counter!(SNAPSHOTS_RESTORED, "Snapshots that were restored.");
    counter!(SNAPSHOTS_RESTORED).increment(0);
    describe_histogram!(SNAPSHOT_BYTES, Unit::Bytes, "Size of snapshots.");
    drop(histogram!(SNAPSHOT_BYTES));
}

/// Which pairs of a sandbox and a command are told apart.
#[derive(Debug, Default)]
pub(crate) struct ExecPairs(Mutex<HashSet<(SandboxId, String)>>);

impl ExecPairs {
    /// The labels of an exec: its own while there is room for them.
    fn labels(&self, exec: &ExecRecord) -> (String, String) {
        let pair = (exec.sandbox.clone(), command_label(&exec.spec.command));
        let mut known = self.0.lock();
        let fits = known.contains(&pair) || known.len() < PAIRS_MAX && known.insert(pair.clone());
        if fits { (pair.0.to_string(), pair.1) } else { (OTHER.to_owned(), OTHER.to_owned()) }
    }
}

/// The program alone: arguments may hold what is secret, and are without number.
fn command_label(command: &Command) -> String {
    let argv = command.to_argv();
    let program = argv.first().map_or(OTHER, String::as_str);
    let name = program.rsplit('/').next().unwrap_or(program);
    name.chars().take(COMMAND_CHARS_MAX).collect()
}

impl Engine {
    /// Whether the metrics name sandboxes and commands.
    #[must_use]
    pub fn counts_by_sandbox(&self) -> bool {
        self.inner.settings.per_sandbox_metrics
    }

    pub(crate) fn count_create(&self) {
        counter!(CREATED).increment(1);
    }

    pub(crate) fn count_exec(&self, exec: &ExecRecord) {
        if self.inner.settings.per_sandbox_metrics {
            let (sandbox, command) = self.inner.exec_pairs.labels(exec);
            counter!(EXECS, "sandbox" => sandbox, "command" => command).increment(1);
        } else {
            counter!(EXECS).increment(1);
        }
    }

    pub(crate) fn count_exec_end(&self, took: Duration) {
        histogram!(EXEC_SECONDS).record(took.as_secs_f64());
    }

    /// Counts a refusal, and passes it on.
    pub(crate) fn violation(&self, kind: Violation, error: EngineError) -> EngineError {
        counter!(VIOLATIONS, "type" => kind.as_str()).increment(1);
        error
    }
}

#[cfg(test)]
mod tests {
    use atoll_testkit::samples;

    use super::*;

    #[test]
    fn labels_have_a_bound() {
        let pairs = ExecPairs::default();
        let first = samples::exec(&SandboxId::random());
        assert_eq!(pairs.labels(&first).0, first.sandbox.to_string());
        for _ in 0..2 * PAIRS_MAX {
            pairs.labels(&samples::exec(&SandboxId::random()));
        }
        assert_eq!(pairs.0.lock().len(), PAIRS_MAX);
        assert_eq!(pairs.labels(&samples::exec(&SandboxId::random())).0, OTHER);
        assert_eq!(pairs.labels(&first).0, first.sandbox.to_string(), "known ones stay");
    }

    #[test]
    fn a_command_is_its_program() {
        let argv = |words: &[&str]| Command::argv(words.iter().map(ToString::to_string).collect()).unwrap();
        assert_eq!(command_label(&argv(&["/usr/bin/curl", "-H", "secret"])), "curl");
        assert_eq!(command_label(&argv(&[&"x".repeat(500)])).len(), COMMAND_CHARS_MAX);
    }
}
