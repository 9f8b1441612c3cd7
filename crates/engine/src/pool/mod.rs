//! Sandboxes that are made ahead: whoever asks for one of their kind gets it at once.
//!
//! ```text
//!   fill   (each second, and after each claim)   record ─ start runtime ─ greet agent ─► ready
//!   claim  (a create)                            ready ─► record of a sandbox ─ the create's other steps
//!   discard  old, too many, failed, died         remove runtime ─ remove record
//! ```
//! There is a pool for the sandboxes of a request that says nothing, and one for those of each environment that asks for one. Those
//! that are made alike share theirs, whosever they are.
//!
//! One that is made ahead is nobody's, and nobody can name it: nothing runs in it before its claim, it is handed out once, and
//! what is left after a sandbox is only ever removed. Those of a serve that died are removed by the next one, which makes
//! its own.

mod claim;
mod demand;
mod fill;
mod state;
mod wanted;

pub(crate) use state::Pools;
