//! Accounts, log-ins and limits of the real server, through the client and the command line.

use std::process::{Output, Stdio};

use atoll_api_types::Credentials;
use atoll_client::{Client, ClientError};

use crate::harness::{Atoll, Role};

fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

fn credentials(email: &str, password: &str) -> Credentials {
    Credentials { email: email.to_owned(), password: password.to_owned() }
}

fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> String {
    result.unwrap_err().code().unwrap().to_owned()
}

#[tokio::test]
async fn log_ins_outlive_the_server_and_what_was_ended_stays_so() {
    let mut atoll = Atoll::start().await;
    let anonymous = Client::new(atoll.client.base_url(), None).unwrap();
    let join = async |name: &str| {
        let invitation = succeeds(&atoll.cli(&["admin", "invite"]));
        let new = atoll_api_types::SignUp {
            email: format!("{name}@example.com"),
            password: "password123".to_owned(),
            invitation: Some(invitation),
        };
        anonymous.sign_up(&new).await.unwrap()
    };
    let (kept, ended) = (join("kept").await, join("ended").await);
    let refreshed = anonymous.refresh(kept.refresh_token.as_ref().unwrap()).await.unwrap();
    Client::new(anonymous.base_url(), Some(&ended.token)).unwrap().log_out().await.unwrap();

    atoll.kill(Role::Serve);
    atoll.ready().await;
    let me = Client::new(anonymous.base_url(), Some(&refreshed.token)).unwrap().me().await.unwrap();
    assert_eq!(me.email, "kept@example.com");
    let out = Client::new(anonymous.base_url(), Some(&ended.token)).unwrap();
    assert_eq!(code(out.me().await), "unauthorized");
    assert_eq!(code(anonymous.refresh(ended.refresh_token.as_ref().unwrap()).await), "session_ended");
    // The first refresh token was used before the server died.
    assert_eq!(code(anonymous.refresh(kept.refresh_token.as_ref().unwrap()).await), "session_ended");
    assert_eq!(code(anonymous.refresh(refreshed.refresh_token.as_ref().unwrap()).await), "session_ended");
    atoll.finish().await;
}

#[tokio::test]
async fn an_admin_looks_after_accounts_on_the_command_line() {
    let atoll = Atoll::start().await;
    let anonymous = Client::new(atoll.client.base_url(), None).unwrap();
    let new = atoll_api_types::SignUp {
        email: "demo@example.com".to_owned(),
        password: "password123".to_owned(),
        invitation: None,
    };
    let demo = anonymous.sign_up(&new).await.unwrap();
    let demo = Client::new(anonymous.base_url(), Some(&demo.token)).unwrap();
    let sandbox = demo.sandbox_create(&atoll_api_types::CreateSandbox::default()).await.unwrap();

    assert!(succeeds(&atoll.cli(&["admin", "user", "ls"])).contains("demo@example.com"));
    succeeds(&atoll.cli(&["admin", "user", "disable", "demo@example.com"]));
    assert_eq!(code(demo.me().await), "unauthorized");
    assert!(succeeds(&atoll.cli(&["admin", "user", "ls"])).contains("disabled"));
    succeeds(&atoll.cli(&["admin", "user", "enable", "demo@example.com"]));
    let mut command =
        atoll.cli_command("atoll", &["admin", "user", "password", "demo@example.com", "--password-stdin"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"another password\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(
        code(anonymous.log_in(&credentials("demo@example.com", "password123")).await),
        "invalid_credentials"
    );
    anonymous.log_in(&credentials("demo@example.com", "another password")).await.unwrap();

    let refused = atoll.cli(&["admin", "user", "rm", "demo@example.com"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--sandboxes"), "{refused:?}");
    succeeds(&atoll.cli(&["admin", "user", "rm", "--sandboxes", "demo@example.com"]));
    assert_eq!(code(atoll.client.sandbox_get(&sandbox[0].id.parse().unwrap()).await), "sandbox_not_found");
    assert!(!succeeds(&atoll.cli(&["admin", "user", "ls"])).contains("demo@example.com"));

    let key = succeeds(&atoll.cli(&["key", "create", "few", "--scope", "images:read", "--expires", "1h"]));
    let few = Client::new(anonymous.base_url(), Some(&key)).unwrap();
    few.image_list(None).await.unwrap();
    assert_eq!(code(few.me().await), "missing_scope");
    assert!(succeeds(&atoll.cli(&["key", "ls"])).contains("images:read"));
    assert!(succeeds(&atoll.cli(&["session", "ls"])).contains("127.0.0.1"));
    atoll.finish().await;
}

#[tokio::test]
async fn limits_hold_as_they_are_set() {
    let atoll =
        Atoll::start_with(&["--rate-limit-auth", "3/15m", "--rate-limit-user", "20/1s burst 50"]).await;
    let anonymous = Client::new(atoll.client.base_url(), None).unwrap();
    // The harness has logged in once.
    let nobody = credentials("nobody@example.com", "password123");
    let wrong = || anonymous.log_in(&nobody);
    assert_eq!(code(wrong().await), "invalid_credentials");
    assert_eq!(code(wrong().await), "invalid_credentials");
    let Err(ClientError::Api(refused)) = wrong().await else { panic!("it was let in") };
    assert_eq!((refused.status, refused.code.as_str()), (429, "rate_limited"));
    assert!(refused.retry_after_seconds.is_some_and(|seconds| (200..=300).contains(&seconds)), "{refused:?}");

    let mut allowed = 0;
    while atoll.client.me().await.is_ok() {
        allowed += 1;
        assert!(allowed <= 1_000, "no end of it");
    }
    assert!(allowed >= 40, "{allowed}");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    atoll.finish().await;
}
