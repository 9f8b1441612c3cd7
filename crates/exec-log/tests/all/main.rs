//! Logs in real folders.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod contract;
mod files;
mod history;
mod quota;

use atoll_exec_log::{DirExecLogs, Options};
use atoll_ports::{ExecLogs, LogPage};
use atoll_types::{ExecEvent, ExecEventKind, ExecId, OutputStream, SandboxId, Timestamp};

/// An output event.
fn output(seq: u64, data: Vec<u8>) -> ExecEvent {
    let kind = ExecEventKind::Output(OutputStream::Stdout, data);
    ExecEvent { seq, time: Timestamp::from_unix_ms(5), kind }
}

/// Logs with these bounds.
fn small(dir: &std::path::Path, segment_bytes: u64, sandbox_bytes: u64) -> DirExecLogs {
    let options = Options { segment_bytes, main_bytes: 3 * segment_bytes, sandbox_bytes };
    DirExecLogs::with_options(dir.to_owned(), options)
}

/// All that is held, as one page.
async fn held(logs: &DirExecLogs, sandbox: &SandboxId, exec: &ExecId) -> LogPage {
    let mut reader = logs.reader(sandbox, exec, 0).await.unwrap();
    let mut all = reader.next(1 << 16).await.unwrap();
    loop {
        let page = reader.next(1 << 16).await.unwrap();
        if page.events.is_empty() {
            return all;
        }
        all.events.extend(page.events);
    }
}
