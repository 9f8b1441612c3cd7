//! Asks the host's resolvers, from the host's own network.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::answer::is_answer;
use crate::query::Query;

/// How long one resolver may take: the C library gives all of them five seconds.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// Port of the protocol.
const PORT: u16 = 53;
/// Longest answer by UDP that is read, in bytes: more than was said to fit.
const UDP_BYTES_MAX: usize = 4_096;

/// How something is asked: as the sandbox asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Udp,
    Tcp,
}

/// The first answer of a resolver, in their order; none when none answers.
pub(crate) async fn ask(query: &Query, way: Way, resolvers: &[IpAddr]) -> Option<Vec<u8>> {
    for resolver in resolvers {
        let address = SocketAddr::new(*resolver, PORT);
        let asking = async {
            match way {
                Way::Udp => by_udp(query, address).await,
                Way::Tcp => by_tcp(query, address).await,
            }
        };
        if let Ok(Ok(answer)) = timeout(ANSWER_TIME, asking).await {
            return Some(answer);
        }
    }
    None
}

async fn by_udp(query: &Query, resolver: SocketAddr) -> io::Result<Vec<u8>> {
    // A socket for each question: its port is as hard to guess as its number, and nobody else's packets reach it.
    let own: IpAddr =
        if resolver.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((own, 0)).await?;
    socket.connect(resolver).await?;
    let id = random_id()?;
    socket.send(&query.ask(id)).await?;
    let mut buffer = vec![0; UDP_BYTES_MAX];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if is_answer(&buffer[..length], query, id) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

async fn by_tcp(query: &Query, resolver: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(resolver).await?;
    let id = random_id()?;
    write_message(&mut stream, &query.ask(id)).await?;
    let answer = read_message(&mut stream, usize::from(u16::MAX)).await?;
    if is_answer(&answer, query, id) { Ok(answer) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Reads a message with its length before it.
pub(crate) async fn read_message(stream: &mut TcpStream, bytes_max: usize) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > bytes_max {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Writes a message with its length before it.
pub(crate) async fn write_message(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await
}

fn random_id() -> io::Result<u16> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(u16::from_ne_bytes(bytes))
}
