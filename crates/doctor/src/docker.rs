//! Docker, asked as root: a handful of plain requests.
//!
//! The broker may be down when the doctor is needed, so it asks by itself. Docker is where the last start of Atoll was told that it is,
//! as the supervisor noted; where none ever was, nothing is asked.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use serde_json::Value;

use crate::collect::Place;

/// Where the supervisor notes it in the data folder.
const NOTE: &str = "docker-host";
/// Longest note, in bytes: a path and some.
const NOTE_BYTES_MAX: u64 = 4_200;
/// How long Docker may be silent while it lists.
const LIST_TIME: Duration = Duration::from_secs(10);
/// How long while it removes: a container's layer may be large.
const REMOVE_TIME: Duration = Duration::from_secs(60);
/// Longest answer, in bytes: some kilobytes for each of thousands of containers.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// Longest text of Docker's that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// Where Docker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Docker {
    Socket(PathBuf),
    Tcp(SocketAddr),
}

/// A connection of either kind.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Docker {
    /// What the supervisor noted.
    pub(crate) fn of(place: &Place) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(&place.root, NOTE, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut text = String::new();
        file.take(NOTE_BYTES_MAX).read_to_string(&mut text)?;
        Ok(Self::parse(text.trim_end_matches('\n')))
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix://") {
            return path.starts_with('/').then(|| Self::Socket(path.into()));
        }
        text.strip_prefix("tcp://")?.parse().ok().map(Self::Tcp)
    }

    /// What a list holds.
    pub(crate) fn list(&self, path: &str) -> io::Result<Value> {
        let (status, body) = self.ask("GET", path, LIST_TIME)?;
        if status != 200 {
            return Err(refused(status, &body));
        }
        serde_json::from_slice(&body).map_err(io::Error::other)
    }

    /// Removes something; what is gone already is fine.
    pub(crate) fn remove(&self, path: &str) -> io::Result<()> {
        let (status, body) = self.ask("DELETE", path, REMOVE_TIME)?;
        if matches!(status, 200..=299 | 404) { Ok(()) } else { Err(refused(status, &body)) }
    }

    /// The status and the body of an answer. In the form of HTTP that has an end where the connection ends, and no pieces.
    fn ask(&self, method: &str, path: &str, patience: Duration) -> io::Result<(u16, Vec<u8>)> {
        let mut stream = self.connect(patience)?;
        stream.write_all(format!("{method} {path} HTTP/1.0\r\nHost: docker\r\n\r\n").as_bytes())?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        split(&answer).ok_or_else(|| io::Error::other("it does not speak as Docker does"))
    }

    fn connect(&self, patience: Duration) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Socket(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                Box::new(stream)
            }
            Self::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, patience)?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                Box::new(stream)
            }
        })
    }
}

/// A filter for a list, as a query takes it.
pub(crate) fn filter(kind: &str, value: &str) -> String {
    encoded(&serde_json::json!({kind: [value]}).to_string())
}

/// Anything but letters and digits by its number.
pub(crate) fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

fn split(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer[end + 4..].to_vec()))
}

fn refused(status: u16, body: &[u8]) -> io::Error {
    let said: Option<Value> = serde_json::from_slice(body).ok();
    let text = said.as_ref().and_then(|said| said.get("message")?.as_str()).unwrap_or_default();
    let text: String = text.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect();
    io::Error::other(format!("Docker answered {status}: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_or_an_address() {
        assert_eq!(Docker::parse("unix:///run/docker.sock"), Some(Docker::Socket("/run/docker.sock".into())));
        let address = "10.0.0.1:2375".parse().unwrap();
        assert_eq!(Docker::parse("tcp://10.0.0.1:2375"), Some(Docker::Tcp(address)));
        for wrong in ["", "unix://x", "/run/docker.sock", "tcp://docker:2375"] {
            assert_eq!(Docker::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = b"HTTP/1.0 200 OK\r\nContent-Type: x\r\n\r\n[]\r\n\r\n";
        assert_eq!(split(answer), Some((200, b"[]\r\n\r\n".to_vec())));
        for wrong in ["", "HTTP/1.0 200 OK", "SSH-2.0\r\n\r\n", "HTTP/1.0 x\r\n\r\n"] {
            assert_eq!(split(wrong.as_bytes()), None, "{wrong}");
        }
        let error = refused(409, br#"{"message":"in\u001b use"}"#);
        assert_eq!(error.to_string(), "Docker answered 409: in use");
    }

    #[test]
    fn a_name_stays_one_part_of_a_path() {
        assert_eq!(encoded("a/../b?c#d e"), "a%2F..%2Fb%3Fc%23d%20e");
        assert_eq!(filter("label", "a=b"), "%7B%22label%22%3A%5B%22a%3Db%22%5D%7D");
    }
}
