//! Carries bytes between the pipes and the state.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::decoder::Decoder;
use crate::link::Closing;
use crate::shared::{Phase, Shared};
use crate::state::Effect;

/// A hello is said again after so long without an answer: bytes of the attacher before may have come in between.
const HELLO_AGAIN: Duration = Duration::from_secs(1);
/// A guest looks again so long after a pipe has ended or failed: nobody may ever come.
const PIPE_PAUSE: Duration = Duration::from_millis(500);
/// Until the guest has answered, so many headers may come whose payload is not theirs: one where a frame was cut, few by
/// anybody's bad luck. Each costs a checksum of a whole frame.
const BROKEN_MAX: u64 = 64;

pub(crate) async fn drive_host<R, W>(reader: R, writer: W, closing: Closing) -> io::Error
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let shared = &*closing.0;
    // Each goes on by itself: what cannot be written does not keep what comes from being read.
    tokio::select! {
        ended = receive_of_guest(reader, shared) => ended,
        ended = send_of_host(writer, shared) => ended,
        never = greet(shared) => match never {},
    }
}

/// Says hello again until it is answered.
async fn greet(shared: &Shared) -> Infallible {
    while tokio::time::timeout(HELLO_AGAIN, shared.until(&[Phase::Ready])).await.is_err() {
        shared.state().greet();
        shared.work.notify_one();
    }
    std::future::pending().await
}

async fn receive_of_guest(mut reader: impl AsyncRead + Unpin, shared: &Shared) -> io::Error {
    let mut decoder = Decoder::default();
    let mut noise = None;
    loop {
        match reader.read(decoder.room()).await {
            Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(bytes) => decoder.filled(bytes),
            Err(error) => return error,
        }
        while let Some((header, payload)) = decoder.next_frame() {
            let effect = shared.state().apply(header, payload);
            match effect {
                Effect::Greeted => {
                    shared.phase.send_if_modified(|phase| {
                        let first = *phase == Phase::Greeting;
                        *phase = Phase::Ready;
                        first
                    });
                    noise = noise.or_else(|| Some(decoder.skipped()));
                }
                Effect::Send => shared.work.notify_one(),
                Effect::Lost => return garbled("frames are missing"),
                Effect::None | Effect::Opened => {}
            }
        }
        if noise.is_some_and(|noise| noise != decoder.skipped()) || decoder.broken() > BROKEN_MAX {
            return garbled("bytes that are no frame");
        }
    }
}

fn garbled(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

async fn send_of_host(mut writer: impl AsyncWrite + Unpin, shared: &Shared) -> io::Error {
    loop {
        if let Err(error) = send(&mut writer, shared).await {
            return error;
        }
    }
}

pub(crate) async fn drive_guest<R, W>(reader: R, writer: W, closing: Closing) -> Infallible
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let shared = &*closing.0;
    tokio::select! {
        never = receive_of_hosts(reader, shared) => never,
        never = send_of_guest(writer, shared) => never,
    }
}

async fn receive_of_hosts(mut reader: impl AsyncRead + Unpin, shared: &Shared) -> Infallible {
    let mut decoder = Decoder::default();
    loop {
        match reader.read(decoder.room()).await {
            Ok(0) | Err(_) => {
                shared.end_attach();
                tokio::time::sleep(PIPE_PAUSE).await;
                continue;
            }
            Ok(bytes) => decoder.filled(bytes),
        }
        while let Some((header, payload)) = decoder.next_frame() {
            let effect = shared.state().apply(header, payload);
            match effect {
                Effect::Opened => shared.opened.notify_one(),
                Effect::Send | Effect::Lost => shared.work.notify_one(),
                Effect::None | Effect::Greeted => {}
            }
        }
    }
}

async fn send_of_guest(mut writer: impl AsyncWrite + Unpin, shared: &Shared) -> Infallible {
    loop {
        if send(&mut writer, shared).await.is_err() {
            shared.end_attach();
            tokio::time::sleep(PIPE_PAUSE).await;
        }
    }
}

/// Sends until there is nothing more to send, then waits until there is.
async fn send(writer: &mut (impl AsyncWrite + Unpin), shared: &Shared) -> io::Result<()> {
    let mut out = Vec::new();
    loop {
        shared.state().fill(&mut out);
        if out.is_empty() {
            break;
        }
        writer.write_all(&out).await?;
        writer.flush().await?;
        out.clear();
    }
    // An idle link keeps no buffer.
    drop(out);
    shared.work.notified().await;
    Ok(())
}
