//! The audit log: a chain of hashes for each node, to which only the writer's transactions add.
//!
//! ```text
//!  a write with its entries ─► one transaction: its rows, and theirs, behind the last of the chain
//!  entries alone ─► written behind, like ends of execs ─► a transaction of their own
//! ```
//! Entry `n` has the hash `SHA-256("atoll-audit-1" ‖ 0 ‖ hash of n-1 ‖ 0 ‖ node ‖ 0 ‖ n ‖ 0 ‖ text of the entry)`, all as text; the
//! hash before the first is 64 zeros.

mod chain;
mod note;
mod port;
mod verify;

pub(crate) use chain::Chain;
pub(crate) use note::Note;
