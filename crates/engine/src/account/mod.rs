//! Accounts and API keys.

mod key;
mod key_cache;
mod password;
mod user;

pub(crate) use key_cache::KeyCache;
pub(crate) use user::Accounts;
