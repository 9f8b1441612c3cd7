//! What the agent is told when it is started.

use crate::sys::CGROUP_FDS_MAX;

/// Who has started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Options {
    /// The launcher, which has prepared the sandbox and left descriptors open.
    Sandbox {
        /// How many `cgroup.procs` files there are.
        cgroup_fds: usize,
    },
    /// A container engine, as the entry point: `--stdio`.
    Container {
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
            ["--stdio"] => Some(Self::Container { no_capabilities: false }),
            ["--stdio", "--no-capabilities"] => Some(Self::Container { no_capabilities: true }),
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
        assert_eq!(parse("--stdio"), Some(Options::Container { no_capabilities: false }));
        assert_eq!(parse("--stdio --no-capabilities"), Some(Options::Container { no_capabilities: true }));
        for line in ["--cgroup-fds", "--cgroup-fds 17", "--cgroup-fds x", "--stdio --cgroup-fds 1", "x"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
