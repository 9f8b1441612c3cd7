//! Unpacks a root file system archive, confined to the folder it fills.
fn main() {}
