//! What Atoll refuses on Docker, and what there is not its own.

use atoll_api_types::CreateSandbox;
use atoll_types::RuntimeKind;

use crate::harness::{Atoll, Dockerd, Role, busybox, until};
use crate::runtimes::{IMAGE, PATIENCE, finish, import, new, started};

#[tokio::test]
async fn what_cannot_be_is_said_and_never_replaced() {
    let docker = Dockerd::start(false);
    let atoll = started(&docker).await;
    let refused = async |change: fn(&mut CreateSandbox)| {
        let mut asked = new(RuntimeKind::Docker);
        change(&mut asked);
        let error = atoll.client.sandbox_create(&asked).await.unwrap_err();
        (error.code().unwrap_or_default().to_owned(), error.to_string())
    };
    let wrong: [fn(&mut CreateSandbox); 2] =
        [|new| new.image = Some("host".to_owned()), |new| new.network = Some("all".to_owned())];
    for change in wrong {
        let (code, text) = refused(change).await;
        assert!(code == "invalid_request" && text.contains("docker"), "{code}: {text}");
    }
    assert_eq!(docker.containers(), Vec::<String>::new());
    finish(atoll, &docker).await;

    let without = Atoll::start_with(&["--docker-host", "off"]).await;
    import(&without);
    for kind in [RuntimeKind::Docker, RuntimeKind::Gvisor] {
        let error = without.client.sandbox_create(&new(kind)).await.unwrap_err();
        assert_eq!(error.code(), Some("runtime_unavailable"), "{error}");
        assert!(error.to_string().contains("dockerHost"), "{error}");
    }
    assert!(without.cli(&["image", "rm", IMAGE]).status.success());
    without.finish().await;
}

#[tokio::test]
async fn an_image_with_layers_is_docker_s_too_and_gets_no_name_of_a_stranger_s() {
    let docker = Dockerd::start(false);
    let host = docker.host();
    let atoll = Atoll::start_with(&["--docker-host", &host]).await;
    let folder = tempfile::tempdir().unwrap();
    let (root, saved) = (folder.path().join("root.tar"), folder.path().join("saved.tar"));
    busybox(&root);
    docker.ok(&["import", root.to_str().unwrap(), "stranger:1"]);
    docker.ok(&["save", "--output", saved.to_str().unwrap(), "stranger:1"]);
    docker.ok(&["rmi", "stranger:1"]);
    let import = atoll.cli(&["image", "import", IMAGE, saved.to_str().unwrap()]);
    assert!(import.status.success(), "{import:?}");
    let images = docker.ok(&["images", "--format", "{{.Repository}}"]);
    assert!(images.starts_with("atoll-") && images.lines().count() == 1, "{images}");
    let run = atoll.cli(&["run", "--runtime", "docker", "--image", IMAGE, "--", "id", "-un"]);
    assert_eq!(String::from_utf8_lossy(&run.stdout), "agent\n", "{run:?}");
    finish(atoll, &docker).await;
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let docker = Dockerd::start(false);
    let atoll = started(&docker).await;
    let image = docker.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    let theirs = ["run", "--detach", "--name", "theirs", "--label", "atoll.installation=zzzzzzzz"];
    docker
        .ok(&[&theirs[..], &["--label", "atoll.sandbox=000000000000", image.trim(), "sleep", "1000"]]
            .concat());
    let sandbox = atoll.create_with(&new(RuntimeKind::Docker)).await;
    // One of ours that no record owns goes at the next look, which a new serve has at once.
    let (id, name) = ("111111111111", "sandbox-111111111111");
    let installation = std::fs::read_to_string(atoll.data().join("installation")).unwrap();
    let labels = [
        format!("atoll.installation={}", installation.trim()),
        format!("atoll.sandbox={id}"),
        "atoll.runtime=docker".to_owned(),
    ];
    let labels = labels.iter().flat_map(|label| ["--label", label]);
    let words: Vec<&str> =
        ["create", "--name", name].into_iter().chain(labels).chain([image.trim(), "sh"]).collect();
    docker.ok(&words);
    atoll.kill(Role::Serve);
    let gone = async || (!docker.containers().iter().any(|one| one == name)).then_some(());
    until("its removal", PATIENCE, gone).await;
    let mut left = docker.containers();
    left.sort();
    assert_eq!(left, [format!("sandbox-{}", sandbox.id), "theirs".to_owned()]);
    assert_eq!(sandbox.ok("echo still").await, "still\n");
    docker.ok(&["rm", "--force", "theirs"]);
    finish(atoll, &docker).await;
}

/// What a crash of everything has left in Docker, root finds and removes while nothing of Atoll runs; and nothing of anybody else's.
#[tokio::test]
async fn doctor_removes_what_no_record_owns_in_docker_and_touches_nobody_else_s() {
    let docker = Dockerd::start(false);
    let mut atoll = started(&docker).await;
    let id = atoll.create_with(&new(RuntimeKind::Docker)).await.id;
    let image = docker.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).trim().to_owned();
    let installation = std::fs::read_to_string(atoll.data().join("installation")).unwrap().trim().to_owned();
    atoll.stop().await;
    atoll.assert_healthy();

    let lost = format!("atoll-{installation}:{}", "0".repeat(64));
    let make = |whose: &str, name: &str| {
        let label = format!("atoll.installation={whose}");
        let container = ["run", "--detach", "--name", name, "--label", &label];
        docker
            .ok(&[&container[..], &["--label", "atoll.sandbox=111111111111", &image, "sleep", "1000"]]
                .concat());
        docker.ok(&["network", "create", "--label", &label, name]);
        docker.ok(&["volume", "create", "--label", &label, name]);
    };
    make(&installation, "lost");
    make("zzzzzzzz", "theirs");
    docker.ok(&["tag", &image, &lost]);
    docker.ok(&["tag", &image, "atoll-zzzzzzzz:1"]);
    let kinds = |report: &serde_json::Value, list: &str| {
        let all = report[list].as_array().unwrap().iter().filter(|one| one["severity"] == "leak");
        let mut kinds: Vec<String> = all.map(|one| one["kind"].as_str().unwrap().to_owned()).collect();
        kinds.sort();
        kinds
    };
    let four = ["container", "docker_image", "docker_network", "docker_volume"];
    let found = atoll.doctor();
    assert_eq!(
        (kinds(&found, "findings"), &found["healthy"]),
        (four.map(str::to_owned).to_vec(), &false.into())
    );
    let data = atoll.data().to_str().unwrap().to_owned();
    let fixed = atoll.cli(&["doctor", "--fix", "--data-dir", &data, "--output", "json"]);
    assert!(fixed.status.success(), "{}", String::from_utf8_lossy(&fixed.stderr));
    let fixed: serde_json::Value = serde_json::from_slice(&fixed.stdout).unwrap();
    assert_eq!(kinds(&fixed, "fixed"), four);

    let mut left = docker.containers();
    left.sort();
    assert_eq!(left, [format!("sandbox-{id}"), "theirs".to_owned()]);
    for what in ["network", "volume"] {
        let said = docker.ok(&[what, "ls", "--format", "{{.Name}}"]);
        assert!(said.lines().any(|name| name == "theirs") && !said.contains("lost"), "{what}: {said}");
    }
    let images = docker.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert!(
        images.contains(&image) && images.contains("atoll-zzzzzzzz:1") && !images.contains(&lost),
        "{images}"
    );

    docker.ok(&["rm", "--force", "theirs"]);
    docker.ok(&["network", "rm", "theirs"]);
    docker.ok(&["volume", "rm", "theirs"]);
    docker.ok(&["rmi", "atoll-zzzzzzzz:1"]);
    atoll.start_again().await;
    finish(atoll, &docker).await;
}
