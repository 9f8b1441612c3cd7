//! A guest that echoes, and a cable to it that can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use atoll_stdio_link::{Link, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::task::JoinSet;

/// As much as a pipe of the kernel holds.
pub(crate) const PIPE_BYTES: usize = 64 << 10;
/// Guard against what never happens.
const SOON: Duration = Duration::from_secs(60);

/// What must happen soon.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("within a minute")
}

/// Where the cable is cut, in bytes of each direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) to_guest: usize,
    pub(crate) from_guest: usize,
}

/// The cable holds.
pub(crate) const NEVER: Cut = Cut { to_guest: usize::MAX, from_guest: usize::MAX };

/// A guest, and its standard streams.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) standard: DuplexStream,
    pub(crate) accepted: Arc<AtomicUsize>,
    nonce: u64,
    _tasks: JoinSet<()>,
}

impl Rig {
    /// Everything that comes on a stream goes back on it.
    pub(crate) fn echo() -> Self {
        let (standard, end) = duplex(PIPE_BYTES);
        let (reader, writer) = split(end);
        let (link, driver) = Link::guest(reader, writer);
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { match driver.await {} });
        tasks.spawn(async move {
            let mut echoes = JoinSet::new();
            while let Some(stream) = link.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                echoes.spawn(echo(stream));
                while echoes.try_join_next().is_some() {}
            }
        });
        Self { standard, accepted, nonce: 0x9E37_79B9_7F4A_7C15, _tasks: tasks }
    }

    /// As random as a test wants it.
    pub(crate) const fn fresh_nonce(&mut self) -> u64 {
        self.nonce =
            self.nonce.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.nonce
    }

    /// Attaches, and does something with the link; nothing when the cable was cut before.
    pub(crate) async fn attach<T>(&mut self, cut: Cut, work: impl AsyncFnOnce(Link) -> T) -> Option<T> {
        let (near, mut far) = duplex(PIPE_BYTES);
        let (reader, writer) = split(near);
        let (link, driver) = Link::host(reader, writer, self.fresh_nonce());
        soon(async {
            tokio::select! {
                done = work(link) => Some(done),
                error = driver => panic!("the link ended: {error}"),
                () = carry(&mut far, &mut self.standard, cut) => None,
            }
        })
        .await
    }

    /// That an attach works.
    pub(crate) async fn check(&mut self) {
        self.attach(NEVER, async |link| {
            assert!(link.ready().await);
            assert_eq!(round_trip(&link, b"still there").await, b"still there");
        })
        .await
        .unwrap();
    }
}

async fn echo(stream: Stream) {
    let (mut reader, mut writer) = split(stream);
    // Its end is the host's doing.
    if tokio::io::copy(&mut reader, &mut writer).await.is_ok() {
        drop(writer.shutdown().await);
    }
}

/// Carries bytes until one direction has carried as many as it may.
async fn carry(host: &mut DuplexStream, guest: &mut DuplexStream, mut cut: Cut) {
    let (mut from_host, mut from_guest) = (vec![0; 4_096], vec![0; 4_096]);
    loop {
        tokio::select! {
            bytes = host.read(&mut from_host[..cut.to_guest.min(4_096)]) => {
                let bytes = bytes.unwrap();
                guest.write_all(&from_host[..bytes]).await.unwrap();
                cut.to_guest -= bytes;
            }
            bytes = guest.read(&mut from_guest[..cut.from_guest.min(4_096)]) => {
                let bytes = bytes.unwrap();
                host.write_all(&from_guest[..bytes]).await.unwrap();
                cut.from_guest -= bytes;
            }
        }
        // Both sides see the bytes as they come, not all at once.
        tokio::task::yield_now().await;
        if cut.to_guest == 0 || cut.from_guest == 0 {
            return;
        }
    }
}

/// Sends bytes on a stream of their own, and tells what comes back.
pub(crate) async fn round_trip(link: &Link, bytes: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = split(link.open().unwrap());
    let write = async {
        writer.write_all(bytes).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let read = async {
        let mut back = Vec::new();
        reader.read_to_end(&mut back).await.unwrap();
        back
    };
    tokio::join!(write, read).1
}

/// Bytes of which no part is like another.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    })
    .take(count)
    .collect()
}
