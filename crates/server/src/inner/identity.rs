//! What stays the same over restarts: the node's id and the secret of tokens.

use std::io;

use atoll_types::NodeId;

use super::InnerError;
use super::folder::Folder;
use crate::config::Secret;

const NODE: &str = "node";
const SECRET_FOLDER: &str = "keys";
const SECRET: &str = "jwt";
/// Random bytes of a secret that is made here.
const SECRET_BYTES: usize = 32;

/// Id of this machine, made at the first start: every record says on which node it is.
pub(super) fn node(folder: &Folder) -> Result<NodeId, InnerError> {
    if let Some(text) = folder.read(NODE)? {
        return text.parse().map_err(|_| InnerError::Content { name: NODE, expected: "an id" });
    }
    let node = NodeId::random();
    folder.write(NODE, node.as_str())?;
    Ok(node)
}

/// Secret of tokens: the configured one, else one that is made at the first start and kept.
pub(super) fn token_secret(folder: &Folder, configured: Option<&Secret>) -> Result<Vec<u8>, InnerError> {
    if let Some(secret) = configured {
        return Ok(secret.expose().as_bytes().to_vec());
    }
    let keys = Folder::new(folder.subfolder(SECRET_FOLDER)?);
    if let Some(text) = keys.read(SECRET)? {
        let is_whole = text.len() == 2 * SECRET_BYTES && text.bytes().all(|b| b.is_ascii_hexdigit());
        let wrong = InnerError::Content { name: "keys/jwt", expected: "64 hexadecimal digits" };
        return if is_whole { Ok(text.into_bytes()) } else { Err(wrong) };
    }
    let text =
        make_secret().map_err(|source| InnerError::File { action: "make", name: "keys/jwt", source })?;
    keys.write(SECRET, &text)?;
    Ok(text.into_bytes())
}

fn make_secret() -> io::Result<String> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::super::folder::tests::folder;
    use super::*;

    #[test]
    fn both_are_made_once() {
        let (_dir, folder) = folder();
        assert_eq!(node(&folder).unwrap(), node(&folder).unwrap());
        let secret = token_secret(&folder, None).unwrap();
        assert_eq!((secret.len(), &secret), (64, &token_secret(&folder, None).unwrap()));
    }

    #[test]
    fn a_cut_file_is_an_error_and_not_a_new_identity() {
        let (_dir, folder) = folder();
        folder.write("node", "abc").unwrap();
        assert!(node(&folder).unwrap_err().to_string().contains("node in the data folder is not an id"));
        Folder::new(folder.subfolder("keys").unwrap()).write("jwt", "00ff").unwrap();
        assert!(token_secret(&folder, None).is_err());
    }
}
