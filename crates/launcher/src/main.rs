//! Makes sandboxes: the only program that is root while it takes requests.
//!
//! It has one thread, no network and no configuration. The supervisor starts it with four descriptors: 3, the socket on
//! which serve connects; 4, the agent; 5, the unpacker; 6, the way to the egress program. It trusts nothing that it is sent, and keeps nothing that it could
//! not find again: when it dies, sandboxes go on, and the next launcher takes them over.

mod args;
mod caps;
mod cgroup;
mod clock;
mod guest_files;
mod holder;
mod host_image;
mod house;
mod import;
mod mounts;
mod net;
mod program;
mod report;
mod sandbox;
mod seccomp;
mod server;
mod storage;
mod sys;
mod userns;

use std::process::ExitCode;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use args::Arguments;
use house::House;
use report::{At, Step, StepError, log};
use sandbox::{Tools, state};
use server::Server;
use storage::Storage;

/// Descriptors that the supervisor leaves open.
const LISTENER: i32 = 3;
const AGENT: i32 = 4;
const UNPACK: i32 = 5;
const EGRESS: i32 = 6;

fn main() -> ExitCode {
    let arguments = match args::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            log(&error.to_string());
            return ExitCode::from(2);
        }
    };
    match start(&arguments).and_then(|mut server| server.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Prepares everything that starts share, once.
fn start(arguments: &Arguments) -> Result<Server, StepError> {
    let listener = sys::take_inherited(LISTENER).at(Step::TakeDescriptor)?;
    let agent = sys::take_inherited(AGENT).at(Step::TakeDescriptor)?;
    let unpack = sys::take_inherited(UNPACK).at(Step::TakeDescriptor)?;
    let egress = sys::take_inherited(EGRESS).at(Step::TakeDescriptor)?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    // A descriptor for each sandbox; each sandbox's own limit is set when it starts.
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).at(Step::SetLimits)?;

    let house = House::open(arguments)?;
    let storage = Storage::open(&house, &arguments.data_dir)?;
    let host_image = host_image::prepare(&storage.pool)?;
    let tools = Tools {
        cgroups: cgroup::find(&house.cgroup_name())?,
        filters: seccomp::Filters::new(),
        stage: mounts::make_stage(&house).inspect_err(|error| log(&error.to_string())),
        agent: program::seal(agent)?,
        unpack: program::seal(unpack)?,
        host_image: host_image.name,
        host_binds: host_image.binds,
        boot_id: state::boot_id().at(Step::WriteState)?,
        house,
        storage,
    };
    Server::new(tools, listener, egress, arguments.serve_uid)
}
