//! What the server says that is wrong.

use atoll_engine::DoctorView;
use atoll_ports::{ExecLogs as _, Role, SecretStore as _, StorageInfo};
use atoll_testkit::samples;
use atoll_types::{
    ErrorCode, ExecEvent, ExecEventKind, ExecId, ExecKind, OutputStream, SandboxId, SandboxTemplate,
};

use crate::world::{Serve, World, block};

fn look(world: &World, serve: &Serve) -> DoctorView {
    serve.run(serve.engine.admin_doctor(&world.user(Role::Admin))).unwrap()
}

fn kinds(view: &DoctorView) -> Vec<(&'static str, &str)> {
    view.findings.iter().map(|finding| (finding.kind, finding.name.as_str())).collect()
}

#[test]
fn it_finds_what_no_record_owns_and_what_contradicts_one() {
    let world = World::new();
    let serve = world.serve();
    let refused = serve.run(serve.engine.admin_doctor(&world.caller)).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
    let (up, dead) = (serve.sandbox(&world), serve.sandbox(&world));
    let well = look(&world, &serve);
    assert_eq!((kinds(&well), well.alive), (vec![], 2));

    let stray = SandboxId::random();
    world.runtime.plant(&stray, 100, true);
    world.runtime.crash_silently(&dead);
    let logs = SandboxId::random();
    let mut log = block(world.logs.writer(&logs, &ExecId::random(), ExecKind::Exec)).unwrap();
    let kind = ExecEventKind::Output(OutputStream::Stdout, b"x".to_vec());
    block(log.append(&[ExecEvent { seq: 2, time: samples::now(), kind }])).unwrap();
    world.runtime.set_storage(StorageInfo { free_bytes: 1, total_bytes: 2, full: true });
    let view = look(&world, &serve);
    let mut found = kinds(&view);
    found.sort_unstable();
    let mut wanted = [
        ("exec_log", logs.as_str()),
        ("files", stray.as_str()),
        ("record", dead.as_str()),
        ("storage", "native"),
    ];
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    assert!(view.findings.iter().all(|finding| finding.name != up.as_str()));
    assert_eq!(view.notes.len(), 1, "what only root sees: {:?}", view.notes);
    assert!(world.runtime.found(&stray).is_some(), "it only looks");
}

#[test]
fn it_names_environments_whose_secrets_are_lost() {
    let world = World::new();
    let serve = world.serve();
    let made =
        serve.engine.environment_create(&world.caller, samples::parse("web"), SandboxTemplate::default());
    let secret = samples::secret(&serve.run(made).unwrap().id, "LOST");
    block(world.store.secret_put(&secret)).unwrap();
    let view = look(&world, &serve);
    assert_eq!(kinds(&view), [("master_key", secret.environment.as_str())]);
}
