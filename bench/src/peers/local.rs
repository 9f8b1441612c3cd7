//! A plain fork and exec on the host: what nothing can be faster than.

use std::process::Command;
use std::time::Duration;

use super::{repeat, until_end};

pub(crate) fn exec_true(count: usize) -> anyhow::Result<Vec<Duration>> {
    repeat(count, |_| until_end(&mut Command::new("/bin/true")))
}
