//! The command line: `atoll-launcher --data-dir DIR --serve-gid G --serve-uid U`.

use std::path::PathBuf;

/// What the supervisor says at the start.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// The data folder, absolute.
    pub(crate) data_dir: PathBuf,
    /// The user that serve runs as: who may connect beside root.
    pub(crate) serve_uid: u32,
    /// The group that may reach the agents' sockets.
    pub(crate) serve_gid: u32,
}

/// A command line that is none of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgumentError {
    /// An unknown option.
    #[error("unknown option {0:?}; usage: atoll-launcher --data-dir DIR --serve-gid G --serve-uid U")]
    Unknown(String),
    /// An option without its value, or with one of the wrong form.
    #[error("option {0} needs {1}")]
    Value(&'static str, &'static str),
}

/// Reads the command line, without the program's name.
pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Arguments, ArgumentError> {
    let (mut data_dir, mut serve_uid, mut serve_gid) = (None, None, None);
    let mut arguments = arguments;
    while let Some(option) = arguments.next() {
        let value = arguments.next();
        match option.as_str() {
            "--data-dir" => data_dir = value.map(PathBuf::from).filter(|path| path.is_absolute()),
            "--serve-uid" => serve_uid = value.and_then(|text| text.parse().ok()),
            "--serve-gid" => serve_gid = value.and_then(|text| text.parse().ok()),
            _ => return Err(ArgumentError::Unknown(option)),
        }
    }
    Ok(Arguments {
        data_dir: data_dir.ok_or(ArgumentError::Value("--data-dir", "an absolute path"))?,
        serve_uid: serve_uid.ok_or(ArgumentError::Value("--serve-uid", "a number"))?,
        serve_gid: serve_gid.ok_or(ArgumentError::Value("--serve-gid", "a number"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> impl Iterator<Item = String> {
        text.split(' ').map(str::to_owned)
    }

    #[test]
    fn all_three_options_are_needed() {
        let full = parse(words("--data-dir /var/lib/atoll --serve-gid 5 --serve-uid 6")).unwrap();
        assert_eq!((full.serve_gid, full.serve_uid), (5, 6));
        assert!(parse(words("--data-dir /x --serve-gid 5")).is_err());
        assert!(parse(words("--data-dir relative --serve-gid 5 --serve-uid 6")).is_err());
        assert!(parse(words("--data-dir /x --serve-gid 5 --serve-uid -6")).is_err());
        assert!(parse(words("--evil /x")).is_err());
    }
}
