//! serve dies at every call of every port; the next one finishes or undoes what was under way.

use std::time::Duration;

use atoll_ports::RuntimeError;
use atoll_testkit::{Fault, Gate};
use atoll_types::{Observed, Status};

use crate::faults::{ASKS, Ask, PORTS, Port, Wrong, ask, pending, plan, prepare};
use crate::world::{World, sandbox, with_main};

/// The next serve boots, and everything is at one of its ends.
fn check(world: &World, what: Ask, name: &str) {
    world.clear_faults();
    let serve = world.unbooted();
    let engine = serve.engine.clone();
    serve
        .try_run(async move { engine.boot().await })
        .unwrap_or_else(|| panic!("{name}: boot hangs"))
        .unwrap();
    world.assert_clean(&serve, name);
    let records = world.records();
    assert!(records.len() <= 1, "{name}: {records:?}");
    match what {
        Ask::Create | Ask::Delete => {}
        Ask::Start | Ask::Stop => assert_eq!(records.len(), 1, "{name}"),
        // A restart that was begun ends with the sandbox up.
        Ask::Restart => assert_eq!(records[0].observed, Observed::Running, "{name}: {:?}", records[0]),
    }
    if let Some(record) = records.first() {
        assert_eq!(world.agents.alive(&record.id), record.observed == Observed::Running, "{name}");
        let mains = world.agents.started().len();
        assert!(mains <= 3, "{name}: {mains} main processes");
        serve.run(serve.engine.sandbox_delete(&world.caller, &record.id)).unwrap();
    }
    world.assert_clean(&serve, name);
}

/// Dies at every call of the operation itself, and where `also` says so again at every call of the next boot.
fn sweep(main: bool, also_boot: bool) {
    for what in ASKS {
        for port in PORTS {
            'calls: for n in 1..100 {
                let mut second = 1_u64;
                loop {
                    let world = World::new();
                    let name = format!("{what:?} main={main} {port:?} call {n}, boot call {second}");
                    {
                        let serve = world.serve();
                        let id = prepare(&world, &serve, what, main);
                        let new = if main { with_main(&world) } else { sandbox() };
                        plan(&world, port, n, Wrong::Hangs);
                        let asked = ask(serve.engine.clone(), world.caller.clone(), new, what, id);
                        let _answer = serve.run_for(Duration::from_millis(500), asked);
                        if pending(&world) {
                            break 'calls;
                        }
                    }
                    let mut struck = false;
                    if also_boot {
                        // Counted over the store and the runtime: every second call of a boot is one of theirs.
                        let at = if second % 2 == 1 { Port::Store } else { Port::Runtime };
                        plan(&world, at, second.div_ceil(2), Wrong::Hangs);
                        let serve = world.unbooted();
                        let engine = serve.engine.clone();
                        let _booted =
                            serve.run_for(Duration::from_millis(500), async move { engine.boot().await });
                        struck = !pending(&world);
                    }
                    check(&world, what, &name);
                    second += 1;
                    if !struck || second > 8 {
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn every_step_may_be_repeated() {
    sweep(false, false);
}

#[test]
fn every_step_may_be_repeated_with_a_main_process() {
    sweep(true, false);
}

#[test]
fn a_boot_may_die_at_every_call_too() {
    sweep(true, true);
}

/// A create or a start that fails is undone, serve dies at every call of the undo, and the next one goes on with it.
fn undo_sweep(what: Ask) {
    for port in [Port::Store, Port::Runtime, Port::Logs] {
        for n in 1..40 {
            let world = World::new();
            let name = format!("undo of {what:?}, {port:?} call {n}");
            let struck = {
                let serve = world.serve();
                let id = prepare(&world, &serve, what, true);
                let new = with_main(&world);
                world.runtime.faults().nth_of(
                    "start",
                    1,
                    Fault::After(RuntimeError::Failed("no".to_owned())),
                );
                // The calls of the operation count too: the later ones are those of its undo.
                plan(&world, port, n, Wrong::Hangs);
                let asked = ask(serve.engine.clone(), world.caller.clone(), new, what, id);
                let _answer = serve.run_for(Duration::from_millis(500), asked);
                !pending(&world)
            };
            check(&world, what, &name);
            if !struck {
                break;
            }
        }
    }
}

#[test]
fn every_undo_of_a_create_may_be_repeated() {
    undo_sweep(Ask::Create);
}

#[test]
fn every_undo_of_a_start_may_be_repeated() {
    undo_sweep(Ask::Start);
}

#[test]
fn a_reconcile_leaves_an_operation_to_its_living_task() {
    let world = World::new();
    let serve = world.serve();
    let gate = Gate::closed();
    world.runtime.faults().nth_of("start", 1, Fault::Wait(gate.clone()));
    let (engine, caller, new) = (serve.engine.clone(), world.caller.clone(), with_main(&world));
    let create = serve.start(async move { engine.sandbox_create(&caller, new).await });
    let other = serve.sandbox(&world);
    // Several passes go by while it hangs; they do not wait for it either.
    world.runtime.crash_silently(&other);
    serve.pass(Duration::from_secs(200));
    let view = serve.run(serve.engine.sandbox_get(&world.caller, &other)).unwrap();
    assert_eq!(view.status, Status::Crashed, "a pass waited behind a slow create");
    assert!(!create.is_done());
    gate.open();
    let view = create.result(&serve).unwrap();
    assert_eq!(view.status, Status::Running);
    assert_eq!(view.record.generation, world.record(&view.record.id).unwrap().generation);
    assert_eq!(world.runtime.faults().count("start"), 2);
    world.assert_clean(&serve, "after a slow create");
}

#[test]
fn a_pass_does_not_lose_the_main_process_of_a_sandbox_that_comes_up() {
    let world = World::new();
    let serve = world.serve();
    let new = with_main(&world);
    // The last write of the create waits, with the main process running and written down.
    let gate = Gate::closed();
    world.store.faults().nth_of("sandbox_update", 2, Fault::Wait(gate.clone()));
    let (engine, caller) = (serve.engine.clone(), world.caller.clone());
    let create = serve.start(async move { engine.sandbox_create(&caller, new).await });
    serve.pass(Duration::from_secs(130));
    gate.open();
    let id = create.result(&serve).unwrap().record.id;
    serve.pass(Duration::from_secs(1));
    let running =
        crate::world::block(atoll_ports::Store::exec_list_running(&*world.store, &world.settings.node));
    assert_eq!(running.unwrap().len(), 1, "the main process was called lost");
    world.assert_clean(&serve, "after the create");
    serve.run(serve.engine.sandbox_delete(&world.caller, &id)).unwrap();
}
