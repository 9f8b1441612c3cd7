//! Programs that know names and passwords, as Docker's configuration names them: `docker-credential-NAME get`.
//!
//! The operator has named the program, and it runs as the server's own user. It learns the name of one registry, and none of
//! the server's own settings; how long it takes and what it says is bounded.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use atoll_ports::RegistryError;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::credentials::Credentials;

/// What a program's name begins with.
const PREFIX: &str = "docker-credential-";
/// Longest rest of its name, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Longest answer, in bytes: tokens have some thousand.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// What a program says that has nothing for a registry.
const NOT_FOUND: &str = "credentials not found";
/// The user's name of an answer that is no password.
const TOKEN_USER: &str = "<token>";
/// Variables of the server that a program gets: where files and certificates are, and what those of the clouds are set up
/// with. Settings of the server have other names.
const VARIABLES: [&str; 7] = ["HOME", "USER", "LANG", "TMPDIR", "GNUPGHOME", "SSL_CERT_FILE", "SSL_CERT_DIR"];
/// Beginnings of more of them.
const VARIABLE_PREFIXES: [&str; 11] = [
    "AWS_",
    "AZURE_",
    "GOOGLE_",
    "CLOUDSDK_",
    "DOCKER_",
    "XDG_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "LC_",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// What the program knows of a registry; nothing where it has nothing.
pub(crate) async fn ask(
    name: &str,
    host: &str,
    limit: Duration,
) -> Result<Option<Credentials>, RegistryError> {
    ask_in(std::env::var_os("PATH"), name, host, limit).await
}

async fn ask_in(
    path: Option<OsString>,
    name: &str,
    host: &str,
    limit: Duration,
) -> Result<Option<Credentials>, RegistryError> {
    let failed = |why: &str| {
        // Never what it says: that may be secret.
        Err(RegistryError::Unavailable(format!(
            "the program {PREFIX}{} of registryAuthFile {why}",
            shown(name)
        )))
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(plain) {
        return failed("has no name of a program");
    }
    let Ok(mut child) = command(path, name).spawn() else {
        return failed("cannot be run by the server's user");
    };
    // It leads a group, so that what it has started goes with it.
    let group = Group(child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)));
    let answer = timeout(limit, converse(&mut child, host)).await;
    drop(group);
    let Ok(answer) = answer else {
        return failed(&format!("has not answered within {} ms", limit.as_millis()));
    };
    let Ok((said, success)) = answer else { return failed("cannot be talked with") };
    if said.len() as u64 > ANSWER_BYTES_MAX {
        return failed("says too much");
    }
    if !success {
        let nothing = String::from_utf8_lossy(&said).contains(NOT_FOUND);
        return if nothing { Ok(None) } else { failed("has failed") };
    }
    match serde_json::from_slice::<Answer>(&said) {
        Ok(answer) if answer.username == TOKEN_USER => {
            failed("has an identity token and no password, which is not supported")
        }
        Ok(Answer { username: user, secret: password }) => Ok(Some(Credentials { user, password })),
        Err(_) => failed("does not answer as Docker's do"),
    }
}

fn shown(name: &str) -> String {
    name.chars().take(NAME_BYTES_MAX).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

fn command(path: Option<OsString>, name: &str) -> Command {
    let passed = |name: &str| {
        let upper = name.to_ascii_uppercase();
        VARIABLES.contains(&name) || VARIABLE_PREFIXES.iter().any(|prefix| upper.starts_with(prefix))
    };
    let variables = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(passed));
    let mut command = Command::new(format!("{PREFIX}{name}"));
    command
        .arg("get")
        .env_clear()
        .envs(variables)
        .envs(path.map(|path| ("PATH", path)))
        .current_dir("/")
        .process_group(0)
        .kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Names the registry, and gives what the program says, with whether it has ended well.
async fn converse(child: &mut Child, host: &str) -> std::io::Result<(Vec<u8>, bool)> {
    if let Some(mut input) = child.stdin.take() {
        // One that does not care which registry may have ended.
        let _unread = input.write_all(format!("{host}\n").as_bytes()).await;
    }
    let mut said = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut said).await?;
    }
    Ok((said, child.wait().await?.success()))
}

/// The processes of a program, ended when dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Mostly none is left.
            let _none = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Asks a program of this text for `a.example:5000`.
    async fn asked(text: &str, limit: Duration) -> Result<Option<(String, String)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("docker-credential-test");
        std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let found = ask_in(Some(path.into()), "test", "a.example:5000", limit).await;
        found.map(|found| found.map(|found| (found.user, found.password))).map_err(|error| error.to_string())
    }

    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn it_is_told_the_registry_and_says_who_asks() {
        let text = r#"[ "$1" = get ] && read -r host && printf '{"ServerURL":"%s","Username":"me","Secret":"of %s"}' "$host" "$host""#;
        let found = asked(text, SOON).await.unwrap();
        assert_eq!(found, Some(("me".to_owned(), "of a.example:5000".to_owned())));
        let found = asked("echo 'credentials not found in native keychain'; exit 1", SOON).await.unwrap();
        assert_eq!(found, None);
    }

    #[tokio::test]
    async fn one_that_misbehaves_is_an_error_that_tells_nothing_of_what_it_said() {
        let endless = "while :; do echo secret; done";
        for (text, why) in [
            ("echo secret", "does not answer as Docker's do"),
            ("echo secret; exit 3", "has failed"),
            (r#"echo '{"Username": "<token>", "Secret": "secret"}'"#, "identity token"),
            ("head -c 100000 /dev/zero | tr '\\0' s", "says too much"),
        ] {
            let error = asked(text, SOON).await.unwrap_err();
            assert!(error.contains(why) && !error.contains("secret"), "{text}: {error}");
        }
        for text in ["sleep 100 & wait", "sleep 100"] {
            let error = asked(text, Duration::from_millis(300)).await.unwrap_err();
            assert!(error.contains("has not answered"), "{error}");
        }
        let _bounded = asked(endless, SOON).await.unwrap_err();
    }

    #[tokio::test]
    async fn only_a_plain_name_is_run_and_without_settings_of_the_server() {
        for name in ["", "../x", "a/b", "a b", &"x".repeat(65)] {
            let error = ask(name, "a.example", SOON).await.unwrap_err().to_string();
            assert!(error.contains("has no name of a program"), "{error}");
        }
        let error = ask("atoll-has-none", "a.example", SOON).await.unwrap_err().to_string();
        assert!(error.contains("cannot be run"), "{error}");
        // Cargo's own are in the place of the server's.
        assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")));
        let text = r#"printf '{"Username":"me","Secret":"%s"}' "$(env | grep -c ^CARGO)""#;
        assert_eq!(asked(text, SOON).await.unwrap(), Some(("me".to_owned(), "0".to_owned())));
    }

    #[tokio::test]
    async fn nothing_that_it_has_started_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let text = format!("sleep 100 & echo $! >{}; wait", file.display());
        asked(&text, Duration::from_millis(500)).await.unwrap_err();
        let pid = std::fs::read_to_string(file).unwrap();
        for _ in 0..200 {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it stays");
    }
}
