//! Published ports of the host, and what is behind them.

use std::num::NonZeroU16;
use std::time::Duration;

use atoll_api_types::{CreateSandbox, PublishPort, Sandbox};
use atoll_runtime_native::{NativeRuntime, Options};
use atoll_types::SandboxId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Atoll, Inside, Internet, Role, until};

/// A part that was killed is back after the first back-off.
const BACK: Duration = Duration::from_secs(20);

/// Sends back what comes, until its end, to every client at once.
const ECHO: &str = r#"exec /usr/bin/python3 -c '
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536): self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 64
Server(("127.0.0.1", 7000), Echo).serve_forever()
'"#;

fn publishing(ports: &[(u32, u16)]) -> CreateSandbox {
    let ports = ports
        .iter()
        .map(|(container, host)| PublishPort { container: *container, host: Some((*host).into()) });
    CreateSandbox { ports: Some(ports.collect()), ..CreateSandbox::default() }
}

/// A port that is free at this moment.
fn free() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn host_port(sandbox: &Sandbox) -> u16 {
    sandbox.ports[0].host.unwrap()
}

/// What a web server says behind a port of the host.
async fn page(port: u16) -> Option<String> {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.split_once("\r\n\r\n").map(|(_, page)| page.to_owned())
    };
    tokio::time::timeout(Duration::from_secs(10), ask).await.ok()?
}

/// Starts a web server inside, and waits until it is there.
async fn serve_page(sandbox: &Inside<'_>, text: &str, host: u16) {
    let line = format!(
        "mkdir /tmp/www && cd /tmp/www && echo {text} > index.html && exec /usr/bin/python3 -m http.server 8000"
    );
    sandbox.begin(&line).await;
    assert_eq!(until("the server", BACK, async || page(host).await).await, format!("{text}\n"));
}

/// Says a word to the echo behind a port.
async fn echoes(stream: &mut TcpStream, word: &str) -> bool {
    let say = async {
        stream.write_all(word.as_bytes()).await.ok()?;
        let mut heard = vec![0; word.len()];
        stream.read_exact(&mut heard).await.ok()?;
        (heard == word.as_bytes()).then_some(())
    };
    tokio::time::timeout(Duration::from_secs(10), say).await.is_ok_and(|said| said.is_some())
}

async fn echo(host: u16) -> TcpStream {
    until("the echo", BACK, async || {
        let mut stream = TcpStream::connect(("127.0.0.1", host)).await.ok()?;
        echoes(&mut stream, "there?").await.then_some(stream)
    })
    .await
}

#[tokio::test]
async fn a_server_inside_is_reached_with_and_without_a_network() {
    let _internet = Internet::new().await;
    let atoll = Atoll::start().await;
    for network in ["none", "all"] {
        let wanted = free();
        let new = CreateSandbox { network: Some(network.to_owned()), ..publishing(&[(8_000, wanted)]) };
        let sandbox = atoll.create_with(&new).await;
        let shown = sandbox.get().await;
        assert_eq!((host_port(&shown), shown.ports[0].requested_host), (wanted, None), "{shown:?}");
        serve_page(&sandbox, network, wanted).await;
        sandbox.delete_in_time().await;
        assert_eq!(page(wanted).await, None);
    }
    atoll.finish().await;
}

#[tokio::test]
async fn a_port_that_is_taken_or_roots_is_replaced_and_both_work() {
    let atoll = Atoll::start().await;
    let wanted = free();
    let one = atoll.create_with(&publishing(&[(8_000, wanted)])).await;
    let other = atoll.create_with(&publishing(&[(8_000, wanted), (80, 80)])).await;
    let shown = other.get().await;
    let (given, roots) = (host_port(&shown), shown.ports[1].host.unwrap());
    assert_ne!(given, wanted);
    assert_eq!(shown.ports[0].requested_host, Some(wanted), "{shown:?}");
    assert!(roots >= 1_024 && shown.ports[1].note.as_ref().unwrap().contains("root"), "{shown:?}");
    serve_page(&one, "one", wanted).await;
    serve_page(&other, "other", given).await;
    assert_eq!(page(wanted).await.unwrap(), "one\n");
    let said = atoll.cli(&["get", other.id.as_str()]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains(&format!("{given}->8000 (port {wanted} was taken)")), "{said}");
    // By the command line, at any free port.
    let made = atoll.cli(&["create", "--publish", "8000"]);
    let id: SandboxId = String::from_utf8(made.stdout).unwrap().trim().parse().unwrap();
    let third = Inside { atoll: &atoll, id };
    let given = host_port(&third.get().await);
    serve_page(&third, "third", given).await;
    atoll.finish().await;
}

#[tokio::test]
async fn a_stop_closes_and_a_start_opens_again() {
    let atoll = Atoll::start().await;
    let wanted = free();
    let sandbox = atoll.create_with(&publishing(&[(7_000, wanted)])).await;
    sandbox.begin(ECHO).await;
    let mut held = echo(wanted).await;
    atoll.client.sandbox_stop(&sandbox.id).await.unwrap();
    assert_eq!(
        TcpStream::connect(("127.0.0.1", wanted)).await.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    assert!(!echoes(&mut held, "still there?").await);
    atoll.assert_healthy();
    atoll.client.sandbox_start(&sandbox.id).await.unwrap();
    assert_eq!(host_port(&sandbox.get().await), wanted);
    sandbox.begin(ECHO).await;
    drop(echo(wanted).await);
    atoll.finish().await;
}

#[tokio::test]
async fn the_death_of_serve_and_of_the_launcher_is_survived() {
    let mut atoll = Atoll::start().await;
    let wanted = free();
    let id = atoll.create_with(&publishing(&[(7_000, wanted)])).await.id;
    Inside { atoll: &atoll, id: id.clone() }.begin(ECHO).await;
    for role in [Role::Launcher, Role::Serve, Role::Supervisor] {
        let mut held = echo(wanted).await;
        let before = atoll.pid(role);
        atoll.kill(role);
        if role == Role::Supervisor {
            atoll.start_again().await;
        } else {
            until("its return", BACK, async || atoll.pid(role).filter(|pid| Some(*pid) != before)).await;
        }
        // Only serve holds the connections.
        assert_eq!(echoes(&mut held, "still there?").await, role == Role::Launcher, "{role:?}");
        drop(echo(wanted).await);
        assert_eq!(host_port(&Inside { atoll: &atoll, id: id.clone() }.get().await), wanted, "{role:?}");
    }
    // An orderly stop and start.
    atoll.stop().await;
    atoll.start_again().await;
    drop(echo(wanted).await);
    atoll.finish().await;
}

#[tokio::test]
async fn much_goes_through_whole_and_the_end_of_one_way_is_not_that_of_the_other() {
    const BYTES: usize = 64 << 20;
    let atoll = Atoll::start().await;
    let wanted = free();
    let sandbox = atoll.create_with(&publishing(&[(7_000, wanted)])).await;
    sandbox.begin(ECHO).await;
    let (mut from, mut to) = echo(wanted).await.into_split();
    let sent: Vec<u8> = (0..BYTES).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
    let mut back = Vec::with_capacity(BYTES);
    let send = async {
        to.write_all(&sent).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let (_sent, received) = tokio::join!(send, from.read_to_end(&mut back));
    received.unwrap();
    assert!(back == sent, "{} bytes of {BYTES} came back", back.len());
    atoll.finish().await;
}

/// Takes no connection: its queue is full after two.
const DEAF: &str = r#"exec /usr/bin/python3 -c '
import socket, time
deaf = socket.socket()
deaf.bind(("127.0.0.1", 7000))
deaf.listen(0)
open("/tmp/listening", "w")
time.sleep(600)
'"#;

#[tokio::test]
async fn one_who_does_not_listen_delays_only_those_who_want_him() {
    let atoll = Atoll::start().await;
    let (wanted, other) = (free(), free());
    let deaf = atoll.create_with(&publishing(&[(7_000, wanted), (7_001, 0)])).await;
    let hears = atoll.create_with(&publishing(&[(7_000, other)])).await;
    // Nobody is there at all.
    let mut nobody =
        TcpStream::connect(("127.0.0.1", deaf.get().await.ports[1].host.unwrap())).await.unwrap();
    assert_eq!(nobody.read(&mut [0; 8]).await.unwrap_or(0), 0);
    deaf.begin(DEAF).await;
    until("it to listen", BACK, async || {
        (deaf.sh("test -e /tmp/listening").await.exit_code == Some(0)).then_some(())
    })
    .await;
    hears.begin(ECHO).await;
    drop(echo(other).await);
    let mut waiting = Vec::new();
    for _ in 0..600 {
        waiting.push(TcpStream::connect(("127.0.0.1", wanted)).await.unwrap());
    }
    let began = std::time::Instant::now();
    drop(echo(other).await);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // They are turned away in bounded time; the first two are in the queue inside, and stay.
    let ended = tokio::time::timeout(Duration::from_secs(15), waiting[20].read(&mut [0; 8])).await;
    assert_eq!(ended.unwrap().unwrap_or(0), 0);
    deaf.delete_in_time().await;
    let ended = tokio::time::timeout(Duration::from_secs(1), waiting[0].read(&mut [0; 8])).await;
    assert_eq!(ended.unwrap().unwrap_or(0), 0);
    atoll.finish().await;
}

#[tokio::test]
async fn an_idle_sandbox_stays_up_while_words_go_through_its_port() {
    let atoll = Atoll::start().await;
    let wanted = free();
    let new = CreateSandbox { idle_ttl_seconds: Some(3), ..publishing(&[(7_000, wanted)]) };
    let sandbox = atoll.create_with(&new).await;
    // No exec goes on: what it started does.
    sandbox.ok(&format!("({}) >/tmp/log 2>&1 </dev/null &", ECHO.replacen("exec", "setsid", 1))).await;
    let mut held = echo(wanted).await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(echoes(&mut held, "word").await);
    }
    let stopped =
        until("the stop", BACK, async || Some(sandbox.get().await).filter(|it| it.state == "stopped"));
    assert_eq!(stopped.await.state_reason.as_deref(), Some("idle"), "a silent connection keeps nobody up");
    assert!(!echoes(&mut held, "word").await);
    atoll.finish().await;
}

#[tokio::test]
async fn the_launcher_keeps_the_contract_of_a_dial() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&publishing(&[(7_000, 0)])).await;
    sandbox.begin(ECHO).await;
    drop(echo(host_port(&sandbox.get().await)).await);
    let (runtime, service) = NativeRuntime::new(Options { run_dir: atoll.data().join("run") });
    let port = |number| NonZeroU16::new(number).unwrap();
    tokio::select! {
        () = atoll_testkit::contract::dial(&runtime, &sandbox.id, port(7_000), port(7_001)) => {}
        () = service.run() => panic!("the client of the launcher ended"),
    }
    atoll.finish().await;
}
