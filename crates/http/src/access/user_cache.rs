//! Users whose token was seen a moment ago, so that a request costs no query.

use std::collections::HashMap;
use std::time::Instant;

use atoll_engine::{Caller, Engine};
use atoll_types::UserId;
use parking_lot::Mutex;

use crate::answer::ApiFailure;
use crate::bounds::{USER_CACHE_TIME, USERS_CACHED_MAX};

#[derive(Debug, Default)]
pub(super) struct UserCache(Mutex<HashMap<UserId, (Instant, Caller)>>);

impl UserCache {
    /// The caller of this id; `None` when there is no such account (any more).
    pub(super) async fn caller(&self, engine: &Engine, id: UserId) -> Result<Option<Caller>, ApiFailure> {
        if let Some(caller) = self.fresh(&id) {
            return Ok(Some(caller));
        }
        let Some(user) = engine.user(&id).await? else { return Ok(None) };
        let caller = Caller { user: user.id, role: user.role };
        self.keep(id, caller.clone());
        Ok(Some(caller))
    }

    fn fresh(&self, id: &UserId) -> Option<Caller> {
        let users = self.0.lock();
        users.get(id).filter(|(since, _)| since.elapsed() < USER_CACHE_TIME).map(|(_, caller)| caller.clone())
    }

    fn keep(&self, id: UserId, caller: Caller) {
        let mut users = self.0.lock();
        if users.len() >= USERS_CACHED_MAX {
            users.retain(|_, (since, _)| since.elapsed() < USER_CACHE_TIME);
        }
        // Still full of fresh ones: this one is looked up again.
        if users.len() < USERS_CACHED_MAX {
            users.insert(id, (Instant::now(), caller));
        }
    }
}
