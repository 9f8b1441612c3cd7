//! Published ports of sandboxes in Docker, and of gVisor's: through their agents, whatever network they have.

use std::time::Duration;

use atoll_api_types::{CreateSandbox, PublishPort};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Atoll, Dockerd, Inside, Role, busybox, until};

/// Guard against what never happens.
const PATIENCE: Duration = Duration::from_secs(60);
/// Name of the image.
const IMAGE: &str = "busybox";
/// Bytes of a page that fits no buffer on the way.
const LARGE: usize = 8 << 20;

/// A port that is free at this moment.
fn free() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What a web server says behind a port of the host.
async fn page(port: u16, path: &str) -> Option<Vec<u8>> {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(format!("GET /{path} HTTP/1.0\r\n\r\n").as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let body = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        (answer.get(8..13)? == b" 200 ").then(|| answer.split_off(body))
    };
    tokio::time::timeout(PATIENCE, ask).await.ok()?
}

async fn serve_page(sandbox: &Inside<'_>, port: u16) {
    let line = "cd /tmp && echo mine > index.html && head -c 8388608 /dev/zero > large && exec httpd -f -p 127.0.0.1:8000";
    sandbox.begin(line).await;
    let said = until("the server", PATIENCE, async || page(port, "").await).await;
    assert_eq!(said, b"mine\n");
}

async fn is_published(runtime: &str, memory: u64) {
    let docker = Dockerd::start(false);
    let host = docker.host();
    let atoll = Atoll::start_with(&["--docker-host", &host]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.tar");
    busybox(&file);
    assert!(atoll.cli(&["image", "import", IMAGE, file.to_str().unwrap()]).status.success());
    let wanted = free();
    let new = CreateSandbox {
        image: Some(IMAGE.to_owned()),
        runtime: Some(runtime.to_owned()),
        memory: Some(memory),
        ports: Some(vec![PublishPort { container: 8_000, host: Some(wanted.into()) }]),
        ..CreateSandbox::default()
    };
    let sandbox = atoll.create_with(&new).await;
    assert_eq!(sandbox.get().await.ports[0].host, Some(wanted));
    // Nobody listens yet: who connects is hung up on.
    assert_eq!(page(wanted, "").await, None);
    serve_page(&sandbox, wanted).await;
    let many = (0..20).map(|_| page(wanted, "large"));
    for large in futures_util::future::join_all(many).await {
        assert_eq!(large.map(|bytes| bytes.len()), Some(LARGE));
    }
    // Only its own loopback is reached, and Docker has published nothing.
    assert_eq!(docker.ok(&["ps", "--format", "{{.Ports}}"]).trim(), "");
    let before = atoll.pid(Role::Broker);
    atoll.kill(Role::Broker);
    until("its return", PATIENCE, async || atoll.pid(Role::Broker).filter(|pid| Some(*pid) != before)).await;
    let said = until("the page", PATIENCE, async || page(wanted, "").await).await;
    assert_eq!(said, b"mine\n");
    atoll.client.sandbox_stop(&sandbox.id).await.unwrap();
    assert!(TcpStream::connect(("127.0.0.1", wanted)).await.is_err());
    atoll.client.sandbox_start(&sandbox.id).await.unwrap();
    serve_page(&sandbox, wanted).await;
    atoll.client.sandbox_delete(&sandbox.id).await.unwrap();
    assert!(TcpStream::connect(("127.0.0.1", wanted)).await.is_err());
    assert_eq!(docker.containers(), Vec::<String>::new());
    assert!(atoll.cli(&["image", "rm", IMAGE]).status.success());
    atoll.finish().await;
}

#[tokio::test]
async fn a_port_of_a_container_is_published() {
    is_published("docker", 64).await;
}

#[tokio::test]
async fn a_port_of_gvisor_s_is_published() {
    assert!(Dockerd::has_gvisor(), "apt-get install runsc");
    is_published("gvisor", 256).await;
}
