//! The end of what an exec wrote, for answers that carry output.

use atoll_types::OutputStream;

/// Bytes of each stream that an answer carries at most; the stream endpoint has the rest.
pub(crate) const CAPTURE_BYTES_MAX: usize = 1 << 20;

/// The last bytes of one stream.
#[derive(Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    fn push(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
        // Moved only when it is twice too long, so that each byte is moved once on average.
        if self.bytes.len() > 2 * CAPTURE_BYTES_MAX {
            self.trim();
        }
    }

    fn trim(&mut self) {
        if self.bytes.len() > CAPTURE_BYTES_MAX {
            let from = self.bytes.len() - CAPTURE_BYTES_MAX;
            self.bytes.drain(..from);
            self.cut = true;
        }
    }
}

/// The last bytes of both streams.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    stdout: Tail,
    stderr: Tail,
}

/// What is left of both streams, and whether that is not all.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) cut: bool,
}

impl Capture {
    pub(crate) fn push(&mut self, stream: OutputStream, data: &[u8]) {
        match stream {
            OutputStream::Stdout => self.stdout.push(data),
            OutputStream::Stderr => self.stderr.push(data),
        }
    }

    pub(crate) fn finish(mut self) -> Captured {
        self.stdout.trim();
        self.stderr.trim();
        Captured {
            stdout: self.stdout.bytes,
            stderr: self.stderr.bytes,
            cut: self.stdout.cut || self.stderr.cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_the_cut_is_told() {
        let mut capture = Capture::default();
        for n in 0..5_u8 {
            capture.push(OutputStream::Stdout, &vec![n; CAPTURE_BYTES_MAX / 2]);
        }
        capture.push(OutputStream::Stderr, b"short");
        let end = capture.finish();
        assert!(end.cut);
        assert_eq!(end.stdout.len(), CAPTURE_BYTES_MAX);
        assert_eq!((end.stdout[0], end.stdout[CAPTURE_BYTES_MAX - 1]), (3, 4));
        assert_eq!(end.stderr, b"short");
    }
}
