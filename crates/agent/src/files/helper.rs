//! The helper process: one request, then its end.

use std::process::ExitCode;

use atoll_agent_protocol::frames::FrameKind;
use atoll_agent_protocol::v1::{FileErrorKind, FileRequest, file_request::Call};

use super::failure::Stop;
use super::wire::Wire;
use super::{change, list, pack, place, read, remove, search, unpack, watch, write};

/// Makes this program a helper.
pub(crate) const HELPER_ARGUMENT: &str = "--files";

/// The life of a helper.
pub(crate) fn main() -> ExitCode {
    // This program is executed by descriptor, whose name would say nothing in a list of processes.
    let _unnamed = rustix::thread::set_name(c"atoll-files");
    let Ok(mut wire) = Wire::standard() else { return ExitCode::FAILURE };
    match serve(&mut wire) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Failed(failure)) => {
            wire.fail(failure);
            ExitCode::FAILURE
        }
        // What was begun was undone on the way here.
        Err(Stop::Gone) => ExitCode::FAILURE,
    }
}

fn serve(wire: &mut Wire) -> Result<(), Stop> {
    let FileRequest { path, or_root, call } = wire.request()?;
    let call =
        call.ok_or_else(|| Stop::new(FileErrorKind::Failed, "this agent does not know the operation"))?;
    place::check(&path)?;
    let path = path.to_vec();
    let path = if or_root { place::from_home_or_root(path) } else { path };
    match call {
        Call::Stat(_) => list::stat(wire, &path)?,
        Call::List(call) => list::list(wire, &path, &call)?,
        Call::Read(call) => read::read(wire, &path, &call)?,
        Call::Write(call) => write::write(wire, &path, call)?,
        Call::Remove(call) => remove::remove(&path, call.recursive)?,
        Call::Change(call) => change::change(wire, path, &call)?,
        Call::Pack(_) => pack::pack(wire, &path)?,
        Call::Unpack(_) => unpack::unpack(wire, &path)?,
        Call::Search(call) => search::search(wire, &path, &call)?,
        Call::Watch(call) => watch::watch(wire, &path, call.recursive)?,
    }
    wire.send(FrameKind::End, &[])
}
