//! Reads an archive of a root file system, or of an image, into a folder. The program beside it is the only user but for tests.

mod archive;
mod config;
mod digest;
mod layers;
mod layout;
mod names;
mod refused;
mod root;
mod source;

pub use archive::{Unpacked, unpack};
pub use digest::of as digest_of;
pub use names::BadName;
pub use refused::Refused;
