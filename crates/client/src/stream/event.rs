//! Events as the client gives them: exact bytes instead of base 64.

use atoll_api_types::EventKind;
use atoll_types::OutputStream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One event of an exec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecEvent {
    /// From 1, without gaps.
    pub seq: u64,
    /// When the sandbox's agent saw it, in RFC 3339.
    pub time: String,
    /// What happened.
    pub kind: ExecEventKind,
}

/// What an event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEventKind {
    /// The command runs.
    Start,
    /// It wrote these bytes.
    Output(OutputStream, Vec<u8>),
    /// It ended with this exit code; none when it was lost with its sandbox.
    Exit(Option<i32>),
}

impl ExecEvent {
    /// Reads one message of the stream.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let event: atoll_api_types::ExecEvent =
            serde_json::from_str(text).map_err(|e| format!("an event is malformed: {e}"))?;
        let kind = match event.kind {
            EventKind::Start => ExecEventKind::Start,
            EventKind::Exit => ExecEventKind::Exit(event.exit_code),
            EventKind::Output => {
                let stream = match event.stream.as_deref() {
                    Some("stdout") => OutputStream::Stdout,
                    Some("stderr") => OutputStream::Stderr,
                    other => return Err(format!("output of the unknown stream {other:?}")),
                };
                let data = event.data.unwrap_or_default();
                ExecEventKind::Output(
                    stream,
                    STANDARD.decode(data).map_err(|e| format!("output is not base 64: {e}"))?,
                )
            }
        };
        Ok(Self { seq: event.seq, time: event.time, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(extra: &str) -> String {
        format!(r#"{{"sandbox_id":"s","exec_id":"e","seq":2,"time":"t",{extra}}}"#)
    }

    #[test]
    fn output_is_exact_bytes() {
        let event =
            ExecEvent::parse(&message(r#""type":"output","stream":"stderr","data":"/wA=","exit_code":null"#))
                .unwrap();
        assert_eq!(event.kind, ExecEventKind::Output(OutputStream::Stderr, vec![0xff, 0]));
    }

    #[test]
    fn absent_fields_are_null() {
        let event = ExecEvent::parse(&message(r#""type":"exit""#)).unwrap();
        assert_eq!(event.kind, ExecEventKind::Exit(None));
    }

    #[test]
    fn hostile_messages_are_errors() {
        for extra in [
            r#""type":"output","stream":"stdin","data":"""#,
            r#""type":"output","stream":"stdout","data":"not base 64!""#,
            r#""type":"other""#,
            r#""type":"exit","exit_code":"1""#,
        ] {
            assert!(ExecEvent::parse(&message(extra)).is_err(), "{extra}");
        }
        assert!(ExecEvent::parse("").is_err());
    }
}
