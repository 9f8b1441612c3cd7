//! What a link carries while nothing goes wrong.

use std::io::ErrorKind;
use std::time::Duration;

use atoll_stdio_link::{Link, STREAMS_MAX, Stream, WINDOW_BYTES};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio::task::JoinSet;

use crate::rig::{NEVER, PIPE_BYTES, Rig, bytes, round_trip, soon};

/// Two ends that are linked, and what drives them.
fn linked() -> (Link, Link, JoinSet<()>) {
    let (near, far) = duplex(PIPE_BYTES);
    let (near, far) = (split(near), split(far));
    let (host, drive_host) = Link::host(near.0, near.1, 0x0123_4567_89AB_CDEF);
    let (guest, drive_guest) = Link::guest(far.0, far.1);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(drive_host.await) });
    tasks.spawn(async move { match drive_guest.await {} });
    (host, guest, tasks)
}

async fn pair(host: &Link, guest: &Link) -> (Stream, Stream) {
    let stream = host.open().unwrap();
    (stream, soon(guest.accept()).await.unwrap())
}

#[tokio::test]
async fn all_streams_carry_at_once_and_both_ways() {
    let sent = bytes(300_000);
    let back = Rig::echo()
        .attach(NEVER, async |link| {
            let mut all = JoinSet::new();
            for at in 0..STREAMS_MAX {
                let (link, sent) = (link.clone(), sent[at..].to_vec());
                all.spawn(async move { round_trip(&link, &sent).await == sent });
            }
            all.join_all().await.into_iter().filter(|equal| *equal).count()
        })
        .await;
    assert_eq!(back, Some(STREAMS_MAX));
}

#[tokio::test]
async fn an_end_is_of_one_direction_and_a_drop_of_both() {
    let (host, guest, _tasks) = linked();
    let (mut near, mut far) = pair(&host, &guest).await;
    near.write_all(b"question").await.unwrap();
    near.shutdown().await.unwrap();
    let mut got = Vec::new();
    soon(far.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got, b"question");
    far.write_all(b"answer").await.unwrap();
    far.shutdown().await.unwrap();
    got.clear();
    soon(near.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got, b"answer");
    assert_eq!(near.write_all(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);

    let (near, mut far) = pair(&host, &guest).await;
    drop(near);
    assert_eq!(soon(far.read(&mut [0])).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(far.write_all(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);

    let (mut near, far) = pair(&host, &guest).await;
    drop(far);
    assert_eq!(soon(near.read(&mut [0])).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_stream_that_nobody_reads_holds_up_no_other() {
    let (host, guest, _tasks) = linked();
    let (mut stuck, unread) = pair(&host, &guest).await;
    let (mut near, mut far) = pair(&host, &guest).await;
    let fill = async {
        let mut taken = 0;
        while let Ok(bytes) = tokio::time::timeout(Duration::from_millis(300), stuck.write(&[0; 8_192])).await
        {
            taken += bytes.unwrap();
        }
        taken
    };
    let taken = fill.await;
    assert!(taken < 2 * usize::try_from(WINDOW_BYTES).unwrap(), "{taken}");
    let sent = bytes(3 << 20);
    let mut got = vec![0; sent.len()];
    let (written, read) = soon(async { tokio::join!(near.write_all(&sent), far.read_exact(&mut got)) }).await;
    written.unwrap();
    read.unwrap();
    assert!(got == sent);
    drop(unread);
    assert_eq!(soon(stuck.write_all(&[0; 1])).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn there_are_so_many_streams_and_no_more_and_places_are_given_back() {
    let (host, guest, _tasks) = linked();
    let mut pairs = Vec::new();
    for _ in 0..STREAMS_MAX {
        pairs.push(pair(&host, &guest).await);
    }
    assert_eq!(host.open().unwrap_err().kind(), ErrorKind::ResourceBusy);
    assert_eq!(guest.open().unwrap_err().kind(), ErrorKind::Unsupported);
    for _ in 0..3 * STREAMS_MAX {
        drop(pairs.remove(0));
        let (mut near, mut far) = pair(&host, &guest).await;
        near.write_all(b"x").await.unwrap();
        soon(far.read_exact(&mut [0])).await.unwrap();
        pairs.push((near, far));
    }
}

#[tokio::test]
async fn the_end_of_a_pipe_ends_the_host_and_all_that_it_has() {
    let (near, far) = duplex(PIPE_BYTES);
    let (reader, writer) = split(near);
    let (host, driver) = Link::host(reader, writer, 5);
    let mut stream = host.open().unwrap();
    drop(far);
    let error = soon(driver).await;
    assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe), "{error}");
    soon(host.closed()).await;
    assert!(host.is_closed() && !host.ready().await && host.accept().await.is_none());
    assert_eq!(stream.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(host.open().unwrap_err().kind(), ErrorKind::NotConnected);
}

/// Most memory that this process ever had, in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[tokio::test]
async fn a_gibibyte_goes_through_without_growing() {
    const PIECE: usize = 64 << 10;
    const PIECES: usize = 1 << 14;
    let (host, guest, _tasks) = linked();
    let (mut near, mut far) = pair(&host, &guest).await;
    let piece = bytes(PIECE);
    let before = memory();
    let write = async {
        for _ in 0..PIECES {
            near.write_all(&piece).await.unwrap();
        }
        near.shutdown().await.unwrap();
    };
    let read = async {
        let mut got = vec![0; PIECE];
        for _ in 0..PIECES {
            far.read_exact(&mut got).await.unwrap();
            assert!(got == piece);
        }
        far.read(&mut got).await.unwrap()
    };
    let ((), rest) = tokio::join!(write, read);
    assert_eq!(rest, 0);
    let grown = memory() - before;
    assert!(grown < 4 << 20, "grown by {grown} bytes");
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(soon(future))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_in_any_pieces_arrives(pieces in prop::collection::vec((0..4_usize, 1..40_000_usize), 1..40)) {
        run(async {
            let (host, guest, _tasks) = linked();
            let sent = bytes(40_000);
            let mut streams = Vec::new();
            for _ in 0..4 {
                streams.push(pair(&host, &guest).await);
            }
            let mut reads = JoinSet::new();
            let mut nears = Vec::new();
            for (at, (near, mut far)) in streams.into_iter().enumerate() {
                nears.push(near);
                reads.spawn(async move {
                    let mut got = Vec::new();
                    far.read_to_end(&mut got).await.unwrap();
                    (at, got)
                });
            }
            let mut expected = vec![Vec::new(); 4];
            for (stream, length) in pieces {
                nears[stream].write_all(&sent[..length]).await.unwrap();
                expected[stream].extend_from_slice(&sent[..length]);
            }
            for near in &mut nears {
                near.shutdown().await.unwrap();
            }
            while let Some(read) = reads.join_next().await {
                let (at, got) = read.unwrap();
                assert!(got == expected[at], "stream {at}");
            }
        });
    }
}
