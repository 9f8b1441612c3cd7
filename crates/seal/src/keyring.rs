//! The master keys of an installation.

use std::fmt;

use atoll_ports::{Seal, SealError};
use parking_lot::RwLock;

use crate::MasterKey;
use crate::key::{KEY_ID_BYTES, NONCE_BYTES, id_text};

/// First byte of what is sealed this way.
const VERSION: u8 = 1;
/// Bytes before the nonce: they are authenticated too.
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES;
/// Bytes before the ciphertext.
const PREFIX_BYTES: usize = HEADER_BYTES + NONCE_BYTES;

/// Keeps the keys, the one that seals first; they are durable when it returns.
pub type Keeper = Box<dyn Fn(&[MasterKey]) -> std::io::Result<()> + Send + Sync>;

/// The master keys: the first seals, all open.
pub struct Keyring {
    keys: RwLock<Vec<MasterKey>>,
    /// None where somebody else keeps them, as in a setting.
    keeper: Option<Keeper>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("keys", &*self.keys.read()).finish_non_exhaustive()
    }
}

impl Keyring {
    /// Of these keys, of which the first seals. With a keeper a rotation makes new ones.
    #[must_use]
    pub fn new(first: MasterKey, others: Vec<MasterKey>, keeper: Option<Keeper>) -> Self {
        let keys = std::iter::once(first).chain(others).collect();
        Self { keys: RwLock::new(keys), keeper }
    }

    /// Ids of the keys that it has.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.keys.read().iter().map(MasterKey::id_text).collect()
    }

    fn keep(&self, keys: &[MasterKey]) -> Result<(), SealError> {
        match &self.keeper {
            Some(keeper) => keeper(keys).map_err(SealError::Keep),
            None => Ok(()),
        }
    }
}

fn authenticated(header: &[u8], context: &[u8]) -> Vec<u8> {
    [header, context].concat()
}

impl Seal for Keyring {
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let keys = self.keys.read();
        let key = keys.first().ok_or(SealError::Broken)?;
        let mut nonce = [0; NONCE_BYTES];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| SealError::Keep(crate::key::no_random()))?;
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&key.id());
        let authenticated = authenticated(&sealed, context);
        sealed.extend_from_slice(&nonce);
        key.encrypt(nonce, &authenticated, plain, &mut sealed).ok_or(SealError::Broken)?;
        Ok(sealed)
    }

    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        if sealed.len() < PREFIX_BYTES || sealed[0] != VERSION {
            return Err(SealError::Broken);
        }
        let (header, rest) = sealed.split_at(HEADER_BYTES);
        let (nonce, text) = rest.split_at(NONCE_BYTES);
        let nonce = nonce.try_into().map_err(|_| SealError::Broken)?;
        let keys = self.keys.read();
        let Some(key) = keys.iter().find(|key| key.id() == header[1..]) else {
            return Err(SealError::UnknownKey { id: id_text(&header[1..]) });
        };
        key.decrypt(nonce, &authenticated(header, context), text).ok_or(SealError::Broken)
    }

    fn is_current(&self, sealed: &[u8]) -> bool {
        let keys = self.keys.read();
        keys.first().is_some_and(|key| sealed.get(1..HEADER_BYTES) == Some(key.id().as_slice()))
    }

    fn renew(&self) -> Result<String, SealError> {
        let mut keys = self.keys.write();
        if self.keeper.is_some() {
            let mut next = vec![MasterKey::random().map_err(SealError::Keep)?];
            next.extend(keys.iter().cloned());
            // Kept before it seals anything.
            self.keep(&next)?;
            *keys = next;
        }
        Ok(keys.first().map(MasterKey::id_text).unwrap_or_default())
    }

    fn forget_old(&self) -> Result<(), SealError> {
        let mut keys = self.keys.write();
        if self.keeper.is_some() && keys.len() > 1 {
            let next: Vec<_> = keys.iter().take(1).cloned().collect();
            self.keep(&next)?;
            *keys = next;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    fn ring() -> Keyring {
        Keyring::new(MasterKey::random().unwrap(), Vec::new(), None)
    }

    #[test]
    fn what_was_sealed_opens_in_its_own_context_alone() {
        let ring = ring();
        for plain in [b"".as_slice(), b"super-secret-value", &[0; 40_000]] {
            let sealed = ring.seal(b"a", plain).unwrap();
            assert_eq!(ring.open(b"a", &sealed).unwrap(), plain);
            assert!(matches!(ring.open(b"b", &sealed), Err(SealError::Broken)));
            assert!(plain.is_empty() || !sealed.windows(plain.len()).any(|part| part == plain));
        }
        assert_ne!(ring.seal(b"a", b"x").unwrap(), ring.seal(b"a", b"x").unwrap(), "each has its own nonce");
    }

    #[test]
    fn every_byte_counts() {
        let ring = ring();
        let sealed = ring.seal(b"a", b"value").unwrap();
        for at in 0..sealed.len() {
            let mut wrong = sealed.clone();
            wrong[at] ^= 1;
            assert!(ring.open(b"a", &wrong).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(ring.open(b"a", &sealed[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_key_that_is_not_here_is_named() {
        let other = ring();
        let sealed = other.seal(b"a", b"value").unwrap();
        let Err(SealError::UnknownKey { id }) = ring().open(b"a", &sealed) else {
            panic!("it has no such key")
        };
        assert_eq!(vec![id], other.ids());
    }

    #[test]
    fn a_renewed_ring_opens_what_was_until_that_is_forgotten() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keeper: Keeper = {
            let kept = Arc::clone(&kept);
            Box::new(move |keys| {
                *kept.lock() = keys.to_vec();
                Ok(())
            })
        };
        let ring = Keyring::new(MasterKey::random().unwrap(), Vec::new(), Some(keeper));
        let old = ring.seal(b"a", b"value").unwrap();
        assert!(ring.is_current(&old));
        let id = ring.renew().unwrap();
        assert_eq!((ring.ids().len(), &ring.ids()[0], kept.lock().len()), (2, &id, 2));
        assert!(!ring.is_current(&old));
        assert_eq!(ring.open(b"a", &old).unwrap(), b"value");
        let new = ring.seal(b"a", b"value").unwrap();
        ring.forget_old().unwrap();
        assert_eq!((ring.ids(), kept.lock().len()), (vec![id], 1));
        assert!(matches!(ring.open(b"a", &old), Err(SealError::UnknownKey { .. })));
        assert_eq!(ring.open(b"a", &new).unwrap(), b"value");
    }

    #[test]
    fn a_key_that_cannot_be_kept_seals_nothing() {
        let keeper: Keeper = Box::new(|_| Err(std::io::Error::other("the disk is full")));
        let ring = Keyring::new(MasterKey::random().unwrap(), Vec::new(), Some(keeper));
        let ids = ring.ids();
        assert!(matches!(ring.renew(), Err(SealError::Keep(_))));
        assert_eq!(ring.ids(), ids);
    }

    #[test]
    fn keys_that_somebody_else_keeps_are_not_renewed() {
        let ring = ring();
        let ids = ring.ids();
        assert_eq!(vec![ring.renew().unwrap()], ids);
        ring.forget_old().unwrap();
        assert_eq!(ring.ids(), ids);
    }

    #[test]
    fn text_is_read_back_and_not_shown() {
        let key = MasterKey::random().unwrap();
        assert_eq!(key.expose().parse::<MasterKey>().unwrap(), key);
        assert!(!format!("{key:?}").contains(&key.expose()));
        for wrong in ["", "x", "AAAA", &"A".repeat(44)] {
            assert!(wrong.parse::<MasterKey>().is_err(), "{wrong:?}");
        }
    }
}
