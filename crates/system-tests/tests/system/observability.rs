//! What an operator sees: metrics, and the log of requests.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::{Atoll, Inside, until};

const SOON: Duration = Duration::from_secs(10);

/// What `curl` gets from this machine.
fn get(atoll: &Atoll, headers: &[&str], path: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--max-time", "10"]).args(headers.iter().flat_map(|h| ["--header", h]));
    let output = curl.arg(format!("{}{path}", atoll.client.base_url())).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// What Prometheus' own checker has against a page.
fn promtool(page: &str) -> String {
    let mut check = Command::new("promtool");
    let check =
        check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = check.spawn().unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[tokio::test]
async fn the_metrics_are_as_prometheus_wants_them() {
    let atoll = Atoll::start_with(&["--per-sandbox-metrics"]).await;
    let sandbox: Inside<'_> = atoll.create().await;
    sandbox.ok("true").await;
    let page = get(&atoll, &[], "/metrics");
    assert_eq!(promtool(&page), "", "{page}");
    assert!(
        promtool("bad_total{x=\"1\"} 1\nbad_total{x=\"1\"} 2\n").contains("bad_total"),
        "it finds what is wrong"
    );
    let exec = format!("sandbox_exec_total{{sandbox=\"{}\",command=\"sh\"}} 1", sandbox.id);
    for line in [
        exec.as_str(),
        "sandboxes_running 1",
        "sandbox_created_total 1",
        "sandbox_exec_duration_seconds_count 1",
    ] {
        assert!(page.lines().any(|l| l == line), "{line}: {page}");
    }
    let bucket = "http_request_duration_seconds_bucket{method=\"POST\",path=\"/sandboxes\",status=\"201\",le=\"+Inf\"} 1";
    assert!(page.contains(bucket), "{page}");
    atoll.finish().await;
}

/// What a collector is sent first, head and body, on a port of its own.
fn collector() -> (String, std::thread::JoinHandle<Vec<u8>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let taken = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut all = Vec::new();
        let mut part = [0; 4096];
        // What was sent ends with the connection, since serve is stopped.
        while let Ok(bytes @ 1..) = stream.read(&mut part) {
            all.extend_from_slice(&part[..bytes]);
        }
        all
    });
    (endpoint, taken)
}

#[tokio::test]
async fn a_stop_sends_the_spans_of_the_last_requests() {
    let (endpoint, taken) = collector();
    let mut atoll = Atoll::start_with(&["--otlp-endpoint", &endpoint]).await;
    let parent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    get(&atoll, &[parent], "/sandboxes/abc?token=very-private");
    atoll.stop().await;
    let sent = taken.join().unwrap();
    let has = |bytes: &[u8]| sent.windows(bytes.len()).any(|window| window == bytes);
    let text = String::from_utf8_lossy(&sent);
    assert!(has(b"POST /v1/traces HTTP/1.1") && has(b"GET /sandboxes/{id}"), "{text}");
    assert!(has(&0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes()), "{text}");
    assert!(!has(b"very-private") && !has(atoll.token().as_bytes()), "{text}");
    atoll.start_again().await;
    atoll.finish().await;
}

/// A certificate for loopback, and who vouches for it: `ca.pem`, `leaf.pem` and `leaf.key` in a folder that all may read.
fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(folder.path().join("san"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for words in [
        format!("req -x509 {new} -keyout ca.key -out ca.pem -subj /CN=test -days 2"),
        format!("req {new} -keyout leaf.key -out leaf.csr -subj /CN=leaf"),
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out leaf.pem"
            .to_owned(),
    ] {
        let made =
            Command::new("openssl").args(words.split(' ')).current_dir(folder.path()).output().unwrap();
        assert!(made.status.success(), "{words}: {}", String::from_utf8_lossy(&made.stderr));
    }
    folder
}

/// A collector behind TLS, which says what it is sent.
struct TlsCollector(std::process::Child);

impl TlsCollector {
    fn start(folder: &std::path::Path) -> (Self, String) {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("openssl")
            .args(["s_server", "-quiet", "-cert", "leaf.pem", "-key", "leaf.key"])
            .args(["-accept", &format!("127.0.0.1:{port}")])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        (Self(child), format!("https://127.0.0.1:{port}"))
    }
}

impl Drop for TlsCollector {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test]
async fn a_collector_behind_tls_is_sent_spans_where_somebody_vouches_for_it() {
    let folder = certificates();
    let (mut collector, endpoint) = TlsCollector::start(folder.path());
    let vouched = format!("SSL_CERT_FILE={}", folder.path().join("ca.pem").display());
    let atoll = Atoll::start_with(&[&vouched, "--otlp-endpoint", &endpoint]).await;
    get(&atoll, &[], "/sandboxes/abc");
    let mut output = collector.0.stdout.take().unwrap();
    let (text, taken) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut all, mut part) = (Vec::new(), [0; 4096]);
        while let Ok(bytes @ 1..) = output.read(&mut part) {
            all.extend_from_slice(&part[..bytes]);
            if text.send(String::from_utf8_lossy(&all).into_owned()).is_err() {
                return;
            }
        }
    });
    let wanted = ["POST /v1/traces HTTP/1.1", "GET /sandboxes/{id}"];
    until("the spans", 3 * SOON, async || {
        let sent = taken.try_recv().ok()?;
        wanted.iter().all(|text| sent.contains(text)).then_some(())
    })
    .await;
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    collector.0.stdin.as_mut().unwrap().write_all(answer).unwrap();
    drop(collector);
    atoll.finish().await;

    // The same without anybody who vouches.
    let (_collector, endpoint) = TlsCollector::start(folder.path());
    let atoll = Atoll::start_with(&["--otlp-endpoint", &endpoint]).await;
    get(&atoll, &[], "/sandboxes/abc");
    until("the loss", 3 * SOON, async || {
        let page = get(&atoll, &[], "/metrics");
        let lost = page.lines().find_map(|line| line.strip_prefix("otlp_spans_lost_total "))?;
        (lost != "0").then_some(())
    })
    .await;
    atoll.finish().await;
}

#[tokio::test]
async fn each_request_is_a_line_without_what_is_secret() {
    let mut atoll = Atoll::start().await;
    let id = atoll.create().await.id;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let bearer = format!("authorization: Bearer {}", atoll.token());
    let parent = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01");
    get(&atoll, &[&bearer, &parent], &format!("/sandboxes/{id}/files?path=/very-private"));
    get(&atoll, &[], &format!("/sandboxes/{id}?token={}", atoll.token()));
    let file = atoll.data().join("serve/logs/requests.log");
    let log = || std::fs::read_to_string(&file).unwrap();
    let line =
        until("the line", SOON, async || log().lines().find(|l| l.contains(trace)).map(str::to_owned)).await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["method"], "GET", "{line}");
    assert_eq!(line["path"], "/sandboxes/{id}/files", "{line}");
    assert_eq!((&line["sandbox_id"], &line["address"]), (&id.to_string().into(), &"127.0.0.1".into()));
    assert!(line["status"].as_u64() > Some(99) && line["duration_ms"].as_f64() > Some(0.0), "{line}");
    assert_eq!(line["user"].as_str().map(str::len), Some(16), "{line}");
    // An orderly stop writes what waits.
    atoll.stop().await;
    let all = log();
    assert!(all.lines().any(|l| l.contains("\"status\":401")), "{all}");
    for secret in [atoll.token(), "very-private", "correct horse"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    atoll.start_again().await;
    atoll.finish().await;
}
