//! Images of registries: a real one, and one that hangs.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use atoll_api_types::CreateSandbox;
use serde_json::json;

use crate::harness::{Atoll, Format, Image, Registry, Role, until};

const SOON: Duration = Duration::from_secs(60);

fn succeeds(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &std::process::Output, words: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains(words), "{text}");
}

/// What serve has under way, by name: nothing ever has one.
fn spooled(data: &Path) -> usize {
    std::fs::read_dir(data.join("serve/spool")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn an_image_is_pulled_run_and_pulled_anew_when_its_tag_has_moved() {
    let registry = Registry::start().await;
    let atoll = Atoll::start_with(&["--insecure-registries", &registry.address]).await;
    let image = Image::tiny();
    registry.push("team/tiny", "1", &image);
    let reference = format!("{}/team/tiny:1", registry.address);
    assert_eq!(succeeds(&atoll.cli(&["image", "pull", &reference])), format!("{reference}\n"));
    let digest = async |name: &str| {
        let listed = atoll.client.image_list(None).await.unwrap().items;
        listed.into_iter().find(|one| one.name == name).unwrap().manifest_digest.unwrap()
    };
    assert_eq!(digest(&reference).await, format!("sha256:{}", image.digest()));
    let ran = succeeds(&atoll.cli(&["run", "--image", &reference, "--", "/bin/hello", "x"]));
    assert_eq!(ran, "x hello uid 0 in /srv hidden -1\n");

    // A sandbox keeps what it was made of, and keeps it from being removed.
    let new = CreateSandbox { image: Some(reference.clone()), command: None, ..CreateSandbox::default() };
    let inside = atoll.create_with(&new).await;
    refused(&atoll.cli(&["image", "rm", &reference]), "still uses this image");
    let config = json!({"architecture": crate::harness::architecture(), "os": "linux",
        "config": {"Env": ["GREETING=moved"], "WorkingDir": "/srv"}, "rootfs": serde_json::from_slice::<serde_json::Value>(&image.config).unwrap()["rootfs"]});
    let moved = Image::of(image.layers.clone(), config);
    registry.push("team/tiny", "1", &moved);
    succeeds(&atoll.cli(&["image", "pull", &reference]));
    assert_eq!(digest(&reference).await, format!("sha256:{}", moved.digest()));
    let ran = succeeds(&atoll.cli(&["run", "--image", &reference, "--user", "0", "--", "/bin/hello", "x"]));
    assert_eq!(ran, "x moved uid 0 in /srv hidden -1\n");
    inside.delete().await;

    // By its digest, under a name of its own.
    let old = format!("{}/team/tiny@sha256:{}", registry.address, image.digest());
    assert_eq!(succeeds(&atoll.cli(&["image", "pull", &old, "--name", "tiny"])), "tiny\n");
    assert_eq!(digest("tiny").await, format!("sha256:{}", image.digest()));
    refused(&atoll.cli(&["image", "pull", &format!("{}/team/none", registry.address)]), "has no image");
    refused(&atoll.cli(&["image", "pull", "team/tiny"]), "names no registry");
    // A host of a private network only where it is said.
    let unnamed = reference.replace("127.0.0.1", "localhost");
    refused(&atoll.cli(&["image", "pull", &unnamed]), "the setting registries");
    succeeds(&atoll.cli(&["image", "rm", &reference, "tiny"]));
    assert_eq!(spooled(atoll.data()), 0);
    atoll.finish().await;
}

#[tokio::test]
async fn a_pull_that_dies_with_serve_leaves_nothing() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = hanging.local_addr().unwrap().to_string();
    let mut atoll = Atoll::start_with(&["--insecure-registries", &address]).await;
    let mut pull = atoll.cli_command("atoll", &["image", "pull", &format!("{address}/app")]).spawn().unwrap();
    let asked = tokio::task::spawn_blocking(move || {
        let (mut connection, _) = hanging.accept().unwrap();
        let mut request = [0; 64];
        let read = connection.read(&mut request).unwrap();
        (connection, String::from_utf8_lossy(&request[..read]).into_owned())
    });
    let (connection, request) = asked.await.unwrap();
    assert!(request.starts_with("GET /v2/app/manifests/latest"), "{request}");
    atoll.kill(Role::Serve);
    atoll.ready().await;
    drop(connection);
    let ended = until("the end of the pull", SOON, async || pull.try_wait().unwrap()).await;
    assert!(!ended.success());
    assert_eq!(spooled(atoll.data()), 0);
    assert_eq!(atoll.client.image_list(None).await.unwrap().items.len(), 1);
    atoll.finish().await;
}

#[tokio::test]
async fn a_disk_that_fills_during_a_pull_keeps_nothing_of_it() {
    let registry = Registry::start().await;
    let mut noise = vec![0; 96 << 20];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut noise).unwrap();
    let config = json!({"architecture": crate::harness::architecture(), "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", "a".repeat(64))]}});
    registry.push("large", "latest", &Image::of(vec![noise], config));
    let flags = ["--insecure-registries", &registry.address];
    let atoll = Atoll::start_on_with(&flags, Format::Ext4, 3 << 30).await;
    atoll.disk().fill(48 << 20);
    let free = atoll.disk().free_bytes();
    refused(&atoll.cli(&["image", "pull", &format!("{}/large", registry.address)]), "no room");
    until("the room to be back", SOON, async || (atoll.disk().free_bytes() + (8 << 20) > free).then_some(()))
        .await;
    assert_eq!(spooled(atoll.data()), 0);
    atoll.disk().empty();
    assert_eq!(atoll.client.image_list(None).await.unwrap().items.len(), 1);
    atoll.finish().await;
}
