//! Background jobs as one sees them from outside: they go on, come back, and leave nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use atoll_api_types::{CommandBody, Job, JobBody};
use atoll_client::LogFilter;
use atoll_types::JobId;

use crate::harness::{Atoll, Inside, Role, until};

/// A part that was killed is back after the first back-offs.
const BACK: Duration = Duration::from_secs(30);
/// Something that needs no part to come back.
const SOON: Duration = Duration::from_secs(10);

/// Asks the web server in the sandbox for its one page.
const FETCH: &str = "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /page HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3 | grep -q hello";

fn job(line: &str, restart: &str) -> JobBody {
    JobBody {
        command: CommandBody::Argv(vec!["bash".to_owned(), "-c".to_owned(), line.to_owned()]),
        name: None,
        restart: Some(restart.to_owned()),
        max_retries: None,
        backoff_ms: Some(100),
        backoff_max_ms: Some(1_000),
        env: BTreeMap::new(),
        cwd: None,
        user: None,
        timeout_seconds: None,
    }
}

async fn start(sandbox: &Inside<'_>, body: &JobBody) -> JobId {
    sandbox.atoll.client.job_create(&sandbox.id, body).await.unwrap().id.parse().unwrap()
}

async fn get(sandbox: &Inside<'_>, job: &JobId) -> Job {
    sandbox.atoll.client.job_get(&sandbox.id, job).await.unwrap()
}

/// Waits until the job is so.
async fn job_is(sandbox: &Inside<'_>, job: &JobId, what: &str, so: impl Fn(&Job) -> bool) -> Job {
    until(what, BACK, async || Some(get(sandbox, job).await).filter(|job| so(job))).await
}

async fn serves(sandbox: &Inside<'_>) {
    let fetch = format!("bash -c \"{FETCH}\"");
    until("the page", SOON, async || (sandbox.sh(&fetch).await.exit_code == Some(0)).then_some(())).await;
}

/// Commands that run in the sandbox under this name.
async fn count(sandbox: &Inside<'_>, name: &str) -> usize {
    let found = sandbox.sh(&format!("grep -lx {name} /proc/[0-9]*/comm 2>/dev/null")).await;
    found.stdout.unwrap_or_default().lines().count()
}

/// Kills serve and waits for the next one.
async fn kill_serve(atoll: &Atoll) {
    let before = atoll.pid(Role::Serve);
    atoll.kill(Role::Serve);
    until("its return", BACK, async || atoll.pid(Role::Serve).filter(|pid| Some(*pid) != before)).await;
}

#[tokio::test]
async fn a_web_server_goes_on_when_serve_dies_and_comes_back_when_it_dies_itself() {
    let mut atoll = Atoll::start().await;
    {
        let sandbox = atoll.create().await;
        let line =
            "mkdir -p web; echo hello > web/page; echo $$ > pid; exec python3 -u -m http.server -d web 8080";
        let web = start(&sandbox, &job(line, "always")).await;
        serves(&sandbox).await;
        let first = sandbox.ok("cat pid").await;
        kill_serve(&atoll).await;
        let shown = job_is(&sandbox, &web, "it is shown", |job| job.status == "running").await;
        assert_eq!((shown.starts, shown.exec_ids.len()), (1, 1));
        serves(&sandbox).await;
        assert_eq!(sandbox.ok("cat pid").await, first, "the same process");

        // It dies: another run follows, and one only.
        sandbox.ok("kill -9 $(cat pid)").await;
        let shown = job_is(&sandbox, &web, "its second run", |job| job.starts == 2).await;
        assert_eq!(shown.last_exit.unwrap().exit_code, Some(137));
        serves(&sandbox).await;
        assert_eq!(count(&sandbox, "python3").await, 1);

        // So it does when the sandbox comes up again.
        sandbox.atoll.client.sandbox_stop(&sandbox.id).await.unwrap();
        assert_eq!(get(&sandbox, &web).await.status, "waiting");
        sandbox.atoll.client.sandbox_start(&sandbox.id).await.unwrap();
        serves(&sandbox).await;
        let shown = get(&sandbox, &web).await;
        assert_eq!((shown.status.as_str(), shown.starts), ("running", 3));
        let log = atoll.client.job_logs(&sandbox.id, &web, &LogFilter::default()).await.unwrap();
        assert!(log.lines.iter().filter(|line| line.line.contains("GET /page")).count() >= 4, "{log:?}");
    }
    // An upgrade: everything of Atoll stops and starts.
    let id =
        atoll.client.sandbox_list_all(&atoll_client::SandboxFilter::default()).await.unwrap()[0].id.clone();
    atoll.stop().await;
    atoll.start_again().await;
    let sandbox = Inside { atoll: &atoll, id: crate::harness::parse_id(&id) };
    let web: JobId = atoll.client.job_list(&sandbox.id, None).await.unwrap().items[0].id.parse().unwrap();
    let shown = job_is(&sandbox, &web, "it is shown", |job| job.status == "running").await;
    assert_eq!(shown.starts, 3);
    serves(&sandbox).await;
    atoll.client.job_delete(&sandbox.id, &web).await.unwrap();
    assert_eq!(count(&sandbox, "python3").await, 0);
    atoll.finish().await;
}

/// Every start leaves a line behind, so that none is begun twice and none is left out.
#[tokio::test]
async fn a_crash_loop_is_bounded_and_counted_whenever_serve_dies() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let looping = JobBody { max_retries: Some(8), ..job("echo start >> starts; exit 3", "on-failure") };
    let looping = start(&sandbox, &looping).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        kill_serve(&atoll).await;
    }
    let shown = job_is(&sandbox, &looping, "the end of the loop", |job| job.status == "failed").await;
    assert_eq!((shown.starts, shown.retries, shown.exec_ids.len()), (9, 8, 9));
    assert_eq!(shown.last_exit.unwrap().exit_code, Some(3));
    assert_eq!(sandbox.ok("cat starts").await, "start\n".repeat(9));
    atoll.finish().await;
}

#[tokio::test]
async fn a_delete_ends_the_whole_process_group() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    // The leader ends at TERM, one child too, the other does not.
    let line = "sleep 1000 & (trap '' TERM; exec sleep 1000) & echo up; wait";
    let group = start(&sandbox, &job(line, "always")).await;
    until("the children", SOON, async || (count(&sandbox, "sleep").await == 2).then_some(())).await;
    // A leader that ignores TERM is killed.
    let stubborn = start(&sandbox, &job("trap '' TERM; exec sleep 2000", "always")).await;
    until("the stubborn one", SOON, async || (count(&sandbox, "sleep").await == 3).then_some(())).await;
    atoll.client.job_delete(&sandbox.id, &group).await.unwrap();
    until("the end of its group", SOON, async || (count(&sandbox, "sleep").await == 1).then_some(())).await;
    atoll.client.job_delete(&sandbox.id, &stubborn).await.unwrap();
    until("the end of all", SOON, async || (count(&sandbox, "sleep").await == 0).then_some(())).await;
    assert!(atoll.client.job_list(&sandbox.id, None).await.unwrap().items.is_empty());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(count(&sandbox, "sleep").await, 0, "nothing starts again");

    // With the sandbox goes everything, whatever runs.
    start(&sandbox, &job("trap '' TERM; exec sleep 3000", "always")).await;
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

/// A sandbox that is stopped asks its jobs to end.
#[tokio::test]
async fn jobs_are_asked_to_end_when_their_sandbox_stops() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let line = "trap 'echo saved > saved; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    let once = start(&sandbox, &job(line, "never")).await;
    let logs = async || atoll.client.job_logs(&sandbox.id, &once, &LogFilter::default()).await.unwrap();
    until("its start", SOON, async || (!logs().await.lines.is_empty()).then_some(())).await;
    atoll.client.sandbox_stop(&sandbox.id).await.unwrap();
    assert_eq!(get(&sandbox, &once).await.status, "stopped");
    atoll.client.sandbox_start(&sandbox.id).await.unwrap();
    assert_eq!(sandbox.ok("cat saved").await, "saved\n");
    let shown = job_is(&sandbox, &once, "it is shown", |job| job.status == "stopped").await;
    assert_eq!(shown.starts, 1);

    // The command line, once through.
    let id = sandbox.id.to_string();
    let said = |words: &[&str]| {
        let output = atoll.cli(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let made = said(&[
        "job",
        "run",
        &id,
        "--name",
        "web",
        "--restart",
        "on-failure",
        "--",
        "sh",
        "-c",
        "echo hi; sleep 60",
    ]);
    let web = made.trim().parse().unwrap();
    job_is(&sandbox, &web, "it runs", |job| job.status == "running").await;
    until("its output", SOON, async || (said(&["job", "logs", &id, "web"]) == "hi\n").then_some(())).await;
    let listed = said(&["job", "ls", &id]);
    assert!(listed.lines().count() == 3 && listed.contains("web"), "{listed}");
    assert!(said(&["job", "get", &id, "web"]).contains("on-failure"));
    assert_eq!(said(&["job", "rm", &id, "web"]), made);
    atoll.finish().await;
}

#[tokio::test]
async fn a_job_that_runs_shows_its_process() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let running = start(&sandbox, &job("exec -a shown-job sleep 1000", "never")).await;
    let shown = job_is(&sandbox, &running, "its process", |job| job.pid.is_some()).await;
    let name = format!("tr '\\0' ' ' < /proc/{}/cmdline", shown.pid.unwrap());
    // Its shell becomes it in a moment.
    until("its name", SOON, async || (sandbox.ok(&name).await == "shown-job 1000 ").then_some(())).await;
    let list = atoll.client.job_list(&sandbox.id, None).await.unwrap();
    assert_eq!(list.items[0].pid, shown.pid);
    // It is known to the next serve too.
    kill_serve(&atoll).await;
    let after = job_is(&sandbox, &running, "its process again", |job| job.pid.is_some()).await;
    assert_eq!(after.pid, shown.pid);
    let ended = start(&sandbox, &job("true", "never")).await;
    assert_eq!(job_is(&sandbox, &ended, "its end", |job| job.status == "exited").await.pid, None);
    atoll.finish().await;
}
