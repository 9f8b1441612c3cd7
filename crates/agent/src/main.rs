//! PID 1 of a sandbox: runs commands and keeps their output until it is acknowledged.
fn main() {}
