//! `/sandboxes/{id}/terminal` and `/terminals`: a screen and a keyboard in a sandbox.

pub(crate) mod attach;
pub(crate) mod close;
mod framing;
pub(crate) mod list;
mod relay;
pub(crate) mod resize;
