//! From pieces of bytes to frames. Data is passed on as it comes; all else is gathered first, within the frame's bound.

use atoll_agent_protocol::decode;
use atoll_agent_protocol::frames::{FRAME_HEADER_BYTES, FrameKind, parse_frame_header};
use atoll_agent_protocol::v1::{FileFailure, FileReply};
use bytes::{Buf, Bytes};

/// What a helper says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Reply(Box<FileReply>),
    /// Never empty.
    Data(Bytes),
    End,
    Failure(FileFailure),
}

/// The bytes are no frames, or a frame has no such message in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Where in a frame the next byte stands.
#[derive(Debug)]
enum At {
    Header(Vec<u8>),
    Data(usize),
    Message(FrameKind, usize, Vec<u8>),
}

/// Cuts frames.
#[derive(Debug)]
pub(super) struct Decoder(At);

impl Decoder {
    pub(super) const fn new() -> Self {
        Self(At::Header(Vec::new()))
    }

    /// Takes from a piece until there is a part, or nothing is left of it.
    pub(super) fn take(&mut self, piece: &mut Bytes) -> Result<Option<Part>, Malformed> {
        loop {
            match &mut self.0 {
                At::Header(header) => {
                    let missing = FRAME_HEADER_BYTES - header.len();
                    header.extend_from_slice(&piece.split_to(missing.min(piece.len())));
                    let Ok(whole) = <[u8; FRAME_HEADER_BYTES]>::try_from(header.as_slice()) else {
                        return Ok(None);
                    };
                    let (kind, length) = parse_frame_header(whole).ok_or(Malformed)?;
                    self.0 = match kind {
                        FrameKind::Data => At::Data(length),
                        FrameKind::Request => return Err(Malformed),
                        FrameKind::Reply | FrameKind::Failure | FrameKind::End => {
                            At::Message(kind, length, Vec::with_capacity(length))
                        }
                    };
                }
                At::Data(0) => self.0 = At::Header(Vec::new()),
                At::Data(_) if !piece.has_remaining() => return Ok(None),
                At::Data(left) => {
                    let data = piece.split_to((*left).min(piece.len()));
                    *left -= data.len();
                    return Ok(Some(Part::Data(data)));
                }
                At::Message(kind, length, message) => {
                    let missing = *length - message.len();
                    message.extend_from_slice(&piece.split_to(missing.min(piece.len())));
                    if message.len() < *length {
                        return Ok(None);
                    }
                    let part = read(*kind, message)?;
                    self.0 = At::Header(Vec::new());
                    return Ok(Some(part));
                }
            }
        }
    }
}

fn read(kind: FrameKind, message: &[u8]) -> Result<Part, Malformed> {
    match kind {
        FrameKind::End if message.is_empty() => Ok(Part::End),
        FrameKind::Reply => decode(message).map(|reply| Part::Reply(Box::new(reply))).map_err(|_| Malformed),
        FrameKind::Failure => decode(message).map(Part::Failure).map_err(|_| Malformed),
        FrameKind::End | FrameKind::Data | FrameKind::Request => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use atoll_agent_protocol::encode;
    use atoll_agent_protocol::frames::frame_header;

    use super::*;

    fn frame(kind: FrameKind, bytes: &[u8]) -> Vec<u8> {
        [&frame_header(kind, bytes.len()).unwrap()[..], bytes].concat()
    }

    fn parts(stream: &[u8], piece_bytes: usize) -> Result<Vec<Part>, Malformed> {
        let mut decoder = Decoder::new();
        let mut parts = Vec::new();
        for piece in stream.chunks(piece_bytes) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(part) = decoder.take(&mut piece)? {
                match (parts.last_mut(), part) {
                    (Some(Part::Data(before)), Part::Data(data)) => {
                        *before = [&before[..], &data[..]].concat().into()
                    }
                    (_, part) => parts.push(part),
                }
            }
        }
        Ok(parts)
    }

    #[test]
    fn frames_come_out_however_they_are_cut() {
        let reply = FileReply { length: 7, ..FileReply::default() };
        let mut stream = frame(FrameKind::Reply, &encode(&reply));
        stream.extend(frame(FrameKind::Data, b"abc"));
        stream.extend(frame(FrameKind::Data, b""));
        stream.extend(frame(FrameKind::Data, b"defg"));
        stream.extend(frame(FrameKind::End, b""));
        let expected =
            vec![Part::Reply(Box::new(reply)), Part::Data(Bytes::from_static(b"abcdefg")), Part::End];
        for piece_bytes in 1..=stream.len() {
            assert_eq!(parts(&stream, piece_bytes).unwrap(), expected, "{piece_bytes}");
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let huge = [2, 0xFF, 0xFF, 0xFF, 0xFF];
        for stream in [
            b"HTTP/1.1 200 OK".to_vec(),
            huge.to_vec(),
            frame(FrameKind::Request, b""),
            frame(FrameKind::End, b"x"),
            frame(FrameKind::Reply, &[0xFF; 10]),
        ] {
            assert_eq!(parts(&stream, 3), Err(Malformed), "{stream:?}");
        }
    }
}
