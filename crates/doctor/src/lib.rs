//! Finds what no record owns on the host, and removes it.
//!
//! ```text
//! collect: processes, cgroups, mounts,       records: what the store knows,
//! loop devices, folders, sockets,
//! Docker's containers ─────────────► World   given by the caller ──► Records
//!                                      └────────► examine ◄────────────┘     pure
//!                                                   │
//!                                                   ▼
//!                                        Findings ──► fix, one by one
//! ```
//!
//! It works whether Atoll runs or not, and looks at one installation only: everything on the host carries its id. While
//! Atoll works things come and go, so the world is collected before the records are read, and a finding counts only when it
//! is still there after a second look. A sandbox that runs while serve is down is no leak: its record says that it may.

mod collect;
mod docker;
mod doctor;
mod examine;
mod finding;
mod fix;
mod records;
mod remove;
mod world;

pub use doctor::{Doctor, DoctorError, Report};
pub use examine::examine;
pub use finding::{Finding, Kind, Severity, Target};
pub use fix::FixError;
pub use records::{LostSecrets, Recorded, Records};
pub use world::{
    Group, GroupOwner, InDocker, LoopDevice, Part, Process, Program, Root, Thing, Traces, World,
};
