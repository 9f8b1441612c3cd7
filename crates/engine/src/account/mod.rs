//! Accounts, log-ins, invitations and API keys.

mod admin;
mod attempts;
mod changes;
mod invitation;
mod key;
mod key_cache;
mod password;
mod session;
mod session_cache;
mod user;

pub(crate) use admin::admin;
pub(crate) use key::later;
pub(crate) use key_cache::KeyCache;
pub(crate) use session_cache::SessionCache;
pub(crate) use user::Accounts;
