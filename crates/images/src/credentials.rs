//! Names and passwords, from a file as Docker writes it, or from the programs that it names.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use atoll_ports::RegistryError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::io::AsyncReadExt;

use crate::helper;

/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: HashMap<String, Auth>,
    #[serde(default, rename = "credHelpers")]
    helpers: HashMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

/// Those of a registry, as they are in the file now, or as a program knows them that the file names for the registry, or for all.
/// A file that is not there has none.
pub(crate) async fn of(
    file: &Path,
    host: &str,
    limit: Duration,
) -> Result<Option<Credentials>, RegistryError> {
    let Some(config) = read(file).await? else { return Ok(None) };
    if let Some(helper) = config.helpers.get(host) {
        return helper::ask(helper, host, limit).await;
    }
    // What one has logged in with before there was a store stays there.
    if let Some(store) = config.store.as_ref().filter(|store| !store.is_empty())
        && let Some(found) = helper::ask(store, host, limit).await?
    {
        return Ok(Some(found));
    }
    Ok(find(&config, host))
}

async fn read(file: &Path) -> Result<Option<DockerConfig>, RegistryError> {
    let failed = |why: String| RegistryError::Unavailable(format!("the file of registryAuthFile {why}"));
    let opened = match tokio::fs::File::open(file).await {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(format!("cannot be read by the server's user: {error}"))),
    };
    let mut bytes = Vec::new();
    let read = opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).await;
    if read.map_err(|error| failed(format!("cannot be read: {error}")))? as u64 > FILE_BYTES_MAX {
        return Err(failed(format!("has more than {FILE_BYTES_MAX} bytes")));
    }
    // Not why: that might quote what is secret.
    serde_json::from_slice(&bytes).map(Some).map_err(|_| failed("is not one as Docker writes it".to_owned()))
}

fn find(config: &DockerConfig, host: &str) -> Option<Credentials> {
    let named = |key: &str| {
        let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
        rest.split('/').next() == Some(host)
    };
    let auth = config
        .auths
        .get(host)
        .or_else(|| config.auths.iter().find(|(key, _)| named(key)).map(|(_, auth)| auth))?;
    if let (Some(user), Some(password)) = (&auth.username, &auth.password) {
        return Some(Credentials { user: user.clone(), password: password.clone() });
    }
    let decoded = STANDARD.decode(auth.auth.as_deref()?.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    // Docker ends what it writes with NULs.
    let password = password.trim_end_matches('\0').to_owned();
    Some(Credentials { user: user.to_owned(), password })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    async fn found(text: &str, host: &str) -> Result<Option<(String, String)>, RegistryError> {
        let dir = tempfile::tempdir().unwrap();
        let file: PathBuf = dir.path().join("config.json");
        std::fs::write(&file, text).unwrap();
        Ok(of(&file, host, SOON).await?.map(|found| (found.user, found.password)))
    }

    #[tokio::test]
    async fn those_of_the_registry_are_found() {
        let auth = STANDARD.encode("me:pass:word");
        let text = format!(
            r#"{{"auths": {{"https://a.example/v1/": {{"auth": "{auth}"}}, "b.example:5000": {{"username": "u", "password": "p"}}}},
            "credsStore": ""}}"#
        );
        assert_eq!(found(&text, "a.example").await.unwrap(), Some(("me".into(), "pass:word".into())));
        assert_eq!(found(&text, "b.example:5000").await.unwrap(), Some(("u".into(), "p".into())));
        for other in ["b.example", "example", "a.example.evil"] {
            assert_eq!(found(&text, other).await.unwrap(), None);
        }
        assert!(of(Path::new("/nonexistent/config.json"), "a.example", SOON).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_program_that_the_file_names_is_asked_for_the_registry_or_for_all() {
        let auth = r#""auths": {"a.example": {"username": "u", "password": "p"}}"#;
        let text = format!(r#"{{"credHelpers": {{"a.example": "atoll-has-none"}}, {auth}}}"#);
        let error = found(&text, "a.example").await.unwrap_err().to_string();
        assert!(error.contains("docker-credential-atoll-has-none"), "{error}");
        assert_eq!(found(&text, "b.example").await.unwrap(), None);
        let text = format!(r#"{{"credsStore": "atoll-has-none", {auth}}}"#);
        found(&text, "b.example").await.unwrap_err();
    }

    #[tokio::test]
    async fn a_file_that_is_none_is_an_error_that_tells_nothing_of_it() {
        for text in ["secret", r#"{"auths": "secret"}"#, &" ".repeat(2 << 20)] {
            let error = found(text, "a.example").await.unwrap_err().to_string();
            assert!(error.contains("registryAuthFile") && !error.contains("secret"), "{error}");
        }
        assert_eq!(
            found(r#"{"auths": {"a.example": {"auth": "no base64"}}}"#, "a.example").await.unwrap(),
            None
        );
    }
}
