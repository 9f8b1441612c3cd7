//! The values of all keys, each with the place that it came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::file::{CONTENT_VARIABLE, ConfigFile};
use super::keys::{OTHER_VARIABLES, by_name};
use super::nearest::nearest;
use super::{ConfigError, KEYS, Key, ServeArgs};

/// A value and where it stands, as an error names it.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) place: String,
    pub(super) text: String,
}

/// The values that somebody gave.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(super) values: BTreeMap<&'static str, Given>,
    /// The file, if there is one, for the inner serve.
    pub(crate) file: Option<ConfigFile>,
}

/// Environment, as the operating system has it.
type Environment = BTreeMap<String, OsString>;

/// File, then environment, then flags.
///
/// # Errors
/// A file that cannot be read, a name that no setting has, a value that is no text.
pub(crate) fn gather(
    args: &ServeArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Gathered, ConfigError> {
    // A variable whose name is no text is none of ours; one that is empty is as good as absent.
    let named = environment.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let environment: Environment = named.filter(|(_, value)| !value.is_empty()).collect();
    let file = find_file(args, &environment)?;
    let mut gathered = Gathered::default();
    if let Some(file) = &file {
        gathered.take_file(file)?;
    }
    gathered.file = file;
    gathered.take_environment(&environment)?;
    for (key, text) in &args.flags {
        gathered.put(key, format!("--{}", key.flag.unwrap_or_default()), text.clone());
    }
    Ok(gathered)
}

fn find_file(args: &ServeArgs, environment: &Environment) -> Result<Option<ConfigFile>, ConfigError> {
    let path = args.config.clone().or_else(|| environment.get("ATOLL_CONFIG").map(PathBuf::from));
    let Some(path) = path else { return Ok(None) };
    // Whoever became the supervisor has read it already, with rights that this process may not have.
    let is_inner = environment.get("ATOLL_ROLE").is_some_and(|role| role == "serve");
    match environment.get(CONTENT_VARIABLE).and_then(|text| text.to_str()) {
        Some(text) if is_inner => Ok(Some(ConfigFile { path, text: text.to_owned() })),
        _ => ConfigFile::read(&path).map(Some),
    }
}

impl Gathered {
    fn put(&mut self, key: &'static Key, place: String, text: String) {
        self.values.insert(key.name, Given { place, text });
    }

    fn take_file(&mut self, file: &ConfigFile) -> Result<(), ConfigError> {
        for (name, text) in file.entries()? {
            let place = format!("{}: {}", file.path.display(), name.escape_debug());
            let Some(key) = by_name(&name) else {
                let nearest = nearest(&name, KEYS.iter().map(|key| key.name));
                return Err(ConfigError::Unknown { place, nearest });
            };
            let Some(text) = text else {
                return Err(ConfigError::Value {
                    place,
                    expected: "one value, no list".to_owned(),
                    given: None,
                });
            };
            self.put(key, place, text);
        }
        Ok(())
    }

    fn take_environment(&mut self, environment: &Environment) -> Result<(), ConfigError> {
        refuse_typing_errors(environment)?;
        for key in KEYS {
            let set = key.variables.iter().find_map(|name| Some((*name, environment.get(*name)?)));
            let Some((name, value)) = set else { continue };
            let Some(text) = value.to_str() else {
                return Err(ConfigError::Value {
                    place: name.to_owned(),
                    expected: "text in UTF-8".to_owned(),
                    given: None,
                });
            };
            self.put(key, name.to_owned(), text.to_owned());
        }
        Ok(())
    }
}

/// A variable that begins like ours and is nearly one of them. Others may belong to whatever runs Atoll.
fn refuse_typing_errors(environment: &Environment) -> Result<(), ConfigError> {
    let known = || KEYS.iter().flat_map(|key| key.variables).copied();
    for name in environment.keys().filter(|name| name.starts_with("ATOLL_")) {
        if known().any(|known| known == name) || OTHER_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        let ours = known().filter(|known| known.starts_with("ATOLL_"));
        if let Some(meant) = nearest(name, ours) {
            return Err(ConfigError::Unknown { place: format!("the variable {name}"), nearest: Some(meant) });
        }
    }
    Ok(())
}
