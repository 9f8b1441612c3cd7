//! The small programs, inside this one: one file to download, and nothing else to install.

use atoll_server::programs::Embedded;

macro_rules! carried {
    ($name:literal) => {
        Embedded { name: $name, bytes: include_bytes!(concat!(env!("ATOLL_EMBED_DIR"), "/", $name)) }
    };
}

/// What `cargo xtask dist --embed` built.
pub(crate) static PROGRAMS: [Embedded; 6] = [
    carried!("atoll-agent"),
    carried!("atoll-broker"),
    carried!("atoll-egress"),
    carried!("atoll-launcher"),
    carried!("atoll-supervisor"),
    carried!("atoll-unpack"),
];
