//! Who is let in.
//!
//! Every route but those of `router::public` runs behind [`authenticate`], which turns a token or a key into a
//! [`Authenticated`] or refuses the request. What a key may do is decided here, by its scopes; what a caller may do is
//! decided in the engine, by owner and role.

mod authenticate;
mod client;
mod credential;
mod grant;
mod lasting;
mod peer;
mod protection;
mod same_origin;
mod scopes;
mod token;

pub(crate) use authenticate::{Authenticated, authenticate, caller};
pub(crate) use client::{Client, client_address};
pub(crate) use credential::token_protocol;
pub(crate) use grant::Grant;
pub(crate) use lasting::{Held, allowed, while_allowed};
pub(crate) use peer::Peer;
pub use protection::Protection;
pub(crate) use same_origin::is_from_here;
pub(crate) use scopes::needed;
pub use token::{TokenError, TokenKeys};

use atoll_engine::Caller;

/// Who is let in.
#[derive(Debug)]
pub struct Access {
    pub(crate) mode: Mode,
    pub(crate) protection: Protection,
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
        Self { mode: Mode::Tokens(Box::new(keys)), protection: Protection::default() }
    }

    /// Everybody who reaches this machine's loopback is `caller`.
    #[must_use]
    pub fn single_user(caller: Caller) -> Self {
        Self { mode: Mode::SingleUser(caller), protection: Protection::default() }
    }

    /// The same, looking at its clients like this.
    #[must_use]
    pub fn protected(self, protection: Protection) -> Self {
        Self { protection, ..self }
    }
}
