//! Fetches from registries that are slow, broken or hostile.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod pushes;
mod registry;

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use atoll_oci::digest_of;
use atoll_ports::{Fetched, PullProgress, RegistryError};
use parking_lot::Mutex;
use registry::{Fault, Registry, architecture, config, layer, manifest};
use serde_json::json;

/// What an archive holds, by name.
fn held(fetched: Fetched) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(fetched.archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), bytes)
    });
    entries.collect()
}

fn blob(bytes: &[u8]) -> String {
    format!("blobs/sha256:{}", digest_of(bytes))
}

async fn refused(registry: &Registry, which: &str) -> String {
    registry.fetch(which).await.unwrap_err().to_string()
}

#[tokio::test]
async fn an_image_becomes_a_layout_and_the_same_image_the_same_layout() {
    let registry = Registry::start().await;
    let layers = [layer(1), layer(2), layer(1)];
    let digest = registry.put("1", &architecture(), &layers);
    let told = Mutex::new(Vec::new());
    let fetched = registry.fetch_with("1", |_| {}, &|progress| told.lock().push(progress)).await.unwrap();
    assert_eq!(fetched.manifest.as_str(), digest);
    let mut first = Vec::new();
    (&fetched.archive).read_to_end(&mut first).unwrap();
    let again = registry.fetch(&format!("@sha256:{digest}")).await.unwrap();
    let mut second = Vec::new();
    (&again.archive).read_to_end(&mut second).unwrap();
    assert!(first == second, "the archives differ");

    let held = held(registry.fetch("1").await.unwrap());
    assert_eq!(held.len(), 6, "{:?}", held.keys());
    for layer in &layers {
        assert!(held[&format!("blobs/sha256/{}", digest_of(layer))] == *layer);
    }
    let told = told.into_inner();
    assert_eq!(told[0], PullProgress::Found { layers: 3, total_bytes: 900_000, existing_bytes: 0 });
    assert_eq!(told.last(), Some(&PullProgress::Fetched { bytes: 600_000, total_bytes: 900_000 }));
}

#[tokio::test]
async fn a_layer_that_is_cut_off_is_taken_up_where_it_was() {
    let registry = Registry::start().await;
    let layers = [layer(1)];
    registry.put("1", &architecture(), &layers);
    // Cut again and again, as long as something comes; a registry without parts sends the whole.
    let path = blob(&layers[0]);
    registry.fault(&path, &[Fault::Cut(100_000), Fault::Status(503, "x-a", "b"), Fault::Whole]);
    let found = held(registry.fetch("1").await.unwrap());
    assert!(found[&path.replace(':', "/")] == layers[0]);
    registry.fault(&path, &[Fault::Cut(100_000)]);
    registry.fetch("1").await.unwrap();
    let asked = registry.asked();
    assert_eq!(asked.iter().filter(|line| line.contains(" bytes=")).count(), 3, "{asked:?}");

    registry.fault(&path, &[Fault::Cut(100), Fault::WrongPart]);
    assert!(refused(&registry, "1").await.contains("another part"));
    registry.fault(&path, &vec![Fault::Cut(0); 9]);
    assert!(refused(&registry, "1").await.contains("a layer ended after 0 of 300000 bytes"));
}

#[tokio::test]
async fn a_registry_that_hangs_is_given_up() {
    let registry = Registry::start().await;
    let layers = [layer(1)];
    registry.put("1", &architecture(), &layers);
    let silent = |options: &mut atoll_images::Options| options.patience.silence = Duration::from_millis(300);
    for (path, fault) in [("manifests/1", Fault::Mute), (&*blob(&layers[0]), Fault::Hang(0))] {
        registry.fault(path, &vec![fault; 9]);
        let error = registry.fetch_with("1", silent, &|_| {}).await.unwrap_err();
        assert!(matches!(error, RegistryError::Unavailable(_)), "{error}");
        let whole = |options: &mut atoll_images::Options| options.patience.whole = Duration::from_millis(300);
        let error = registry.fetch_with("1", whole, &|_| {}).await.unwrap_err();
        assert!(error.to_string().contains("it took more than"), "{error}");
    }
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let away = registry.at(&gone.to_string());
    assert!(refused(&away, "1").await.contains("no connection"));
}

#[tokio::test]
async fn a_registry_that_wants_to_be_left_alone_is() {
    let registry = Registry::start().await;
    let layers = [layer(1)];
    registry.put("1", &architecture(), &layers);
    let busy = |seconds| Fault::Status(429, "retry-after", seconds);
    registry.fault("manifests/1", &[busy("0"), Fault::Status(500, "x-a", "b")]);
    registry.fault(&blob(&layers[0]), &[busy("0"), Fault::Status(502, "x-a", "b")]);
    registry.fetch("1").await.unwrap();
    // More than anybody waits.
    registry.fault("manifests/1", &[busy("86400")]);
    let error = registry.fetch("1").await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Busy { retry_after: Some(wait) } if wait.as_secs() == 86_400),
        "{error}"
    );
    registry.fault("manifests/1", &vec![busy("soon"); 9]);
    let error = registry.fetch("1").await.unwrap_err();
    assert!(matches!(error, RegistryError::Busy { retry_after: None }), "{error}");
}

#[tokio::test]
async fn what_is_not_what_was_asked_for_is_refused() {
    let registry = Registry::start().await;
    let layers = [layer(1)];
    let digest = registry.put("1", &architecture(), &layers);
    let path = blob(&layers[0]);
    let cases = [
        (path.as_str(), layer(2), "the registry sent a layer with the digest"),
        (&path, [layer(1), vec![0]].concat(), "sends more than the 300000 bytes"),
        (&path, vec![0; 4 << 20], "sends more than the 300000 bytes"),
        ("manifests/1", b"no json".to_vec(), "no JSON"),
        ("manifests/1", b"{}".to_vec(), "cannot be used"),
        ("manifests/1", vec![b' '; 5 << 20], "has more than 4194304 bytes"),
        (&blob(&config(&architecture(), 1)), config("s390x", 1), "its configuration has the digest"),
    ];
    for (path, other, words) in cases {
        registry.fault(path, &[Fault::Other(other)]);
        let why = refused(&registry, "1").await;
        assert!(why.contains(words), "{why}");
    }
    registry.fault(&format!("manifests/sha256:{digest}"), &[Fault::Other(b"{}".to_vec())]);
    assert!(refused(&registry, &format!("@sha256:{digest}")).await.contains("a manifest has the digest"));
    assert!(matches!(registry.fetch("2").await.unwrap_err(), RegistryError::NotFound(_)));

    // More than may be: said before anything large is fetched.
    registry.put("large", &architecture(), &[layer(1), layer(2), layer(3), layer(4)]);
    let before = registry.asked().len();
    assert!(matches!(registry.fetch("large").await.unwrap_err(), RegistryError::TooLarge { .. }));
    assert_eq!(registry.asked().len(), before + 1);
    let mut many = manifest(&config(&architecture(), 1), &layers);
    many["layers"] = json!(vec![many["layers"][0].clone(); 600]);
    registry.put_manifest("many", many.to_string().as_bytes());
    assert!(refused(&registry, "many").await.contains("more than 512 layers"));
}

#[tokio::test]
async fn the_image_of_this_processor_is_fetched() {
    let registry = Registry::start().await;
    let ours = registry.put("ours", &architecture(), &[layer(1)]);
    let theirs = registry.put("theirs", "s390x", &[layer(2)]);
    let index = |list: &[(&str, &str)]| {
        let one = |(digest, architecture): &(&str, &str)| {
            json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1,
                "digest": format!("sha256:{digest}"), "platform": {"os": "linux", "architecture": architecture}})
        };
        json!({"schemaVersion": 2, "manifests": list.iter().map(one).collect::<Vec<_>>()}).to_string()
    };
    registry.put_manifest("both", index(&[(&theirs, "s390x"), (&ours, &architecture())]).as_bytes());
    assert_eq!(registry.fetch("both").await.unwrap().manifest.as_str(), ours);
    registry.put_manifest("other", index(&[(&theirs, "s390x")]).as_bytes());
    for which in ["other", "theirs"] {
        let why = refused(&registry, which).await;
        assert!(why.contains("the image is made for linux/s390x; this host runs linux/"), "{why}");
    }
    // An index that says so of an image of another.
    registry.put_manifest("liar", index(&[(&theirs, &architecture())]).as_bytes());
    assert!(refused(&registry, "liar").await.contains("made for linux/s390x"));
}

#[tokio::test]
async fn a_tag_that_moves_meanwhile_gives_one_image_or_the_other() {
    let registry = Registry::start().await;
    let before = registry.put("1", &architecture(), &[layer(1)]);
    registry.fault(&blob(&layer(1)), &[Fault::Status(503, "retry-after", "0")]);
    let moves = |progress| {
        if let PullProgress::Found { .. } = progress {
            registry.put("1", &architecture(), &[layer(2)]);
        }
    };
    let fetched = registry.fetch_with("1", |_| {}, &moves).await.unwrap();
    assert_eq!(fetched.manifest.as_str(), before);
    assert!(held(fetched).contains_key(&format!("blobs/sha256/{}", digest_of(&layer(1)))));
    assert_ne!(registry.fetch("1").await.unwrap().manifest.as_str(), before);
}

#[tokio::test]
async fn who_asks_is_told_where_it_is_wanted_and_nowhere_else() {
    let registry = Registry::start().await;
    registry.put("1", &architecture(), &[layer(1)]);
    registry.fault("manifests/1", &[Fault::WantsToken]);
    registry.fetch("1").await.unwrap();
    let asked = registry.asked();
    assert_eq!(asked[1], "/token?service=here&scope=repository%3Aapp%3Apull - -");
    assert!(asked[2..].iter().all(|line| line.ends_with(" Bearer good")), "{asked:?}");

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    let auths = json!({"auths": {&registry.address: {"username": "me", "password": "it"}}});
    std::fs::write(&file, auths.to_string()).unwrap();
    let known = |options: &mut atoll_images::Options| options.auth_file = Some(file.clone());
    for (fault, words) in [(Fault::WantsToken, "/token"), (Fault::WantsPassword, "/v2/app/manifests")] {
        registry.fault("manifests/1", &[fault]);
        registry.fetch_with("1", known, &|_| {}).await.unwrap();
        let asked = registry.asked();
        assert!(
            asked.iter().any(|line| line.starts_with(words) && line.ends_with("Basic bWU6aXQ=")),
            "{asked:?}"
        );
    }

    registry.fault("manifests/1", &[Fault::WantsPassword, Fault::WantsToken, Fault::WantsToken]);
    let none = registry.fetch("1").await.unwrap_err();
    assert!(
        matches!(&none, RegistryError::Denied(..)) && none.to_string().contains("registryAuthFile"),
        "{none}"
    );
    let wrong = registry.fetch("1").await.unwrap_err();
    assert!(matches!(wrong, RegistryError::Denied(..)), "{wrong}");
    // A password goes to no place that the registry names, without TLS elsewhere than in a registry without.
    let evil = "Bearer realm=\"ftp://127.0.0.1/token\"";
    registry.fault("manifests/1", &[Fault::Status(401, "www-authenticate", evil)]);
    assert!(refused(&registry, "1").await.contains("no place to get a token"));
}

#[tokio::test]
async fn redirects_are_followed_but_not_for_ever() {
    let registry = Registry::start().await;
    let layers = [layer(1)];
    registry.put("1", &architecture(), &layers);
    registry.put_at("elsewhere", &layers[0]);
    registry.fault(&blob(&layers[0]), &[Fault::Status(307, "location", "/v2/app/elsewhere")]);
    registry.fetch("1").await.unwrap();
    assert!(registry.asked().iter().any(|line| line.starts_with("/v2/app/elsewhere")));
    registry.fault("manifests/1", &vec![Fault::Status(302, "location", "/v2/app/manifests/1"); 50]);
    assert!(matches!(registry.fetch("1").await.unwrap_err(), RegistryError::Unavailable(_)));
}

#[tokio::test]
async fn a_registry_inside_is_asked_only_where_the_operator_has_named_it() {
    let registry = Registry::start().await;
    let allowed = |text: &str| {
        let allowed = text.parse().unwrap();
        |options: &mut atoll_images::Options| {
            options.insecure.clear();
            options.allowed = allowed;
        }
    };
    for (list, why) in
        [("public", "the operator can name it"), ("a.example", "is not in the setting registries")]
    {
        let error = registry.fetch_with("1", allowed(list), &|_| {}).await.unwrap_err();
        assert!(matches!(&error, RegistryError::NotAllowed(said) if said.contains(why)), "{error}");
    }
    assert!(registry.asked().is_empty());
    // Then it is, and speaks no TLS.
    let error = registry.fetch_with("1", allowed(&registry.address), &|_| {}).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn layers_that_are_here_are_not_fetched() {
    let mut registry = Registry::start().await;
    let layers = [layer(1), layer(2), layer(3)];
    registry.put("1", &architecture(), &layers);
    // The third is here over other layers than this image has below it.
    registry.known =
        Some(std::sync::Arc::new(registry::Known(vec![digest_of(&layers[0]), digest_of(&layers[2])])));
    let told = Mutex::new(Vec::new());
    let fetched = registry.fetch_with("1", |_| {}, &|step| told.lock().push(step)).await.unwrap();
    assert_eq!(fetched.left_out, 1);
    let held = held(fetched);
    assert!(!held.contains_key(&blob(&layers[0]).replace(':', "/")), "{:?}", held.keys());
    assert!(held[&blob(&layers[2]).replace(':', "/")] == layers[2]);
    let first = PullProgress::Found { layers: 3, total_bytes: 600_000, existing_bytes: 300_000 };
    assert_eq!(told.into_inner()[0], first);
    assert!(!registry.asked().iter().any(|line| line.contains(&digest_of(&layers[0]))));
}
