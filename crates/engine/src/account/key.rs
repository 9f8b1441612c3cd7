//! API keys: `sk_` and 160 random bits, shown once, kept as SHA-256.

use std::time::Duration;

use atoll_ports::{ApiKeyRecord, AuditScope, Page, Role};
use atoll_types::{ApiKeyId, ErrorCode, SandboxName, Scope, Scopes, Timestamp};
use sha2::{Digest, Sha256};

use crate::{Caller, Engine, EngineError, KeyHolder, Means, NewApiKey};

/// Keys of one user, those that have expired too: one for each machine and program of a person, and a list that stays
/// readable.
const API_KEYS_PER_USER_MAX: u32 = 100;
/// Start of every key, so that people and scanners recognise it.
const PREFIX: &str = "sk_";
/// Characters of a key that are kept to recognise it: the prefix and 20 of its 160 bits.
const SHOWN_CHARS: usize = 7;
/// The last use is noted to the minute: it must not cost a write per request.
const TOUCH_INTERVAL_MS: u64 = 60_000;

fn make_key() -> String {
    // Two ids of 16 characters: 160 random bits.
    format!("{PREFIX}{}{}", ApiKeyId::random(), ApiKeyId::random())
}

pub(super) fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

impl Engine {
    /// Makes a key for the caller, which may no more than these scopes say.
    ///
    /// # Errors
    /// A name that is empty or too long; `quota_exceeded` beyond 100 keys; `forbidden` for the scope admin of others.
    pub async fn api_key_create(
        &self,
        caller: &Caller,
        name: String,
        expires_in: Option<Duration>,
        scopes: Scopes,
    ) -> Result<NewApiKey, EngineError> {
        let name: SandboxName =
            name.parse().map_err(|_| EngineError::field("name", "must be 1 to 63 printable characters"))?;
        if scopes.has(Scope::Admin) && caller.role != Role::Admin {
            let text = "scopes: only an admin makes a key with the scope admin";
            return Err(EngineError::new(ErrorCode::Forbidden, text));
        }
        let now = self.inner.ports.clock.now();
        let key = make_key();
        let record = ApiKeyRecord {
            id: ApiKeyId::random(),
            owner: caller.user.clone(),
            name: name.into(),
            hash: hash(&key),
            prefix: key[..SHOWN_CHARS].to_owned(),
            created_at: now,
            expires_at: expires_in.map(|d| later(now, d)),
            last_used_at: None,
            scopes,
        };
        let store = &self.inner.ports.store;
        // One after the other, so that of many who ask at once no more pass than may.
        let _counting = self.inner.accounts.making_keys.lock().await;
        let has = store.api_key_list(&caller.user, None, API_KEYS_PER_USER_MAX).await?.items.len();
        if u32::try_from(has).is_ok_and(|has| has < API_KEYS_PER_USER_MAX) {
            AuditScope::about(record.id.as_str());
            store.api_key_insert(&record).await?;
            return Ok(NewApiKey { record, key });
        }
        let text =
            format!("you have {has} of {API_KEYS_PER_USER_MAX} API keys: remove those that are not used");
        Err(EngineError::new(ErrorCode::QuotaExceeded, text))
    }

    /// The caller's keys, newest first.
    ///
    /// # Errors
    /// A malformed cursor.
    pub async fn api_key_list(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ApiKeyRecord>, EngineError> {
        Ok(self.inner.ports.store.api_key_list(&caller.user, cursor, limit).await?)
    }

    /// Revokes one of the caller's keys; it stops working at once.
    ///
    /// # Errors
    /// `api_key_not_found`.
    pub async fn api_key_delete(&self, caller: &Caller, id: &ApiKeyId) -> Result<(), EngineError> {
        let there = self.inner.ports.store.api_key_delete(&caller.user, id).await?;
        self.inner.keys.forget(id);
        self.inner.accounts.changed.tell(&caller.user);
        if there {
            Ok(())
        } else {
            Err(EngineError::new(ErrorCode::ApiKeyNotFound, "you have no such API key"))
        }
    }

    /// Whose key this is, if it is one that works.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn api_key_authenticate(&self, key: &str) -> Result<Option<KeyHolder>, EngineError> {
        let clock = &self.inner.ports.clock;
        let (hash, now) = (hash(key), clock.now());
        let cached = self.inner.keys.get(&hash, clock.boot_time());
        let (record, caller) = match cached {
            Some(found) => found,
            None => match self.look_up(&hash).await? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        if record.expires_at.is_some_and(|end| end <= now) {
            return Ok(None);
        }
        self.note_use(&record, now).await;
        // What the role adds needs its scope too.
        let role = if record.scopes.has(Scope::Admin) { caller.role } else { Role::User };
        let means = Means::Key(record.hash);
        Ok(Some(KeyHolder { caller: Caller { role, ..caller }, scopes: record.scopes, means }))
    }

    async fn look_up(&self, hash: &[u8; 32]) -> Result<Option<(ApiKeyRecord, Caller)>, EngineError> {
        let store = &self.inner.ports.store;
        let revoked = self.inner.keys.revoked();
        let Some(record) = store.api_key_by_hash(hash).await? else { return Ok(None) };
        let user = store.user_get(&record.owner).await?.filter(|user| user.disabled_at.is_none());
        let Some(user) = user else { return Ok(None) };
        let caller = Caller { user: user.id, role: user.role };
        self.inner.keys.put(record.clone(), caller.clone(), self.inner.ports.clock.boot_time(), revoked);
        Ok(Some((record, caller)))
    }

    /// Writes down that a key was used, now and then. Whoever holds the key is let in all the same where that fails.
    async fn note_use(&self, record: &ApiKeyRecord, now: Timestamp) {
        // In both directions: after a jump of the wall clock a note may lie in the future.
        let recent = |at: Timestamp| now.as_unix_ms().abs_diff(at.as_unix_ms()) < TOUCH_INTERVAL_MS;
        if !self.inner.keys.note_use(record, now, recent) {
            return;
        }
        if let Err(error) = self.inner.ports.store.api_key_touch(&record.id, now).await {
            tracing::warn!(key.id = %record.id, "the use of an API key cannot be noted: {error}");
        }
    }
}

pub(crate) fn later(now: Timestamp, duration: Duration) -> Timestamp {
    Timestamp::from_unix_ms(
        now.as_unix_ms().saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
    )
}
