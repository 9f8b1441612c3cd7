//! `kill -9` of any part at any moment under load, with files being written, a terminal open and a connection alive:
//! nothing acknowledged is lost, and nothing is left.
//!
//! `ATOLL_FAULT_ROUNDS` says how many rounds (5), `ATOLL_FAULT_SEED` repeats one run.

mod bystander;
mod files;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use atoll_api_types::CreateSandbox;
use atoll_client::{Client, ClientError, ExecEventKind};
use atoll_types::{ExecId, SandboxId};
use futures_util::StreamExt as _;
use futures_util::future::join_all;

use self::bystander::Bystander;
use self::files::one_file;
use crate::harness::{Atoll, Internet, Role, line, parse_id};

const ROUNDS: u32 = 5;
/// Clients at once.
const WORKERS: u32 = 4;
/// Each does this often per round: a sandbox, some execs, a delete.
const LIVES: u32 = 3;

/// A small generator (splitmix64), so that a failure can be repeated.
#[derive(Debug, Clone)]
struct Dice(Rc<Cell<u64>>);

impl Dice {
    fn roll(&self, below: u64) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
        let mut z = self.0.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Asks until the server is there. What a call that was cut off did is not known: `redo` says whether it may be asked again.
async fn through<T>(what: &str, mut call: impl AsyncFnMut() -> Result<T, ClientError>) -> T {
    for _try in 0..600 {
        match call().await {
            Ok(done) => return done,
            Err(error) if error.is_transient() => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => panic!("{what}: {error:?}"),
        }
    }
    panic!("{what}: the server does not come back");
}

/// A command whose whole output is known: `lines` numbered lines, and an exit code.
fn command(lines: u64, code: u64) -> (String, String) {
    let text =
        format!("i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo line $i; sleep 0.005; done; exit {code}");
    (text, (1..=lines).map(|i| format!("line {i}\n")).collect())
}

/// Follows an exec that was acknowledged to its end: every event once, in order.
async fn follow(client: &Client, sandbox: &SandboxId, exec: &ExecId) -> (String, Option<i32>) {
    let mut events = client.exec_events(sandbox, exec, 0);
    let (mut output, mut next) = (Vec::new(), 1);
    while let Some(event) = events.next().await {
        let event = event.unwrap_or_else(|error| panic!("exec {exec} of {sandbox}: {error:?}"));
        assert_eq!(event.seq, next, "exec {exec} of {sandbox}: a gap or a repeat");
        next += 1;
        match event.kind {
            ExecEventKind::Start => {}
            ExecEventKind::Output(_, bytes) => output.extend(bytes),
            ExecEventKind::Exit(code) => return (String::from_utf8(output).unwrap(), code),
        }
    }
    panic!("exec {exec} of {sandbox}: the stream ended without an exit");
}

/// One command. Answers whether it was acknowledged and so checked.
async fn one_exec(client: &Client, sandbox: &SandboxId, dice: &Dice) -> bool {
    let (lines, code) = (1 + dice.roll(150), dice.roll(100));
    let (text, expected) = command(lines, code);
    let exec: ExecId = match client.exec_start(sandbox, &line(&text)).await {
        Ok(exec) => exec.id.parse().unwrap(),
        // Cut off: it may run or not; nothing was promised.
        Err(error) if error.is_transient() => return false,
        Err(error) => panic!("exec in {sandbox}: {error:?}"),
    };
    let (output, exit) = follow(client, sandbox, &exec).await;
    let expected_exit = Some(i32::try_from(code).unwrap());
    assert_eq!((output.as_str(), exit), (expected.as_str(), expected_exit), "exec {exec} of {sandbox}");
    let record = through("get exec", async || client.exec_get(sandbox, &exec).await).await;
    assert_eq!(
        (record.status.as_str(), record.exit_code),
        ("exited", expected_exit),
        "exec {exec} of {sandbox}"
    );
    assert_eq!(record.stdout.as_deref(), Some(expected.as_str()), "exec {exec} of {sandbox}");
    true
}

/// What was acknowledged and so checked.
#[derive(Debug, Clone, Copy, Default)]
struct Checked {
    execs: u32,
    files: u32,
}

/// Lives of sandboxes, one after the other.
async fn worker(client: &Client, dice: &Dice) -> Checked {
    let mut checked = Checked::default();
    for _life in 0..LIVES {
        let new = CreateSandbox { memory: Some(64), ..CreateSandbox::default() };
        let id = match client.sandbox_create(&new).await {
            Ok(made) => parse_id(&made[0].id),
            // Cut off: the end of the round finds it if it is there.
            Err(error) if error.is_transient() => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            Err(error) => panic!("create: {error:?}"),
        };
        let execs = (0..1 + dice.roll(3)).map(|_| one_exec(client, &id, dice));
        let (execs, files) = tokio::join!(join_all(execs), one_file(client, &id, dice));
        checked.execs += execs.into_iter().map(u32::from).sum::<u32>();
        checked.files += files;
        // Repeated when it was cut off: then it may be gone already.
        through("delete", async || match client.sandbox_delete(&id).await {
            Err(error) if error.code() == Some("sandbox_not_found") => Ok(()),
            other => other.map(drop),
        })
        .await;
    }
    checked
}

const ROLES: [Role; 4] = [Role::Serve, Role::Launcher, Role::Supervisor, Role::Egress];

async fn killer(atoll: &mut Atoll, dice: &Dice) -> Role {
    tokio::time::sleep(Duration::from_millis(20 + dice.roll(900))).await;
    let role = ROLES[usize::try_from(dice.roll(4)).unwrap()];
    atoll.kill(role);
    if role == Role::Supervisor {
        atoll.start_again().await;
    }
    role
}

#[tokio::test]
async fn kill_9_of_any_part_under_load_loses_nothing() {
    let rounds = u32::try_from(variable("ATOLL_FAULT_ROUNDS", ROUNDS.into())).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let seed = variable("ATOLL_FAULT_SEED", now);
    eprintln!("ATOLL_FAULT_SEED={seed} ATOLL_FAULT_ROUNDS={rounds}");
    let dice = Dice(Rc::new(Cell::new(seed)));
    let _internet = Internet::new().await;
    let mut atoll = Atoll::start().await;
    let mut bystander = Bystander::begin(&atoll).await;
    let kept = bystander.id().clone();
    let checked = tokio::select! {
        checked = all_rounds(&mut atoll, &kept, rounds, &dice) => checked,
        never = bystander.watch() => match never {},
    };
    let interruptions = bystander.check().await;
    eprintln!("the terminal was cut off {interruptions} times");
    assert!(checked.execs >= rounds * WORKERS, "only {checked:?} was acknowledged: the test tested nothing");
    assert!(checked.files >= rounds * WORKERS, "only {checked:?} was acknowledged: the test tested nothing");
    drop(bystander);
    atoll.finish().await;
}

async fn all_rounds(atoll: &mut Atoll, kept: &SandboxId, rounds: u32, dice: &Dice) -> Checked {
    let client = atoll.client.clone();
    let mut checked = Checked::default();
    for round in 0..rounds {
        let load = join_all((0..WORKERS).map(|_| worker(&client, dice)));
        let (done, killed) = tokio::join!(load, killer(atoll, dice));
        checked.execs += done.iter().map(|one| one.execs).sum::<u32>();
        checked.files += done.iter().map(|one| one.files).sum::<u32>();
        atoll.ready().await;
        atoll.delete_all_but(Some(kept)).await;
        atoll.assert_healthy();
        eprintln!("round {round}: {killed:?} killed, {checked:?} so far");
    }
    checked
}
