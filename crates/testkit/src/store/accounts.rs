//! Users and their keys.

use std::cmp::Reverse;

use atoll_ports::{ApiKeyRecord, Page, StoreError, UserRecord};
use atoll_types::{ApiKeyId, Timestamp, UserId};

use super::Tables;
use super::page::{page, read_newest, write_newest};

impl Tables {
    pub(super) fn user_insert(&mut self, user: &UserRecord) -> Result<(), StoreError> {
        if self.users.contains_key(&user.id) {
            return Err(StoreError::Conflict { what: "user id" });
        }
        if self.users.values().any(|u| u.email == user.email) {
            return Err(StoreError::Conflict { what: "email address" });
        }
        self.users.insert(user.id.clone(), user.clone());
        Ok(())
    }

    pub(super) fn owner_exists(&self, owner: &UserId) -> Result<(), StoreError> {
        if self.users.contains_key(owner) { Ok(()) } else { Err(StoreError::Absent { what: "user" }) }
    }

    pub(super) fn api_key_insert(&mut self, key: &ApiKeyRecord) -> Result<(), StoreError> {
        self.owner_exists(&key.owner)?;
        if self.api_keys.values().any(|k| k.id == key.id || k.hash == key.hash) {
            return Err(StoreError::Conflict { what: "api key" });
        }
        self.api_keys.insert(key.id.clone(), key.clone());
        Ok(())
    }

    pub(super) fn api_key_list(
        &self,
        owner: &UserId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ApiKeyRecord>, StoreError> {
        let mine = self.api_keys.values().filter(|k| k.owner == *owner).cloned().collect();
        let key = |k: &ApiKeyRecord| Reverse((k.created_at.as_unix_ms(), k.id.to_string()));
        page("k", mine, key, write_newest, read_newest, cursor, limit)
    }

    pub(super) fn api_key_delete(&mut self, owner: &UserId, id: &ApiKeyId) -> bool {
        let mine = self.api_keys.get(id).is_some_and(|k| k.owner == *owner);
        mine && self.api_keys.remove(id).is_some()
    }

    pub(super) fn api_key_touch(&mut self, id: &ApiKeyId, at: Timestamp) {
        if let Some(key) = self.api_keys.get_mut(id) {
            key.last_used_at = Some(key.last_used_at.map_or(at, |before| before.max(at)));
        }
    }
}
