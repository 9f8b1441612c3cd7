//! What the agent is told when it is started.

use crate::sys::CGROUP_FDS_MAX;

/// Who has started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Options {
    /// The launcher, which has prepared the sandbox and left descriptors open.
    Sandbox {
        /// How many `cgroup.procs` files there are.
        cgroup_fds: usize,
    },
    /// A container engine, as the entry point: `--stdio`.
    Container {
        /// The name under which it listens too, for a launcher on the same machine: `--listen NAME`.
        listen: Option<String>,
        /// The kernel takes no notice of `CLONE_PARENT`, as gVisor's: `--no-siblings`.
        no_siblings: bool,
        /// Nothing but the agent has capabilities: `--no-capabilities`.
        no_capabilities: bool,
    },
}

impl Options {
    /// Nothing when they make no sense.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Option<Self> {
        let arguments: Vec<String> = arguments.collect();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => Some(Self::Sandbox { cgroup_fds: 0 }),
            ["--cgroup-fds", n] => {
                let cgroup_fds = n.parse().ok().filter(|n| *n <= CGROUP_FDS_MAX)?;
                Some(Self::Sandbox { cgroup_fds })
            }
            ["--stdio", rest @ ..] => {
                let (listen, rest) = match rest {
                    ["--listen", name, rest @ ..] => (Some((*name).to_owned()), rest),
                    _ => (None, rest),
                };
                let (no_siblings, rest) = take(rest, "--no-siblings");
                let (no_capabilities, rest) = take(rest, "--no-capabilities");
                rest.is_empty().then_some(Self::Container { listen, no_siblings, no_capabilities })
            }
            _ => None,
        }
    }
}

/// Whether the first word is this one, and what comes after it.
fn take<'a>(words: &'a [&'a str], word: &str) -> (bool, &'a [&'a str]) {
    match words {
        [first, rest @ ..] if *first == word => (true, rest),
        _ => (false, words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Options> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn each_way_to_start_it_and_no_other() {
        assert_eq!(parse(""), Some(Options::Sandbox { cgroup_fds: 0 }));
        assert_eq!(parse("--cgroup-fds 4"), Some(Options::Sandbox { cgroup_fds: 4 }));
        let container = |listen: Option<&str>, no_siblings, no_capabilities| {
            Some(Options::Container { listen: listen.map(str::to_owned), no_siblings, no_capabilities })
        };
        assert_eq!(parse("--stdio"), container(None, false, false));
        assert_eq!(parse("--stdio --no-capabilities"), container(None, false, true));
        assert_eq!(parse("--stdio --listen x"), container(Some("x"), false, false));
        assert_eq!(parse("--stdio --listen x --no-capabilities"), container(Some("x"), false, true));
        assert_eq!(parse("--stdio --no-siblings"), container(None, true, false));
        assert_eq!(parse("--stdio --no-siblings --no-capabilities"), container(None, true, true));
        for line in [
            "--cgroup-fds",
            "--cgroup-fds 17",
            "--cgroup-fds x",
            "--stdio --cgroup-fds 1",
            "--stdio --listen",
            "--stdio --no-capabilities --no-siblings",
            "--stdio x",
            "x",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
