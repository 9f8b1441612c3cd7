//! The part of the port for class links.

use async_trait::async_trait;
use atoll_ports::{ClassLinkRecord, ClassLinkStore, Durability, Page, StoreError};
use atoll_types::ClassLinkId;

use crate::SqliteStore;
use crate::query::class_links;
use crate::writer::Steps;

#[async_trait]
impl ClassLinkStore for SqliteStore {
    async fn class_link_insert(&self, link: &ClassLinkRecord) -> Result<(), StoreError> {
        let link = link.clone();
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { class_links::insert(db, &link).await })
        });
        act.await
    }

    async fn class_link_get(&self, id: &ClassLinkId) -> Result<Option<ClassLinkRecord>, StoreError> {
        class_links::get(&self.read, id).await
    }

    async fn class_link_list(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ClassLinkRecord>, StoreError> {
        class_links::list(&self.read, cursor, limit).await
    }

    async fn class_link_remove(&self, id: &ClassLinkId) -> Result<bool, StoreError> {
        let id = id.clone();
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { class_links::remove(db, &id).await })
        });
        act.await
    }
}
