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
                match rest {
                    [] => Some(Self::Container { listen, no_capabilities: false }),
                    ["--no-capabilities"] => Some(Self::Container { listen, no_capabilities: true }),
                    _ => None,
                }
            }
            _ => None,
        }
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
        let container = |listen, no_capabilities| Some(Options::Container { listen, no_capabilities });
        assert_eq!(parse("--stdio"), container(None, false));
        assert_eq!(parse("--stdio --no-capabilities"), container(None, true));
        assert_eq!(parse("--stdio --listen x"), container(Some("x".to_owned()), false));
        assert_eq!(parse("--stdio --listen x --no-capabilities"), container(Some("x".to_owned()), true));
        for line in [
            "--cgroup-fds",
            "--cgroup-fds 17",
            "--cgroup-fds x",
            "--stdio --cgroup-fds 1",
            "--stdio --listen",
            "x",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
