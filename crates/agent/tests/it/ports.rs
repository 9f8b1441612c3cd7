//! Connections to ports through the agent.

use std::num::NonZeroU16;
use std::time::Duration;

use atoll_agent_protocol::PORT_CONNECTIONS_MAX;
use atoll_ports::{AgentPorts, Connection, DialError};
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::harness::Agent;

/// Guard against what never happens.
const PATIENCE: Duration = Duration::from_secs(60);
/// More than all buffers on the way hold.
const MUCH: usize = 8 << 20;

async fn listener() -> (TcpListener, NonZeroU16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port.try_into().unwrap())
}

/// Both ends of a connection.
async fn connected(agent: &Agent, to: &(TcpListener, NonZeroU16)) -> (Connection, TcpStream) {
    let (near, far) = tokio::join!(agent.client.dial(&agent.sandbox, to.1), to.0.accept());
    (near.unwrap(), far.unwrap().0)
}

fn pattern() -> Vec<u8> {
    (0..MUCH / 4).flat_map(|n| u32::try_from(n).unwrap().to_le_bytes()).collect()
}

#[tokio::test]
async fn bytes_go_both_ways_whole_and_each_way_ends_by_itself() {
    let agent = Agent::plain();
    let to = listener().await;
    let (near, far) = connected(&agent, &to).await;
    let (mut near_in, mut near_out) = split(near);
    let (mut far_in, mut far_out) = far.into_split();
    let sent = pattern();
    let (mut there, mut back) = (Vec::new(), Vec::new());
    let all = async {
        tokio::join!(
            async {
                near_out.write_all(&sent).await.unwrap();
                near_out.shutdown().await.unwrap();
            },
            async {
                far_in.read_to_end(&mut there).await.unwrap();
                // One way has ended, the other begins.
                far_out.write_all(&sent).await.unwrap();
                far_out.shutdown().await.unwrap();
            },
            async { near_in.read_to_end(&mut back).await.unwrap() },
        )
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
    assert!(there == sent && back == sent, "{} and {} bytes came", there.len(), back.len());
    // The other way round: what listens says its end first, and is still told what comes.
    let (mut near, mut far) = connected(&agent, &to).await;
    far.shutdown().await.unwrap();
    assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
    near.write_all(b"still").await.unwrap();
    near.shutdown().await.unwrap();
    let mut heard = String::new();
    far.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "still");
}

#[tokio::test]
async fn a_port_where_nobody_listens_and_a_sandbox_that_is_not_there_are_told_apart() {
    let agent = Agent::plain();
    let (gone, port) = listener().await;
    drop(gone);
    let dial = async |sandbox| agent.client.dial(sandbox, port).await.unwrap_err();
    assert_eq!(dial(&agent.sandbox).await, DialError::Refused);
    assert_eq!(dial(&atoll_types::SandboxId::random()).await, DialError::NotRunning);
}

#[tokio::test]
async fn an_end_that_is_dropped_cuts_the_other_off() {
    let agent = Agent::plain();
    let to = listener().await;
    let (near, mut far) = connected(&agent, &to).await;
    drop(near);
    let heard = tokio::time::timeout(PATIENCE, far.read(&mut [0])).await.unwrap();
    assert!(heard.is_err() || heard.is_ok_and(|length| length == 0));
    let (mut near, far) = connected(&agent, &to).await;
    far.set_zero_linger().unwrap();
    drop(far);
    let heard = tokio::time::timeout(PATIENCE, near.read(&mut [0])).await.unwrap();
    assert_eq!(heard.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

/// Clients that take nothing hold up no other, and places are given back.
#[tokio::test]
async fn so_many_connections_that_nobody_reads_leave_room_for_one_that_is_read() {
    let agent = Agent::plain();
    let to = listener().await;
    let mut held = Vec::new();
    let mut full = Vec::new();
    for _ in 0..PORT_CONNECTIONS_MAX - 1 {
        let (near, far) = connected(&agent, &to).await;
        // As much as it takes without anybody who reads.
        while far.try_write(&[0; 16 << 10]).is_ok() {}
        held.push(near);
        full.push(far);
    }
    let (mut near, mut far) = connected(&agent, &to).await;
    let refused = agent.client.dial(&agent.sandbox, to.1).await.unwrap_err();
    assert!(matches!(&refused, DialError::Failed(why) if why.contains("512")), "{refused:?}");
    let talk = async {
        far.write_all(b"heard").await.unwrap();
        let mut heard = [0; 5];
        near.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"heard");
    };
    tokio::time::timeout(PATIENCE, talk).await.unwrap();
    drop((held, full));
    let again = async {
        while agent.client.dial(&agent.sandbox, to.1).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}

/// Who listens and takes nothing holds up no other.
#[tokio::test]
async fn so_many_connections_that_are_not_read_inside_leave_room_for_one_that_is() {
    let agent = Agent::plain();
    let slow = small_listener();
    let mut held = Vec::new();
    for _ in 0..PORT_CONNECTIONS_MAX - 1 {
        held.push(connected(&agent, &slow).await);
    }
    let fill = held.iter_mut().map(|(near, _)| until_stuck(near));
    tokio::time::timeout(PATIENCE, futures_util::future::join_all(fill)).await.unwrap();
    // All of them at the same time: a machine that is busy may have let one rest.
    while held.iter_mut().any(|(near, _)| near.write(&[b'x'; 16 << 10]).now_or_never().is_some()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let quick = listener().await;
    let talk = async {
        let (mut near, mut far) = connected(&agent, &quick).await;
        near.write_all(b"heard").await.unwrap();
        let mut heard = [0; 5];
        far.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"heard");
    };
    tokio::time::timeout(PATIENCE, talk).await.unwrap();
}

/// One whose connections hold little on its side.
fn small_listener() -> (TcpListener, NonZeroU16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(128).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port.try_into().unwrap())
}

/// Writes until nothing more goes for a while.
async fn until_stuck(near: &mut Connection) {
    const A_WHILE: Duration = Duration::from_millis(500);
    let bytes = vec![b'x'; 16 << 10];
    while let Ok(written) = tokio::time::timeout(A_WHILE, near.write(&bytes)).await {
        written.unwrap();
    }
}
