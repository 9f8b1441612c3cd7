//! Secrets of environments, by the real programs.

use std::io::Write as _;
use std::process::Stdio;

use crate::harness::{Atoll, Inside, Role, parse_id, until};

const VALUE: &str = "super-secret-value";
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

fn said(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

/// `atoll secret set`, with the value on standard input.
fn set(atoll: &Atoll, environment: &str, key: &str, value: &str) {
    let mut command = atoll.cli_command("atoll", &["secret", "set", environment, key]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    assert_eq!(said(&child.wait_with_output().unwrap()), key);
}

/// Whether a file below the folder holds these bytes.
fn is_anywhere(folder: &std::path::Path, text: &str) -> bool {
    let grep = std::process::Command::new("grep").args(["-rqaF", text]).arg(folder).status().unwrap();
    grep.success()
}

#[tokio::test]
async fn a_secret_lies_open_nowhere_and_survives_its_master_key_s_rotation_and_not_its_loss() {
    let mut atoll = Atoll::start().await;
    let environment = said(&atoll.cli(&["env", "create", "--name", "api"]));
    set(&atoll, "api", "API_KEY", VALUE);
    let sandbox = parse_id(&said(&atoll.cli(&["create", "--environment", "api"])));
    let inside = Inside { atoll: &atoll, id: sandbox.clone() };
    assert_eq!(inside.ok("printenv API_KEY").await, format!("{VALUE}\n"));
    let shell = inside.ok("tr '\\0' '\\n' < /proc/1/environ | grep -c API_KEY || true").await;
    assert_eq!(shell, "0\n", "the agent has none");
    assert!(is_in_output_only(&atoll));
    let used = said(&atoll.cli(&["audit", "--action", "secret.use"]));
    assert!(used.contains("API_KEY") && used.contains("exec="), "{used}");
    assert!(!atoll.log().contains(VALUE));

    let rotated = said(&atoll.cli(&["admin", "rotate-key"]));
    assert!(rotated.starts_with("1 secrets are sealed anew"), "{rotated}");
    let before = atoll.pid(Role::Serve);
    atoll.kill(Role::Serve);
    until("its return", PATIENCE, async || atoll.pid(Role::Serve).filter(|pid| Some(*pid) != before)).await;
    atoll.ready().await;
    let inside = Inside { atoll: &atoll, id: sandbox.clone() };
    assert_eq!(inside.ok("printenv API_KEY").await, format!("{VALUE}\n"));
    atoll.assert_healthy();

    let keys = atoll.data().join("serve/keys/master");
    std::fs::remove_file(keys).unwrap();
    atoll.stop().await;
    atoll.start_again().await;
    let refused = atoll.cli(&["exec", sandbox.as_str(), "--", "true"]);
    assert_eq!(refused.status.code(), Some(125));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("API_KEY") && text.contains("master key"), "{text}");
    let doctor = atoll.doctor();
    let finding = &doctor["findings"][0];
    assert_eq!((&doctor["healthy"], &finding["kind"]), (&false.into(), &"master_key".into()), "{doctor:#}");
    assert!(finding["problem"].as_str().unwrap().starts_with("1 secrets of 1 environments"), "{doctor:#}");
    set(&atoll, &environment, "API_KEY", "another");
    let inside = Inside { atoll: &atoll, id: sandbox };
    assert_eq!(inside.ok("printenv API_KEY").await, "another\n");
    atoll.finish().await;
}

/// What a command printed is kept as its output; elsewhere the value must not be.
fn is_in_output_only(atoll: &Atoll) -> bool {
    let serve = atoll.data().join("serve");
    let entries = std::fs::read_dir(&serve).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| !path.ends_with("exec-logs")).all(|path| !is_anywhere(&path, VALUE))
}
