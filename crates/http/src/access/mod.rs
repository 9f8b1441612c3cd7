//! Who is let in.
//!
//! Every route but those of `router::public` runs behind [`authenticate`], which turns a token or a key into a
//! [`Authenticated`] or refuses the request. What a caller may do is decided in the engine, by owner.

mod authenticate;
mod credential;
mod peer;
mod same_origin;
mod token;
mod user_cache;

pub(crate) use authenticate::{Authenticated, authenticate, caller};
pub(crate) use credential::token_protocol;
pub(crate) use peer::Peer;
pub(crate) use same_origin::is_from_here;
pub use token::{TokenError, TokenKeys};

use atoll_engine::Caller;
use user_cache::UserCache;

/// Who is let in.
#[derive(Debug)]
pub struct Access {
    pub(crate) mode: Mode,
    users: UserCache,
}

#[derive(Debug)]
pub(crate) enum Mode {
    /// Holders of a token or a key.
    Tokens(Box<TokenKeys>),
    /// Everybody is this one; only for a server that listens on loopback.
    SingleUser(Caller),
}

impl Access {
    /// Holders of a token of these keys, or of an API key.
    #[must_use]
    pub fn tokens(keys: TokenKeys) -> Self {
        Self { mode: Mode::Tokens(Box::new(keys)), users: UserCache::default() }
    }

    /// Everybody who reaches this machine's loopback is `caller`.
    #[must_use]
    pub fn single_user(caller: Caller) -> Self {
        Self { mode: Mode::SingleUser(caller), users: UserCache::default() }
    }
}
