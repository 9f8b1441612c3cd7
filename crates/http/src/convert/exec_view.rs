//! Execs and their events as they are shown.

use atoll_api_types::{CommandBody, Encoding, EventKind, Exec, ExecEvent};
use atoll_engine::ExecView;
use atoll_ports::ExecRecord;
use atoll_types::{Command, ExecEventKind, ExecId, SandboxId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::words::{exec_status, output_stream};

pub(crate) fn command_view(command: &Command) -> CommandBody {
    match command {
        Command::Shell(line) => CommandBody::Line(line.clone()),
        Command::Argv(argv) => CommandBody::Argv(argv.clone()),
    }
}

/// With its output.
pub(crate) fn exec_view(view: ExecView) -> Exec {
    let shown = exec_record_view(view.record);
    Exec {
        truncated: view.truncated,
        stdout: Some(text_of(view.stdout)),
        stderr: Some(text_of(view.stderr)),
        ..shown
    }
}

/// Without its output.
pub(crate) fn exec_record_view(record: ExecRecord) -> Exec {
    let outcome = record.outcome.as_ref();
    Exec {
        id: record.id.to_string(),
        sandbox_id: record.sandbox.to_string(),
        status: exec_status(record.status).to_owned(),
        command: command_view(&record.spec.command),
        exit_code: outcome.and_then(|outcome| outcome.exit.as_ref()).map(|exit| exit.code),
        stdout: None,
        stderr: None,
        duration_ms: outcome.map(|outcome| outcome.duration_ms),
        truncated: outcome.is_some_and(|outcome| outcome.truncated),
        error: outcome.and_then(|outcome| outcome.failure.clone()),
        created_at: record.created_at.to_rfc3339(),
        finished_at: outcome.map(|outcome| outcome.finished_at.to_rfc3339()),
    }
}

/// Bytes as text; what is not UTF-8 is replaced.
pub(crate) fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// An event of a stream.
pub(crate) fn event_view(
    sandbox: &SandboxId,
    exec: &ExecId,
    event: atoll_types::ExecEvent,
    encoding: Encoding,
) -> ExecEvent {
    let shown = ExecEvent {
        sandbox_id: sandbox.to_string(),
        exec_id: exec.to_string(),
        seq: event.seq,
        kind: EventKind::Start,
        stream: None,
        data: None,
        exit_code: None,
        time: event.time.to_rfc3339(),
    };
    match event.kind {
        ExecEventKind::Start => shown,
        ExecEventKind::Output(stream, bytes) => {
            let data = match encoding {
                Encoding::Utf8 => text_of(bytes),
                Encoding::Base64 => STANDARD.encode(bytes),
            };
            let stream = Some(output_stream(stream).to_owned());
            ExecEvent { kind: EventKind::Output, stream, data: Some(data), ..shown }
        }
        ExecEventKind::Exit(exit) => ExecEvent { kind: EventKind::Exit, exit_code: Some(exit.code), ..shown },
    }
}

/// The end of an exec that has no exit: it was lost, or never started. Its number follows the last event's.
pub(crate) fn lost_event(record: &ExecRecord) -> Option<ExecEvent> {
    let outcome = record.outcome.as_ref().filter(|outcome| outcome.exit.is_none())?;
    Some(ExecEvent {
        sandbox_id: record.sandbox.to_string(),
        exec_id: record.id.to_string(),
        // The start is always there, and is number 1.
        seq: outcome.last_seq.max(1).saturating_add(1),
        kind: EventKind::Exit,
        stream: None,
        data: None,
        exit_code: None,
        time: outcome.finished_at.to_rfc3339(),
    })
}
