//! A key in a terminal, beside the same through OpenSSH.

use std::path::Path;

use super::{ATOLL_KEY, SSH_KEY};
use crate::Args;
use crate::atoll::Server;
use crate::peers::ssh::{self, Ssh};
use crate::report::Report;
use crate::stats::Series;
use crate::typing::Typist;

/// Both in the same run, right after each other.
pub(super) fn measure(
    args: &Args,
    scratch: &Path,
    server: &Server,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut client = server.client()?;
    let sandbox = client.create()?;
    let typist = Typist::start(server.cli().args(["shell", &sandbox]))?;
    report.series(Series::new(ATOLL_KEY, typist.keys(args.count)?));
    drop(typist);
    client.delete(&sandbox)?;
    if !ssh::is_there() {
        report.note("OpenSSH's server is not installed".to_owned());
        return Ok(());
    }
    let ssh = Ssh::start(scratch)?;
    let keys = Typist::start(&mut ssh.shell()).and_then(|typist| typist.keys(args.count));
    ssh.stop()?;
    report.series(Series::new(SSH_KEY, keys?));
    Ok(())
}
