//! The master keys that seal secrets: the configured ones, else ones that are made here and kept.
//!
//! Their ids, which tell nothing of them, are written beside the records at each start, so that the doctor can say which
//! secrets were sealed with a key that is not here.

use atoll_seal::{Keeper, Keyring, MasterKey};

use super::InnerError;
use super::folder::Folder;
use crate::config::MasterKeys;

const KEY_FOLDER: &str = "keys";
const KEYS: &str = "master";
/// As an error names the file.
const KEYS_SHOWN: &str = "keys/master";
/// Ids of the keys that this server has, one a line.
const IDS: &str = "master-keys";

/// The keyring.
pub(super) fn keyring(folder: &Folder, configured: Option<&MasterKeys>) -> Result<Keyring, InnerError> {
    let ring = match configured {
        Some(keys) => Keyring::new(keys.first.clone(), keys.others.clone(), None),
        None => kept(folder)?,
    };
    folder.write(IDS, &ring.ids().join("\n"))?;
    Ok(ring)
}

/// The keys of the data folder, made at the first start.
fn kept(folder: &Folder) -> Result<Keyring, InnerError> {
    let keys = Folder::new(folder.subfolder(KEY_FOLDER)?);
    let wrong = || InnerError::Content { name: KEYS_SHOWN, expected: "32 bytes in base64 on each line" };
    let all = match keys.read(KEYS)? {
        Some(text) => text.lines().map(|line| line.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?,
        None => {
            let made = MasterKey::random();
            let made =
                made.map_err(|source| InnerError::File { action: "make", name: KEYS_SHOWN, source })?;
            keys.write(KEYS, &text(std::slice::from_ref(&made)))?;
            vec![made]
        }
    };
    let mut all: std::vec::IntoIter<MasterKey> = Vec::into_iter(all);
    let first = all.next().ok_or_else(wrong)?;
    Ok(Keyring::new(first, all.collect(), Some(keeper(keys, folder.again()?))))
}

fn text(keys: &[MasterKey]) -> String {
    keys.iter().map(MasterKey::expose).collect::<Vec<_>>().join("\n")
}

fn keeper(keys: Folder, folder: Folder) -> Keeper {
    Box::new(move |all| {
        let ids: Vec<_> = all.iter().map(MasterKey::id_text).collect();
        let kept = keys.write(KEYS, &text(all)).and_then(|()| folder.write(IDS, &ids.join("\n")));
        kept.map_err(std::io::Error::other)
    })
}

#[cfg(test)]
mod tests {
    use atoll_ports::Seal as _;

    use super::super::folder::tests::folder;
    use super::*;

    #[test]
    fn keys_are_made_once_and_a_rotation_is_kept() {
        use std::os::unix::fs::PermissionsExt as _;

        let (dir, folder) = folder();
        let ring = keyring(&folder, None).unwrap();
        let old = ring.seal(b"a", b"value").unwrap();
        let mode = std::fs::metadata(dir.path().join("keys/master")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = keyring(&folder, None).unwrap();
        assert_eq!((again.open(b"a", &old).unwrap(), again.ids()), (b"value".to_vec(), ring.ids()));
        ring.renew().unwrap();
        let between = keyring(&folder, None).unwrap();
        assert_eq!((between.open(b"a", &old).unwrap(), between.ids()), (b"value".to_vec(), ring.ids()));
        assert_eq!(folder.read(IDS).unwrap().unwrap(), ring.ids().join("\n"));
        ring.forget_old().unwrap();
        let after = keyring(&folder, None).unwrap();
        assert!(after.open(b"a", &old).is_err());
        assert_eq!(folder.read(IDS).unwrap().unwrap(), ring.ids().join("\n"));
    }

    #[test]
    fn a_cut_file_is_an_error_and_not_a_new_key() {
        let (_dir, folder) = folder();
        for text in ["", "abc", "AAAA\nAAAA"] {
            Folder::new(folder.subfolder("keys").unwrap()).write("master", text).unwrap();
            let error = keyring(&folder, None).unwrap_err().to_string();
            assert!(error.contains("keys/master"), "{error}");
        }
    }

    #[test]
    fn configured_keys_come_first_and_nothing_is_made() {
        let (dir, folder) = folder();
        let (first, other) = (MasterKey::random().unwrap(), MasterKey::random().unwrap());
        let keys = MasterKeys { first: first.clone(), others: vec![other.clone()] };
        let ring = keyring(&folder, Some(&keys)).unwrap();
        assert_eq!(ring.ids(), [first.id_text(), other.id_text()]);
        assert!(!dir.path().join("keys").exists());
        assert_eq!(ring.renew().unwrap(), first.id_text());
    }
}
