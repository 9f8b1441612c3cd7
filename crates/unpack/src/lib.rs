//! Reads an archive of a root file system, or of an image, into a folder. The program beside it does that, and nobody else; the
//! broker reads archives too, to write them anew for Docker.

mod archive;
mod config;
mod digest;
mod layers;
mod layout;
mod names;
mod refused;
mod repack;
mod root;
mod source;

pub use archive::{Unpacked, unpack};
pub use digest::of as digest_of;
pub use names::BadName;
pub use refused::Refused;
pub use repack::ForDocker;
