//! A random walk: creates, execs, streams, stops, deletes, deaths of serve and of agents, faults; then the invariants.

use std::collections::HashMap;
use std::time::Duration;

use atoll_ports::{AgentError, AgentLink, RuntimeError};
use atoll_testkit::{Fault, LogFault, Script, StoreFault};
use atoll_types::{ExecId, ExecStatus, SandboxId};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::world::{Serve, World, block, ends_with_exit, exec, sandbox, text, with_main};

#[derive(Debug, Clone)]
enum Move {
    Create { main: bool },
    Start(usize),
    Stop(usize),
    Restart(usize),
    Delete(usize),
    Exec { sandbox: usize, pieces: u8 },
    Release(usize),
    Read { exec: usize, after: u64 },
    ServeDies,
    AgentDies { sandbox: usize, silently: bool },
    Cut(usize),
    StoreFails { n: u64, after: bool },
    RuntimeFails { n: u64, after: bool },
    AgentFails { n: u64, after: bool },
    LogFails { n: u64 },
    Pass { ms: u64 },
    Pause(usize),
    Resume(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let which = 0..6_usize;
    let one = prop_oneof![
        3 => any::<bool>().prop_map(|main| Move::Create { main }),
        1 => which.clone().prop_map(Move::Start),
        1 => which.clone().prop_map(Move::Stop),
        1 => which.clone().prop_map(Move::Restart),
        1 => which.clone().prop_map(Move::Delete),
        6 => (which.clone(), 0..6_u8).prop_map(|(sandbox, pieces)| Move::Exec { sandbox, pieces }),
        6 => (0..12_usize).prop_map(Move::Release),
        3 => (0..12_usize, 0..8_u64).prop_map(|(exec, after)| Move::Read { exec, after }),
        2 => Just(Move::ServeDies),
        1 => (which.clone(), any::<bool>()).prop_map(|(sandbox, silently)| Move::AgentDies { sandbox, silently }),
        1 => which.prop_map(Move::Cut),
        1 => (1..6_u64, any::<bool>()).prop_map(|(n, after)| Move::StoreFails { n, after }),
        1 => (1..3_u64, any::<bool>()).prop_map(|(n, after)| Move::RuntimeFails { n, after }),
        1 => (1..4_u64, any::<bool>()).prop_map(|(n, after)| Move::AgentFails { n, after }),
        1 => (1..4_u64).prop_map(|n| Move::LogFails { n }),
        3 => (1..400_u64).prop_map(|ms| Move::Pass { ms }),
        2 => (0..6_usize).prop_map(Move::Pause),
        2 => (0..6_usize).prop_map(Move::Resume),
    ];
    proptest::collection::vec(one, 1..40)
}

/// What callers were told.
#[derive(Default)]
struct Told {
    sandboxes: Vec<SandboxId>,
    execs: Vec<(SandboxId, ExecId, u8)>,
    deleted: Vec<SandboxId>,
    /// Sandboxes whose execs may be lost: stopped, restarted, crashed, or deleted.
    down: HashMap<SandboxId, usize>,
}

struct Walk {
    world: World,
    serve: Option<Serve>,
    told: Told,
}

fn fault<E>(after: bool, error: E) -> Fault<E> {
    if after { Fault::After(error) } else { Fault::Before(error) }
}

/// What an exec of so many pieces writes: each one behind a hold.
fn expected(pieces: u8) -> String {
    (0..pieces).map(|n| format!("piece {n};")).collect()
}

impl Walk {
    fn new() -> Self {
        let mut world = World::new();
        world.settings.quota.sandboxes = 6;
        let serve = Some(world.serve());
        Self { world, serve, told: Told::default() }
    }

    fn serve(&self) -> &Serve {
        self.serve.as_ref().unwrap()
    }

    fn sandbox(&self, at: usize) -> Option<SandboxId> {
        self.told.sandboxes.get(at).cloned()
    }

    fn goes_down(&mut self, id: &SandboxId) {
        let known = self.told.execs.len();
        self.told.down.insert(id.clone(), known);
    }

    fn make(&mut self, one: Move) {
        let window = Duration::from_secs(20);
        let engine = self.serve().engine.clone();
        let caller = self.world.caller.clone();
        match one {
            Move::Create { main } => {
                let new = if main { with_main(&self.world) } else { sandbox() };
                self.script();
                if let Some(Ok(view)) = self.serve().run_for(window, engine.sandbox_create(&caller, new)) {
                    self.told.sandboxes.push(view.record.id);
                }
            }
            Move::Start(at) => {
                let Some(id) = self.sandbox(at) else { return };
                let _answer = self.serve().run_for(window, engine.sandbox_start(&caller, &id));
                // One that failed is stopped again.
                self.goes_down(&id);
            }
            Move::Stop(at) => {
                let Some(id) = self.sandbox(at) else { return };
                self.goes_down(&id);
                let _answer = self.serve().run_for(window, engine.sandbox_stop(&caller, &id));
            }
            Move::Restart(at) => {
                let Some(id) = self.sandbox(at) else { return };
                self.goes_down(&id);
                let _answer = self.serve().run_for(window, engine.sandbox_restart(&caller, &id));
            }
            Move::Delete(at) => {
                let Some(id) = self.sandbox(at) else { return };
                self.goes_down(&id);
                if let Some(Ok(())) = self.serve().run_for(window, engine.sandbox_delete(&caller, &id)) {
                    self.told.deleted.push(id);
                }
            }
            Move::Exec { sandbox, pieces } => {
                let Some(id) = self.sandbox(sandbox) else { return };
                let start = engine.exec_start(&caller, &id, exec(&format!("pieces {pieces}")));
                if let Some(Ok(view)) = self.serve().run_for(window, start)
                    // Or its agent died at that moment, and the answer says so.
                    && view.record.status != ExecStatus::Lost
                {
                    self.told.execs.push((id, view.record.id, pieces));
                }
            }
            Move::Release(at) => {
                let Some((id, run, _)) = self.told.execs.get(at) else { return };
                self.world.agents.release(id, run);
            }
            Move::Read { exec, after } => self.read(exec, after),
            Move::ServeDies => {
                self.serve = None;
                // A boot that meets a fault that was planned earlier is tried again, as the supervisor does.
                for _ in 0..3 {
                    let serve = self.world.unbooted();
                    let engine = serve.engine.clone();
                    let booted = serve.try_run(async move { engine.boot().await }).expect("boot hangs");
                    self.serve = Some(serve);
                    if booted.is_ok() {
                        return;
                    }
                    self.world.clear_faults();
                }
                panic!("serve does not boot");
            }
            Move::AgentDies { sandbox, silently } => {
                let Some(id) = self.sandbox(sandbox) else { return };
                self.goes_down(&id);
                if silently {
                    self.world.runtime.crash_silently(&id);
                } else {
                    self.world.runtime.crash(&id);
                }
            }
            Move::Cut(at) => {
                let Some(id) = self.sandbox(at) else { return };
                self.world.agents.cut(&id);
            }
            Move::StoreFails { n, after } => self.world.store.faults().nth(n, fault(after, StoreFault)),
            Move::RuntimeFails { n, after } => {
                self.world.runtime.faults().nth(n, fault(after, RuntimeError::Failed("planned".to_owned())));
            }
            Move::AgentFails { n, after } => {
                self.world
                    .agents
                    .faults()
                    .nth(n, fault(after, AgentError::Unreachable("planned".to_owned())));
            }
            Move::LogFails { n } => self.world.logs.faults().nth(n, Fault::Before(LogFault)),
            Move::Pass { ms } => self.serve().pass(Duration::from_millis(ms)),
            Move::Pause(at) => {
                let Some(id) = self.sandbox(at) else { return };
                let _answer = self.serve().run_for(window, engine.sandbox_pause(&caller, &id));
            }
            Move::Resume(at) => {
                let Some(id) = self.sandbox(at) else { return };
                let _answer = self.serve().run_for(window, engine.sandbox_resume(&caller, &id));
            }
        }
    }

    fn script(&self) {
        self.world.agents.script(|start| {
            if start.argv == ["serve"] {
                return Some(Script::new().stdout("up\n").hold());
            }
            let pieces: u8 = start.argv.last()?.strip_prefix("pieces ")?.parse().ok()?;
            Some((0..pieces).fold(Script::new(), |s, n| s.hold().stdout(format!("piece {n};"))).exit(9))
        });
    }

    /// What a stream gives at any moment is a piece of the whole, in order.
    fn read(&self, at: usize, after: u64) {
        use futures_util::StreamExt;
        let Some((id, run, pieces)) = self.told.execs.get(at) else { return };
        let serve = self.serve();
        let caller = &self.world.caller;
        let read = async {
            let mut all = Vec::new();
            let Ok(mut events) = serve.engine.exec_events(caller, id, run, after).await else { return all };
            while let Ok(Some(Ok(event))) =
                tokio::time::timeout(Duration::from_millis(100), events.next()).await
            {
                all.push(Ok(event));
            }
            all
        };
        let events = serve.run(read);
        let text = String::from_utf8(text(&events, after + 1)).unwrap();
        assert!(expected(*pieces).contains(&text), "{text}");
    }

    fn check(mut self) {
        let mut serve = self.serve.take().unwrap();
        self.world.assert_clean(&serve, "at the end of the walk");
        for round in 0..2 {
            for id in &self.told.deleted {
                assert!(self.world.record(id).is_none(), "{id} was deleted and is there");
            }
            for (at, (id, run, pieces)) in self.told.execs.iter().enumerate() {
                let Some(record) = self.world.record(id) else { continue };
                let view = serve.run(serve.engine.exec_get(&self.world.caller, id, run)).unwrap();
                let text = String::from_utf8(view.stdout).unwrap();
                let all = expected(*pieces);
                match view.record.status {
                    ExecStatus::Exited => {
                        assert_eq!(text, all);
                        assert_eq!(view.record.outcome.unwrap().exit.unwrap().code, 9);
                        let events = serve.events(&self.world, id, run, 0);
                        assert_eq!(text_of(&events), all);
                        assert!(ends_with_exit(&events));
                    }
                    ExecStatus::Running => {
                        assert!(all.starts_with(&text));
                        let held = block(self.world.agents.list(id)).unwrap();
                        assert!(held.iter().any(|h| h.exec == *run && h.running), "{run} runs nowhere");
                        (0..8).for_each(|_| self.world.agents.release(id, run));
                    }
                    ExecStatus::Lost => {
                        let may = self.told.down.get(id).is_some_and(|known| at < *known);
                        assert!(may, "{run} of {record:?} is lost: {:?}", view.record.outcome);
                        assert!(all.starts_with(&text));
                    }
                    other => panic!("{run} was acknowledged and is {other:?}"),
                }
            }
            if round == 0 {
                // Everything that runs ends, in another serve.
                serve.pass(Duration::from_secs(1));
                drop(serve);
                serve = self.world.serve();
                serve.pass(Duration::from_secs(5));
            }
        }
        self.world.assert_clean(&serve, "after everything has ended");
        for record in self.world.records() {
            serve.run(serve.engine.sandbox_delete(&self.world.caller, &record.id)).unwrap();
        }
        self.world.assert_clean(&serve, "after everything was deleted");
        assert_eq!(self.world.records(), []);
        assert_eq!(block(atoll_ports::Runtime::list(&*self.world.runtime)).unwrap(), []);
    }
}

fn text_of(events: &[Result<atoll_types::ExecEvent, atoll_engine::EngineError>]) -> String {
    String::from_utf8(text(events, 1)).unwrap()
}

/// Walks of one run; more by ATOLL_FAULT_ROUNDS, ten for each.
fn cases() -> u32 {
    let rounds = std::env::var("ATOLL_FAULT_ROUNDS").ok().and_then(|r| r.parse::<u32>().ok());
    rounds.map_or(200, |rounds| rounds.saturating_mul(10))
}

proptest! {
    #![proptest_config(Config { cases: cases(), failure_persistence: None, ..Config::default() })]
    #[test]
    fn nothing_acknowledged_is_lost_and_nothing_is_left_over(moves in moves()) {
        let mut walk = Walk::new();
        walk.script();
        for one in moves {
            walk.make(one);
        }
        walk.check();
    }
}
