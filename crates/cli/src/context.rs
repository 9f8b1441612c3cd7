//! Which server, and as whom: the command line, then the environment, then what `atoll login` wrote.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use atoll_client::Client;
use serde::{Deserialize, Serialize};

use crate::args::{Format, Global};
use crate::failure::advised;
use crate::refresh;

/// Where `make run` and `atoll serve` listen unless they are told otherwise.
const URL_DEFAULT: &str = "http://127.0.0.1:3001";
const TOKEN_VARIABLE: &str = "ATOLL_TOKEN";
const URL_VARIABLE: &str = "ATOLL_URL";
const OUTPUT_VARIABLE: &str = "ATOLL_OUTPUT";
/// Largest context file in bytes: it has a few lines, of which tokens are the longest.
const CONTEXT_BYTES_MAX: u64 = 64 << 10;

/// What `atoll login` writes.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Context {
    /// Address of the server.
    pub(crate) url: String,
    /// Token or key, for that server alone; a server in single-user mode needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// Id of the key that `atoll login` made, so that `atoll logout` can end it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key_id: Option<String>,
    /// What the next token is asked for with, where `token` is one of a log-in; good once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
    /// RFC 3339: when `token` ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_expires_at: Option<String>,
}

/// The client for this call. A token of a log-in that is about to end is refreshed first.
pub(crate) async fn client(global: &Global) -> anyhow::Result<Client> {
    let mut context = load()?;
    let url = url(global, context.as_ref());
    let given = token_of_environment();
    if let Some(kept) = context.take_if(|kept| given.is_none() && is_same_server(&kept.url, &url)) {
        context = Some(refresh::refreshed(kept).await?);
    }
    Ok(Client::new(&url, token(given, &url, context).as_deref())?)
}

/// The address that counts.
pub(crate) fn url(global: &Global, context: Option<&Context>) -> String {
    let given = global.url.clone().filter(|url| !url.is_empty());
    given.or_else(|| context.map(|c| c.url.clone())).unwrap_or_else(|| URL_DEFAULT.to_owned())
}

/// The token that counts. One that was kept for a server is never sent to another.
fn token(environment: Option<String>, url: &str, context: Option<Context>) -> Option<String> {
    environment.or_else(|| context.filter(|context| is_same_server(&context.url, url))?.token)
}

/// A setting that counts for this call.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Setting {
    /// Name, as `atoll config get` takes it.
    pub(crate) name: &'static str,
    /// What counts; none where nothing is set.
    pub(crate) value: Option<String>,
    /// Where it comes from.
    pub(crate) source: String,
}

/// What counts for this call, and where it comes from. Secrets are shown by their beginning.
pub(crate) fn settings(global: &Global, context: Option<Context>) -> Vec<Setting> {
    let of_file = || path().map_or_else(|| "the configuration".to_owned(), |path| path.display().to_string());
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let effective = url(global, context.as_ref());
    let given = global.url.as_ref().filter(|url| !url.is_empty());
    let url_source = match (given, &context) {
        (Some(url), _) if set(URL_VARIABLE).as_ref() == Some(url) => URL_VARIABLE.to_owned(),
        (Some(_), _) => "--url".to_owned(),
        (None, Some(_)) => of_file(),
        (None, None) => "default".to_owned(),
    };
    let of_environment = token_of_environment();
    let token_source = match (&of_environment, &context) {
        (Some(_), _) => TOKEN_VARIABLE.to_owned(),
        (None, Some(kept)) if kept.token.is_some() && is_same_server(&kept.url, &effective) => of_file(),
        (None, Some(kept)) if kept.token.is_some() => format!("not sent: kept for {}", kept.url),
        (None, _) => "not set".to_owned(),
    };
    let token = token(of_environment, &effective, context).map(|token| masked(&token));
    let output = if global.output == Format::Json { "json" } else { "table" };
    let output_source = match set(OUTPUT_VARIABLE) {
        Some(value) if value == output => OUTPUT_VARIABLE,
        None if global.output == Format::default() => "default",
        _ => "--output",
    };
    vec![
        Setting { name: "url", value: Some(effective), source: url_source },
        Setting { name: "token", value: token, source: token_source },
        Setting { name: "output", value: Some(output.to_owned()), source: output_source.to_owned() },
    ]
}

/// A secret by its beginning, which tells one key from another.
fn masked(secret: &str) -> String {
    const SHOWN: usize = 6;
    let shown: String = secret.chars().take(SHOWN.min(secret.chars().count() / 4)).collect();
    format!("{shown}…")
}

fn token_of_environment() -> Option<String> {
    std::env::var(TOKEN_VARIABLE).ok().map(|token| token.trim().to_owned()).filter(|token| !token.is_empty())
}

pub(crate) fn is_same_server(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

/// What was kept; none when nobody logged in.
pub(crate) fn load() -> anyhow::Result<Option<Context>> {
    match path() {
        Some(path) => load_from(&path),
        None => Ok(None),
    }
}

fn load_from(path: &Path) -> anyhow::Result<Option<Context>> {
    let length = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    anyhow::ensure!(length <= CONTEXT_BYTES_MAX, "{} is too large to be ours", path.display());
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_norway::from_str(&text).map(Some).map_err(|error| {
        advised(
            format!("{} is malformed: {error}", path.display()),
            "correct it, or log in anew with `atoll logout` and `atoll login`",
        )
    })
}

/// Keeps a context, readable by its owner alone, in one step.
pub(crate) fn save(context: &Context) -> anyhow::Result<PathBuf> {
    let path = path().context("there is no home folder: set HOME or XDG_CONFIG_HOME")?;
    save_to(&path, context).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn save_to(path: &Path, context: &Context) -> anyhow::Result<()> {
    let folder = path.parent().context("it has no folder")?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    let beside = path.with_extension(format!("yaml.{}.new", std::process::id()));
    let _absent = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(serde_norway::to_string(context)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    Ok(())
}

/// Makes others that want to change what is kept wait, until what this answers with is dropped.
pub(crate) fn lock() -> anyhow::Result<fs::File> {
    let path = path().context("there is no home folder: set HOME or XDG_CONFIG_HOME")?.with_extension("lock");
    let open = || {
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
        file.lock()?;
        io::Result::Ok(file)
    };
    open().with_context(|| format!("cannot lock {}", path.display()))
}

/// Forgets what was kept; answers with whether there was anything.
pub(crate) fn forget() -> anyhow::Result<bool> {
    let Some(path) = path() else { return Ok(false) };
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", path.display())),
    }
}

/// Where it is kept.
pub(crate) fn path() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("atoll").join("config.yaml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context { url: "http://a:1".into(), token: Some("sk_x".into()), ..Context::default() }
    }

    #[test]
    fn a_kept_context_reads_back_and_is_private() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config/atoll/config.yaml");
        assert!(load_from(&path).unwrap().is_none());
        save_to(&path, &Context::default()).unwrap();
        save_to(&path, &context()).unwrap();
        assert!(load_from(&path).unwrap() == Some(context()));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_malformed_context_is_an_error_that_names_the_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.yaml");
        for text in ["url: [", "token: x", "url: a\nother: b", ""] {
            fs::write(&path, text).unwrap();
            let Err(error) = load_from(&path) else { panic!("{text:?} was taken") };
            assert!(error.to_string().contains("config.yaml"), "{error}");
        }
    }

    fn global(url: Option<&str>) -> Global {
        Global { url: url.map(str::to_owned), output: Format::Table }
    }

    #[test]
    fn each_setting_says_where_it_comes_from() {
        // The tests run without ATOLL_URL, ATOLL_TOKEN and ATOLL_OUTPUT, or these three say so.
        let shown = |url: Option<&str>, context: Option<Context>| {
            let settings = settings(&global(url), context);
            let shown = |s: &Setting| format!("{} {}", s.value.as_deref().unwrap_or("-"), s.source);
            settings.iter().map(shown).collect::<Vec<_>>()
        };
        let nothing = shown(None, None);
        assert_eq!(nothing, [format!("{URL_DEFAULT} default"), "- not set".into(), "table default".into()]);
        let kept = Context { token: Some("sk_0123456789abcdef".into()), ..context() };
        let other = shown(Some("http://b:1"), Some(kept.clone()));
        assert_eq!(other[..2], ["http://b:1 --url", "- not sent: kept for http://a:1"]);
        let own = shown(None, Some(kept));
        assert!(own[0].starts_with("http://a:1 /") && own[0].ends_with("config.yaml"), "{own:?}");
        assert!(own[1].starts_with("sk_0… /"), "{own:?}");
    }

    #[test]
    fn secrets_are_masked() {
        assert_eq!((masked("sk_0123456789abcdefghij").as_str(), masked("short").as_str()), ("sk_01…", "s…"));
        assert_eq!(masked(""), "…");
    }

    #[test]
    fn a_token_goes_to_its_own_server_alone() {
        assert_eq!(token(None, "http://a:1/", Some(context())).as_deref(), Some("sk_x"));
        assert_eq!(token(None, "http://b:1", Some(context())), None);
        assert_eq!(token(None, "https://a:1", Some(context())), None);
        assert_eq!(token(Some("sk_y".into()), "http://b:1", Some(context())).as_deref(), Some("sk_y"));
    }
}
