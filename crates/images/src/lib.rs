//! Fetches images from registries, into an archive of an OCI image layout that the unpacker reads, and pushes layers there.
//!
//! A registry is a stranger: each document and each layer is bounded before it is read, checked against the digest that names
//! it, and never looked into further than the manifest and the platform need. What was begun and fails is tried again within
//! bounds, a layer from where it was cut off. The archive has no name, so nothing is left of it however a fetch ends.

mod address;
mod challenge;
mod credentials;
mod described;
mod fetch;
mod helper;
mod layer;
mod layout;
mod outside;
mod patience;
mod push;
mod registries;
mod session;

pub use address::{BadAddress, DefaultRegistry, Host};
pub use outside::Allowed;
pub use patience::Patience;
pub use registries::{Options, Registries};
