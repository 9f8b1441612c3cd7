//! Background jobs: when they start again, and what outlives what.

use std::time::Duration;

use atoll_engine::{JobView, LogQuery};
use atoll_ports::ExecLogs as _;
use atoll_testkit::{Fault, Gate, Script, samples};
use atoll_types::{
    ErrorCode, ExecId, ExecStatus, JobId, JobSpec, JobStatus, RestartPolicy, SandboxId, Signal, Status,
};

use crate::world::{Serve, World, block, sandbox};

const POLICIES: [RestartPolicy; 3] = RestartPolicy::ALL;

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

impl Serve {
    fn job(&self, world: &World, id: &SandboxId, spec: JobSpec) -> JobId {
        let made = self.run(self.engine.job_create(&world.caller, id, spec)).unwrap();
        self.pass(Duration::from_millis(100));
        made.record.id
    }

    fn job_get(&self, world: &World, id: &SandboxId, job: &JobId) -> JobView {
        self.run(self.engine.job_get(&world.caller, id, job)).unwrap()
    }

    fn status(&self, world: &World, id: &SandboxId, job: &JobId) -> JobStatus {
        self.job_get(world, id, job).status
    }

    fn last_run(&self, world: &World, id: &SandboxId, job: &JobId) -> ExecId {
        self.job_get(world, id, job).record.runs.last().unwrap().clone()
    }
}

fn job(line: &str, restart: RestartPolicy) -> JobSpec {
    samples::job_spec(line, restart)
}

fn starts(world: &World) -> usize {
    world.agents.started().len()
}

#[test]
fn the_policy_decides_whether_it_starts_again() {
    for (line, policy, expected) in [
        ("true", RestartPolicy::Never, JobStatus::Exited),
        ("false", RestartPolicy::Never, JobStatus::Failed),
        ("true", RestartPolicy::OnFailure, JobStatus::Exited),
        ("false", RestartPolicy::OnFailure, JobStatus::Backoff),
        ("true", RestartPolicy::Always, JobStatus::Backoff),
        ("false", RestartPolicy::Always, JobStatus::Backoff),
    ] {
        let world = World::new();
        let serve = world.serve();
        let id = serve.sandbox(&world);
        let job = serve.job(&world, &id, job(line, policy));
        let shown = serve.job_get(&world, &id, &job);
        assert_eq!(shown.status, expected, "{line} {policy:?}");
        let end = shown.record.last_end.unwrap();
        assert_eq!((end.exit_code, end.status), (Some(i32::from(line == "false")), ExecStatus::Exited));
        assert_eq!(Some(&end.exec), shown.record.runs.last());
        serve.pass(seconds(2));
        assert_eq!(starts(&world), if expected == JobStatus::Backoff { 2 } else { 1 }, "{line} {policy:?}");
    }
}

#[test]
fn waits_double_and_a_run_that_lasts_begins_anew() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let began = world.clock_ms();
    let job = serve.job(&world, &id, job("false", RestartPolicy::OnFailure));
    // A start at 0, and after waits of 1, 2, 4 and 8 seconds.
    for (at, expected) in [(900, 1), (1_500, 2), (2_800, 2), (3_500, 3), (6_800, 3), (7_500, 4), (14_500, 4)]
    {
        let now = world.clock_ms() - began;
        serve.pass(Duration::from_millis(at - now));
        assert_eq!(starts(&world), expected, "after {at} ms");
    }
    // From now on it works.
    world.agents.script(|_| Some(Script::new().hold().exit(1)));
    serve.pass(seconds(2));
    assert_eq!((starts(&world), serve.status(&world, &id, &job)), (5, JobStatus::Running));
    assert_eq!(serve.job_get(&world, &id, &job).record.retries, 4);
    serve.pass(seconds(20));
    world.agents.release(&id, &serve.last_run(&world, &id, &job));
    serve.pass(Duration::from_millis(900));
    assert_eq!((starts(&world), serve.status(&world, &id, &job)), (5, JobStatus::Backoff));
    serve.pass(Duration::from_millis(300));
    let shown = serve.job_get(&world, &id, &job);
    assert_eq!((starts(&world), shown.status, shown.record.retries), (6, JobStatus::Running, 1));
    world.assert_clean(&serve, "after restarts");
}

#[test]
fn a_crash_loop_is_bounded() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let spec = JobSpec { max_retries: Some(3), ..job("exit 9", RestartPolicy::Always) };
    let bounded = serve.job(&world, &id, spec);
    serve.pass(seconds(600));
    let shown = serve.job_get(&world, &id, &bounded);
    assert_eq!((shown.status, shown.record.starts, starts(&world)), (JobStatus::Failed, 4, 4));
    assert_eq!(shown.record.last_end.unwrap().exit_code, Some(9));

    // Without a number the waits bound it: sixty seconds each in the end, and few runs are remembered.
    let unbounded = serve.job(&world, &id, job("exit 9", RestartPolicy::OnFailure));
    serve.pass(seconds(3_600));
    let shown = serve.job_get(&world, &id, &unbounded);
    assert!((60..70).contains(&shown.record.starts), "{}", shown.record.starts);
    assert_eq!((shown.status, shown.record.runs.len()), (JobStatus::Backoff, 10));
    let logs = serve.run(serve.engine.job_logs(&world.caller, &id, &unbounded, LogQuery::default())).unwrap();
    assert!(logs.truncated && logs.lines.is_empty());
}

#[test]
fn a_command_that_cannot_be_started_has_failed() {
    let world = World::new();
    world.agents.script(|_| Some(Script::refuse("no such folder")));
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let once = serve.job(&world, &id, job("x", RestartPolicy::Never));
    let shown = serve.job_get(&world, &id, &once);
    let end = shown.record.last_end.unwrap();
    assert_eq!((shown.status, end.status, end.exit_code), (JobStatus::Failed, ExecStatus::Failed, None));
    assert!(end.failure.unwrap().contains("no such folder"));
    let again = serve.job(&world, &id, job("x", RestartPolicy::OnFailure));
    assert_eq!(serve.status(&world, &id, &again), JobStatus::Backoff);
}

#[test]
fn a_run_goes_on_when_serve_dies_and_none_is_begun_twice() {
    let world = World::new();
    let (id, job) = {
        let serve = world.serve();
        let id = serve.sandbox(&world);
        let job = serve.job(&world, &id, job("sleep 1000", RestartPolicy::Always));
        (id, job)
    };
    let run = {
        let serve = world.serve();
        assert_eq!((serve.status(&world, &id, &job), starts(&world)), (JobStatus::Running, 1));
        serve.last_run(&world, &id, &job)
    };
    // It ends while nobody looks.
    world.agents.release(&id, &run);
    let serve = world.serve();
    serve.pass(seconds(2));
    let shown = serve.job_get(&world, &id, &job);
    assert_eq!((shown.status, shown.record.starts, starts(&world)), (JobStatus::Running, 2, 2));
    assert_eq!(shown.record.last_end.unwrap().exec, run);
    world.assert_clean(&serve, "after two deaths");
}

#[test]
fn serve_that_dies_between_two_runs_is_followed_by_one_start() {
    let world = World::new();
    let (id, job) = {
        let serve = world.serve();
        let id = serve.sandbox(&world);
        let job = serve.job(&world, &id, job("false", RestartPolicy::OnFailure));
        assert_eq!(serve.status(&world, &id, &job), JobStatus::Backoff);
        (id, job)
    };
    world.agents.script(|_| Some(Script::new().hold()));
    // A clock that jumped back does not make the wait longer than it may be.
    let ten_years = 10 * 365 * 86_400_000;
    let now = atoll_ports::Clock::now(&*world.clock).as_unix_ms();
    world.clock.set_now(atoll_types::Timestamp::from_unix_ms(now - ten_years));
    let serve = world.serve();
    serve.pass(seconds(65));
    assert_eq!((serve.status(&world, &id, &job), starts(&world)), (JobStatus::Running, 2));
    world.assert_clean(&serve, "after a death in the wait");
}

#[test]
fn a_stop_of_the_sandbox_ends_its_jobs_and_a_start_brings_back_what_always_runs() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let jobs = POLICIES.map(|policy| serve.job(&world, &id, job("sleep 1000", policy)));
    let waiting = POLICIES.map(|policy| serve.job(&world, &id, job("exit 4", policy)));
    let runs = jobs.each_ref().map(|job| serve.last_run(&world, &id, job));
    assert_eq!(serve.run(serve.engine.sandbox_stop(&world.caller, &id)).unwrap().status, Status::Stopped);
    for run in &runs {
        let ended = serve.exec_get(&world, &id, run).record.outcome.unwrap();
        assert_eq!(ended.exit.unwrap().code, 128 + Signal::Term.number(), "they are asked to end");
    }
    let shown = |jobs: &[JobId; 3]| jobs.each_ref().map(|job| serve.status(&world, &id, job));
    assert_eq!(shown(&jobs), [JobStatus::Stopped, JobStatus::Stopped, JobStatus::Waiting]);
    assert_eq!(shown(&waiting), [JobStatus::Failed, JobStatus::Stopped, JobStatus::Waiting]);
    let before = starts(&world);
    serve.pass(seconds(200));
    assert_eq!(starts(&world), before, "nothing starts in a sandbox that is down");
    serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap();
    serve.pass(Duration::from_millis(200));
    assert_eq!(starts(&world), before + 2);
    assert_eq!(shown(&jobs), [JobStatus::Stopped, JobStatus::Stopped, JobStatus::Running]);
    assert_eq!(shown(&waiting), [JobStatus::Failed, JobStatus::Stopped, JobStatus::Backoff]);
    serve.run(serve.engine.sandbox_restart(&world.caller, &id)).unwrap();
    serve.pass(Duration::from_millis(200));
    assert_eq!(shown(&jobs), [JobStatus::Stopped, JobStatus::Stopped, JobStatus::Running]);
    world.assert_clean(&serve, "after stops and starts");
}

#[test]
fn the_death_of_an_agent_is_no_failure_of_its_jobs() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let jobs = POLICIES.map(|policy| serve.job(&world, &id, job("sleep 1000", policy)));
    world.runtime.crash(&id);
    serve.until("the crash", || {
        serve.run(serve.engine.sandbox_get(&world.caller, &id)).unwrap().status == Status::Crashed
    });
    serve.pass(seconds(5));
    let shown = || jobs.each_ref().map(|job| serve.status(&world, &id, job));
    assert_eq!(shown(), [JobStatus::Stopped, JobStatus::Stopped, JobStatus::Waiting]);
    assert_eq!(starts(&world), 3);
    serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap();
    serve.pass(Duration::from_millis(200));
    assert_eq!(shown(), [JobStatus::Stopped, JobStatus::Stopped, JobStatus::Running]);
    assert_eq!(starts(&world), 4);
    world.assert_clean(&serve, "after a crash");
}

#[test]
fn a_delete_asks_then_kills_and_leaves_the_runs_readable() {
    let world = World::new();
    world.agents.script(|start| {
        let stubborn = start.argv.last().is_some_and(|line| line == "stubborn");
        stubborn.then(|| Script::new().stdout("here\n").hold().ignore_signals())
    });
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let polite = serve.job(&world, &id, job("sleep 1000", RestartPolicy::Always));
    let stubborn = serve.job(&world, &id, job("stubborn", RestartPolicy::Always));
    let runs = [&polite, &stubborn].map(|job| serve.last_run(&world, &id, job));
    for (job, run, code) in [(&polite, &runs[0], 143), (&stubborn, &runs[1], 137)] {
        serve.run(serve.engine.job_delete(&world.caller, &id, job)).unwrap();
        assert_eq!(serve.exec_get(&world, &id, run).record.outcome.unwrap().exit.unwrap().code, code);
        let gone = serve.run(serve.engine.job_get(&world.caller, &id, job)).unwrap_err();
        assert_eq!(gone.code, ErrorCode::JobNotFound);
    }
    assert_eq!(serve.exec_get(&world, &id, &runs[1]).stdout, b"here\n");
    let listed = serve.run(serve.engine.job_list(&world.caller, &id, None, 10)).unwrap();
    assert!(listed.items.is_empty());
    serve.pass(seconds(100));
    assert_eq!(starts(&world), 2, "nothing starts again");
    world.assert_clean(&serve, "after deletes");
}

#[test]
fn a_delete_is_finished_by_the_next_serve() {
    let world = World::new();
    world.agents.script(|_| Some(Script::new().hold().ignore_signals()));
    let (id, job) = {
        let serve = world.serve();
        let id = serve.sandbox(&world);
        let job = serve.job(&world, &id, job("stubborn", RestartPolicy::Always));
        let delete = serve.engine.job_delete(&world.caller, &id, &job);
        assert!(serve.run_for(seconds(3), delete).is_none(), "it waits for the end");
        assert_eq!(serve.status(&world, &id, &job), JobStatus::Stopping);
        (id, job)
    };
    let serve = world.serve();
    serve.pass(seconds(12));
    let gone = serve.run(serve.engine.job_get(&world.caller, &id, &job)).unwrap_err();
    assert_eq!(gone.code, ErrorCode::JobNotFound);
    assert_eq!(starts(&world), 1);
    world.assert_clean(&serve, "after a delete that was cut off");
}

#[test]
fn jobs_of_a_sandbox_that_is_down_or_deleted_go() {
    let world = World::new();
    let serve = world.serve();
    let (id, other) = (serve.sandbox(&world), serve.sandbox(&world));
    let down = serve.job(&world, &id, job("sleep 1000", RestartPolicy::Always));
    serve.run(serve.engine.sandbox_stop(&world.caller, &id)).unwrap();
    serve.run(serve.engine.job_delete(&world.caller, &id, &down)).unwrap();
    serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap();
    serve.pass(seconds(1));
    assert_eq!(starts(&world), 1);

    let stays = serve.job(&world, &other, job("sleep 1000", RestartPolicy::Always));
    let goes = serve.job(&world, &id, job("sleep 1000", RestartPolicy::Always));
    world.agents.hang(&id);
    let delete = serve.engine.job_delete(&world.caller, &id, &goes);
    assert!(serve.run_for(seconds(3), delete).is_none());
    serve.run(serve.engine.sandbox_delete(&world.caller, &id)).unwrap();
    let gone = serve.run(serve.engine.job_get(&world.caller, &id, &goes)).unwrap_err();
    assert_eq!(gone.code, ErrorCode::SandboxNotFound);
    let left = block(atoll_ports::Store::job_list_node(&*world.store, &world.settings.node)).unwrap();
    assert_eq!(left.iter().map(|job| &job.id).collect::<Vec<_>>(), [&stays]);
    world.assert_clean(&serve, "after a delete");
}

#[test]
fn a_job_of_a_sandbox_on_its_way_is_left_as_it_is() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let job = serve.job(&world, &id, job("sleep 1000", RestartPolicy::Always));
    let gate = Gate::closed();
    world.runtime.faults().nth_of("stop", 1, Fault::Wait(gate.clone()));
    let (engine, caller, sandbox) = (serve.engine.clone(), world.caller.clone(), id.clone());
    let stop = serve.start(async move { engine.sandbox_stop(&caller, &sandbox).await });
    let refused = serve.run(serve.engine.job_delete(&world.caller, &id, &job)).unwrap_err();
    assert_eq!(refused.code, ErrorCode::SandboxNotRunning, "{refused}");
    gate.open();
    assert_eq!(stop.result(&serve).unwrap().status, Status::Stopped);
    assert_eq!(serve.status(&world, &id, &job), JobStatus::Waiting);
    world.assert_clean(&serve, "after a stop");
}

#[test]
fn a_job_that_runs_keeps_its_sandbox_awake() {
    let world = World::new();
    let serve = world.serve();
    let new = atoll_engine::NewSandbox { idle_seconds: Some(900), ..sandbox() };
    let id = serve.create(&world, new).unwrap().record.id;
    let job = serve.job(&world, &id, job("sleep 100000", RestartPolicy::Always));
    for _ in 0..5 {
        world.clock.advance(seconds(1_000));
        serve.pass(seconds(3));
    }
    assert_eq!(serve.status(&world, &id, &job), JobStatus::Running);
    serve.run(serve.engine.job_delete(&world.caller, &id, &job)).unwrap();
    world.clock.advance(seconds(1_000));
    serve.pass(seconds(3));
    let view = serve.run(serve.engine.sandbox_get(&world.caller, &id)).unwrap();
    assert_eq!(view.status, Status::Stopped);
}

#[test]
fn the_log_of_a_job_goes_over_its_runs() {
    let world = World::new();
    let runs = std::sync::atomic::AtomicU32::new(0);
    world.agents.script(move |_| {
        let n = runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Some(Script::new().stdout(format!("run {n}\nend {n}")).exit(1))
    });
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let spec = JobSpec { max_retries: Some(2), ..job("x", RestartPolicy::OnFailure) };
    let job = serve.job(&world, &id, spec);
    serve.pass(seconds(10));
    let lines = |tail| {
        let query = LogQuery { tail, ..LogQuery::default() };
        let log = serve.run(serve.engine.job_logs(&world.caller, &id, &job, query)).unwrap();
        let lines: Vec<_> = log.lines.into_iter().map(|line| String::from_utf8(line.line).unwrap()).collect();
        (lines.join(" "), log.truncated)
    };
    assert_eq!(lines(None), ("run 0 end 0 run 1 end 1 run 2 end 2".to_owned(), false));
    assert_eq!(lines(Some(3)), ("end 1 run 2 end 2".to_owned(), true));
    assert_eq!(lines(Some(2)), ("run 2 end 2".to_owned(), true));
    let now = atoll_ports::Clock::now(&*world.clock);
    let since = LogQuery { since: Some(now), ..LogQuery::default() };
    let log = serve.run(serve.engine.job_logs(&world.caller, &id, &job, since)).unwrap();
    assert!(log.lines.is_empty());
    // What was swept is not there any more, and no failure.
    block(world.logs.remove_sandbox(&id)).unwrap();
    assert_eq!(lines(None).0, "");
}

#[test]
fn a_wait_that_ends_in_a_pause_is_followed_by_a_start_at_the_resume() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let job = serve.job(&world, &id, job("false", RestartPolicy::OnFailure));
    assert_eq!(serve.status(&world, &id, &job), JobStatus::Backoff);
    serve.run(serve.engine.sandbox_pause(&world.caller, &id)).unwrap();
    serve.pass(seconds(10));
    assert_eq!(starts(&world), 1, "nothing starts in a paused sandbox");
    serve.run(serve.engine.sandbox_resume(&world.caller, &id)).unwrap();
    serve.pass(Duration::from_millis(100));
    assert_eq!(starts(&world), 2);
}
