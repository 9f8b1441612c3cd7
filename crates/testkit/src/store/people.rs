//! Accounts as [`AccountStore`] has them, log-ins and invitations.

use std::cmp::Reverse;

use async_trait::async_trait;
use atoll_ports::{
    AccountStore, Cas, InvitationRecord, Page, Role, SessionRecord, StoreError, UserChange, UserRecord,
};
use atoll_types::{InvitationId, SessionId, Timestamp, UserId};

use super::page::{page, read_newest, write_newest};
use super::{FakeStore, Tables};

impl Tables {
    fn user_update(&mut self, id: &UserId, change: &UserChange) -> Option<UserRecord> {
        let user = self.users.get_mut(id)?;
        user.role = change.role.unwrap_or(user.role);
        user.disabled_at = change.disabled_at.unwrap_or(user.disabled_at);
        if let Some(hash) = &change.password_hash {
            user.password_hash.clone_from(hash);
        }
        Some(user.clone())
    }

    fn user_remove(&mut self, id: &UserId, images_to: &UserId) -> Result<bool, StoreError> {
        if self.sandboxes.values().any(|sandbox| sandbox.owner == *id) {
            return Err(StoreError::Conflict { what: "something of this account" });
        }
        for image in self.images.values_mut().filter(|image| image.owner == *id) {
            image.owner = images_to.clone();
        }
        self.api_keys.retain(|_, key| key.owner != *id);
        self.sessions.retain(|_, session| session.user != *id);
        self.invitations.retain(|_, invitation| invitation.inviter != *id);
        self.class_links.retain(|_, link| link.maker != *id);
        Ok(self.users.remove(id).is_some())
    }

    fn session_insert(&mut self, session: &SessionRecord, keep: u32) -> Result<(), StoreError> {
        self.owner_exists(&session.user)?;
        if self.sessions.contains_key(&session.id) {
            return Err(StoreError::Conflict { what: "session id" });
        }
        self.sessions.insert(session.id.clone(), session.clone());
        let mut his: Vec<_> = self.sessions.values().filter(|s| s.user == session.user).cloned().collect();
        his.sort_by_key(|s| Reverse((s.used_at, s.id.clone())));
        for old in his.into_iter().skip(usize::try_from(keep).unwrap_or(usize::MAX)) {
            self.sessions.remove(&old.id);
        }
        Ok(())
    }

    fn session_update(&mut self, session: &SessionRecord, from: u64) -> Cas<SessionRecord> {
        let Some(stored) = self.sessions.get_mut(&session.id) else { return Cas::Absent };
        if stored.seq != from {
            return Cas::Stale(stored.clone());
        }
        *stored =
            SessionRecord { user: stored.user.clone(), created_at: stored.created_at, ..session.clone() };
        Cas::Updated(stored.clone())
    }

    fn session_remove_all(&mut self, user: &UserId, but: Option<&SessionId>) -> u64 {
        let before = self.sessions.len();
        self.sessions.retain(|id, session| session.user != *user || Some(id) == but);
        (before - self.sessions.len()) as u64
    }

    fn session_sweep(&mut self, before: Timestamp) -> u64 {
        let count = |t: &Self| t.sessions.len() + t.invitations.len() + t.class_links.len();
        let had = count(self);
        self.sessions.retain(|_, session| session.expires_at >= before);
        self.invitations.retain(|_, invitation| invitation.expires_at >= before);
        self.class_links.retain(|_, link| link.expires_at >= before);
        (had - count(self)) as u64
    }

    fn invitation_insert(&mut self, invitation: &InvitationRecord) -> Result<(), StoreError> {
        self.owner_exists(&invitation.inviter)?;
        if self.invitations.values().any(|i| i.id == invitation.id || i.hash == invitation.hash) {
            return Err(StoreError::Conflict { what: "invitation" });
        }
        self.invitations.insert(invitation.id.clone(), invitation.clone());
        Ok(())
    }

    fn invitation_take(&mut self, id: &InvitationId, user: &UserRecord) -> Result<(), StoreError> {
        if !self.invitations.contains_key(id) {
            return Err(StoreError::Absent { what: "invitation" });
        }
        self.user_insert(user)?;
        self.invitations.remove(id);
        Ok(())
    }
}

#[async_trait]
impl AccountStore for FakeStore {
    async fn user_list(&self, cursor: Option<&str>, limit: u32) -> Result<Page<UserRecord>, StoreError> {
        let key = |u: &UserRecord| Reverse((u.created_at.as_unix_ms(), u.id.to_string()));
        self.run("user_list", |t| {
            page("au", t.users.values().cloned().collect(), key, write_newest, read_newest, cursor, limit)
        })
        .await
    }

    async fn user_update(&self, id: &UserId, change: &UserChange) -> Result<Option<UserRecord>, StoreError> {
        self.run("user_update", |t| Ok(t.user_update(id, change))).await
    }

    async fn user_remove(&self, id: &UserId, images_to: &UserId) -> Result<bool, StoreError> {
        self.run("user_remove", |t| t.user_remove(id, images_to)).await
    }

    async fn admin_count(&self) -> Result<u64, StoreError> {
        let is_admin = |u: &&UserRecord| u.role == Role::Admin && u.disabled_at.is_none();
        self.run("admin_count", |t| Ok(t.users.values().filter(is_admin).count() as u64)).await
    }

    async fn session_insert(&self, session: &SessionRecord, keep: u32) -> Result<(), StoreError> {
        self.run("session_insert", |t| t.session_insert(session, keep)).await
    }

    async fn session_get(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        self.run("session_get", |t| Ok(t.sessions.get(id).cloned())).await
    }

    async fn session_list(
        &self,
        user: &UserId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<SessionRecord>, StoreError> {
        let key = |s: &SessionRecord| Reverse((s.created_at.as_unix_ms(), s.id.to_string()));
        self.run("session_list", |t| {
            let his = t.sessions.values().filter(|s| s.user == *user).cloned().collect();
            page("as", his, key, write_newest, read_newest, cursor, limit)
        })
        .await
    }

    async fn session_update(
        &self,
        session: &SessionRecord,
        from: u64,
    ) -> Result<Cas<SessionRecord>, StoreError> {
        self.run("session_update", |t| Ok(t.session_update(session, from))).await
    }

    async fn session_remove(&self, user: &UserId, id: &SessionId) -> Result<bool, StoreError> {
        self.run("session_remove", |t| {
            let his = t.sessions.get(id).is_some_and(|s| s.user == *user);
            Ok(his && t.sessions.remove(id).is_some())
        })
        .await
    }

    async fn session_remove_all(&self, user: &UserId, but: Option<&SessionId>) -> Result<u64, StoreError> {
        self.run("session_remove_all", |t| Ok(t.session_remove_all(user, but))).await
    }

    async fn session_sweep(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.run("session_sweep", |t| Ok(t.session_sweep(before))).await
    }

    async fn invitation_insert(&self, invitation: &InvitationRecord) -> Result<(), StoreError> {
        self.run("invitation_insert", |t| t.invitation_insert(invitation)).await
    }

    async fn invitation_by_hash(&self, hash: &[u8; 32]) -> Result<Option<InvitationRecord>, StoreError> {
        self.run("invitation_by_hash", |t| Ok(t.invitations.values().find(|i| i.hash == *hash).cloned()))
            .await
    }

    async fn invitation_list(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<InvitationRecord>, StoreError> {
        let key = |i: &InvitationRecord| Reverse((i.created_at.as_unix_ms(), i.id.to_string()));
        self.run("invitation_list", |t| {
            let all = t.invitations.values().cloned().collect();
            page("ai", all, key, write_newest, read_newest, cursor, limit)
        })
        .await
    }

    async fn invitation_remove(&self, id: &InvitationId) -> Result<bool, StoreError> {
        self.run("invitation_remove", |t| Ok(t.invitations.remove(id).is_some())).await
    }

    async fn invitation_take(&self, id: &InvitationId, user: &UserRecord) -> Result<(), StoreError> {
        self.run("invitation_take", |t| t.invitation_take(id, user)).await
    }
}
