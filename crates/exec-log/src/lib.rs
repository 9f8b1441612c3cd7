//! Output of execs on disk: bounded, and safe against the death of any process.
