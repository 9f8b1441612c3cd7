//! Images of registries: a real one, and one that hangs.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use atoll_api_types::{CreateSandbox, PullImage, PullProgress};
use serde_json::json;

use crate::harness::{Atoll, Format, Image, ME, Registry, Role, until};

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
async fn an_image_is_pushed_and_comes_back_as_it_was() {
    let registry = Registry::start().await;
    let atoll = Atoll::start_with(&["--insecure-registries", &registry.address]).await;
    let folder = tempfile::tempdir().unwrap();
    succeeds(&atoll.cli(&["image", "import", "tiny:1", &Image::tiny().save(folder.path())]));
    let reference = format!("{}/team/tiny:1", registry.address);
    let pushed = succeeds(&atoll.cli(&["image", "push", "tiny:1", &reference]));
    assert!(pushed.starts_with(&format!("{reference}@sha256:")), "{pushed}");
    assert_eq!(succeeds(&atoll.cli(&["image", "push", "tiny:1", &reference])), pushed, "the same again");
    let before = shown(&atoll, "tiny:1").await;
    succeeds(&atoll.cli(&["image", "rm", "tiny:1"]));
    succeeds(&atoll.cli(&["image", "pull", pushed.trim(), "--name", "again"]));
    let after = shown(&atoll, "again").await;
    assert_eq!(
        (after.env, after.command, after.cwd, after.user, after.exposed_ports),
        (before.env, before.command, before.cwd, before.user, before.exposed_ports)
    );
    assert_eq!(after.health_check.unwrap().interval_ms, 5_000);
    assert_eq!(after.manifest_digest.as_deref(), pushed.trim().rsplit_once('@').map(|(_, digest)| digest));
    let ran = succeeds(&atoll.cli(&["run", "--image", "again", "--", "/bin/hello", "x"]));
    assert_eq!(ran, "x hello uid 0 in /srv hidden -1\n");

    let unnamed = reference.replace("127.0.0.1", "localhost");
    refused(&atoll.cli(&["image", "push", "again", &unnamed]), "the setting registries");
    refused(&atoll.cli(&["image", "push", "again"]), "names no registry");
    refused(&atoll.cli(&["image", "push", "host", &reference]), "never pushed");
    refused(&atoll.cli(&["image", "push", "none", &reference]), "no such image");
    assert_eq!(spooled(atoll.data()), 0);
    succeeds(&atoll.cli(&["image", "rm", "again"]));
    atoll.finish().await;
}

#[tokio::test]
async fn a_push_needs_the_right_password() {
    let registry = Registry::start_closed().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("auth.json");
    let auths = |auth: &str| json!({"auths": {&registry.address: {"auth": auth}}}).to_string();
    std::fs::write(&file, auths("bWU6d3Jvbmc=")).unwrap();
    let flags = ["--insecure-registries", &registry.address, "--registry-auth-file", file.to_str().unwrap()];
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let atoll = Atoll::start_with(&flags).await;
    succeeds(&atoll.cli(&["image", "import", "tiny:1", &Image::tiny().save(folder.path())]));
    let reference = format!("{}/team/tiny:1", registry.address);
    refused(&atoll.cli(&["image", "push", "tiny:1", &reference]), "with the credentials of registryAuthFile");
    std::fs::write(&file, auths(ME)).unwrap();
    let pushed = succeeds(&atoll.cli(&["image", "push", "tiny:1", &reference]));
    succeeds(&atoll.cli(&["image", "pull", pushed.trim(), "--name", "again"]));
    std::fs::write(&file, "{}").unwrap();
    refused(&atoll.cli(&["image", "push", "tiny:1", &reference]), "registryAuthFile has none for it");
    assert_eq!(spooled(atoll.data()), 0);
    succeeds(&atoll.cli(&["image", "rm", "tiny:1", "again"]));
    atoll.finish().await;
}

/// Names in a folder of the storage.
fn pooled(atoll: &Atoll, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(atoll.data().join("native/pool").join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Bytes that nothing compresses.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut noise).unwrap();
    noise
}

#[tokio::test]
async fn layers_that_two_images_share_are_fetched_and_kept_once() {
    let registry = Registry::start().await;
    // Docker beside it would take whole images.
    let atoll =
        Atoll::start_with(&["--insecure-registries", &registry.address, "--docker-host", "off"]).await;
    let base = Image::tiny().with("noise", &noise(8 << 20));
    let pull = async |name: &str| {
        registry.push(name, "1", &base.with(name, name.as_bytes()));
        let reference = format!("{}/{name}:1", registry.address);
        let asked = PullImage { reference, name: Some(name.to_owned()) };
        let mut last = PullProgress::default();
        let image = atoll.client.image_pull(&asked, |progress| last = progress.clone()).await.unwrap();
        (image, last)
    };
    let (_, progress) = pull("one").await;
    assert!(progress.existing_bytes == 0 && progress.total_bytes > 8 << 20, "{progress:?}");
    let (_, progress) = pull("two").await;
    assert!(progress.existing_bytes > 8 << 20 && progress.total_bytes < 1_000, "{progress:?}");
    assert_eq!(pooled(&atoll, "layers").len(), 5);
    for name in ["one", "two"] {
        let image = shown(&atoll, name).await;
        let (shared, unique) = (image.shared_bytes.unwrap(), image.unique_bytes.unwrap());
        assert!(shared > 8 << 20 && unique == 3, "{name}: {shared} {unique}");
        assert_eq!(image.size_bytes, Some(shared + unique));
    }
    // Again: nothing is fetched, and it is the same image.
    let before = shown(&atoll, "two").await.digest;
    let (image, progress) = pull("two").await;
    assert_eq!((progress.total_bytes, image.digest), (0, before));

    let (one, two) = (shown(&atoll, "one").await.digest, shown(&atoll, "two").await.digest);
    assert_ne!(one, two);
    succeeds(&atoll.cli(&["image", "rm", "one"]));
    assert_eq!(pooled(&atoll, "layers").len(), 4);
    assert_eq!(shown(&atoll, "two").await.shared_bytes, Some(0));
    let ran = succeeds(&atoll.cli(&["run", "--image", "two", "--", "/bin/hello", "x"]));
    assert_eq!(ran, "x hello uid 0 in /srv hidden -1\n");
    succeeds(&atoll.cli(&["image", "rm", "two"]));
    assert_eq!((pooled(&atoll, "layers"), pooled(&atoll, "images")), (vec![], vec![]));
    atoll.finish().await;
}

#[tokio::test]
async fn an_image_whose_launcher_dies_while_its_layers_are_unpacked_leaves_nothing() {
    let registry = Registry::start().await;
    let mut atoll =
        Atoll::start_with(&["--insecure-registries", &registry.address, "--docker-host", "off"]).await;
    let mut image = Image::tiny();
    for name in ["a", "b", "c", "d"] {
        image = image.with(name, &noise(24 << 20));
    }
    registry.push("large", "1", &image);
    let reference = format!("{}/large:1", registry.address);
    let mut pull = atoll.cli_command("atoll", &["image", "pull", &reference]).spawn().unwrap();
    until("a layer that is being unpacked over others", SOON, async || {
        let names = pooled(&atoll, "layers");
        (names.len() > 1 && names.iter().any(|name| name.starts_with(".import-"))).then_some(())
    })
    .await;
    atoll.kill(Role::Launcher);
    atoll.ready().await;
    until("the end of the pull", SOON, async || pull.try_wait().unwrap()).await;
    // Its caller may have had it tried again; then it is an image, and goes as one.
    let _none = atoll.cli(&["image", "rm", &reference]);
    until("nothing to be left", SOON, async || {
        (pooled(&atoll, "layers").is_empty() && pooled(&atoll, "images").is_empty()).then_some(())
    })
    .await;
    atoll.finish().await;
}

async fn shown(atoll: &Atoll, name: &str) -> atoll_api_types::Image {
    let listed = atoll.client.image_list(None).await.unwrap().items;
    listed.into_iter().find(|one| one.name == name).unwrap()
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
    let noise = noise(96 << 20);
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
