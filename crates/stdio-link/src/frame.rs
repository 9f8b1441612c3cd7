//! What goes over the pipes.
//!
//! ```text
//!  0  magic        4   always the same
//!  4  nonce        8   of the attach; in a hello, the one that begins
//! 12  sequence     4   1, 2, 3, … of the other frames of an attach in this direction; 0 in a hello
//! 16  stream       4   1, 2, 3, … as the host opens them; 0 where none is meant
//! 20  version      1
//! 21  kind         1
//! 22  length       2   of the payload, in bytes; only data has one
//! 24  argument     4   data: checksum of the payload as it is sent; window: bytes that may follow; else 0
//! 28  checksum     4   of all before it
//! 32  payload          masked with the nonce
//! ```
//! Numbers are little-endian, checksums CRC-32.

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 32;

/// Longest payload, in bytes: a large write in few frames, and a short wait for whoever is next.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 10;

/// Longest frame, in bytes.
pub const FRAME_BYTES_MAX: usize = HEADER_BYTES + PAYLOAD_BYTES_MAX;

/// How a header begins. No text has it.
pub(crate) const MAGIC: [u8; 4] = [0xA7, 0x0A, 0xF1, 0x6C];

/// Of the frames. Another one is noise.
const VERSION: u8 = 1;
/// Where the checksum is that a header ends with.
const CHECKED_BYTES: usize = 28;

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Host: an attach begins. Guest: it has begun.
    Hello,
    /// Host: there is a new stream.
    Open,
    /// Bytes of a stream.
    Data,
    /// So many bytes more may be sent.
    Window,
    /// No more bytes follow.
    Fin,
    /// The stream is over, both ways.
    Reset,
    /// Guest: frames were missing; the attach is over.
    Lost,
}

impl Kind {
    const ALL: [(u8, Self); 7] = [
        (1, Self::Hello),
        (2, Self::Open),
        (3, Self::Data),
        (4, Self::Window),
        (5, Self::Fin),
        (6, Self::Reset),
        (7, Self::Lost),
    ];

    fn byte(self) -> u8 {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or(0, |(byte, _)| *byte)
    }

    fn of_byte(byte: u8) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == byte).map(|(_, kind)| *kind)
    }
}

/// What stands before the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Of the attach.
    pub nonce: u64,
    /// Number of the frame.
    pub sequence: u32,
    /// Number of the stream.
    pub stream: u32,
    /// What it says.
    pub kind: Kind,
    /// See the table; of data, it is set by [`put`].
    pub argument: u32,
}

/// Appends a frame whose payload is these two pieces; nothing when they are more than [`PAYLOAD_BYTES_MAX`].
pub fn put(out: &mut Vec<u8>, header: Header, payload: [&[u8]; 2]) {
    let bytes = payload.iter().map(|piece| piece.len()).sum::<usize>();
    let Some(length) = u16::try_from(bytes).ok().filter(|_| bytes <= PAYLOAD_BYTES_MAX) else { return };
    let at = out.len();
    out.resize(at + HEADER_BYTES, 0);
    payload.iter().for_each(|piece| out.extend_from_slice(piece));
    let (head, sent) = out.split_at_mut(at + HEADER_BYTES);
    mask(sent, header.nonce);
    let argument = if header.kind == Kind::Data { crc32fast::hash(sent) } else { header.argument };
    let mut fields = Vec::with_capacity(HEADER_BYTES);
    fields.extend_from_slice(&MAGIC);
    fields.extend_from_slice(&header.nonce.to_le_bytes());
    fields.extend_from_slice(&header.sequence.to_le_bytes());
    fields.extend_from_slice(&header.stream.to_le_bytes());
    fields.extend_from_slice(&[VERSION, header.kind.byte()]);
    fields.extend_from_slice(&length.to_le_bytes());
    fields.extend_from_slice(&argument.to_le_bytes());
    fields.extend_from_slice(&crc32fast::hash(&fields).to_le_bytes());
    head[at..].copy_from_slice(&fields);
}

/// The header that these bytes begin with, and the length of its payload; nothing where they are none.
#[must_use]
pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<(Header, usize)> {
    let (checked, checksum) = bytes.split_at(CHECKED_BYTES);
    if !bytes.starts_with(&MAGIC) || checksum != crc32fast::hash(checked).to_le_bytes() {
        return None;
    }
    let word = |at: usize| {
        bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word))
    };
    let nonce = u64::from(word(4)) | u64::from(word(8)) << 32;
    let [version, kind, low, high] = word(20).to_le_bytes();
    let kind = Kind::of_byte(kind).filter(|_| version == VERSION)?;
    let length = usize::from(u16::from_le_bytes([low, high]));
    let longest = if kind == Kind::Data { PAYLOAD_BYTES_MAX } else { 0 };
    if length > longest {
        return None;
    }
    Some((Header { nonce, sequence: word(12), stream: word(16), kind, argument: word(24) }, length))
}

/// Masks a payload, or takes the mask off.
pub(crate) fn mask(bytes: &mut [u8], nonce: u64) {
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ nonce).to_le_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(nonce.to_le_bytes()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { nonce: 7 << 40, sequence: 9, stream: 3, kind: Kind::Data, argument: 0 };

    #[test]
    fn a_header_is_read_as_it_was_written_and_no_bit_of_it_may_change() {
        let mut bytes = Vec::new();
        put(&mut bytes, HEADER, [b"one", b"two and more"]);
        let head: [u8; HEADER_BYTES] = *bytes.first_chunk().unwrap();
        let (header, length) = parse(&head).unwrap();
        assert_eq!((Header { argument: 0, ..header }, length), (HEADER, 15));
        assert_ne!(&bytes[HEADER_BYTES..], b"onetwo and more");
        for bit in 0..HEADER_BYTES * 8 {
            let mut other = head;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&other).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_written() {
        let mut bytes = Vec::new();
        put(&mut bytes, HEADER, [&[0; PAYLOAD_BYTES_MAX], b"x"]);
        assert!(bytes.is_empty());
        put(&mut bytes, HEADER, [&[0; PAYLOAD_BYTES_MAX], b""]);
        assert_eq!(bytes.len(), FRAME_BYTES_MAX);
    }
}
