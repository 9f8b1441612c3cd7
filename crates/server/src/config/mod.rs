//! What the operator decided: a YAML file, then the environment, then flags; the later counts.
//!
//! Every key is one row of [`KEYS`]: its name in the file, its variables, its flag, its default and what it means. The
//! help of `atoll serve` and the check of `docs/configuration.md` are made from that table.

mod args;
mod error;
mod file;
mod gather;
mod keys;
mod nearest;
mod parse;
mod sessions;
#[cfg(test)]
mod tests;
mod units;

pub use args::ServeArgs;
pub use error::ConfigError;
pub(crate) use file::{CONTENT_VARIABLE, ConfigFile};
pub(crate) use gather::gather;
pub use keys::{KEYS, Key};
pub use parse::{AuthMode, Config, LogFormat, MasterKeys, Secret};
pub use sessions::SessionConfig;
