//! Log-ins: each is one row, and every token of it names the row, so that whatever is taken back stops at once.
//!
//! A refresh token carries a number, and each is good once: whoever comes with an earlier one has it from somewhere else,
//! or somebody else has his. Then nobody knows which of the two is the thief, and the log-in ends for both.

use atoll_ports::{Cas, Page, SessionRecord, UserRecord};
use atoll_types::{ErrorCode, SessionId, Timestamp, UserId};

use super::key::later;
use crate::{Caller, Engine, EngineError, Visitor};

/// Log-ins of one user at once: each of his browsers and machines, and a list that stays readable. Beyond it the one
/// that was not refreshed for longest ends.
const SESSIONS_PER_USER_MAX: u32 = 100;
/// Characters of what a client says that it is, for people.
const AGENT_CHARS_MAX: usize = 200;

fn agent(visitor: &Visitor) -> String {
    visitor.agent.chars().filter(|c| !c.is_control()).take(AGENT_CHARS_MAX).collect()
}

pub(super) fn ended(text: &str) -> EngineError {
    EngineError::new(ErrorCode::SessionEnded, text)
}

impl Engine {
    /// Begins a log-in of somebody whose password was just right.
    ///
    /// # Errors
    /// `session_ended` when the account changed meanwhile.
    pub async fn session_begin(
        &self,
        user: &UserRecord,
        visitor: &Visitor,
    ) -> Result<SessionRecord, EngineError> {
        let now = self.inner.ports.clock.now();
        let session = SessionRecord {
            id: SessionId::random(),
            user: user.id.clone(),
            seq: 1,
            created_at: now,
            used_at: now,
            expires_at: later(now, self.inner.settings.session_ttl),
            address: visitor.address.to_string(),
            agent: agent(visitor),
        };
        let store = &self.inner.ports.store;
        store.session_insert(&session, SESSIONS_PER_USER_MAX).await?;
        // One that began while the password was changed, or the account disabled, would outlive that.
        let same = |now: &UserRecord| now.password_hash == user.password_hash && now.disabled_at.is_none();
        if store.user_get(&user.id).await?.as_ref().is_some_and(same) {
            return Ok(session);
        }
        store.session_remove(&user.id, &session.id).await?;
        Err(ended("the account was changed at this moment: log in again"))
    }

    /// Takes a refresh token's number, and answers with the account and the log-in, whose `seq` is the next one's.
    ///
    /// # Errors
    /// `session_ended` when the log-in is over; also when the token was used before, which ends it.
    pub async fn session_refresh(
        &self,
        id: &SessionId,
        seq: u64,
        visitor: &Visitor,
    ) -> Result<(UserRecord, SessionRecord), EngineError> {
        let over = || ended("this log-in is over: log in again");
        let store = &self.inner.ports.store;
        let now = self.inner.ports.clock.now();
        let session = store.session_get(id).await?.filter(|s| s.expires_at > now).ok_or_else(over)?;
        let user =
            store.user_get(&session.user).await?.filter(|u| u.disabled_at.is_none()).ok_or_else(over)?;
        if seq < session.seq {
            return Err(self.reused(&session).await?);
        }
        let next = SessionRecord {
            // A token from after a loss of power may be ahead of its row; it is genuine all the same.
            seq: seq.saturating_add(1),
            used_at: now,
            expires_at: later(now, self.inner.settings.session_ttl),
            address: visitor.address.to_string(),
            agent: agent(visitor),
            ..session.clone()
        };
        match store.session_update(&next, session.seq).await? {
            Cas::Updated(session) => Ok((user, session)),
            // Of two with the same token at once, one came second.
            Cas::Stale(session) => Err(self.reused(&session).await?),
            Cas::Absent => Err(over()),
        }
    }

    async fn reused(&self, session: &SessionRecord) -> Result<EngineError, EngineError> {
        self.end_log_in(&session.user, &session.id).await?;
        tracing::warn!(
            user.id = %session.user, session.id = %session.id,
            "a refresh token was used twice: the log-in was ended"
        );
        Ok(ended("this refresh token was used before, so the log-in was ended: log in again"))
    }

    /// Who speaks with a token of this user's log-in, if both are good.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session_caller(
        &self,
        user: &UserId,
        session: &SessionId,
    ) -> Result<Option<Caller>, EngineError> {
        let (clock, cache) = (&self.inner.ports.clock, &self.inner.sessions);
        let found = match cache.get(session, clock.boot_time()) {
            Some(caller) => Some(caller),
            None => self.session_look_up(session).await?,
        };
        Ok(found.filter(|caller| caller.user == *user))
    }

    async fn session_look_up(&self, id: &SessionId) -> Result<Option<Caller>, EngineError> {
        let (clock, store) = (&self.inner.ports.clock, &self.inner.ports.store);
        let revoked = self.inner.sessions.revoked();
        let session = store.session_get(id).await?.filter(|s| s.expires_at > clock.now());
        let Some(session) = session else { return Ok(None) };
        let user = store.user_get(&session.user).await?.filter(|user| user.disabled_at.is_none());
        let Some(user) = user else { return Ok(None) };
        let caller = Caller { user: user.id, role: user.role };
        self.inner.sessions.put(id.clone(), caller.clone(), clock.boot_time(), revoked);
        Ok(Some(caller))
    }

    /// The caller's log-ins, newest first; those that are over and not swept yet too.
    ///
    /// # Errors
    /// A malformed cursor.
    pub async fn session_list(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<SessionRecord>, EngineError> {
        Ok(self.inner.ports.store.session_list(&caller.user, cursor, limit).await?)
    }

    /// Ends one of the caller's log-ins; its tokens stop working at once.
    ///
    /// # Errors
    /// `session_not_found`.
    pub async fn session_end(&self, caller: &Caller, id: &SessionId) -> Result<(), EngineError> {
        if self.end_log_in(&caller.user, id).await? {
            return Ok(());
        }
        Err(EngineError::new(ErrorCode::SessionNotFound, "you have no such session"))
    }

    async fn end_log_in(&self, user: &UserId, id: &SessionId) -> Result<bool, EngineError> {
        let there = self.inner.ports.store.session_remove(user, id).await;
        self.inner.sessions.forget(id);
        self.inner.accounts.changed.tell(user);
        Ok(there?)
    }

    /// Ends every log-in of a user but one.
    pub(super) async fn end_all(&self, user: &UserId, but: Option<&SessionId>) -> Result<u64, EngineError> {
        let ended = self.inner.ports.store.session_remove_all(user, but).await;
        self.inner.sessions.forget_user(user);
        self.inner.accounts.changed.tell(user);
        Ok(ended?)
    }

    /// Removes log-ins and invitations that are over.
    pub(crate) async fn sweep_sessions(&self) -> Result<(), EngineError> {
        let now: Timestamp = self.inner.ports.clock.now();
        self.inner.ports.store.session_sweep(now).await?;
        Ok(())
    }
}
