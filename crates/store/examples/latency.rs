//! How long the store takes for an exec, alone and under load: `cargo run -p atoll-store --example latency [FILE]`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atoll_ports::{Cas, Durability, SandboxRecord, Store};
use atoll_store::SqliteStore;
use atoll_testkit::samples;
use atoll_types::NodeId;

const ROUNDS: usize = 3_000;
const CALLERS: usize = 16;

fn report(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_micros();
    println!("{name:<44} p50 {:>6} µs  p90 {:>6} µs  p99 {:>6} µs", at(50), at(90), at(99));
}

async fn timed<T>(times: &mut Vec<Duration>, act: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let result = act.await;
    times.push(start.elapsed());
    result
}

async fn alone(store: &dyn Store, sandbox: &SandboxRecord) {
    let (mut insert, mut finish, mut get) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let exec = samples::exec(&sandbox.id);
        timed(&mut insert, store.exec_insert(&exec)).await.unwrap();
        let ended = samples::finished(&exec, samples::exited(0));
        timed(&mut finish, store.exec_finish(&ended)).await.unwrap();
        timed(&mut get, store.exec_get(&sandbox.id, &exec.id)).await.unwrap();
    }
    report("exec_insert alone", insert);
    report("exec_finish alone", finish);
    report("exec_get alone", get);
}

async fn sandboxes(store: &dyn Store, sandbox: &SandboxRecord, node: &NodeId) {
    let (mut get, mut update, mut insert) = (Vec::new(), Vec::new(), Vec::new());
    let mut record = sandbox.clone();
    for _ in 0..ROUNDS {
        timed(&mut get, store.sandbox_get(&record.id)).await.unwrap();
        let updated = timed(&mut update, store.sandbox_update(&record, Durability::Process)).await.unwrap();
        if let Cas::Updated(now) = updated {
            record = now;
        }
    }
    report("sandbox_get", get);
    report("sandbox_update, Process", update);
    let mut synced = Vec::new();
    for n in 0..3_000 {
        let new = samples::sandbox(&sandbox.owner, node);
        if n < 200 {
            timed(&mut synced, store.sandbox_insert(&new, Durability::Power)).await.unwrap();
        } else {
            timed(&mut insert, store.sandbox_insert(&new, Durability::Process)).await.unwrap();
        }
    }
    report("sandbox_insert, Power", synced);
    report("sandbox_insert, Process, 200-500 there", insert[..300].to_vec());
    report("sandbox_insert, Process, 2,500-3,000 there", insert[2_300..].to_vec());
}

async fn together(store: Arc<dyn Store>, sandbox: &SandboxRecord) {
    let start = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (store, sandbox) = (Arc::clone(&store), sandbox.clone());
            #[expect(clippy::disallowed_methods, reason = "a measurement has no task registry")]
            tokio::spawn(async move {
                let mut times = Vec::new();
                for _ in 0..ROUNDS / 4 {
                    let exec = samples::exec(&sandbox.id);
                    timed(&mut times, store.exec_insert(&exec)).await.unwrap();
                    let ended = samples::finished(&exec, samples::exited(0));
                    timed(&mut times, store.exec_finish(&ended)).await.unwrap();
                }
                times
            })
        })
        .collect();
    let mut all = Vec::new();
    for caller in callers {
        all.extend(caller.await.unwrap());
    }
    let rate = all.len() as f64 / start.elapsed().as_secs_f64();
    report(&format!("{CALLERS} callers at once"), all);
    println!("{:<44} {rate:.0} writes a second", "");
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let path = std::env::args_os().nth(1).map_or_else(|| dir.path().join("atoll.db"), PathBuf::from);
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    let (user, node) = (samples::user(), NodeId::random());
    store.user_insert(&user).await.unwrap();
    let sandbox = store.sandbox_insert(&samples::sandbox(&user.id, &node), Durability::Power).await.unwrap();
    alone(&*store, &sandbox).await;
    together(Arc::clone(&store) as Arc<dyn Store>, &sandbox).await;
    sandboxes(&*store, &sandbox, &node).await;
}
