//! What a request is answered whose sandbox goes while it is under way.

use std::time::Duration;

use atoll_engine::{Caller, Engine, EngineError};
use atoll_ports::{FileEntry, FilesError};
use atoll_testkit::{Fault, Gate};
use atoll_types::{ErrorCode, FilePath, SandboxId};
use bytes::Bytes;
use futures_util::stream;

use crate::world::{Serve, World};

/// Longer than anything here waits by itself.
const MOMENT: Duration = Duration::from_secs(1);

async fn write(engine: Engine, caller: Caller, id: SandboxId, gate: Gate) -> Result<FileEntry, EngineError> {
    let path = FilePath::new("hello.txt".into()).unwrap();
    let content = stream::once(async move {
        gate.pass().await;
        Ok(Bytes::from_static(b"hello"))
    });
    engine.files(&caller, &id, None, path, false)?.write(None, Box::pin(content)).await
}

/// The code of a write whose agent is lost after something was done.
fn cut_off(world: &World, serve: &Serve, act: impl FnOnce(&Caller, &SandboxId)) -> ErrorCode {
    let id = serve.sandbox(world);
    let gate = Gate::closed();
    world.files.faults().nth_of("write", 1, Fault::After(FilesError::Unreachable("gone".to_owned())));
    let (caller, engine, at) = (world.caller.clone(), serve.engine.clone(), gate.clone());
    let under_way = serve.start(write(engine, caller, id.clone(), at));
    serve.pass(MOMENT);
    act(&world.caller, &id);
    gate.open();
    under_way.result(serve).unwrap_err().code
}

#[test]
fn it_tells_what_became_of_the_sandbox() {
    let world = World::new();
    let serve = world.serve();
    let engine = &serve.engine;
    let stop = |caller: &Caller, id: &SandboxId| drop(serve.run(engine.sandbox_stop(caller, id)).unwrap());
    let restart = |caller: &Caller, id: &SandboxId| {
        serve.pass(MOMENT);
        drop(serve.run(engine.sandbox_restart(caller, id)).unwrap());
    };
    let delete = |caller: &Caller, id: &SandboxId| serve.run(engine.sandbox_delete(caller, id)).unwrap();
    assert_eq!(cut_off(&world, &serve, stop), ErrorCode::SandboxNotRunning);
    assert_eq!(cut_off(&world, &serve, restart), ErrorCode::SandboxNotRunning);
    assert_eq!(cut_off(&world, &serve, delete), ErrorCode::SandboxNotFound);
    assert_eq!(cut_off(&world, &serve, |_, _| ()), ErrorCode::AgentUnreachable);
}
