//! Seals what must not lie open in the database, with the master keys of this installation.
//!
//! ```text
//!  sealed = version (1 byte) | id of the master key (8) | nonce (12) | ciphertext and tag of AES-256-GCM
//!  authenticated beside it: version and id of the key, and the context: which record of which kind this is
//! ```
//! The nonce is random for each: with 96 bits a key may seal four thousand million times before two that are the same become
//! likely. The context keeps what is sealed for one record from being put into another. One key seals; older ones only open,
//! until what they sealed has been sealed anew.

mod key;
mod keyring;

pub use key::{KeyError, MasterKey};
pub use keyring::{Keeper, Keyring};
