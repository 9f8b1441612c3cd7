//! Sockets in the networks of sandboxes, handed over.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::num::NonZeroU16;

use atoll_launcher_protocol::{Answer, Call, Failure, FailureKind};
use atoll_types::SandboxId;

use crate::host::{Client, Host, eventually, host_sandbox};

/// A port that is nobody's on a quiet machine.
const PORT: NonZeroU16 = NonZeroU16::new(18_473).unwrap();

/// Says who it is and sends back what comes, to one client after the other, until it is killed.
const ECHO: &str = r#"exec /usr/bin/python3 -c '
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = server.accept()
    try:
        client.sendall(sys.argv[2].encode() + b" hears ")
        while data := client.recv(65536): client.sendall(data)
    except OSError: pass
    client.close()
' "#;

/// The socket, once it is connected or has failed to be.
fn dial(
    client: &mut Client,
    sandbox: &SandboxId,
    port: NonZeroU16,
) -> Result<std::io::Result<TcpStream>, Failure> {
    let answer = client.call(Call::Dial { sandbox: sandbox.clone(), port })?;
    assert!(matches!(answer, Answer::Dialing), "{answer:?}");
    let stream = TcpStream::from(client.descriptors.pop().unwrap());
    let mut ready = [rustix::event::PollFd::new(&stream, rustix::event::PollFlags::OUT)];
    let timeout = rustix::time::Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut ready, Some(&timeout)).unwrap(), 1);
    Ok(match stream.take_error().unwrap() {
        Some(error) => Err(error),
        None => Ok(stream),
    })
}

/// What the one who listens says to a word.
fn hears(mut stream: TcpStream) -> String {
    stream.set_nonblocking(false).unwrap();
    stream.write_all(b"a word").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn listen(host: &Host, client: &mut Client, sandbox: &SandboxId, name: &str) {
    drop(host.spawn_exec(sandbox, 1000, &format!("{ECHO} {PORT} {name}")));
    eventually(|| dial(client, sandbox, PORT).unwrap().is_ok());
}

#[test]
fn a_port_of_one_sandbox_is_reached_and_of_nobody_else() {
    let mut host = Host::new();
    let mut client = host.client();
    // The host has the same port.
    let own = TcpListener::bind(("127.0.0.1", PORT.get())).unwrap();
    own.set_nonblocking(true).unwrap();
    let (one, other) = (host_sandbox(0), host_sandbox(1));
    client.start(one.clone()).unwrap();
    client.start(other.clone()).unwrap();
    listen(&host, &mut client, &one.sandbox, "one");
    let refused = dial(&mut client, &other.sandbox, PORT).unwrap().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    listen(&host, &mut client, &other.sandbox, "other");
    for (sandbox, name) in [(&one.sandbox, "one"), (&other.sandbox, "other")] {
        let stream = dial(&mut client, sandbox, PORT).unwrap().unwrap();
        assert_eq!(hears(stream), format!("{name} hears a word"));
    }
    assert_eq!(
        own.accept().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock,
        "the host's port was reached"
    );
    // The next launcher knows the sandboxes of the one before.
    host.kill_launcher();
    host.spawn();
    let mut client = host.client();
    let stream = dial(&mut client, &one.sandbox, PORT).unwrap().unwrap();
    assert_eq!(hears(stream), "one hears a word");
}

#[test]
fn what_does_not_run_cannot_be_reached_and_what_is_started_afterwards_is_in_its_own_network() {
    let host = Host::new();
    let mut client = host.client();
    let request = host_sandbox(0);
    let gone = |client: &mut Client, sandbox: &SandboxId| {
        assert_eq!(dial(client, sandbox, PORT).unwrap_err().kind, FailureKind::NotFound);
    };
    gone(&mut client, &request.sandbox);
    client.start(request.clone()).unwrap();
    listen(&host, &mut client, &request.sandbox, "it");
    let held = dial(&mut client, &request.sandbox, PORT).unwrap().unwrap();
    // A connection that somebody holds keeps nobody alive.
    client.stop(&request.sandbox);
    gone(&mut client, &request.sandbox);
    drop(held);
    let next = host_sandbox(1);
    client.start(next.clone()).unwrap();
    let shown = "cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' \\n'";
    assert_eq!(host.shell(&next.sandbox, 1000, shown).0, "lo");
    client.remove(&request.sandbox);
}

#[test]
fn a_peer_that_takes_nothing_holds_few_sockets_and_the_rest_is_served() {
    let host = Host::new();
    let mut client = host.client();
    let request = host_sandbox(0);
    client.start(request.clone()).unwrap();
    let mut lazy = host.client();
    const ASKED: usize = 900;
    for _ in 0..ASKED {
        lazy.send(Call::Dial { sandbox: request.sandbox.clone(), port: PORT }, &[]);
    }
    assert_eq!(client.running(), std::slice::from_ref(&request.sandbox));
    let mut refused = 0;
    for _ in 0..ASKED {
        match lazy.reply().result {
            Ok(Answer::Dialing) => drop(lazy.descriptors.pop().unwrap()),
            Err(failure) => {
                assert_eq!(failure.kind, FailureKind::Conflict);
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 0, "there is no bound");
    assert!(dial(&mut lazy, &request.sandbox, PORT).is_ok());
}
