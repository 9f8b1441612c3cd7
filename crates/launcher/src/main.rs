//! Makes sandboxes: the only program that is root while it takes requests.
fn main() {}
