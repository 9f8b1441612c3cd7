//! The port of accounts, log-ins and invitations.

use async_trait::async_trait;
use atoll_ports::{
    AccountStore, Cas, Durability, InvitationRecord, Page, SessionRecord, StoreError, UserChange, UserRecord,
};
use atoll_types::{InvitationId, SessionId, Timestamp, UserId};

use crate::SqliteStore;
use crate::entity::session::Model as SessionRow;
use crate::query::{invitations, sessions, users};
use crate::writer::Steps;

#[async_trait]
impl AccountStore for SqliteStore {
    async fn user_list(&self, cursor: Option<&str>, limit: u32) -> Result<Page<UserRecord>, StoreError> {
        users::list(&self.read, cursor, limit).await
    }

    async fn user_update(&self, id: &UserId, change: &UserChange) -> Result<Option<UserRecord>, StoreError> {
        let (id, change) = (id.clone(), change.clone());
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { users::update(db, &id, change).await })
        });
        act.await
    }

    async fn user_remove(&self, id: &UserId, images_to: &UserId) -> Result<bool, StoreError> {
        let (id, images_to) = (id.clone(), images_to.clone());
        let act = self.writer.write(Durability::Power, Steps::Many, move |db| {
            Box::pin(async move { users::remove(db, &id, &images_to).await })
        });
        act.await
    }

    async fn admin_count(&self) -> Result<u64, StoreError> {
        users::admin_count(&self.read).await
    }

    async fn session_insert(&self, session: &SessionRecord, keep: u32) -> Result<(), StoreError> {
        let row = SessionRow::try_from(session)?;
        let act = self.writer.write(Durability::Power, Steps::Many, move |db| {
            Box::pin(async move { sessions::insert(db, row, keep).await })
        });
        act.await
    }

    async fn session_get(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        sessions::get(&self.read, id).await
    }

    async fn session_list(
        &self,
        user: &UserId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<SessionRecord>, StoreError> {
        sessions::list(&self.read, user, cursor, limit).await
    }

    async fn session_update(
        &self,
        session: &SessionRecord,
        from: u64,
    ) -> Result<Cas<SessionRecord>, StoreError> {
        let (id, update) = (session.id.clone(), sessions::update_statement(session, from)?);
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { sessions::update(db, &id, update).await })
        });
        act.await
    }

    async fn session_remove(&self, user: &UserId, id: &SessionId) -> Result<bool, StoreError> {
        let (user, id) = (user.clone(), id.clone());
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { sessions::remove(db, &user, &id).await })
        });
        act.await
    }

    async fn session_remove_all(&self, user: &UserId, but: Option<&SessionId>) -> Result<u64, StoreError> {
        let (user, but) = (user.clone(), but.cloned());
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { sessions::remove_all(db, &user, but.as_ref()).await })
        });
        act.await
    }

    /// Not for [`Durability::Power`]: what ended is refused by its time.
    async fn session_sweep(&self, before: Timestamp) -> Result<u64, StoreError> {
        let act = self.writer.write(Durability::Process, Steps::Many, move |db| {
            Box::pin(async move { sessions::sweep(db, before).await })
        });
        act.await
    }

    async fn invitation_insert(&self, invitation: &InvitationRecord) -> Result<(), StoreError> {
        let invitation = invitation.clone();
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { invitations::insert(db, &invitation).await })
        });
        act.await
    }

    async fn invitation_by_hash(&self, hash: &[u8; 32]) -> Result<Option<InvitationRecord>, StoreError> {
        invitations::by_hash(&self.read, hash).await
    }

    async fn invitation_list(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<InvitationRecord>, StoreError> {
        invitations::list(&self.read, cursor, limit).await
    }

    async fn invitation_remove(&self, id: &InvitationId) -> Result<bool, StoreError> {
        let id = id.clone();
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { invitations::remove(db, &id).await })
        });
        act.await
    }

    async fn invitation_take(&self, id: &InvitationId, user: &UserRecord) -> Result<(), StoreError> {
        let (id, user) = (id.clone(), user.clone());
        let act = self.writer.write(Durability::Power, Steps::Many, move |db| {
            Box::pin(async move { invitations::take(db, &id, &user).await })
        });
        act.await
    }
}
