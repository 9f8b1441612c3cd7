//! The answers that say no.

use atoll_agent_protocol::{EXECS_MAX, FIRST_SEQ_METADATA, STDIN_OFFSET_METADATA};
use tonic::Status;

use crate::ring::Gone;
use crate::stdin::Refused;

pub(crate) fn gone(gone: Gone) -> Status {
    let mut status = Status::out_of_range(format!("events before {} were acknowledged", gone.first_seq));
    status.metadata_mut().insert(FIRST_SEQ_METADATA, gone.first_seq.into());
    status
}

pub(crate) fn input_refused(refused: Refused) -> Status {
    match refused {
        Refused::Closed => Status::failed_precondition("standard input is closed"),
        Refused::NotNext(expected) => {
            let mut status = Status::out_of_range(format!("the next byte has the offset {expected}"));
            status.metadata_mut().insert(STDIN_OFFSET_METADATA, expected.into());
            status
        }
    }
}

pub(crate) fn no_such_exec() -> Status {
    Status::not_found("no such exec")
}

pub(crate) fn too_many() -> Status {
    Status::resource_exhausted(format!("{EXECS_MAX} execs run or wait to be acknowledged"))
}
