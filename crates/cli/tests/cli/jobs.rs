//! `job`

use crate::fake::{Fake, SANDBOX, failure, text};

const JOB: &str = "fedcba9876543210";

fn job(id: &str, name: &str, status: &str) -> String {
    format!(
        r#"{{"id":"{id}","sandboxId":"{SANDBOX}","name":"{name}","status":"{status}","command":["python3","-m","http.server"],
        "restart":"always","maxRetries":null,"backoffMs":1000,"backoffMaxMs":60000,"starts":2,"retries":1,
        "execId":"b","execIds":["a","b"],"nextStart":null,"createdAt":"2026-01-01T00:00:00Z",
        "lastExit":{{"execId":"a","status":"exited","exitCode":3,"finishedAt":"2026-01-01T00:00:01Z"}}}}"#
    )
}

fn success(data: &str) -> Option<(u16, String)> {
    Some((200, format!(r#"{{"success":true,"data":{data},"nextCursor":null}}"#)))
}

fn fake() -> Fake {
    Fake::start_with(&[], |request, _| {
        let request = request.split('?').next().unwrap_or_default();
        let known = request.replace(SANDBOX, "S").replace(JOB, "J");
        match known.as_str() {
            "POST /sandboxes/S/background" | "GET /sandboxes/S/background/J" => {
                success(&job(JOB, "web", "running"))
            }
            "GET /sandboxes/S/background" => success(&format!(
                "[{},{},{}]",
                job(JOB, "web", "running"),
                job("1123456789abcdef", "twin", "backoff"),
                job("2123456789abcdef", "twin", "failed")
            )),
            "GET /sandboxes/S/background/J/logs" => success(
                r#"{"lines":[{"time":"t1","stream":"stdout","line":"out"},{"time":"t2","stream":"stderr","line":"err"}],
                "truncated":false}"#,
            ),
            "DELETE /sandboxes/S/background/J" => success(&format!(r#"{{"id":"{JOB}","deleted":true}}"#)),
            _ if known.contains("/background") => Some((404, failure("job_not_found", "no such job"))),
            _ => None,
        }
    })
}

#[test]
fn a_job_is_started_as_the_options_say() {
    let fake = fake();
    let output = fake.run(&[
        "job",
        "run",
        "first",
        "--name",
        "web",
        "--restart",
        "always",
        "--max-retries",
        "5",
        "--backoff-ms",
        "200",
        "--backoff-max-ms",
        "3000",
        "-e",
        "A=b",
        "-w",
        "/srv",
        "-u",
        "root",
        "--timeout",
        "2m",
        "--",
        "python3",
        "-m",
        "http.server",
    ]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), format!("{JOB}\n").as_str()));
    let asked = &fake.asked("POST /sandboxes")[0];
    let body: serde_json::Value = serde_json::from_str(
        asked.split_once(" {").map(|(_, rest)| format!("{{{}", rest.trim())).unwrap().as_str(),
    )
    .unwrap();
    let expected = serde_json::json!({
        "command": ["python3", "-m", "http.server"], "name": "web", "restart": "always", "maxRetries": 5,
        "backoffMs": 200, "backoffMaxMs": 3000, "env": {"A": "b"}, "cwd": "/srv", "user": "root", "timeoutSeconds": 120,
    });
    assert_eq!(body, expected);
}

#[test]
fn jobs_are_listed_shown_read_and_removed_by_id_or_name() {
    let fake = fake();
    let listed = fake.run(&["job", "ls", SANDBOX]);
    let lines: Vec<_> = text(&listed.stdout).lines().collect();
    assert!(lines[0].starts_with("ID "), "{lines:?}");
    assert!(lines[1].starts_with(&format!("{JOB}  web   running  always   2       3")), "{lines:?}");
    assert!(lines[1].ends_with("python3 -m http.server"), "{lines:?}");
    for name in ["web", JOB] {
        let output = fake.run(&["job", "get", SANDBOX, name]);
        assert!(text(&output.stdout).contains("runs:       a b"), "{}", text(&output.stdout));
    }
    let output = fake.run(&["job", "logs", SANDBOX, "web", "-n", "5", "-t"]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("t1 out\n", "t2 err\n"));
    assert_eq!(fake.asked("/logs?tail=5").len(), 1);
    let output = fake.run(&["job", "rm", SANDBOX, "web"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), format!("{JOB}\n").as_str()));
    assert_eq!(fake.asked("DELETE ").len(), 1);
}

#[test]
fn a_job_that_is_not_meant_clearly_is_refused() {
    let fake = fake();
    for (name, said) in
        [("twin", "2 jobs have the name"), ("none", "there is no job"), ("3123456789abcdef", "no such job")]
    {
        let output = fake.run(&["job", "get", SANDBOX, name]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""), "{name}");
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }
    assert_eq!(fake.run(&["job", "run", SANDBOX]).status.code(), Some(2), "without a command");
    assert!(fake.asked("DELETE").is_empty() && fake.asked("POST").is_empty());
}
