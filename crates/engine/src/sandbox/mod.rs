//! Use-cases of sandboxes.

mod bulk;
mod create;
mod lifecycle;
mod lost;
mod pause;
mod read;

pub use bulk::{Bulk, BulkOutcome};
pub(crate) use lifecycle::{denied, paused};
