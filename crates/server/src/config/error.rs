//! What is wrong with the configuration, and where.

use std::io;
use std::path::PathBuf;

/// What is wrong with the configuration. The text names the file with the key, the variable or the flag.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is larger than a configuration ever is.
    #[error("{} must have at most {max_bytes} bytes", path.display())]
    Large {
        /// Which file.
        path: PathBuf,
        /// How many it may have.
        max_bytes: u64,
    },
    /// The file is no YAML.
    #[error("{} is not valid YAML", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_norway::Error,
    },
    /// The file is YAML, and no list of keys with values.
    #[error("{} must be lines of the form key: value", path.display())]
    Shape {
        /// Which file.
        path: PathBuf,
    },
    /// A name that no setting has.
    #[error("{place} is not known{}; docs/configuration.md lists every key", suggestion(*.nearest))]
    Unknown {
        /// Where it stands.
        place: String,
        /// The name that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A value that the setting cannot have.
    #[error("{place} must be {expected}{}", shown(.given))]
    Value {
        /// Where it stands.
        place: String,
        /// What would be right.
        expected: String,
        /// What it is, unless that is a secret.
        given: Option<String>,
    },
    /// `auth: none` on an address that others reach.
    #[error("{place} turns authentication off, so host must be a loopback address, and is {host}")]
    OpenToAll {
        /// Where it stands.
        place: String,
        /// The address.
        host: std::net::IpAddr,
    },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

fn shown(given: &Option<String>) -> String {
    given.as_ref().map_or_else(String::new, |given| format!(", and is {:?}", cut(given)))
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}
