//! Whoever serves somebody for long looks again whether he still may, each time that something of his account changes.

use std::time::Duration;

use atoll_ports::Role;
use atoll_types::UserId;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::{Caller, Engine, EngineError, Means};

/// Changes that wait for whoever looks: he who misses some looks too.
const CHANGES_MAX: usize = 64;
/// Time until an account that could not be read is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Whose account changes, to those who serve somebody.
#[derive(Debug)]
pub(crate) struct Changes(broadcast::Sender<UserId>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(CHANGES_MAX))
    }
}

impl Changes {
    /// Something of this account, of its keys or of its log-ins is not what it was.
    pub(super) fn tell(&self, user: &UserId) {
        // Nobody may be there to hear it.
        let _heard = self.0.send(user.clone());
    }
}

/// Waits for a change of this account, or of any where some were missed. Cancel safe.
async fn change_of(changes: &mut broadcast::Receiver<UserId>, user: &UserId) {
    loop {
        match changes.recv().await {
            Ok(changed) if changed != *user => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return,
            // The sender lives as long as the engine.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Engine {
    /// Returns when somebody who was let in is not what he was any more: his account is disabled, removed, or has another role, his
    /// log-in was ended, or his key deleted. Whoever serves him for longer than a request waits for it meanwhile. Cancel safe.
    pub async fn caller_over(&self, caller: &Caller, means: &Means) {
        let mut changes = self.inner.accounts.changed.0.subscribe();
        loop {
            match self.is_as_before(caller, means).await {
                Ok(true) => change_of(&mut changes, &caller.user).await,
                Ok(false) => return,
                // Not known now: what went on goes on, and is looked at again.
                Err(_) => self.inner.ports.clock.sleep(LOOK_AGAIN).await,
            }
        }
    }

    async fn is_as_before(&self, caller: &Caller, means: &Means) -> Result<bool, EngineError> {
        let store = &self.inner.ports.store;
        let Some(user) = store.user_get(&caller.user).await? else { return Ok(false) };
        // A key without the scope admin makes an admin a user.
        let may = user.role == Role::Admin || caller.role == Role::User;
        if user.disabled_at.is_some() || !may {
            return Ok(false);
        }
        Ok(match means {
            Means::LogIn(id) => store.session_get(id).await?.is_some(),
            Means::Key(hash) => store.api_key_by_hash(hash).await?.is_some(),
            Means::Nothing => true,
        })
    }
}
