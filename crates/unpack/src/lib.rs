//! Reads an archive of a root file system into a folder. The program beside it is the only user but for tests.

mod archive;
mod digest;
mod names;
mod root;

pub use archive::{Refused, Unpacked, unpack};
pub use digest::of as digest_of;
pub use names::BadName;
