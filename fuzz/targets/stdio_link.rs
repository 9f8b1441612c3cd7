//! What comes out of a container's standard output, and into it: as bytes, and as frames whose checksums are right. Each end
//! must end or go on, and hold no more than its windows.
#![no_main]

use std::time::Duration;

use atoll_stdio_link::frame::{Header, Kind, PAYLOAD_BYTES_MAX, put};
use atoll_stdio_link::{Link, STREAMS_MAX, Stream, WINDOW_BYTES};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt as _, sink};
use tokio::runtime::Builder;

const NONCE: u64 = 0x0123_4567_89AB_CDEF;
const KINDS: [Kind; 7] =
    [Kind::Hello, Kind::Open, Kind::Data, Kind::Window, Kind::Fin, Kind::Reset, Kind::Lost];
/// A guest never ends by itself.
const PATIENCE: Duration = Duration::from_millis(2);

fuzz_target!(|input: (u8, &[u8])| {
    let (how, bytes) = input;
    let said = if how & 1 == 0 { bytes.to_vec() } else { frames(bytes, how & 2 == 0) };
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        if how & 4 == 0 {
            host(said).await;
        } else {
            guest(said).await;
        }
    });
});

/// The streams of a host end with its pipe.
async fn host(said: Vec<u8>) {
    let (link, driver) = Link::host(std::io::Cursor::new(said), sink(), NONCE);
    let mut streams: Vec<Stream> = (0..4).map(|_| link.open().expect("a place")).collect();
    let _reason = driver.await;
    assert!(link.is_closed() && link.open().is_err());
    for stream in &mut streams {
        assert!(stream.read(&mut [0]).await.is_err());
    }
}

/// A guest goes on, and holds a window of each stream at most.
async fn guest(said: Vec<u8>) {
    let (link, driver) = Link::guest(std::io::Cursor::new(said), sink());
    let mut streams = Vec::new();
    let accept = async {
        while let Some(stream) = link.accept().await {
            streams.push(stream);
        }
    };
    tokio::select! {
        never = driver => match never {},
        () = accept => panic!("it closed"),
        () = tokio::time::sleep(PATIENCE) => {}
    }
    assert!(link.is_closed(), "its driver is gone");
    for mut stream in streams.into_iter().take(2 * STREAMS_MAX) {
        let mut held = Vec::new();
        assert!(stream.read_to_end(&mut held).await.is_err());
        assert!(held.len() <= WINDOW_BYTES as usize);
    }
}

/// A kind, a stream, a length and an argument each: a frame that comes in turn, or nearly.
fn frames(mut bytes: &[u8], begun: bool) -> Vec<u8> {
    let mut said = Vec::new();
    let mut sequence = 0;
    if begun {
        put(
            &mut said,
            Header { nonce: NONCE, sequence, stream: 0, kind: Kind::Hello, argument: 0 },
            [b"", b""],
        );
    }
    while let [kind, stream, length, argument, rest @ ..] = bytes {
        bytes = rest;
        let kind = KINDS[usize::from(*kind) % KINDS.len()];
        let skip = u32::from(*argument == 255);
        sequence += u32::from(kind != Kind::Hello) + skip;
        let length = if kind == Kind::Data { usize::from(*length) * 65 } else { 0 }.min(PAYLOAD_BYTES_MAX);
        let header = Header {
            nonce: NONCE ^ u64::from(*argument == 254),
            sequence,
            stream: (*stream % 40).into(),
            kind,
            argument: u32::from(*argument) << (*argument % 25),
        };
        put(&mut said, header, [&vec![*argument; length], b""]);
    }
    said
}
