//! What a sandbox uses: counters of its groups, its processes and its network namespace.

use atoll_launcher_protocol::{Answer, Failure, FailureKind, Usage};
use atoll_types::SandboxId;
use rustix::process::Pid;

use super::Server;
use super::table::{Entry, Phase};
use crate::report::failure;

/// Processes whose reads and writes are counted at most, so that a look takes a few milliseconds whatever runs inside. The
/// first process comes first: the kernel adds to it what those have read and written that it has buried.
const PROCESSES_MAX: usize = 256;

impl Server {
    /// What a running sandbox uses.
    pub(super) fn usage(&self, sandbox: &SandboxId) -> Result<Answer, Failure> {
        let up = matches!(
            self.table.get(sandbox),
            Some(Entry { process: Some(_), phase: Phase::Running | Phase::Pausing(_), .. })
        );
        let first = self.state(sandbox).and_then(|state| Pid::from_raw(state.process.pid)).filter(|_| up);
        let gone = || failure(FailureKind::Conflict, format!("sandbox {sandbox} does not run"));
        let first = first.ok_or_else(gone)?;
        let groups = self.tools.cgroups.usage(sandbox);
        let mut usage = Usage {
            cpu_nanos: groups.cpu_nanos,
            system_nanos: groups.system_nanos,
            memory_bytes: groups.memory_bytes,
            pids: groups.pids,
            ..network(&read(first, "net/dev"))
        };
        let others = self.tools.cgroups.members(sandbox).into_iter().filter(|pid| *pid != first);
        for pid in std::iter::once(first).chain(others).take(PROCESSES_MAX) {
            // One that has ended meanwhile counts with whoever buried it.
            let io = read(pid, "io");
            usage.read_bytes = usage.read_bytes.saturating_add(value(&io, "read_bytes:"));
            usage.write_bytes = usage.write_bytes.saturating_add(value(&io, "write_bytes:"));
        }
        // While the first process lives, its number was nobody else's.
        if self.is_dead(sandbox) { Err(gone()) } else { Ok(Answer::Usage(usage)) }
    }
}

/// A file of a process; empty where it is gone.
fn read(pid: Pid, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{}/{file}", pid.as_raw_nonzero())).unwrap_or_default()
}

fn value(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// The counters of a network namespace, loopback left out.
fn network(text: &str) -> Usage {
    let mut usage = Usage::default();
    // Two lines of headings; then a name, eight numbers of what came in, and as many of what went out.
    for (name, numbers) in text.lines().skip(2).filter_map(|line| line.split_once(':')) {
        let numbers: Vec<u64> = numbers.split_ascii_whitespace().map(|n| n.parse().unwrap_or(0)).collect();
        let [rx_bytes, rx_packets, _, _, _, _, _, _, tx_bytes, tx_packets, ..] = numbers[..] else {
            continue;
        };
        if name.trim() != "lo" {
            usage.rx_bytes = usage.rx_bytes.saturating_add(rx_bytes);
            usage.rx_packets = usage.rx_packets.saturating_add(rx_packets);
            usage.tx_bytes = usage.tx_bytes.saturating_add(tx_bytes);
            usage.tx_packets = usage.tx_packets.saturating_add(tx_packets);
        }
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_the_network_leave_loopback_out() {
        let text = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     500       5    0    0    0     0          0         0      500       5    0    0    0     0       0          0
  eth0:    1024      10    0    0    0     0          0         0      512       4    0    0    0     0       0          0
";
        let expected =
            Usage { rx_bytes: 1_024, rx_packets: 10, tx_bytes: 512, tx_packets: 4, ..Usage::default() };
        assert_eq!(network(text), expected);
        assert_eq!(network(""), Usage::default());
    }

    #[test]
    fn what_a_process_read_and_wrote_is_found() {
        let text = "rchar: 9\nwchar: 8\nsyscr: 1\nsyscw: 1\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 7\n";
        assert_eq!((value(text, "read_bytes:"), value(text, "write_bytes:")), (4_096, 8_192));
        assert_eq!(value("", "read_bytes:"), 0);
    }
}
