//! Reads an archive of a root file system, or of an image, into a folder. The program beside it does that, and nobody else; the
//! broker reads archives too, to write them anew for Docker. And packs a root into a layer.

mod archive;
mod config;
mod digest;
mod layers;
mod layout;
mod names;
mod pack;
mod refused;
mod repack;
mod root;
mod single;
mod source;

pub use archive::{Unpacked, unpack};
pub use digest::of as digest_of;
pub use names::BadName;
pub use pack::{Packed, pack};
pub use refused::Refused;
pub use repack::ForDocker;
pub use single::{LayerJob, Looked, LookedLayer, UnpackedLayer, look};
