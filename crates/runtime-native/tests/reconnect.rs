//! A launcher that dies, as its client sees it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::os::fd::OwnedFd;
use std::time::Duration;

use atoll_launcher_protocol::{Answer, Call, FromLauncher, PACKET_BYTES_MAX, Reply, Request, receive, send};
use atoll_ports::{Runtime, RuntimeError, RuntimeEvent};
use atoll_runtime_native::{NativeRuntime, Options};
use atoll_types::{InstallationId, SandboxId};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept, bind, listen, socket_with,
};

/// Speaks the launcher's protocol on a real socket, and dies when the test says so.
struct Peer {
    listener: OwnedFd,
    _dir: tempfile::TempDir,
}

impl Peer {
    fn new() -> (Self, Options) {
        let dir = tempfile::tempdir().unwrap();
        let listener =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        bind(&listener, &SocketAddrUnix::new(dir.path().join("launcher.sock")).unwrap()).unwrap();
        listen(&listener, 4).unwrap();
        let options = Options { run_dir: dir.path().to_owned() };
        (Self { listener, _dir: dir }, options)
    }

    fn greet(&self) -> OwnedFd {
        let socket = accept(&self.listener).unwrap();
        let hello = next(&socket);
        assert!(matches!(hello.call, Call::Hello { version: 1 }));
        let installation = InstallationId::random();
        answer(
            &socket,
            &hello,
            Answer::Hello { version: 1, installation, cgroup_version: 1, disk_limits: true },
        );
        socket
    }
}

fn next(socket: &OwnedFd) -> Request {
    receive(socket, &mut vec![0; PACKET_BYTES_MAX]).unwrap().message
}

fn answer(socket: &OwnedFd, request: &Request, answer: Answer) {
    send(socket, &FromLauncher::Reply(Reply { id: request.id, result: Ok(answer) }), &[]).unwrap();
}

async fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Runs a test beside the service.
async fn with_service<T>(options: Options, test: impl AsyncFnOnce(NativeRuntime) -> T) -> T {
    let (runtime, service) = NativeRuntime::new(options);
    tokio::select! {
        result = test(runtime) => result,
        () = service.run() => panic!("the service ended"),
    }
}

#[tokio::test]
async fn a_call_that_the_launcher_died_in_is_asked_again() {
    let (peer, options) = Peer::new();
    let peer = std::thread::spawn(move || {
        let socket = peer.greet();
        assert!(matches!(next(&socket).call, Call::Stop { .. }));
        drop(socket);
        let socket = peer.greet();
        let again = next(&socket);
        assert!(matches!(again.call, Call::Stop { .. }));
        answer(&socket, &again, Answer::Done);
        (peer, socket)
    });
    with_service(options, async move |runtime| {
        let mut events = runtime.events();
        runtime.stop(&SandboxId::random()).await.unwrap();
        assert_eq!(events.recv().await.unwrap(), RuntimeEvent::Reconnected);
        drop(in_thread(move || peer.join().unwrap()).await);
    })
    .await;
}

#[tokio::test]
async fn a_call_that_kills_every_launcher_is_not_asked_for_ever() {
    let (peer, options) = Peer::new();
    let peer = std::thread::spawn(move || {
        for _launcher in 0..2 {
            let socket = peer.greet();
            assert!(matches!(next(&socket).call, Call::Stop { .. }));
        }
        let socket = peer.greet();
        (peer, socket)
    });
    with_service(options, async move |runtime| {
        let error = runtime.stop(&SandboxId::random()).await.unwrap_err();
        assert!(matches!(error, RuntimeError::Unavailable(_)), "{error:?}");
        drop(in_thread(move || peer.join().unwrap()).await);
    })
    .await;
}

#[tokio::test]
async fn answers_in_another_order_find_their_calls() {
    let (peer, options) = Peer::new();
    let (first, second) = (SandboxId::random(), SandboxId::random());
    let peer = std::thread::spawn(move || {
        let socket = peer.greet();
        let (one, two) = (next(&socket), next(&socket));
        let (stop, storage) = if matches!(one.call, Call::Stop { .. }) { (one, two) } else { (two, one) };
        send(&socket, &FromLauncher::Exited { sandbox: second }, &[]).unwrap();
        answer(&socket, &storage, Answer::Storage { free_bytes: 1, total_bytes: 2, full: false });
        answer(&socket, &stop, Answer::Done);
        (peer, socket)
    });
    with_service(options, async move |runtime| {
        let mut events = runtime.events();
        let (stopped, storage) = tokio::join!(runtime.stop(&first), runtime.storage());
        stopped.unwrap();
        assert_eq!(storage.unwrap().total_bytes, 2);
        assert!(matches!(events.recv().await.unwrap(), RuntimeEvent::Exited(_)));
        drop(in_thread(move || peer.join().unwrap()).await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_a_launcher_a_call_ends_in_time() {
    let dir = tempfile::tempdir().unwrap();
    with_service(Options { run_dir: dir.path().to_owned() }, async |runtime| {
        assert!(!runtime.info().await.available);
        let asked = tokio::time::timeout(Duration::from_secs(60), runtime.stop(&SandboxId::random())).await;
        assert!(matches!(asked.unwrap(), Err(RuntimeError::Unavailable(_))));
    })
    .await;
}
