//! Finds what no record owns on the host, and removes it.
