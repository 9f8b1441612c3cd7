//! Invitations: `inv_` and 160 random bits, shown once, kept as SHA-256, good for one account.

use atoll_ports::{InvitationRecord, Page, StoreError, UserRecord};
use atoll_types::{Email, ErrorCode, InvitationId, Timestamp, UserId};

use super::admin::admin;
use super::key::{hash, later};
use super::{password, user};
use crate::{Caller, Engine, EngineError, Invite, NewInvitation};

/// Start of every invitation, so that people and scanners recognise it.
const PREFIX: &str = "inv_";
/// Open invitations at once: what one look through a list takes in.
const INVITATIONS_MAX: u32 = 1_000;

fn unknown() -> EngineError {
    let text = "this invitation is used, expired or taken back, or for another address: ask for a new one";
    EngineError::new(ErrorCode::InvalidInvitation, text)
}

impl Engine {
    /// Makes an invitation.
    ///
    /// # Errors
    /// `forbidden`; `quota_exceeded` beyond 1,000 open ones.
    pub async fn invitation_create(
        &self,
        caller: &Caller,
        invite: Invite,
    ) -> Result<NewInvitation, EngineError> {
        admin(caller)?;
        let now = self.inner.ports.clock.now();
        // Two ids of 16 characters: 160 random bits.
        let secret = format!("{PREFIX}{}{}", InvitationId::random(), InvitationId::random());
        let record = InvitationRecord {
            id: InvitationId::random(),
            inviter: caller.user.clone(),
            hash: hash(&secret),
            email: invite.email,
            role: invite.role,
            created_at: now,
            expires_at: later(now, invite.expires_in),
        };
        let store = &self.inner.ports.store;
        // One after the other, so that of many at once no more pass than may.
        let _turn = self.inner.accounts.adding.lock().await;
        let open = store.invitation_list(None, INVITATIONS_MAX).await?.items.len();
        if u32::try_from(open).map_or(true, |open| open >= INVITATIONS_MAX) {
            let text = format!("there are {open} open invitations: take some back first");
            return Err(EngineError::new(ErrorCode::QuotaExceeded, text));
        }
        store.invitation_insert(&record).await?;
        Ok(NewInvitation { record, secret })
    }

    /// Open invitations, newest first.
    ///
    /// # Errors
    /// `forbidden`; a malformed cursor.
    pub async fn invitation_list(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<InvitationRecord>, EngineError> {
        admin(caller)?;
        Ok(self.inner.ports.store.invitation_list(cursor, limit).await?)
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// `forbidden`, `invitation_not_found`.
    pub async fn invitation_delete(&self, caller: &Caller, id: &InvitationId) -> Result<(), EngineError> {
        admin(caller)?;
        if self.inner.ports.store.invitation_remove(id).await? {
            return Ok(());
        }
        Err(EngineError::new(ErrorCode::InvitationNotFound, "there is no such invitation"))
    }

    /// Makes an account by an invitation, also where sign-up is closed.
    ///
    /// # Errors
    /// `invalid_invitation`, `email_taken`, a password that is too short.
    pub async fn sign_up_invited(
        &self,
        email: Email,
        password: String,
        invitation: &str,
    ) -> Result<UserRecord, EngineError> {
        let store = &self.inner.ports.store;
        let now: Timestamp = self.inner.ports.clock.now();
        let found = store.invitation_by_hash(&hash(invitation)).await?;
        let good = |i: &InvitationRecord| i.expires_at > now && i.email.as_ref().is_none_or(|e| *e == email);
        let invitation = found.filter(good).ok_or_else(unknown)?;
        let password_hash = password::hash_new(password).await?;
        let _turn = self.inner.accounts.adding.lock().await;
        let user = UserRecord {
            id: UserId::random(),
            email,
            password_hash,
            role: invitation.role,
            disabled_at: None,
            created_at: self.inner.ports.clock.now(),
        };
        match store.invitation_take(&invitation.id, &user).await {
            Ok(()) => Ok(user),
            Err(StoreError::Conflict { .. }) => Err(user::taken()),
            Err(StoreError::Absent { .. }) => Err(unknown()),
            Err(error) => Err(error.into()),
        }
    }
}
