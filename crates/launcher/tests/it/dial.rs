//! Sockets in the networks of sandboxes, handed over.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::num::{NonZeroU16, NonZeroU32};
use std::os::unix::net::UnixStream;
use std::process::Command;

use atoll_launcher_protocol::{Answer, Call, Failure, FailureKind, agent_socket_name};
use atoll_types::{AgentSocketId, InstallationId, SandboxId};

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

/// Asks for a connection to an agent of a container; none where there is none.
fn dial_agent(client: &mut Client, process: u32, socket: &AgentSocketId) -> Option<UnixStream> {
    let process = NonZeroU32::new(process).unwrap();
    match client.call(Call::DialAgent { process, socket: socket.clone() }) {
        Ok(Answer::Dialed) => Some(client.descriptors.pop().unwrap().into()),
        Err(failure) if failure.kind == FailureKind::NotFound => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_agent_of_a_container_is_reached_by_its_number_and_its_socket_and_by_neither_alone() {
    let host = Host::new();
    let mut client = host.client();
    let (socket, other) = (AgentSocketId::random(), AgentSocketId::random());
    // A container's first process, as far as the launcher is concerned: in a network of its own it listens and says a word.
    let listen = "import socket, sys\nserver = socket.socket(socket.AF_UNIX)\nserver.bind('\\0' + sys.argv[1])\n\
                  server.listen(8)\nwhile True: server.accept()[0].sendall(b'a word')";
    let listening = |installation: &InstallationId| {
        let name = agent_socket_name(installation, &socket);
        Command::new("unshare").args(["--net", "/usr/bin/python3", "-c", listen, &name]).spawn().unwrap()
    };
    let mut stranger = listening(&InstallationId::random());
    let mut agent = listening(&host.installation());
    // Kept until it has spoken: it ends when somebody hangs up on it.
    let mut reached = None;
    eventually(|| {
        reached = dial_agent(&mut client, agent.id(), &socket);
        reached.is_some()
    });
    let mut stream = reached.unwrap();
    stream.set_nonblocking(false).unwrap();
    let mut word = [0; 6];
    stream.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"a word");

    assert!(dial_agent(&mut client, agent.id(), &other).is_none(), "another name");
    let unix = format!("/proc/{}/net/unix", stranger.id());
    eventually(|| std::fs::read_to_string(&unix).unwrap().contains("@atoll-agent-"));
    assert!(dial_agent(&mut client, stranger.id(), &socket).is_none(), "of another installation");
    // Somebody else in the same network, who was told the name.
    let pid = agent.id().to_string();
    let mut neighbour =
        Command::new("nsenter").args(["--net", "--target", &pid, "sleep", "60"]).spawn().unwrap();
    let network = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    eventually(|| network(neighbour.id()) == network(agent.id()));
    assert!(dial_agent(&mut client, neighbour.id(), &socket).is_none(), "another process");
    // In another network nobody has that name.
    assert!(dial_agent(&mut client, std::process::id(), &socket).is_none(), "another network");
    for process in [&mut agent, &mut neighbour, &mut stranger] {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    assert!(dial_agent(&mut client, agent.id(), &socket).is_none(), "nobody");
}
