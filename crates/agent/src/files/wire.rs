//! Frames over the helper's standard input and output.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use atoll_agent_protocol::frames::{
    FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameKind, frame_header, parse_frame_header,
};
use atoll_agent_protocol::v1::{FileFailure, FileReply, FileRequest};

use super::failure::{Failure, Stop};
use crate::sys;

/// Both ends. An error on either means that the agent, or whoever asked, is gone.
#[derive(Debug)]
pub(super) struct Wire {
    input: File,
    output: File,
    /// What the last frame carried.
    pub(super) frame: Vec<u8>,
    /// To the agent: brings connections that ask for a descriptor.
    pub(super) channel: Option<OwnedFd>,
}

impl Wire {
    pub(super) fn standard() -> io::Result<Self> {
        // First of all: its number is taken over.
        let channel = sys::take_kept_channel().ok();
        Ok(Self {
            channel,
            input: io::stdin().as_fd().try_clone_to_owned()?.into(),
            output: io::stdout().as_fd().try_clone_to_owned()?.into(),
            frame: Vec::new(),
        })
    }

    /// The next frame's kind; its content is in `frame`.
    pub(super) fn next(&mut self) -> Result<FrameKind, Stop> {
        let mut header = [0; FRAME_HEADER_BYTES];
        self.input.read_exact(&mut header).map_err(|_| Stop::Gone)?;
        let (kind, length) = parse_frame_header(header).ok_or(Stop::Gone)?;
        self.frame.resize(length, 0);
        self.input.read_exact(&mut self.frame).map_err(|_| Stop::Gone)?;
        Ok(kind)
    }

    /// The request, which comes first.
    pub(super) fn request(&mut self) -> Result<FileRequest, Stop> {
        match self.next()? {
            FrameKind::Request => atoll_agent_protocol::decode(&self.frame).map_err(|_| Stop::Gone),
            _ => Err(Stop::Gone),
        }
    }

    /// The next data, in `frame`; false at its end.
    pub(super) fn next_data(&mut self) -> Result<bool, Stop> {
        match self.next()? {
            FrameKind::Data => Ok(true),
            FrameKind::End => Ok(false),
            _ => Err(Stop::Gone),
        }
    }

    pub(super) fn send(&mut self, kind: FrameKind, bytes: &[u8]) -> Result<(), Stop> {
        let header = frame_header(kind, bytes.len()).ok_or(Stop::Gone)?;
        let written = self.output.write_vectored(&[IoSlice::new(&header), IoSlice::new(bytes)]);
        let written = written.map_err(|_| Stop::Gone)?;
        let rest = written.saturating_sub(header.len());
        if written < header.len() {
            self.output.write_all(header.get(written..).unwrap_or_default()).map_err(|_| Stop::Gone)?;
        }
        self.output.write_all(bytes.get(rest..).unwrap_or_default()).map_err(|_| Stop::Gone)
    }

    pub(super) fn reply(&mut self, reply: &FileReply) -> Result<(), Stop> {
        self.send(FrameKind::Reply, &atoll_agent_protocol::encode(reply))
    }

    /// Says what went wrong. Nobody may be there to hear it.
    pub(super) fn fail(&mut self, failure: Failure) {
        let message: String = failure.message.chars().take(MESSAGE_CHARS_MAX).collect();
        let failure = FileFailure { kind: failure.kind.into(), message };
        let _gone = self.send(FrameKind::Failure, &atoll_agent_protocol::encode(&failure));
    }

    /// Whether there is something to read, or the end of input: descriptors to wait for.
    pub(super) fn input(&self) -> &File {
        &self.input
    }
}

/// Longest message of a failure, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// Data frames, filled before they are sent.
#[derive(Debug)]
pub(super) struct DataWriter<'a> {
    wire: &'a mut Wire,
    buffer: Vec<u8>,
}

impl<'a> DataWriter<'a> {
    pub(super) fn new(wire: &'a mut Wire) -> Self {
        Self { wire, buffer: Vec::with_capacity(FRAME_BYTES_MAX) }
    }

    fn send(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.wire.send(FrameKind::Data, &self.buffer).map_err(|_| gone())?;
            self.buffer.clear();
        }
        Ok(())
    }
}

fn gone() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

impl Write for DataWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == FRAME_BYTES_MAX {
            self.send()?;
        }
        let taken = bytes.len().min(FRAME_BYTES_MAX - self.buffer.len());
        self.buffer.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

/// The data frames of the request, as one reader.
#[derive(Debug)]
pub(super) struct DataReader<'a> {
    wire: &'a mut Wire,
    at: usize,
    ended: bool,
}

impl<'a> DataReader<'a> {
    pub(super) fn new(wire: &'a mut Wire) -> Self {
        wire.frame.clear();
        Self { wire, at: 0, ended: false }
    }
}

impl Read for DataReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.wire.frame.len() && !self.ended {
            self.ended = !self.wire.next_data().map_err(|_| gone())?;
            self.at = 0;
        }
        if self.ended {
            return Ok(0);
        }
        let rest = self.wire.frame.get(self.at..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.at += n;
        Ok(n)
    }
}
