//! Bytes of one event.

use atoll_types::{ExecEvent, ExecEventKind, OutputStream, Timestamp};

/// Bytes before the output: length 4, checksum 4, number 8, time 8, stream 1, zero 3; little-endian.
pub(crate) const HEADER_BYTES: usize = 28;
/// Most output of one record, in bytes: events have at most 64 KiB; more in a file is no record of ours.
pub(crate) const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// What the header of a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of output that follow.
    pub(crate) len: usize,
    /// Number of the event.
    pub(crate) seq: u64,
    crc: u32,
    time: Timestamp,
    stream: OutputStream,
}

fn checksum(len: [u8; 4], rest: &[u8], output: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&len);
    hasher.update(rest);
    hasher.update(output);
    hasher.finalize()
}

/// The output of an event; the start and the exit have none, and are kept elsewhere.
pub(crate) fn output(event: &ExecEvent) -> Option<(OutputStream, &[u8])> {
    match &event.kind {
        ExecEventKind::Output(stream, data) => Some((*stream, data)),
        ExecEventKind::Start | ExecEventKind::Exit(_) => None,
    }
}

/// Appends the record of an event to `bytes`; false when its output is too long for one.
pub(crate) fn encode(bytes: &mut Vec<u8>, event: &ExecEvent, stream: OutputStream, output: &[u8]) -> bool {
    let Some(len) = u32::try_from(output.len()).ok().filter(|_| output.len() <= OUTPUT_BYTES_MAX) else {
        return false;
    };
    let mut rest = [0; HEADER_BYTES - 8];
    rest[..8].copy_from_slice(&event.seq.to_le_bytes());
    rest[8..16].copy_from_slice(&event.time.as_unix_ms().to_le_bytes());
    rest[16] = match stream {
        OutputStream::Stdout => 1,
        OutputStream::Stderr => 2,
    };
    let len = len.to_le_bytes();
    bytes.extend_from_slice(&len);
    bytes.extend_from_slice(&checksum(len, &rest, output).to_le_bytes());
    bytes.extend_from_slice(&rest);
    bytes.extend_from_slice(output);
    true
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// The header at the beginning of `bytes`; none when it is not whole, or is none.
pub(crate) fn header(bytes: &[u8]) -> Option<Header> {
    let len = usize::try_from(u32::from_le_bytes(array(bytes, 0)?)).ok()?;
    let crc = u32::from_le_bytes(array(bytes, 4)?);
    let seq = u64::from_le_bytes(array(bytes, 8)?);
    let time = Timestamp::from_unix_ms(i64::from_le_bytes(array(bytes, 16)?));
    let stream = match array(bytes, 24)? {
        [1, 0, 0, 0] => OutputStream::Stdout,
        [2, 0, 0, 0] => OutputStream::Stderr,
        _ => return None,
    };
    let possible = seq > 0 && len <= OUTPUT_BYTES_MAX;
    possible.then_some(Header { len, seq, crc, time, stream })
}

/// The record at the beginning of `bytes` and its length in all; none when it is not whole and right.
pub(crate) fn check(bytes: &[u8]) -> Option<(Header, usize)> {
    let header = header(bytes)?;
    let whole = bytes.get(..HEADER_BYTES + header.len)?;
    let (head, output) = whole.split_at(HEADER_BYTES);
    let right = checksum(array(head, 0)?, &head[8..], output) == header.crc;
    right.then_some((header, whole.len()))
}

/// The event of a checked record.
pub(crate) fn event(header: Header, bytes: &[u8]) -> ExecEvent {
    let output = bytes.get(HEADER_BYTES..HEADER_BYTES + header.len).unwrap_or_default();
    ExecEvent {
        seq: header.seq,
        time: header.time,
        kind: ExecEventKind::Output(header.stream, output.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (ExecEvent, Vec<u8>) {
        let kind = ExecEventKind::Output(OutputStream::Stderr, vec![0, 255, 10]);
        let event = ExecEvent { seq: 7, time: Timestamp::from_unix_ms(-3), kind };
        let mut bytes = Vec::new();
        let (stream, data) = output(&event).unwrap();
        assert!(encode(&mut bytes, &event, stream, data));
        (event, bytes)
    }

    #[test]
    fn a_record_reads_back_as_itself() {
        let (sample, bytes) = sample();
        let (header, len) = check(&bytes).unwrap();
        assert_eq!((event(header, &bytes), len), (sample, bytes.len()));
    }

    #[test]
    fn a_record_that_is_cut_or_changed_is_none() {
        let (_, bytes) = sample();
        for len in 0..bytes.len() {
            assert_eq!(check(&bytes[..len]), None, "cut to {len}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(check(&changed), None, "changed at {at}");
        }
        assert_eq!(check(&[0; 100]), None);
    }
}
