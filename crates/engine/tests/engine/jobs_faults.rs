//! Jobs, while serve dies at every call of every port, and while calls fail.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atoll_ports::{AgentLink, Store};
use atoll_testkit::{Script, samples};
use atoll_types::{ExecId, JobId, RestartPolicy, SandboxId};

use crate::faults::{PORTS, Wrong, pending, plan};
use crate::world::{Serve, World, block};

/// Fails when it is started the first time, and holds from then on.
fn script(world: &World) {
    let failed = Arc::new(AtomicBool::new(false));
    world.agents.script(move |_| {
        let first = !failed.swap(true, Ordering::SeqCst);
        Some(if first { Script::new().exit(1) } else { Script::new().stdout("up\n").hold() })
    });
}

fn running(world: &World, id: &SandboxId) -> Vec<ExecId> {
    let held = block(world.agents.list(id)).unwrap();
    held.into_iter().filter(|held| held.running).map(|held| held.exec).collect()
}

/// No run was begun twice, and what runs is what the jobs say.
fn check(world: &World, serve: &Serve, id: &SandboxId, name: &str) -> Vec<JobId> {
    world.assert_clean(serve, name);
    let started = world.agents.started();
    let ids: BTreeSet<_> = started.iter().map(|(_, start)| &start.exec).collect();
    assert_eq!(ids.len(), started.len(), "{name}: a run was begun twice");
    let jobs = block(world.store.job_list_node(&world.settings.node)).unwrap();
    let current: Vec<ExecId> = jobs.iter().map(|job| job.runs.last().unwrap().clone()).collect();
    assert_eq!(running(world, id), current, "{name}");
    for job in &jobs {
        let shown = serve.run(serve.engine.job_get(&world.caller, id, &job.id)).unwrap();
        assert_eq!(shown.record, *job, "{name}: memory and store differ");
        let logs = serve.run(serve.engine.job_logs(&world.caller, id, &job.id, Default::default())).unwrap();
        assert_eq!(logs.lines.len(), 1, "{name}: {logs:?}");
    }
    jobs.into_iter().map(|job| job.id).collect()
}

/// A job that fails once and then works; serve dies at the `n`-th call of a port, or that call fails.
#[test]
fn a_job_that_was_answered_runs_once_whatever_fails() {
    for (port, wrong) in
        PORTS.into_iter().flat_map(|p| [Wrong::Before, Wrong::After, Wrong::Hangs].map(|w| (p, w)))
    {
        for n in 1..60 {
            let world = World::new();
            script(&world);
            let name = format!("{port:?} call {n} {wrong:?}");
            let mut serve = world.serve();
            let id = serve.sandbox(&world);
            serve.pass(Duration::from_millis(200));
            plan(&world, port, n, wrong);
            let spec = samples::job_spec("x", RestartPolicy::OnFailure);
            let made =
                serve.run_for(Duration::from_secs(1), serve.engine.job_create(&world.caller, &id, spec));
            let made = made.and_then(Result::ok).map(|view| view.record.id);
            serve.pass(Duration::from_secs(5));
            let struck = !pending(&world);
            if wrong == Wrong::Hangs {
                drop(serve);
                world.clear_faults();
                serve = world.serve();
            }
            let jobs = check(&world, &serve, &id, &name);
            if let Some(made) = made {
                assert_eq!(jobs, [made], "{name}");
            }
            if !struck {
                break;
            }
            assert!(n < 59, "{name}: the sweep does not end");
        }
    }
}

/// The same while it is deleted: what was answered is gone, and what is not gone runs.
#[test]
fn a_delete_is_whole_whatever_fails() {
    for (port, wrong) in
        PORTS.into_iter().flat_map(|p| [Wrong::Before, Wrong::After, Wrong::Hangs].map(|w| (p, w)))
    {
        for n in 1..60 {
            let world = World::new();
            script(&world);
            let name = format!("delete, {port:?} call {n} {wrong:?}");
            let mut serve = world.serve();
            let id = serve.sandbox(&world);
            let spec = samples::job_spec("x", RestartPolicy::OnFailure);
            let job = serve.run(serve.engine.job_create(&world.caller, &id, spec)).unwrap().record.id;
            serve.pass(Duration::from_secs(5));
            plan(&world, port, n, wrong);
            let deleted =
                serve.run_for(Duration::from_secs(3), serve.engine.job_delete(&world.caller, &id, &job));
            serve.pass(Duration::from_secs(1));
            let struck = !pending(&world);
            if wrong == Wrong::Hangs {
                drop(serve);
                world.clear_faults();
                serve = world.serve();
            }
            let jobs = check(&world, &serve, &id, &name);
            if matches!(deleted, Some(Ok(()))) {
                assert_eq!(jobs, [], "{name}");
            }
            if !struck {
                assert!(deleted.is_some_and(|answer| answer.is_ok()), "{name}");
                break;
            }
            assert!(n < 59, "{name}: the sweep does not end");
        }
    }
}
