//! Words of states as the tables hold them; the CHECK constraints list the same ones.

use atoll_ports::Role;
use atoll_types::{Desired, ExecKind, ExecStatus, JobDesired, Observed, OperationKind, StopReason};

/// A word that is none of its column's.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is none of the words of this column")]
pub(crate) struct WordError(String);

/// A state that is stored as a word.
pub(crate) trait Word: Sized {
    /// The word.
    fn word(self) -> &'static str;
    /// The state of a word.
    fn from_word(word: &str) -> Result<Self, WordError>;
}

macro_rules! words {
    ($($type:ident { $($state:ident = $word:literal,)* })*) => {$(
        impl Word for $type {
            fn word(self) -> &'static str {
                match self { $(Self::$state => $word,)* }
            }

            fn from_word(word: &str) -> Result<Self, WordError> {
                match word {
                    $($word => Ok(Self::$state),)*
                    other => Err(WordError(other.to_owned())),
                }
            }
        }
    )*};
}

words! {
    Role { User = "user", Admin = "admin", }
    // `Paused` has a column of its own beside `running`: see `entity::sandbox`.
    Desired { Running = "running", Stopped = "stopped", Deleted = "deleted", Paused = "paused", }
    Observed {
        Unknown = "unknown", Absent = "absent", Stopped = "stopped", Running = "running", Crashed = "crashed",
        Paused = "paused",
    }
    OperationKind { Create = "create", Start = "start", Stop = "stop", Delete = "delete", }
    StopReason {
        Requested = "requested", Idle = "idle", Expired = "expired", HostRestarted = "host_restarted",
    }
    JobDesired { Running = "running", Deleted = "deleted", }
    ExecKind { Exec = "exec", Main = "main", }
    ExecStatus {
        Running = "running", Exited = "exited", TimedOut = "timed_out", Lost = "lost", Failed = "failed",
    }
}
