//! GPUs of sandboxes in Docker: asked for as they should be, and what is said where there are none.

use atoll_api_types::{CreateSandbox, Gpus};

use crate::harness::{Atoll, Dockerd, busybox};

/// Name of the image.
const IMAGE: &str = "busybox";

fn new(runtime: &str, gpus: Option<Gpus>) -> CreateSandbox {
    CreateSandbox {
        image: (runtime != "native").then(|| IMAGE.to_owned()),
        runtime: Some(runtime.to_owned()),
        memory: Some(64),
        gpus,
        ..CreateSandbox::default()
    }
}

async fn started(docker: &Dockerd, more: &[&str]) -> Atoll {
    let host = docker.host();
    let atoll = Atoll::start_with(&[&["--docker-host", &host][..], more].concat()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.tar");
    busybox(&file);
    assert!(atoll.cli(&["image", "import", IMAGE, file.to_str().unwrap()]).status.success());
    atoll
}

/// The code and the text of the refusal; nothing is left of it, and its sandbox has no record.
async fn refused(atoll: &Atoll, docker: &Dockerd, asked: &CreateSandbox) -> (String, String) {
    let error = atoll.client.sandbox_create(asked).await.unwrap_err();
    assert_eq!(docker.containers(), Vec::<String>::new());
    assert_eq!(docker.networks(), Vec::<String>::new());
    let list = atoll.cli(&["ls", "--quiet"]);
    assert!(list.status.success() && list.stdout.is_empty(), "{list:?}");
    (error.code().unwrap_or_default().to_owned(), error.to_string())
}

async fn finish(atoll: Atoll, docker: &Dockerd) {
    atoll.delete_all().await;
    assert_eq!(docker.containers(), Vec::<String>::new());
    assert!(atoll.cli(&["image", "rm", IMAGE]).status.success());
    atoll.finish().await;
}

#[tokio::test]
async fn a_gpu_is_the_operators_to_allow() {
    let docker = Dockerd::start(false);
    let atoll = started(&docker, &[]).await;
    assert_eq!(atoll.health()["runtimes"]["docker"]["gpus"], false);
    let (code, text) = refused(&atoll, &docker, &new("docker", Some(Gpus::Count(1)))).await;
    assert!(code == "gpu_unavailable" && text.contains("dockerGpus"), "{code}: {text}");
    let sandbox = atoll.create_with(&new("docker", None)).await;
    assert_eq!(sandbox.get().await.gpus, Gpus::default());
    finish(atoll, &docker).await;
}

/// The daemon of this test has no driver, as most have none.
#[tokio::test]
async fn without_a_driver_of_dockers_it_is_said_what_is_missing_and_nothing_is_left() {
    let docker = Dockerd::start(false);
    let atoll = started(&docker, &["--docker-gpus", "allowed"]).await;
    let health = atoll.health();
    let gpus = |runtime: &str| health["runtimes"][runtime]["gpus"].clone();
    assert_eq!((gpus("docker"), gpus("native"), gpus("gvisor")), (true.into(), false.into(), false.into()));
    let device = Gpus::Devices(vec!["GPU-3a23c669".to_owned()]);
    for gpus in [Gpus::Word("all".to_owned()), Gpus::Count(2), device] {
        let (code, text) = refused(&atoll, &docker, &new("docker", Some(gpus))).await;
        assert!(code == "gpu_unavailable" && text.contains("NVIDIA Container Toolkit"), "{code}: {text}");
    }
    let (code, text) = refused(&atoll, &docker, &new("native", Some(Gpus::Count(1)))).await;
    assert!(code == "invalid_request" && text.contains("gpus") && text.contains("'native'"), "{text}");
    let run =
        atoll.cli(&["run", "--runtime", "docker", "--image", IMAGE, "--gpus", "device=0,1", "--", "true"]);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(!run.status.success() && said.contains("NVIDIA Container Toolkit"), "{said}");
    finish(atoll, &docker).await;
}
