//! Limits of the disk of sandboxes in Docker, where its storage driver has any.

use atoll_api_types::CreateSandbox;

use crate::harness::{Atoll, Dockerd, Format, busybox};

/// Name of the image.
const IMAGE: &str = "busybox";

fn new(disk: Option<u64>) -> CreateSandbox {
    CreateSandbox {
        image: Some(IMAGE.to_owned()),
        runtime: Some("docker".to_owned()),
        memory: Some(64),
        disk,
        ..CreateSandbox::default()
    }
}

async fn started(docker: &Dockerd) -> Atoll {
    let host = docker.host();
    let atoll = Atoll::start_with(&["--docker-host", &host]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.tar");
    busybox(&file);
    assert!(atoll.cli(&["image", "import", IMAGE, file.to_str().unwrap()]).status.success());
    atoll
}

async fn finish(atoll: Atoll, docker: &Dockerd) {
    atoll.delete_all().await;
    assert_eq!(docker.containers(), Vec::<String>::new());
    assert!(atoll.cli(&["image", "rm", IMAGE]).status.success());
    atoll.finish().await;
}

#[tokio::test]
async fn a_container_writes_no_more_than_it_may() {
    let docker = Dockerd::start_on(Format::Btrfs);
    let atoll = started(&docker).await;
    let health = atoll.health();
    assert_eq!(health["runtimes"]["docker"]["diskLimits"], true, "{health}");
    let sandbox = atoll.create_with(&new(Some(64))).await;
    let fills = "head -c 100m /dev/zero > big; echo $?; sync; wc -c < big";
    let said = sandbox.ok(fills).await;
    let numbers: Vec<u64> = said.lines().map(|line| line.trim().parse().unwrap()).collect();
    assert!(numbers[0] != 0 && (48 << 20..72 << 20).contains(&numbers[1]), "{said}");
    // It has room again, and another has its own.
    sandbox.ok("rm big && head -c 20m /dev/zero > small && sync").await;
    let other = atoll.create_with(&new(Some(256))).await;
    other.ok("head -c 100m /dev/zero > big && sync").await;
    finish(atoll, &docker).await;
}

#[tokio::test]
async fn a_limit_that_would_not_hold_is_refused() {
    refuses(Format::Ext4).await;
}

/// Docker's driver could, were the file system below it mounted with quotas of projects.
#[tokio::test]
async fn and_on_xfs_without_quotas() {
    refuses(Format::Xfs).await;
}

async fn refuses(format: Format) {
    let docker = Dockerd::start_on(format);
    assert_eq!(docker.ok(&["info", "--format", "{{.Driver}}"]).trim(), "overlay2");
    let atoll = started(&docker).await;
    let health = atoll.health();
    assert_eq!(health["runtimes"]["docker"]["diskLimits"], false, "{health}");
    let error = atoll.client.sandbox_create(&new(Some(64))).await.unwrap_err();
    assert!(error.code() == Some("invalid_request") && error.to_string().contains("disk"), "{error}");
    assert_eq!(docker.containers(), Vec::<String>::new());
    // The default is one that need not hold.
    let sandbox = atoll.create_with(&new(None)).await;
    let copy = atoll.cli(&["replicate", sandbox.id.as_str()]);
    assert!(copy.status.success(), "{copy:?}");
    finish(atoll, &docker).await;
}
