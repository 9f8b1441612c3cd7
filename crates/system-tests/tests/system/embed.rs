//! The page of docs/embed.md in a browser, from another site than the server's.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Atoll, until};
use crate::public_sessions::{end_all, listed};

/// Guard against what never happens: a browser starts slowly where much else runs.
const PATIENCE: Duration = Duration::from_secs(60);
/// The server's address in the document.
const SERVER: &str = "http://127.0.0.1:3001";

/// The page that the document shows.
fn page() -> String {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/embed.md");
    let document = std::fs::read_to_string(file).unwrap();
    let (_, rest) = document.split_once("```html\n").expect("the document shows a page");
    let (page, _) = rest.split_once("```\n").unwrap();
    assert!(page.contains(SERVER));
    page.to_owned()
}

/// Serves a page to whoever asks, until the test ends.
fn serve(listener: TcpListener, page: String) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4_096];
            let _read = stream.read(&mut request);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                page.len()
            );
            let _written = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(page.as_bytes()));
        }
    });
}

/// A browser with one page, spoken to by its protocol for developers' tools.
struct Browser {
    child: Child,
    _profile: tempfile::TempDir,
    socket: tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>,
    last: u64,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

impl Browser {
    async fn at(url: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--no-proxy-server", "--disable-dev-shm-usage", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("chromium is missing: scripts/nextest.sh installs it");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let tools = loop {
            let line = lines.next().expect("chromium says where it listens").unwrap();
            if let Some((_, address)) = line.split_once("DevTools listening on ws://") {
                break address.split('/').next().unwrap().to_owned();
            }
        };
        // Nobody else reads what it writes, and it must not stop for that.
        std::thread::spawn(move || lines.for_each(drop));
        let target = until("the page", PATIENCE, async || {
            let list = Command::new("curl")
                .args(["-sS", "--noproxy", "*"])
                .arg(format!("http://{tools}/json/list"))
                .output()
                .unwrap();
            let list: Value = serde_json::from_slice(&list.stdout).ok()?;
            let page = list.as_array()?.iter().find(|target| target["type"] == "page")?;
            Some(page["webSocketDebuggerUrl"].as_str()?.to_owned())
        })
        .await;
        let (socket, _) = tokio_tungstenite::connect_async(target).await.unwrap();
        Self { child, _profile: profile, socket, last: 0 }
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let call = json!({"id": self.last, "method": method, "params": params});
        self.socket.send(Message::Text(call.to_string().into())).await.unwrap();
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("an answer");
            let Message::Text(text) = message.unwrap().unwrap() else { continue };
            let answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"] == self.last {
                return answer["result"].clone();
            }
        }
    }

    async fn evaluate(&mut self, script: &str) -> Value {
        let answer =
            self.call("Runtime.evaluate", json!({"expression": script, "returnByValue": true})).await;
        answer["result"]["value"].clone()
    }

    /// Waits until the text of an element has this in it.
    async fn until_text(&mut self, element: &str, text: &str) {
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let shown = self.evaluate(&format!("document.getElementById('{element}')?.textContent")).await;
            if shown.as_str().is_some_and(|shown| shown.contains(text)) {
                return;
            }
            assert!(std::time::Instant::now() < end, "{text:?} never came: {shown}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until its scripts have run.
    async fn until_ready(&mut self) {
        while self.evaluate("document.readyState").await != "complete" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn enter(&mut self, line: &str) {
        for letter in line.chars() {
            let key = json!({"type": "keyDown", "key": letter.to_string(), "text": letter.to_string()});
            self.call("Input.dispatchKeyEvent", key).await;
        }
        self.call("Input.dispatchKeyEvent", json!({"type": "keyDown", "key": "Enter"})).await;
    }
}

#[tokio::test]
async fn the_page_of_the_document_is_a_terminal_in_a_browser() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = format!("http://{}", listener.local_addr().unwrap());
    let flags =
        ["--sessions", "--sessions-allow-native", "--sessions-per-address", "1", "--sessions-origins", &site];
    let atoll = Atoll::start_with(&flags).await;
    serve(listener, page().replace(SERVER, atoll.client.base_url().trim_end_matches('/')));
    let link = atoll.cli(&["admin", "class-link", "--page", &format!("{site}/lesson.html")]);
    let link = String::from_utf8(link.stdout).unwrap().trim().to_owned();
    assert!(link.starts_with(&format!("{site}/lesson.html#class=")), "{link}");

    let mut browser = Browser::at(&link).await;
    browser.until_text("begin", "Begin").await;
    browser.until_ready().await;
    let begin = "document.getElementById('begin').click()";
    browser.evaluate(begin).await;
    browser.until_text("state", "open").await;
    browser.enter("echo embedded-$((6 * 7)) [$TERM]").await;
    browser.until_text("screen", "embedded-42 [dumb]").await;
    assert_eq!(listed(&atoll).await, 1);
    browser.evaluate("document.getElementById('end').click()").await;
    browser.until_text("state", "closed: session_not_found").await;
    // The page hears of it before all of it is gone.
    until("its end", PATIENCE, async || (listed(&atoll).await == 0).then_some(())).await;
    // A second time, as somebody who comes back.
    browser.evaluate(begin).await;
    browser.until_text("state", "open").await;
    drop(browser);
    end_all(&atoll).await;
    atoll.finish().await;
}
