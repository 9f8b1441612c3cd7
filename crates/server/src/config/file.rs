//! The file of settings.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_norway::Value;

use super::ConfigError;

/// Bytes of a file of settings: there are a few dozen keys.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Holds the file's text for the inner serve, which may not be allowed to read the file itself.
pub(crate) const CONTENT_VARIABLE: &str = "ATOLL_CONFIG_CONTENT";

/// A file that was read.
#[derive(Debug, Clone)]
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl ConfigFile {
    /// Reads it.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
            .map_err(failed)?;
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
            return Err(ConfigError::Large { path: path.to_owned(), max_bytes: FILE_BYTES_MAX });
        }
        Ok(Self { path: path.to_owned(), text })
    }

    /// Its keys with their values as text; `None` for a value that is a list or has keys too deep. A key in a section is
    /// `section.key`. A key without a value is not there.
    pub(super) fn entries(&self) -> Result<Vec<(String, Option<String>)>, ConfigError> {
        let syntax = |source| ConfigError::Syntax { path: self.path.clone(), source };
        let shape = || ConfigError::Shape { path: self.path.clone() };
        let mapping = match serde_norway::from_str::<Value>(&self.text).map_err(syntax)? {
            Value::Null => return Ok(Vec::new()),
            Value::Mapping(mapping) => mapping,
            _ => return Err(shape()),
        };
        let entry = |(key, value): (Value, Value)| {
            let Value::String(key) = key else { return Err(shape()) };
            Ok((key, value))
        };
        let mut entries = Vec::new();
        for pair in mapping {
            let (key, value) = entry(pair)?;
            let Value::Mapping(section) = value else {
                entries.push((key, value));
                continue;
            };
            for pair in section {
                let (name, value) = entry(pair)?;
                entries.push((format!("{key}.{name}"), value));
            }
        }
        Ok(entries
            .into_iter()
            .filter(|(_, value)| *value != Value::Null)
            .map(|(k, v)| (k, text(v)))
            .collect())
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => None,
    }
}
