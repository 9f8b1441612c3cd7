//! How bytes and control messages lie in the messages of a WebSocket.

use atoll_api_types::{
    CHANNEL_CONTROL, CHANNEL_INPUT, CHANNEL_OUTPUT, Failure, TERMINAL_PROTOCOL, TerminalCommand,
    TerminalControl,
};
use atoll_types::{ErrorCode, TerminalSize};
use axum::extract::ws::Message;
use bytes::{BufMut, Bytes, BytesMut};

use crate::answer::ApiFailure;
use crate::extract::Problems;

/// One of the two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Without a subprotocol: every message is input or output, so that plain clients work.
    Plain,
    /// `atoll.terminal.v1`: the first byte is the channel.
    Channels,
}

/// What a client's message means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Input(Bytes),
    Resize(TerminalSize),
    /// It shows that the client lives.
    Nothing,
    Close,
}

impl Framing {
    /// The framing of the subprotocol that was chosen.
    pub(super) fn of(protocol: Option<&str>) -> Self {
        if protocol == Some(TERMINAL_PROTOCOL) { Self::Channels } else { Self::Plain }
    }

    /// A message of output.
    pub(super) fn output(self, data: Bytes) -> Message {
        match self {
            Self::Plain => Message::Binary(data),
            Self::Channels => {
                let mut framed = BytesMut::with_capacity(data.len() + 1);
                framed.put_u8(CHANNEL_OUTPUT);
                framed.put(data);
                Message::Binary(framed.freeze())
            }
        }
    }

    /// A control message, where there is a channel for it. Without one a gap is told where it is, and a failure as text.
    pub(super) fn control(self, control: &TerminalControl) -> Result<Option<Message>, ApiFailure> {
        match (self, control) {
            (Self::Plain, TerminalControl::Failed { error }) => {
                let failure = Failure { success: false, error: error.clone() };
                let text = serde_json::to_string(&failure).map_err(ApiFailure::internal)?;
                Ok(Some(Message::Text(text.into())))
            }
            (Self::Plain, TerminalControl::Gap { .. }) => {
                Ok(Some(self.output(Bytes::from_static(b"\r\n[atoll: some output was left out]\r\n"))))
            }
            (Self::Plain, TerminalControl::Limited { retry_after_seconds }) => {
                let text = format!(
                    "\r\n[atoll: too many commands: wait {retry_after_seconds} s, then press Enter]\r\n"
                );
                Ok(Some(self.output(Bytes::from(text))))
            }
            (Self::Plain, _) => Ok(None),
            (Self::Channels, control) => {
                let mut framed = vec![CHANNEL_CONTROL];
                serde_json::to_writer(&mut framed, control).map_err(ApiFailure::internal)?;
                Ok(Some(Message::Binary(framed.into())))
            }
        }
    }

    /// What the client says.
    pub(super) fn read(self, message: Message) -> Result<Said, ApiFailure> {
        let data = match message {
            Message::Ping(_) | Message::Pong(_) => return Ok(Said::Nothing),
            Message::Close(_) => return Ok(Said::Close),
            Message::Text(text) => Bytes::from(text),
            Message::Binary(data) => data,
        };
        match self {
            Self::Plain => Ok(Said::Input(data)),
            Self::Channels => Self::read_channel(data),
        }
    }

    fn read_channel(mut data: Bytes) -> Result<Said, ApiFailure> {
        let wrong = |text: &str| Err(ApiFailure::new(ErrorCode::InvalidRequest, text));
        if data.is_empty() {
            return wrong("a message must begin with the number of its channel");
        }
        match data.split_to(1).first().copied() {
            Some(CHANNEL_INPUT) => Ok(Said::Input(data)),
            Some(CHANNEL_CONTROL) => command(&data),
            _ => wrong("a message's first byte must be 0 (input) or 2 (control)"),
        }
    }
}

fn command(data: &[u8]) -> Result<Said, ApiFailure> {
    let mut problems = Problems::default();
    let command = problems.check("control", serde_json::from_slice(data));
    let size = command.and_then(|TerminalCommand::Resize { cols, rows }| {
        problems.check("control", TerminalSize::new(cols, rows))
    });
    problems.finish(size.map(Said::Resize))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Framing::Plain, &b"\x02ls"[..], Some(Said::Input(Bytes::from_static(b"\x02ls"))))]
    #[case(Framing::Plain, b"", Some(Said::Input(Bytes::new())))]
    #[case(Framing::Channels, b"\0ls", Some(Said::Input(Bytes::from_static(b"ls"))))]
    #[case(Framing::Channels, br#"?{"type":"resize","cols":100,"rows":30}"#, None)]
    #[case(Framing::Channels, b"", None)]
    #[case(Framing::Channels, b"\x01ls", None)]
    #[case(Framing::Channels, b"\x02", None)]
    #[case(Framing::Channels, b"\x02{\"type\":\"resize\",\"cols\":0,\"rows\":30}", None)]
    #[case(Framing::Channels, b"\x02{\"type\":\"resize\",\"cols\":1,\"rows\":30,\"x\":1}", None)]
    #[case(Framing::Channels, b"\x02{\"type\":\"other\"}", None)]
    fn what_is_malformed_is_refused(
        #[case] framing: Framing,
        #[case] data: &[u8],
        #[case] said: Option<Said>,
    ) {
        let message = Message::Binary(Bytes::copy_from_slice(data));
        assert_eq!(framing.read(message).ok(), said);
    }

    #[test]
    fn a_size_is_understood() {
        let message = b"\x02{\"type\":\"resize\",\"cols\":100,\"rows\":30}";
        let said = Framing::Channels.read(Message::Binary(Bytes::from_static(message))).ok();
        assert_eq!(said, Some(Said::Resize(TerminalSize::new(100, 30).unwrap())));
    }

    #[test]
    fn output_is_binary_in_both() {
        let data = || Bytes::from_static(b"x");
        assert_eq!(Framing::Plain.output(data()), Message::Binary(data()));
        assert_eq!(Framing::Channels.output(data()), Message::Binary(Bytes::from_static(b"\x01x")));
        let exit = TerminalControl::Exit { exit_code: 3 };
        assert_eq!(Framing::Plain.control(&exit).unwrap(), None);
        let told = b"\x02{\"type\":\"exit\",\"exitCode\":3}";
        assert_eq!(
            Framing::Channels.control(&exit).unwrap(),
            Some(Message::Binary(Bytes::from_static(told)))
        );
    }
}
