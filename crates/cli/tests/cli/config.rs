//! Settings that are kept, and completions of shells.

use std::process::Command;

use crate::fake::{Fake, text};

fn without_url(fake: &Fake, args: &[&str]) -> std::process::Output {
    fake.command(args).env_remove("ATOLL_URL").output().unwrap()
}

#[test]
fn what_counts_is_shown_with_where_it_comes_from() {
    let fake = Fake::start(&[]);
    let output = without_url(&fake, &["config"]);
    let lines: Vec<_> = text(&output.stdout)
        .lines()
        .map(str::split_whitespace)
        .map(|w| w.collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        ["SETTING VALUE FROM", "url http://127.0.0.1:3001 default", "token not set", "output table default"]
    );
    let output = fake.run(&["config", "show", "--output", "json"]);
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |n: usize| (shown[n]["value"].as_str(), shown[n]["source"].as_str());
    assert_eq!(of(0), (Some(fake.url().as_str()), Some("ATOLL_URL")));
    assert_eq!((of(1), of(2)), ((None, Some("not set")), (Some("json"), Some("--output"))));

    assert_eq!(fake.run_with(&["login", "--token-stdin"], b"sk_0123456789abcdef\n").status.code(), Some(0));
    let output = without_url(&fake, &["config"]);
    let said = text(&output.stdout);
    assert!(said.contains("sk_0…") && !said.contains("sk_0123456789abcdef"), "{said}");
    assert_eq!(said.matches("config.yaml").count(), 2, "{said}");
    let output = fake
        .command(&["config", "--url", "http://127.0.0.1:9"])
        .env("ATOLL_TOKEN", "sk_mine")
        .output()
        .unwrap();
    let said = text(&output.stdout);
    assert!(said.contains("--url") && said.contains("ATOLL_TOKEN") && !said.contains("sk_mine"), "{said}");
}

#[test]
fn settings_are_kept_read_and_forgotten() {
    let fake = Fake::start(&[]);
    let run = |args: &[&str]| {
        let output = without_url(&fake, args);
        (output.status.code(), text(&output.stdout).trim().to_owned(), text(&output.stderr).to_owned())
    };
    assert_eq!(run(&["config", "get", "url"]).0, Some(1));
    assert_eq!(run(&["config", "set", "token", "sk_x"]).0, Some(1), "for which server?");
    assert_eq!(run(&["config", "set", "url", &format!("{}/", fake.url())]).0, Some(0));
    assert_eq!(run(&["config", "get", "url"]).1, fake.url());
    let output = fake.run_with(&["config", "set", "token", "-"], b"sk_secret\n");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(run(&["config", "get", "token"]).1, "sk_secret");
    assert_eq!(run(&["whoami"]).0, Some(0));
    assert!(fake.asked("GET /auth/me")[0].ends_with("Bearer sk_secret"));

    // The token of one server is not sent to another.
    assert_eq!(run(&["config", "set", "url", "http://127.0.0.1:9"]).0, Some(0));
    assert_eq!(run(&["config", "get", "token"]).0, Some(1));
    assert_eq!(run(&["config", "set", "url", "ftp://x"]).0, Some(1));
    assert_eq!(run(&["config", "get", "url"]).1, "http://127.0.0.1:9");
    assert_eq!(run(&["config", "set", "colour", "red"]).0, Some(2));

    let path = run(&["config", "path"]).1;
    assert!(std::path::Path::new(&path).exists(), "{path}");
    assert_eq!(run(&["config", "unset", "url"]).0, Some(0));
    assert!(!std::path::Path::new(&path).exists(), "{path}");
    assert_eq!(run(&["config", "unset", "url"]).0, Some(1));
}

#[test]
fn a_key_that_a_login_made_is_ended_when_it_is_forgotten() {
    let fake = Fake::start(&[]);
    let output = fake.run_with(&["login", "--email", "a@b.c", "--password-stdin"], b"password1\n");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(without_url(&fake, &["config", "unset", "token"]).status.code(), Some(0));
    assert!(fake.asked("DELETE /api-keys/0123456789abcdef")[0].ends_with("Bearer sk_key"));
    assert_eq!(text(&without_url(&fake, &["config", "get", "url"]).stdout).trim(), fake.url());
}

fn completions(shell: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = crate::fake::command(home.path(), &["completions", shell]).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{shell}");
    text(&output.stdout).to_owned()
}

#[test]
fn every_shell_gets_the_words_of_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = completions(shell);
        for word in ["create", "keepalive", "completions", "max-retries", "password-stdin"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let home = tempfile::tempdir().unwrap();
    let output = crate::fake::command(home.path(), &["completions", "tcsh"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// The shell itself reads the script and completes a word.
#[test]
fn bash_completes_with_it() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("atoll.bash");
    std::fs::write(&file, completions("bash")).unwrap();
    let complete = |words: &str| {
        let line = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _atoll atoll \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[*]}}\"",
            file.display()
        );
        let output = Command::new("bash").args(["--norc", "-c", &line]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    };
    assert_eq!(complete("atoll keep"), "keepalive");
    assert_eq!(complete("atoll job r"), "run rm");
    assert!(complete("atoll job run --max").contains("--max-retries"));
}
