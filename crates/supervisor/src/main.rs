//! Starts and restarts the other programs; parses no input.
fn main() {}
