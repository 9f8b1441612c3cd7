//! Reading from outside.

use atoll_ports::{Durability, Store};
use atoll_store::{OpenError, Reader};
use atoll_testkit::samples;
use atoll_types::NodeId;

#[tokio::test]
async fn everything_is_read_whether_the_store_is_open_or_not() {
    let (dir, store) = super::fresh().await;
    let path = dir.path().join("atoll.db");
    let user = samples::user();
    store.user_insert(&user).await.unwrap();
    let image = samples::image(&user.id, "debian:12", samples::digest('a'));
    store.image_put(&image).await.unwrap();
    let sandbox = samples::sandbox(&user.id, &NodeId::random());
    let sandbox = store.sandbox_insert(&sandbox, Durability::Process).await.unwrap();

    let reader = Reader::open(&path).await.unwrap();
    assert_eq!(reader.sandboxes().await.unwrap(), std::slice::from_ref(&sandbox));
    assert_eq!(reader.images().await.unwrap(), std::slice::from_ref(&image));
    drop(reader);

    store.close().await.unwrap();
    let reader = Reader::open(&path).await.unwrap();
    assert_eq!(reader.sandboxes().await.unwrap(), [sandbox]);
    assert_eq!(reader.images().await.unwrap(), [image]);
}

#[tokio::test]
async fn what_is_not_there_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("atoll.db");
    assert!(matches!(Reader::open(&path).await, Err(OpenError::Database { .. })));
    assert!(!path.exists());
}
