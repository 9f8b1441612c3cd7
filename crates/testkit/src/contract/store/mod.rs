//! What every store promises.

mod accounts;
mod audit;
mod class_links;
mod environments;
mod execs;
mod idempotency;
mod images;
mod jobs;
mod people;
mod prepared;
mod quotas;
mod sandboxes;
mod secrets;

use std::sync::Arc;

use atoll_ports::{Page, SandboxRecord, Store, StoreError, UserRecord};
use atoll_types::NodeId;

use crate::samples;

/// Checks a store; `open` gives an empty one each time.
pub async fn store(open: impl AsyncFn() -> Arc<dyn Store>) {
    accounts::users(&*open().await).await;
    accounts::api_keys(&*open().await).await;
    people::users(&*open().await).await;
    people::removal(&*open().await).await;
    people::sessions(&*open().await).await;
    people::invitations(&*open().await).await;
    class_links::class_links(&*open().await).await;
    images::images(&*open().await).await;
    sandboxes::insert_and_update(&*open().await).await;
    sandboxes::uid_slots(&*open().await).await;
    sandboxes::lists(&*open().await).await;
    sandboxes::remove(&*open().await).await;
    sandboxes::concurrent_updates(open().await).await;
    execs::insert_and_finish(&*open().await).await;
    execs::impossible(&*open().await).await;
    execs::lists(&*open().await).await;
    execs::sweep(&*open().await).await;
    jobs::insert_and_update(&*open().await).await;
    jobs::impossible(&*open().await).await;
    jobs::lists(&*open().await).await;
    jobs::remove(&*open().await).await;
    prepared::claimed_or_removed(&*open().await).await;
    prepared::slots(&*open().await).await;
    prepared::images(&*open().await).await;
    quotas::overrides(&*open().await).await;
    quotas::egress(&*open().await).await;
    audit::lists(&*open().await).await;
    audit::goes_with_a_write(&*open().await).await;
    audit::trims(&*open().await).await;
    audit::execs(&*open().await).await;
    environments::insert_and_update(&*open().await).await;
    environments::lists(&*open().await).await;
    environments::warm(&*open().await).await;
    environments::remove(&*open().await).await;
    secrets::secrets(&*open().await).await;
    idempotency::requests(&*open().await).await;
    open().await.check().await.unwrap();
}

/// An account that is in the store.
async fn user_in(store: &dyn Store) -> UserRecord {
    let user = samples::user();
    store.user_insert(&user).await.unwrap();
    user
}

/// A sandbox that is in the store, with its owner.
async fn sandbox_in(store: &dyn Store) -> SandboxRecord {
    let user = user_in(store).await;
    let sandbox = samples::sandbox(&user.id, &NodeId::random());
    store.sandbox_insert(&sandbox, atoll_ports::Durability::Process).await.unwrap()
}

/// All pages of a list, by pages of `limit`.
async fn pages<T>(
    limit: u32,
    list: impl AsyncFn(Option<&str>, u32) -> Result<Page<T>, StoreError>,
) -> Vec<T> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = list(cursor.as_deref(), limit).await.unwrap();
        assert!(page.items.len() <= limit as usize, "a page is no longer than asked for");
        all.extend(page.items);
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return all,
        }
        let safe = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
        assert!(cursor.as_ref().unwrap().chars().all(safe), "a cursor is safe in a URL: {cursor:?}");
    }
}

/// Whether the store refused it as existing already.
fn is_conflict<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict { .. }))
}

/// Whether the store refused it for want of what it belongs to.
fn is_absent<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Absent { .. }))
}

/// Whether the store refused it as contradicting itself.
fn is_impossible<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Database { .. }))
}
