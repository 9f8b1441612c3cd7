//! A key in a terminal, beside the same through OpenSSH.

use std::path::Path;
use std::time::Duration;

use super::{ATOLL_KEY, SSH_KEY};
use crate::Args;
use crate::atoll::Server;
use crate::peers::ssh::{self, Ssh};
use crate::report::Report;
use crate::stats::Series;
use crate::typing::Typist;

/// How often each has a turn.
const TURNS: usize = 10;
/// Keys for each thing that is counted otherwise: a key is quick, and of 200 the third slowest would be the p99.
const KEYS_EACH: usize = 5;

/// Both in turn: a machine's minutes differ.
pub(super) fn measure(
    args: &Args,
    scratch: &Path,
    server: &Server,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut client = server.client()?;
    let sandbox = client.create()?;
    let ours = Typist::start(server.cli().args(["shell", &sandbox]))?;
    if ssh::is_there() {
        let ssh = Ssh::start(scratch)?;
        let typed = Typist::start(&mut ssh.shell()).and_then(|theirs| in_turn(args, &ours, Some(&theirs)));
        ssh.stop()?;
        let (ours, theirs) = typed?;
        report.series(Series::new(ATOLL_KEY, ours));
        report.series(Series::new(SSH_KEY, theirs));
    } else {
        report.note("OpenSSH's server is not installed".to_owned());
        report.series(Series::new(ATOLL_KEY, in_turn(args, &ours, None)?.0));
    }
    drop(ours);
    client.delete(&sandbox)
}

/// Times of keys: ours and theirs.
fn in_turn(
    args: &Args,
    ours: &Typist,
    theirs: Option<&Typist>,
) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        times.0.extend(turn(args, ours)?);
        times.1.extend(theirs.map_or(Ok(Vec::new()), |theirs| turn(args, theirs))?);
    }
    Ok(times)
}

/// The first key comes after the other's turn, and does not count.
fn turn(args: &Args, typist: &Typist) -> anyhow::Result<Vec<Duration>> {
    typist.keys(1)?;
    typist.keys((args.count * KEYS_EACH).div_ceil(TURNS))
}
