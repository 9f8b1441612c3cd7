//! A keep-alive connection that costs next to nothing, so that what is measured is the server.
//!
//! It speaks just the HTTP/1.1 that Atoll answers with: a status line, headers, a body with its length.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// No request of the benchmark takes longer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Largest body that is read, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Longest line of a head, in bytes.
const LINE_BYTES_MAX: u64 = 16 << 10;

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    token: Option<String>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr, token: Option<String>) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { stream: BufReader::new(stream), token })
    }

    /// Asks, and answers with the body's `data`; anything but success is an error.
    pub(crate) fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (status, text) = self.exchange(method, path, body)?;
        let text = String::from_utf8_lossy(&text);
        ensure!((200..300).contains(&status), "{method} {path} was answered {status}: {text}");
        if text.is_empty() {
            return Ok(Value::Null);
        }
        let mut value: Value =
            serde_json::from_str(&text).with_context(|| format!("{method} {path}: {text}"))?;
        Ok(value.get_mut("data").map(Value::take).unwrap_or(value))
    }

    /// Asks, and answers with the body as it came.
    pub(crate) fn fetch(&mut self, path: &str) -> anyhow::Result<Vec<u8>> {
        let (status, body) = self.exchange("GET", path, None)?;
        ensure!(status == 200, "GET {path} was answered {status}");
        Ok(body)
    }

    fn exchange(&mut self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Vec<u8>)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        if let Some(token) = &self.token {
            request.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        if !body.is_empty() {
            request.push_str("content-type: application/json\r\n");
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        self.stream.get_mut().write_all(request.as_bytes()).context("sending a request")?;
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<(u16, Vec<u8>)> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status: u16 = status.with_context(|| format!("not an answer: {status_line}"))?;
        let mut length = 0;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').with_context(|| format!("not a header: {line}"))?;
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().context("content-length")?,
                "transfer-encoding" => bail!("the benchmark reads no chunked bodies"),
                _ => {}
            }
        }
        ensure!(length <= BODY_BYTES_MAX, "a body of {length} bytes");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).context("reading a body")?;
        Ok((status, body))
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        (&mut self.stream).take(LINE_BYTES_MAX).read_line(&mut line).context("reading an answer")?;
        ensure!(line.ends_with('\n'), "the server closed the connection");
        Ok(line.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answered(answer: &'static [u8]) -> anyhow::Result<Value> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            String::from_utf8_lossy(request.get(..read).unwrap()).into_owned()
        });
        let result =
            Connection::open(address, Some("abc".into()))?.call("POST", "/x", Some(&Value::Bool(true)));
        let request = server.join().unwrap();
        assert!(request.starts_with("POST /x HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: Bearer abc\r\n"), "{request}");
        assert!(request.ends_with("content-length: 4\r\n\r\ntrue"), "{request}");
        result
    }

    #[test]
    fn data_is_taken_out_of_the_envelope() {
        let data = answered(
            b"HTTP/1.1 201 Created\r\nContent-Length: 31\r\n\r\n{\"success\":true,\"data\":{\"a\":1}}",
        )
        .unwrap();
        assert_eq!(data, serde_json::json!({"a": 1}));
    }

    #[test]
    fn a_failure_shows_what_the_server_said() {
        let error =
            answered(b"HTTP/1.1 409 Conflict\r\ncontent-length: 4\r\n\r\nbusy").unwrap_err().to_string();
        assert!(error.contains("409") && error.contains("busy"), "{error}");
    }

    #[test]
    fn a_closed_connection_and_a_huge_body_are_errors() {
        assert!(answered(b"").is_err());
        assert!(answered(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n").is_err());
    }
}
