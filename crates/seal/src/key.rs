//! One master key.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of a key: AES-256.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of the id of a key: enough that two keys of an installation never share one.
pub(crate) const KEY_ID_BYTES: usize = 8;
/// Bytes of a nonce of AES-GCM.
pub(crate) const NONCE_BYTES: usize = 12;

/// Text that is no master key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a master key is 32 bytes in base64, as `openssl rand -base64 32` makes one")]
pub struct KeyError;

/// A master key. Its bytes are shown to nobody but whoever keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; KEY_BYTES]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id_text())
    }
}

impl std::str::FromStr for MasterKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| KeyError)?;
        bytes.try_into().map(Self).map_err(|_| KeyError)
    }
}

impl MasterKey {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn random() -> Result<Self, std::io::Error> {
        let mut bytes = [0; KEY_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| no_random())?;
        Ok(Self(bytes))
    }

    /// As it is kept: in base64.
    #[must_use]
    pub fn expose(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Its id: tells which key it is and nothing of its bytes.
    #[must_use]
    pub fn id(&self) -> [u8; KEY_ID_BYTES] {
        let hash = digest(&SHA256, &[b"atoll master key".as_slice(), &self.0].concat());
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&hash.as_ref()[..KEY_ID_BYTES]);
        id
    }

    /// The id as people see it.
    #[must_use]
    pub fn id_text(&self) -> String {
        id_text(&self.id())
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &self.0).ok().map(LessSafeKey::new)
    }

    /// Appends ciphertext and tag of `plain` to `out`.
    pub(crate) fn encrypt(
        &self,
        nonce: [u8; NONCE_BYTES],
        authenticated: &[u8],
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let mut text = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.cipher()?.seal_in_place_append_tag(nonce, Aad::from(authenticated), &mut text).ok()?;
        out.extend_from_slice(&text);
        Some(())
    }

    /// What was encrypted, unless anything of it was changed.
    pub(crate) fn decrypt(
        &self,
        nonce: [u8; NONCE_BYTES],
        authenticated: &[u8],
        text: &[u8],
    ) -> Option<Vec<u8>> {
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = self.cipher()?.open_in_place(nonce, Aad::from(authenticated), &mut text).ok()?.len();
        text.truncate(plain);
        Some(text)
    }
}

pub(crate) fn no_random() -> std::io::Error {
    std::io::Error::other("the system gives no random bytes")
}

/// An id of a key as people see it.
pub(crate) fn id_text(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
