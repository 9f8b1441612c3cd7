//! Pushes to registries that are slow, broken or hostile.

use std::time::Duration;

use atoll_images::Options;
use atoll_oci::digest_of;
use atoll_ports::{PushProgress, RegistryError};
use parking_lot::Mutex;

use crate::blob;
use crate::registry::{Fault, Registry, layer};

async fn pushed(registry: &Registry) -> Result<String, RegistryError> {
    let pushed = registry.push_with(&layer(1), false, |_| {}, &|_| {}).await?;
    Ok(pushed.manifest.to_string())
}

#[tokio::test]
async fn what_is_pushed_can_be_fetched_and_is_sent_once() {
    let registry = Registry::start().await;
    let told = Mutex::new(Vec::new());
    let tell = |step| told.lock().push(step);
    let sent = registry.push_with(&layer(1), false, |_| {}, &tell).await.unwrap();
    assert_eq!(sent.bytes, 300_000);
    assert_eq!(told.lock().last(), Some(&PushProgress::Pushed { bytes: 300_000, total_bytes: 300_000 }));
    assert_eq!(registry.thing(&blob(&layer(1))).unwrap(), layer(1));
    let manifest = registry.thing("manifests/1").unwrap();
    assert_eq!(digest_of(&manifest), sent.manifest.as_str());
    assert_eq!(registry.fetch("1").await.unwrap().manifest, sent.manifest);

    let puts = || registry.asked().iter().filter(|line| line.starts_with("PUT /v2/app/upload")).count();
    assert_eq!(puts(), 2, "the layer and the configuration");
    let again = registry.push_with(&layer(1), false, |_| {}, &tell).await.unwrap();
    assert_eq!((again, puts()), (sent, 2));
    assert_eq!(told.lock().last(), Some(&PushProgress::Exists { total_bytes: 300_000 }));
}

#[tokio::test]
async fn what_fails_for_a_while_is_sent_again() {
    let registry = Registry::start().await;
    registry.fault(&blob(&layer(1)), &[Fault::Status(429, "retry-after", "0")]);
    registry.fault("blobs/uploads/", &[Fault::Status(503, "x-a", "b")]);
    registry.fault("upload", &[Fault::Status(500, "x-a", "b"), Fault::Status(429, "retry-after", "0")]);
    registry.fault("manifests/1", &[Fault::Status(502, "x-a", "b")]);
    pushed(&registry).await.unwrap();
    assert_eq!(registry.thing(&blob(&layer(1))).unwrap(), layer(1));

    let registry = Registry::start().await;
    registry.fault("upload", &vec![Fault::Status(500, "x-a", "b"); 9]);
    let error = pushed(&registry).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable(_)), "{error}");
    registry.fault("blobs/uploads/", &[Fault::Status(429, "retry-after", "86400")]);
    let error = pushed(&registry).await.unwrap_err();
    assert!(matches!(error, RegistryError::Busy { retry_after: Some(_) }), "{error}");
    assert_eq!(registry.thing("manifests/1"), None);
}

#[tokio::test]
async fn a_registry_that_takes_nothing_is_given_up() {
    let silent = |options: &mut Options| options.patience.silence = Duration::from_millis(200);
    for path in ["upload", "blobs/uploads/", "manifests/1"] {
        let registry = Registry::start().await;
        registry.fault(path, &vec![Fault::Mute; 9]);
        // More than a connection holds.
        let error = registry.push_with(&vec![7; 32 << 20], false, silent, &|_| {}).await;
        let error = error.unwrap_err();
        assert!(matches!(error, RegistryError::Unavailable(_)), "{path}: {error}");
    }
}

#[tokio::test]
async fn what_a_registry_does_not_take_is_said_in_its_words() {
    for (status, words) in [(413, "said why"), (405, "said why")] {
        let registry = Registry::start().await;
        registry.fault("upload", &[Fault::Status(status, "x-a", "b")]);
        let error = pushed(&registry).await.unwrap_err();
        assert!(matches!(error, RegistryError::Invalid(_)) && error.to_string().contains(words), "{error}");
    }
    let registry = Registry::start().await;
    registry.fault("blobs/uploads/", &[Fault::Status(404, "x-a", "b")]);
    let error = pushed(&registry).await.unwrap_err();
    assert!(error.to_string().contains("no such repository"), "{error}");
}

#[tokio::test]
async fn the_operators_credentials_are_for_who_may_use_them() {
    let registry = Registry::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    // me:secret
    let auths = serde_json::json!({"auths": {&registry.address: {"auth": "bWU6c2VjcmV0"}}});
    std::fs::write(&file, auths.to_string()).unwrap();
    let known = |options: &mut Options| options.auth_file = Some(file.clone());
    registry.fault(&blob(&layer(1)), &[Fault::WantsPassword]);
    registry.push_with(&layer(1), true, known, &|_| {}).await.unwrap();
    let asked = registry.asked();
    let put = asked.iter().find(|line| line.starts_with("PUT /v2/app/upload")).unwrap();
    assert!(put.ends_with("Basic bWU6c2VjcmV0"), "{put}");

    registry.fault(&blob(&layer(2)), &[Fault::WantsPassword]);
    let error = registry.push_with(&layer(2), false, known, &|_| {}).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Denied(_, why) if why.contains("only an administrator")),
        "{error}"
    );
    // A token is asked for that allows to push.
    registry.fault(&blob(&layer(3)), &[Fault::WantsToken]);
    registry.push_with(&layer(3), true, known, &|_| {}).await.unwrap();
    let asked = registry.asked();
    let token = asked.iter().find(|line| line.starts_with("/token")).unwrap();
    assert!(token.contains("scope=repository%3Aapp%3Apull%2Cpush"), "{token}");
}

#[tokio::test]
async fn nothing_is_sent_to_where_it_may_not_go() {
    let registry = Registry::start().await;
    let unnamed = |options: &mut Options| options.insecure = Vec::new();
    let error = registry.push_with(&layer(1), true, unnamed, &|_| {}).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotAllowed(_)), "{error}");
    assert_eq!(registry.asked(), Vec::<String>::new());
}
