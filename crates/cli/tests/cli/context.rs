//! Which server, and as whom.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::fake::{Fake, failure, text};

#[test]
fn a_login_is_kept_used_and_ended() {
    let fake = Fake::start_with(&[], |_, _| None);
    // Before the log-in the server knows nobody.
    let output = fake.run_with(&["login", "--email", "a@b.c", "--password-stdin"], b"password1\nrest");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(fake.asked("POST /auth/login")[0].contains(r#"{"email":"a@b.c","password":"password1"}"#));
    assert!(fake.asked("POST /api-keys")[0].contains("Bearer short"));

    let file = fake.home().join(".config/atoll/config.yaml");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&file).unwrap().contains("token: sk_key"));

    assert_eq!(fake.command(&["whoami"]).env_remove("ATOLL_URL").output().unwrap().status.code(), Some(0));
    assert!(fake.asked("GET /auth/me").last().unwrap().ends_with("Bearer sk_key"));

    assert_eq!(fake.run(&["logout"]).status.code(), Some(0));
    assert!(!file.exists());
    assert!(fake.asked("DELETE /api-keys/0123456789abcdef")[0].ends_with("Bearer sk_key"));
}

#[test]
fn the_token_of_one_server_is_not_sent_to_another() {
    let (one, other) = (Fake::start(&[]), Fake::start(&[]));
    assert_eq!(one.run_with(&["login", "--token-stdin"], b"sk_one\n").status.code(), Some(0));
    let whoami = |url: &str| one.command(&["whoami", "--url", url]).output().unwrap().status.code();
    assert_eq!((whoami(&one.url()), whoami(&other.url())), (Some(0), Some(0)));
    assert!(one.asked("sk_one").len() == 2 && other.asked("sk_one").is_empty());
    let output =
        one.command(&["whoami", "--url", &other.url()]).env("ATOLL_TOKEN", "sk_meant").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(other.asked("sk_meant").len(), 1);
}

#[test]
fn a_refused_login_keeps_nothing() {
    let fake = Fake::start_with(&[], |request, _| {
        (request != "POST /api-keys")
            .then(|| (401, failure("invalid_credentials", "the address or the password is wrong")))
    });
    let output = fake.run_with(&["login", "--email", "a@b.c", "--password-stdin"], b"wrong\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("hint: `make run` keeps"), "{}", text(&output.stderr));
    assert_eq!(fs::read_dir(fake.home()).unwrap().count(), 0);
}

#[test]
fn a_single_user_server_asks_nobody() {
    let fake = Fake::start(&[]);
    let output = fake.run(&["login", &fake.url()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let kept = fs::read_to_string(fake.home().join(".config/atoll/config.yaml")).unwrap();
    assert_eq!(kept.trim(), format!("url: {}", fake.url()));
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let fake = Fake::start_with(&[], |_, _| Some((401, failure("unauthorized", "send a token"))));
    let output = std::process::Command::new("setsid")
        .arg("-w")
        .arg(env!("CARGO_BIN_EXE_atoll"))
        .args(["login", &fake.url()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--password-stdin"), "{}", text(&output.stderr));
}

const ACCOUNT: &str = r#""user":{"id":"u","email":"a@b.c","role":"user","createdAt":"t"}"#;

fn auth_data(token: &str, expires_at: &str, refresh_token: &str) -> (u16, String) {
    let data = format!(
        r#"{{{ACCOUNT},"token":"{token}","expiresAt":"{expires_at}","refreshToken":"{refresh_token}"}}"#
    );
    (200, format!(r#"{{"success":true,"data":{data}}}"#))
}

#[test]
fn a_log_in_that_is_kept_is_refreshed_before_it_ends() {
    // The first token has ended when it comes; the second is good for long.
    let fake = Fake::start_with(&[], |request, _| match request {
        "POST /auth/login" => Some(auth_data("first", "2020-01-01T00:00:00Z", "r1")),
        "POST /auth/refresh" => Some(auth_data("second", "2999-01-01T00:00:00Z", "r2")),
        "POST /auth/logout" => Some((200, r#"{"success":true,"data":{"id":"s","deleted":true}}"#.to_owned())),
        _ => None,
    });
    let words = ["login", "--session", "--email", "a@b.c", "--password-stdin"];
    assert_eq!(fake.run_with(&words, b"password1\n").status.code(), Some(0));
    assert!(fake.asked("POST /api-keys").is_empty(), "no key is made");
    let file = fake.home().join(".config/atoll/config.yaml");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    // Several at once: one refreshes, and the others take what it got.
    let several: Vec<_> = (0..4).map(|_| fake.spawn(&["whoami"])).collect();
    for mut child in several {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    let refreshes = fake.asked("POST /auth/refresh");
    assert_eq!(refreshes.len(), 1, "{refreshes:?}");
    assert!(refreshes[0].contains(r#"{"refreshToken":"r1"}"#), "{refreshes:?}");
    assert!(fake.asked("GET /auth/me").iter().all(|asked| asked.ends_with("Bearer second")));
    let kept = fs::read_to_string(&file).unwrap();
    assert!(kept.contains("token: second") && kept.contains("refreshToken: r2"), "{kept}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    assert_eq!(fake.run(&["logout"]).status.code(), Some(0));
    assert!(fake.asked("POST /auth/logout")[0].ends_with("Bearer second"));
    assert!(!file.exists());
}

#[test]
fn a_log_in_that_is_over_is_told_as_such() {
    let fake = Fake::start_with(&[], |request, _| match request {
        "POST /auth/login" => Some(auth_data("first", "2020-01-01T00:00:00Z", "r1")),
        "POST /auth/refresh" => Some((401, failure("session_ended", "this log-in is over: log in again"))),
        "GET /auth/me" => Some((401, failure("unauthorized", "this token has ended: log in again"))),
        _ => None,
    });
    let words = ["login", "--session", "--email", "a@b.c", "--password-stdin"];
    assert_eq!(fake.run_with(&words, b"password1\n").status.code(), Some(0));
    let output = fake.run(&["whoami"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("log in again"), "{}", text(&output.stderr));
}
