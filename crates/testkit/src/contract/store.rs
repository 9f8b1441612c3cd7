//! What every store promises.

use std::sync::Arc;

use atoll_ports::Store;

use crate::samples;

/// Checks a store; `open` gives an empty one each time.
pub async fn store(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    let user = samples::user();
    store.user_insert(&user).await.unwrap();
    if store.user_get(&user.id).await.unwrap() != Some(user) {
        panic!("a user reads back as written");
    }
}
