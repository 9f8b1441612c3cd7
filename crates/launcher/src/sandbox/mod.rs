//! One sandbox: how it is started and what is recorded of it.
//!
//! ```text
//! launcher                                   child (becomes the agent)
//! ────────                                   ─────────────────────────
//! layer, cgroups, user namespace, socket
//! clone3 into a PID namespace ─────────────► clone mounts, enter cgroups, new namespaces, root, /proc, /dev, /sys
//! write state.json (pid, start time)         become the guest's root, files of /etc, capabilities, filter
//! "go" ────────────────────────────────────► wait for "go"
//! end of the report: it runs  ◄───────────── execveat closes the report; or a failure is written into it
//! ```
//! The child runs nothing of the sandbox before "go": when the launcher dies before the state is on disk, the pipe ends
//! and the child with it, so no process is ever unknown to the next launcher.

mod birth;
mod child;
pub(crate) mod state;

pub(crate) use birth::{Birth, Tools, remove_socket, start};
