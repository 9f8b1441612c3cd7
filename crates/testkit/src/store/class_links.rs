//! Class links as [`ClassLinkStore`] has them.

use std::cmp::Reverse;

use async_trait::async_trait;
use atoll_ports::{ClassLinkRecord, ClassLinkStore, Page, StoreError};
use atoll_types::ClassLinkId;

use super::page::{page, read_newest, write_newest};
use super::{FakeStore, Tables};

impl Tables {
    fn class_link_insert(&mut self, link: &ClassLinkRecord) -> Result<(), StoreError> {
        self.owner_exists(&link.maker)?;
        if self.class_links.contains_key(&link.id) {
            return Err(StoreError::Conflict { what: "class link" });
        }
        self.class_links.insert(link.id.clone(), link.clone());
        Ok(())
    }
}

#[async_trait]
impl ClassLinkStore for FakeStore {
    async fn class_link_insert(&self, link: &ClassLinkRecord) -> Result<(), StoreError> {
        self.run("class_link_insert", |t| t.class_link_insert(link)).await
    }

    async fn class_link_get(&self, id: &ClassLinkId) -> Result<Option<ClassLinkRecord>, StoreError> {
        self.run("class_link_get", |t| Ok(t.class_links.get(id).cloned())).await
    }

    async fn class_link_list(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ClassLinkRecord>, StoreError> {
        let key = |link: &ClassLinkRecord| Reverse((link.created_at.as_unix_ms(), link.id.to_string()));
        self.run("class_link_list", |t| {
            let all = t.class_links.values().cloned().collect();
            page("ac", all, key, write_newest, read_newest, cursor, limit)
        })
        .await
    }

    async fn class_link_remove(&self, id: &ClassLinkId) -> Result<bool, StoreError> {
        self.run("class_link_remove", |t| Ok(t.class_links.remove(id).is_some())).await
    }
}
