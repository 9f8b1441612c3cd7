//! Frames between serve and a file helper; the messages in them are of `proto/files.proto`.
//!
//! ```text
//! to the helper    Request  (Data)* End           the end frame only where data follows: without it nothing counts
//! from the helper  Reply* (Data)* End             replies before the data, or after that of the request
//!                  … Failure                      instead of all that would follow
//! ```

/// Bytes before what a frame carries.
pub const FRAME_HEADER_BYTES: usize = 5;

/// Most that a frame carries, in bytes: a pipe's worth.
pub const FRAME_BYTES_MAX: usize = 64 << 10;

/// Most bytes of a [`crate::v1::FilesPiece`].
pub const FILES_PIECE_BYTES_MAX: usize = 64 << 10;

/// Most file helpers of one sandbox at once, watches included: each has a pipe each way, and buffers of the agent.
pub const FILE_HELPERS_MAX: usize = 24;

/// Most entries of one listing.
pub const FILE_ENTRIES_MAX: u32 = 1_000;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A [`crate::v1::FileRequest`].
    Request,
    /// Bytes of a file or an archive.
    Data,
    /// Nothing: all data is there.
    End,
    /// A [`crate::v1::FileReply`].
    Reply,
    /// A [`crate::v1::FileFailure`].
    Failure,
}

impl FrameKind {
    const ALL: [(u8, Self); 5] =
        [(1, Self::Request), (2, Self::Data), (3, Self::End), (4, Self::Reply), (5, Self::Failure)];

    fn byte(self) -> u8 {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or(0, |(byte, _)| *byte)
    }
}

/// What stands before `length` bytes of that kind; nothing when they are more than [`FRAME_BYTES_MAX`].
#[must_use]
pub fn frame_header(kind: FrameKind, length: usize) -> Option<[u8; FRAME_HEADER_BYTES]> {
    let length = u32::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX)?;
    let [a, b, c, d] = length.to_le_bytes();
    Some([kind.byte(), a, b, c, d])
}

/// The kind and the length that a header tells; nothing when it is none, or the length is beyond [`FRAME_BYTES_MAX`].
#[must_use]
pub fn parse_frame_header(header: [u8; FRAME_HEADER_BYTES]) -> Option<(FrameKind, usize)> {
    let [byte, length @ ..] = header;
    let (_, kind) = FrameKind::ALL.into_iter().find(|(known, _)| *known == byte)?;
    let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
    (length <= FRAME_BYTES_MAX).then_some((kind, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_back_and_others_are_none() {
        for (_, kind) in FrameKind::ALL {
            let header = frame_header(kind, FRAME_BYTES_MAX).unwrap();
            assert_eq!(parse_frame_header(header), Some((kind, FRAME_BYTES_MAX)));
        }
        assert_eq!(frame_header(FrameKind::Data, FRAME_BYTES_MAX + 1), None);
        for header in [[0, 0, 0, 0, 0], [6, 1, 0, 0, 0], [2, 1, 0, 1, 0], [2, 0xFF, 0xFF, 0xFF, 0xFF]] {
            assert_eq!(parse_frame_header(header), None, "{header:?}");
        }
    }
}
