//! Durable records of who is let in: accounts, log-ins, invitations.

use async_trait::async_trait;
use atoll_types::{Email, InvitationId, SessionId, Timestamp, UserId};

use crate::{Cas, Page, Role, StoreError, UserRecord};

/// A log-in and the tokens that come from it. Durable: what was taken back must stay so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Id; stands in every token of it.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// Number of the refresh token that comes next; an earlier one was used before. From 1.
    pub seq: u64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub used_at: Timestamp,
    /// When it ends unless it is refreshed before.
    pub expires_at: Timestamp,
    /// Address that it was last refreshed from, for people.
    pub address: String,
    /// What the client said that it is, for people.
    pub agent: String,
}

/// An invitation to make an account. Durable: nothing else knows it. The invitation itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationRecord {
    /// Id.
    pub id: InvitationId,
    /// Who invites.
    pub inviter: UserId,
    /// SHA-256 of the invitation: it has 160 random bits.
    pub hash: [u8; 32],
    /// The only address that it is good for.
    pub email: Option<Email>,
    /// Role of the account.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// What changes of an account; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserChange {
    /// Role.
    pub role: Option<Role>,
    /// Since when nobody logs in to it; `Some(None)` enables it again.
    pub disabled_at: Option<Option<Timestamp>>,
    /// argon2id in PHC form.
    pub password_hash: Option<String>,
}

/// Accounts beyond what [`crate::Store`] has of them, log-ins and invitations. What changes survives the loss of power.
#[async_trait]
pub trait AccountStore: std::fmt::Debug + Send + Sync {
    /// Every account, newest first.
    async fn user_list(&self, cursor: Option<&str>, limit: u32) -> Result<Page<UserRecord>, StoreError>;
    /// Changes an account; the record as it is now, `None` when there is none.
    async fn user_update(&self, id: &UserId, change: &UserChange) -> Result<Option<UserRecord>, StoreError>;
    /// Removes an account with its keys, log-ins, invitations and class links, and gives its images to another. `Conflict` when it still
    /// owns something else. False when there is none.
    async fn user_remove(&self, id: &UserId, images_to: &UserId) -> Result<bool, StoreError>;
    /// How many admins there are that are not disabled.
    async fn admin_count(&self) -> Result<u64, StoreError>;

    /// Adds a log-in. Of a user who has more than `keep` then, the ones not refreshed for longest are removed.
    async fn session_insert(&self, session: &SessionRecord, keep: u32) -> Result<(), StoreError>;
    /// By id.
    async fn session_get(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError>;
    /// One user's, newest first.
    async fn session_list(
        &self,
        user: &UserId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<SessionRecord>, StoreError>;
    /// Writes what changes of a log-in (seq, used_at, expires_at, address, agent) if its `seq` is still `from`.
    async fn session_update(
        &self,
        session: &SessionRecord,
        from: u64,
    ) -> Result<Cas<SessionRecord>, StoreError>;
    /// Removes one of this user's; false when there is none.
    async fn session_remove(&self, user: &UserId, id: &SessionId) -> Result<bool, StoreError>;
    /// Removes all of a user's but one; answers how many.
    async fn session_remove_all(&self, user: &UserId, but: Option<&SessionId>) -> Result<u64, StoreError>;
    /// Removes log-ins, invitations and class links that ended before this; answers how many.
    async fn session_sweep(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// Adds an invitation.
    async fn invitation_insert(&self, invitation: &InvitationRecord) -> Result<(), StoreError>;
    /// By hash.
    async fn invitation_by_hash(&self, hash: &[u8; 32]) -> Result<Option<InvitationRecord>, StoreError>;
    /// All that are open, newest first.
    async fn invitation_list(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<InvitationRecord>, StoreError>;
    /// Removes one; false when there is none.
    async fn invitation_remove(&self, id: &InvitationId) -> Result<bool, StoreError>;
    /// Adds an account and removes the invitation that it came by, or neither: `Absent` when there is no such invitation
    /// (any more).
    async fn invitation_take(&self, id: &InvitationId, user: &UserRecord) -> Result<(), StoreError>;
}
