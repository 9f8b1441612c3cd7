//! What a sandbox is kept from, and what it has.

use crate::host::{Host, host_sandbox};

#[test]
fn a_command_runs_in_the_host_image() {
    let host = Host::new();
    let request = host_sandbox(0);
    let mut client = host.client();
    assert!(!client.start(request.clone()).unwrap());
    let (text, code) = host.shell(&request.sandbox, 1000, "id -un; hostname");
    assert_eq!((text.as_str(), code), (&*format!("agent\nsandbox-{}\n", request.sandbox), 0));
    client.remove(&request.sandbox);
}
