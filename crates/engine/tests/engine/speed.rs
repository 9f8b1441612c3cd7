//! What the engine itself costs an exec. Run by hand on a quiet machine: `cargo nextest run -p atoll-engine --run-ignored only
//! --no-capture speed`.

use std::time::{Duration, Instant};

use crate::world::{World, exec};

/// What the engine may add to an exec.
const GOAL: Duration = Duration::from_micros(50);

#[test]
#[ignore = "a measurement: needs a quiet machine"]
fn an_exec_costs_the_engine_little() {
    let world = World::new();
    let serve = world.serve();
    let id = serve.sandbox(&world);
    let runs = 5_000;
    let took = serve.run(async {
        for _ in 0..200 {
            serve.engine.exec_run(&world.caller, &id, exec("true")).await.unwrap();
        }
        let mut took = Vec::with_capacity(runs);
        for _ in 0..runs {
            let new = exec("true");
            let before = Instant::now();
            serve.engine.exec_run(&world.caller, &id, new).await.unwrap();
            took.push(before.elapsed());
        }
        took.sort();
        took
    });
    let (p50, p99) = (took[runs / 2], took[runs * 99 / 100]);
    println!("exec over fakes: p50 {p50:?}, p99 {p99:?}");
    assert!(p50 <= GOAL, "{p50:?}");
}
