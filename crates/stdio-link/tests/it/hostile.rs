//! The other side breaks the rules.

use std::io::ErrorKind;

use atoll_stdio_link::frame::{Header, Kind, PAYLOAD_BYTES_MAX, put};
use atoll_stdio_link::{Decoder, Link, STREAMS_MAX, WINDOW_BYTES};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::task::JoinSet;

use crate::rig::soon;

const NONCE: u64 = 0xFEED_5EED_0DDB_A11A;
/// All that is said in these tests fits.
const PIPE_BYTES: usize = 8 << 20;

fn frame(sequence: u32, stream: u32, kind: Kind, argument: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, Header { nonce: NONCE, sequence, stream, kind, argument }, [payload, b""]);
    bytes
}

fn guest() -> (DuplexStream, Link, JoinSet<()>) {
    let (near, far) = duplex(PIPE_BYTES);
    let (reader, writer) = split(far);
    let (link, driver) = Link::guest(reader, writer);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { match driver.await {} });
    (near, link, tasks)
}

fn host() -> (DuplexStream, Link, JoinSet<std::io::Error>) {
    let (near, far) = duplex(PIPE_BYTES);
    let (reader, writer) = split(far);
    let (link, driver) = Link::host(reader, writer, NONCE);
    let mut tasks = JoinSet::new();
    tasks.spawn(driver);
    (near, link, tasks)
}

/// Reads frames until one is of that kind.
async fn until(peer: &mut DuplexStream, decoder: &mut Decoder, kind: Kind) -> Header {
    soon(async {
        loop {
            while let Some((header, _)) = decoder.next_frame() {
                if header.kind == kind {
                    return header;
                }
            }
            let bytes = peer.read(decoder.room()).await.unwrap();
            assert!(bytes > 0, "it ended before {kind:?}");
            decoder.filled(bytes);
        }
    })
    .await
}

#[tokio::test]
async fn a_guest_that_misses_a_frame_ends_the_attach_and_says_so() {
    let (mut peer, guest, _tasks) = guest();
    let said = [
        frame(0, 0, Kind::Hello, 0, b""),
        frame(1, 1, Kind::Open, 0, b""),
        frame(2, 1, Kind::Data, 0, b"one "),
        frame(4, 1, Kind::Data, 0, b"three"),
    ];
    peer.write_all(&said[..3].concat()).await.unwrap();
    let mut stream = soon(guest.accept()).await.unwrap();
    let mut got = [0; 4];
    soon(stream.read_exact(&mut got)).await.unwrap();
    assert_eq!(&got, b"one ");
    peer.write_all(&said[3]).await.unwrap();
    assert_eq!(soon(stream.read(&mut got)).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let lost = until(&mut peer, &mut Decoder::default(), Kind::Lost).await;
    assert_eq!(lost.nonce, NONCE);
}

#[tokio::test]
async fn a_host_that_misses_a_frame_or_reads_noise_ends() {
    for (what, said) in [
        ("a frame is missing", vec![frame(2, 1, Kind::Fin, 0, b"")]),
        ("the guest missed one", vec![frame(0, 0, Kind::Lost, 0, b"")]),
        ("a byte of noise", vec![b"x".to_vec(), frame(1, 1, Kind::Fin, 0, b"")]),
    ] {
        let (mut peer, host, mut tasks) = host();
        peer.write_all(&frame(0, 0, Kind::Hello, 0, b"")).await.unwrap();
        assert!(soon(host.ready()).await);
        peer.write_all(&said.concat()).await.unwrap();
        let error = soon(tasks.join_next()).await.unwrap().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{what}");
        soon(host.closed()).await;
    }
}

#[tokio::test]
async fn a_host_hears_noise_before_the_answer_and_no_end_of_broken_frames() {
    let (mut peer, host, _tasks) = host();
    let mut cut = frame(9, 1, Kind::Data, 0, &[1; 1_000]);
    cut.drain(..500);
    peer.write_all(&[cut, frame(0, 0, Kind::Hello, 0, b"")].concat()).await.unwrap();
    assert!(soon(host.ready()).await);

    let (mut peer, _host, mut tasks) = self::host();
    let mut broken = frame(1, 1, Kind::Data, 0, &[1; 100]);
    *broken.last_mut().unwrap() ^= 1;
    peer.write_all(&broken.repeat(100)).await.unwrap();
    assert_eq!(soon(tasks.join_next()).await.unwrap().unwrap().kind(), ErrorKind::InvalidData);
}

#[tokio::test]
async fn more_than_the_window_ends_the_stream_alone() {
    let (mut peer, guest, _tasks) = guest();
    let mut said = vec![frame(0, 0, Kind::Hello, 0, b""), frame(1, 1, Kind::Open, 0, b"")];
    said.push(frame(2, 2, Kind::Open, 0, b""));
    let fits = WINDOW_BYTES / u32::try_from(PAYLOAD_BYTES_MAX).unwrap();
    said.extend((0..=fits).map(|at| frame(3 + at, 1, Kind::Data, 0, &[1; PAYLOAD_BYTES_MAX])));
    said.push(frame(4 + fits, 2, Kind::Data, 0, b"fine"));
    peer.write_all(&said.concat()).await.unwrap();
    let reset = until(&mut peer, &mut Decoder::default(), Kind::Reset).await;
    assert_eq!(reset.stream, 1);
    // It is gone before anybody has seen it.
    let mut second = soon(guest.accept()).await.unwrap();
    let mut got = [0; 4];
    soon(second.read_exact(&mut got)).await.unwrap();
    assert_eq!(&got, b"fine");
}

#[tokio::test]
async fn too_many_streams_are_refused_one_by_one() {
    let (mut peer, _guest, _tasks) = guest();
    let count = u32::try_from(STREAMS_MAX).unwrap();
    let mut said = vec![frame(0, 0, Kind::Hello, 0, b"")];
    said.extend((1..=count + 3).map(|id| frame(id, id, Kind::Open, 0, b"")));
    peer.write_all(&said.concat()).await.unwrap();
    let mut decoder = Decoder::default();
    for refused in count + 1..=count + 3 {
        assert_eq!(until(&mut peer, &mut decoder, Kind::Reset).await.stream, refused);
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    use Kind::{Data, Fin, Hello, Lost, Open, Reset, Window};
    prop::sample::select(vec![Hello, Open, Data, Data, Data, Window, Fin, Reset, Lost])
}

fn frames() -> impl Strategy<Value = Vec<(Kind, u32, u32, usize)>> {
    let lengths = prop_oneof![0..40_usize, Just(PAYLOAD_BYTES_MAX)];
    prop::collection::vec((kinds(), 0..24_u32, any::<u32>(), lengths), 1..150)
}

fn said(frames: &[(Kind, u32, u32, usize)]) -> Vec<u8> {
    let mut said = frame(0, 0, Kind::Hello, 0, b"");
    let mut sequence = 0;
    for (kind, stream, argument, length) in frames {
        sequence += u32::from(*kind != Kind::Hello);
        let length = if *kind == Kind::Data { *length } else { 0 };
        said.extend(frame(sequence, *stream, *kind, *argument, &vec![9; length]));
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_frames_break_a_guest(frames in frames()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (mut peer, guest, mut tasks) = guest();
            soon(peer.write_all(&said(&frames))).await.unwrap();
            // It still answers a hello that is another's.
            let mut hello = Vec::new();
            let header = Header { nonce: 5, sequence: 0, stream: 0, kind: Kind::Hello, argument: 0 };
            put(&mut hello, header, [b"", b""]);
            soon(peer.write_all(&hello)).await.unwrap();
            let mut decoder = Decoder::default();
            while until(&mut peer, &mut decoder, Kind::Hello).await.nonce != 5 {}
            assert!(tasks.try_join_next().is_none() && !guest.is_closed());
        });
    }

    #[test]
    fn no_frames_break_a_host(frames in frames()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (mut peer, host, mut tasks) = host();
            let mut streams: Vec<_> = (0..4).map(|_| host.open().unwrap()).collect();
            soon(peer.write_all(&said(&frames))).await.unwrap();
            soon(peer.shutdown()).await.unwrap();
            // It ends with the pipe, or before by the rules; it never panics.
            soon(tasks.join_next()).await.unwrap().unwrap();
            for stream in &mut streams {
                let mut got = Vec::new();
                soon(stream.read_to_end(&mut got)).await.unwrap_err();
                assert!(got.len() <= usize::try_from(WINDOW_BYTES).unwrap());
            }
        });
    }
}
