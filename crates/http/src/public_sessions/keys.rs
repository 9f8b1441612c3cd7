//! What makes the id of a session the right to it.

use std::net::IpAddr;

use atoll_types::{Label, SandboxId, client_network};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};

use crate::access::TokenError;

/// Shortest secret, in bytes: as many as the hash has.
const SECRET_BYTES_MIN: usize = 32;
/// Between the id of the sandbox and the signature.
const SEPARATOR: char = '.';
/// Characters of a signature: 256 bits in base64.
const SIGNATURE_CHARS: usize = 43;
/// Characters of a session's id.
const ID_CHARS: usize = SandboxId::LEN + 1 + SIGNATURE_CHARS;
/// Characters of the name of an address: 96 bits, and it fits a label.
const ADDRESS_CHARS: usize = 16;

/// Signs the ids of sessions and class links, and names addresses without telling them.
pub struct SessionKeys {
    pub(super) sign: EncodingKey,
    pub(super) check: DecodingKey,
}

impl std::fmt::Debug for SessionKeys {
    /// Never shows the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionKeys").finish_non_exhaustive()
    }
}

impl SessionKeys {
    /// Keys of a secret, which may sign other things too: what is signed here begins with what it is for.
    ///
    /// # Errors
    /// When the secret is too short.
    pub fn new(secret: &[u8]) -> Result<Self, TokenError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(TokenError::ShortSecret);
        }
        Ok(Self { sign: EncodingKey::from_secret(secret), check: DecodingKey::from_secret(secret) })
    }

    /// The id of the session that a sandbox is. Nothing is kept: the same again after a restart.
    ///
    /// # Errors
    /// When the library fails.
    pub fn id(&self, sandbox: &SandboxId) -> Result<String, TokenError> {
        let signature = crypto::sign(message(sandbox).as_bytes(), &self.sign, Algorithm::HS256)?;
        Ok(format!("{sandbox}{SEPARATOR}{signature}"))
    }

    /// The sandbox of a session's id, if the id is genuine.
    pub(super) fn sandbox(&self, id: &str) -> Option<SandboxId> {
        if id.len() != ID_CHARS {
            return None;
        }
        let (sandbox, signature) = id.split_once(SEPARATOR)?;
        let sandbox: SandboxId = sandbox.parse().ok()?;
        let message = message(&sandbox);
        let genuine = crypto::verify(signature, message.as_bytes(), &self.check, Algorithm::HS256);
        genuine.unwrap_or(false).then_some(sandbox)
    }

    /// A name of the network of an address, the same each time.
    pub(super) fn address(&self, address: IpAddr) -> Result<Label, TokenError> {
        let message = format!("atoll/session-address/{}", client_network(address));
        let name = crypto::sign(message.as_bytes(), &self.sign, Algorithm::HS256)?;
        let name: String = name.chars().take(ADDRESS_CHARS).collect();
        format!("address-{name}").parse().map_err(|_| TokenError::ShortSecret)
    }
}

fn message(sandbox: &SandboxId) -> String {
    format!("atoll/session/{sandbox}")
}

/// The part of a session's id that opens nothing.
pub(crate) fn sandbox_part(id: &str) -> &str {
    id.split(SEPARATOR).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_server_makes_ids() {
        let (keys, others) = (SessionKeys::new(&[1; 32]).unwrap(), SessionKeys::new(&[2; 32]).unwrap());
        let sandbox = SandboxId::random();
        let id = keys.id(&sandbox).unwrap();
        assert_eq!((id.len(), sandbox_part(&id)), (ID_CHARS, sandbox.as_str()));
        assert_eq!(keys.sandbox(&id), Some(sandbox.clone()));
        assert_eq!(others.sandbox(&id), None);
        let other = SandboxId::random();
        for wrong in [
            String::new(),
            sandbox.to_string(),
            format!("{sandbox}."),
            id.replace(sandbox.as_str(), other.as_str()),
            format!("{id}A"),
            "é".repeat(ID_CHARS / 2),
            format!("{sandbox}.{}", "A".repeat(SIGNATURE_CHARS)),
        ] {
            assert_eq!(keys.sandbox(&wrong), None, "{wrong}");
        }
        assert!(SessionKeys::new(&[1; 31]).is_err());
    }

    #[test]
    fn a_network_has_one_name_and_it_does_not_tell_it() {
        let keys = SessionKeys::new(&[1; 32]).unwrap();
        let name = |text: &str| keys.address(text.parse().unwrap()).unwrap().to_string();
        assert_eq!(name("2001:db8:1:2::1"), name("2001:db8:1:2::ffff"));
        assert_ne!(name("192.0.2.1"), name("192.0.2.2"));
        assert!(!name("192.0.2.1").contains("192"));
    }
}
