//! Links that are cut, and attached to again.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::Duration;

use atoll_stdio_link::Link;
use atoll_stdio_link::frame::{FRAME_BYTES_MAX, HEADER_BYTES, Header, Kind, PAYLOAD_BYTES_MAX, put};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio::task::JoinSet;

use crate::rig::{Cut, NEVER, PIPE_BYTES, Rig, bytes, round_trip, soon};

/// What an attach says first.
const BEGIN_BYTES: usize = FRAME_BYTES_MAX + HEADER_BYTES;

#[tokio::test]
async fn after_a_cut_at_any_byte_the_next_attach_works() {
    let mut rig = Rig::echo();
    // Of the beginning, a few places; of what follows, every one.
    let places = [1, 2, 100, FRAME_BYTES_MAX - 1].into_iter().chain(FRAME_BYTES_MAX..BEGIN_BYTES + 400);
    for to_guest in places {
        let cut = Cut { to_guest, ..NEVER };
        rig.attach(cut, async |link| round_trip(&link, &[7; 200]).await).await;
        rig.check().await;
    }
    for from_guest in 1..400 {
        let cut = Cut { from_guest, ..NEVER };
        rig.attach(cut, async |link| round_trip(&link, &[7; 200]).await).await;
        rig.check().await;
    }
}

#[tokio::test]
async fn after_a_cut_in_the_middle_of_large_transfers_the_next_attach_works() {
    let mut rig = Rig::echo();
    let sent = bytes(1 << 20);
    for at in (100_000..900_000).step_by(50_021) {
        for cut in [Cut { to_guest: at, ..NEVER }, Cut { from_guest: at, ..NEVER }] {
            let done = rig
                .attach(cut, async |link| {
                    let other = link.clone();
                    tokio::join!(round_trip(&link, &sent), round_trip(&other, &sent))
                })
                .await;
            assert!(done.is_none(), "it was cut before its end");
            rig.check().await;
        }
    }
}

#[tokio::test]
async fn an_attach_ends_the_streams_of_the_one_before() {
    let mut rig = Rig::echo();
    let cut = Cut { to_guest: BEGIN_BYTES + 500, ..NEVER };
    let stream = rig.attach(cut, async |link| {
        let mut stream = link.open().unwrap();
        stream.write_all(&[1; 100]).await.unwrap();
        stream.read_exact(&mut [0; 100]).await.unwrap();
        stream.write_all(&[2; 1_000]).await.unwrap();
        stream.read_exact(&mut [0; 1_000]).await.unwrap();
    });
    assert!(stream.await.is_none());
    let accepted = rig.accepted.load(Ordering::Relaxed);
    // The first stream of this attach has the number of the one before, and nothing of it.
    rig.check().await;
    assert_eq!(rig.accepted.load(Ordering::Relaxed), accepted + 1);
}

/// Somebody who only says what is in a file speaks as a host: a hello, a stream, and what is on it.
fn forged(nonce: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (sequence, kind) in [(0, Kind::Hello), (1, Kind::Open), (2, Kind::Data)] {
        let header = Header { nonce, sequence, stream: u32::from(sequence > 0), kind, argument: 0 };
        put(&mut bytes, header, [if kind == Kind::Data { b"forged" } else { b"" }, b""]);
    }
    bytes
}

#[tokio::test]
async fn what_a_stream_carries_is_never_taken_for_frames() {
    let mut rig = Rig::echo();
    let forged: Vec<u8> = (0..).flat_map(forged).take(4 * PAYLOAD_BYTES_MAX).collect();
    for at in (BEGIN_BYTES + 1_000..BEGIN_BYTES + 40_000).step_by(1_009) {
        let before = rig.accepted.load(Ordering::Relaxed);
        let cut = Cut { to_guest: at, ..NEVER };
        assert!(rig.attach(cut, async |link| round_trip(&link, &forged).await).await.is_none());
        rig.check().await;
        assert!(rig.accepted.load(Ordering::Relaxed) <= before + 2, "cut at {at}");
    }
}

#[tokio::test]
async fn a_guest_outlives_the_end_of_its_standard_input() {
    let (mut near, far) = duplex(PIPE_BYTES);
    let (reader, writer) = split(far);
    let (guest, driver) = Link::guest(reader, writer);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { match driver.await {} });
    let mut hello = forged(3);
    hello.truncate(2 * HEADER_BYTES);
    near.write_all(&hello).await.unwrap();
    let mut accepted = soon(guest.accept()).await.unwrap();
    drop(near);
    assert_eq!(soon(accepted.read(&mut [0])).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let waits = tokio::time::timeout(Duration::from_millis(1_200), guest.accept()).await;
    assert!(waits.is_err() && !guest.is_closed() && tasks.try_join_next().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_between_attaches_is_no_more_than_noise(
        noise in prop::collection::vec(any::<u8>(), 0..3_000),
        old in any::<u64>(),
        cut in 0..200_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut rig = Rig::echo();
            rig.check().await;
            let frames = forged(old);
            let noise = [&noise[..], &frames[frames.len() - cut.min(frames.len())..]].concat();
            soon(rig.standard.write_all(&noise)).await.unwrap();
            rig.check().await;
        });
    }
}
