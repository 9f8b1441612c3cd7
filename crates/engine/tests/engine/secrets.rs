//! Secrets and their master keys.

use std::sync::Arc;

use atoll_engine::{AuditRequest, Base, NewSandbox};
use atoll_ports::{AuditFilter, AuditStore as _, EnvironmentRecord, Role, Seal as _, SecretStore as _};
use atoll_seal::{Keyring, MasterKey};
use atoll_testkit::{Fault, StoreFault, samples};
use atoll_types::{ErrorCode, SandboxTemplate, SecretValue};
use parking_lot::Mutex;

use crate::world::{Serve, World, block, exec};

fn environment(world: &World, serve: &Serve) -> EnvironmentRecord {
    let template = SandboxTemplate::default();
    serve.run(serve.engine.environment_create(&world.caller, samples::parse("web"), template)).unwrap()
}

fn set(world: &World, serve: &Serve, environment: &EnvironmentRecord, name: &str, value: &str) {
    let value = SecretValue::new(value.to_owned()).unwrap();
    let set = serve.engine.secret_set(&world.caller, &environment.id, samples::parse(name), &value);
    serve.run(set).unwrap();
}

fn of(world: &World, serve: &Serve, environment: &EnvironmentRecord) -> NewSandbox {
    let base = Base::Environment { id: environment.id.clone(), version: None };
    let new = serve.engine.sandbox_from(&world.caller, &base, None, SandboxTemplate::default());
    serve.run(new).unwrap()
}

/// What the last process that was started has in this variable.
fn given(world: &World, name: &str) -> Option<String> {
    let (_, start) = world.agents.started().pop().unwrap();
    start.env.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

#[test]
fn a_process_is_given_what_is_set_when_it_starts_also_by_a_later_serve() {
    let world = World::new();
    let serve = world.serve();
    let environment = environment(&world, &serve);
    set(&world, &serve, &environment, "KEY", "one");
    let new = of(&world, &serve, &environment);
    let sandbox = serve.create(&world, new).unwrap().record.id;
    serve.exec(&world, &sandbox, "true").unwrap();
    assert_eq!(given(&world, "KEY").as_deref(), Some("one"));
    set(&world, &serve, &environment, "KEY", "two");
    serve.exec(&world, &sandbox, "true").unwrap();
    assert_eq!(given(&world, "KEY").as_deref(), Some("two"));
    drop(serve);
    let serve = world.serve();
    serve.exec(&world, &sandbox, "true").unwrap();
    assert_eq!(given(&world, "KEY").as_deref(), Some("two"));
    let stored = block(world.store.secret_list(&environment.id)).unwrap();
    assert!(
        !format!("{stored:?}").contains("two") && !stored[0].sealed.windows(3).any(|part| part == b"two")
    );
}

#[test]
fn what_a_process_is_given_is_noted_by_name_and_for_whoever_asked() {
    let world = World::new();
    let serve = world.serve();
    let environment = environment(&world, &serve);
    for name in ["FIRST", "OTHER"] {
        set(&world, &serve, &environment, name, "very-private");
    }
    let request = || AuditRequest { trace_id: "the-trace".to_owned(), ..AuditRequest::default() };
    let scope = serve.engine.audit_scope(Some(&world.caller), request());
    let main = samples::exec_spec("serve").command.into();
    let new = NewSandbox { command: main, ..of(&world, &serve, &environment) };
    let made = serve.run(scope.run(serve.engine.sandbox_create(&world.caller, new))).unwrap();
    let scope = serve.engine.audit_scope(Some(&world.caller), request());
    let own = atoll_types::EnvVars::new([("OTHER".to_owned(), "mine".to_owned())].into()).unwrap();
    let mut command = exec("true");
    command.spec.env = own;
    serve.run(scope.run(serve.engine.exec_run(&world.caller, &made.record.id, command))).unwrap();

    let filter = AuditFilter { action: Some("secret.use".to_owned()), ..AuditFilter::default() };
    let noted = block(world.store.audit_list(&filter, None, 10)).unwrap().items;
    let entries: Vec<_> = noted.iter().map(|record| &record.entry).collect();
    let names: Vec<_> = entries.iter().map(|entry| entry.detail["secrets"].as_str()).collect();
    assert_eq!(
        names,
        ["FIRST", "FIRST OTHER"],
        "newest first; what the request names itself is not the secret"
    );
    for entry in entries {
        assert_eq!(entry.target.as_deref(), Some(environment.id.as_str()));
        assert_eq!(
            (entry.user.as_ref(), entry.trace_id.as_deref()),
            (Some(&world.caller.user), Some("the-trace"))
        );
        assert_eq!(entry.detail["sandbox"], made.record.id.as_str());
        assert!(!format!("{entry:?}").contains("very-private"));
    }
}

#[test]
fn a_lost_master_key_is_named_and_nothing_starts_without_its_secrets() {
    let mut world = World::new();
    let serve = world.serve();
    let environment = environment(&world, &serve);
    set(&world, &serve, &environment, "KEY", "one");
    let new = of(&world, &serve, &environment);
    let sandbox = serve.create(&world, new.clone()).unwrap().record.id;
    let id = world.seal.ids().remove(0);
    drop(serve);
    world.seal = Arc::new(atoll_testkit::keyring());
    let serve = world.serve();
    let started = world.agents.started().len();
    let refused = serve.exec(&world, &sandbox, "true").unwrap_err();
    assert_eq!(refused.code, ErrorCode::SecretUnreadable);
    assert!(refused.message.contains(&id) && refused.message.contains("KEY"), "{refused}");
    let waits = serve.run(serve.engine.exec_start(&world.caller, &sandbox, exec("true"))).unwrap_err();
    assert_eq!(waits.code, ErrorCode::SecretUnreadable);
    let main = NewSandbox { command: samples::exec_spec("serve").command.into(), ..new };
    assert_eq!(serve.create(&world, main).unwrap_err().code, ErrorCode::SecretUnreadable);
    assert_eq!(world.agents.started().len(), started, "nothing was begun");
    // Set again it is sealed with the key that is here.
    set(&world, &serve, &environment, "KEY", "two");
    serve.exec(&world, &sandbox, "true").unwrap();
    assert_eq!(given(&world, "KEY").as_deref(), Some("two"));
    world.assert_clean(&serve, "lost key");
}

#[test]
fn a_rotation_seals_all_anew_and_forgets_the_old_key() {
    let mut world = World::new();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeper: atoll_seal::Keeper = {
        let kept = Arc::clone(&kept);
        Box::new(move |keys| {
            *kept.lock() = keys.to_vec();
            Ok(())
        })
    };
    world.seal = Arc::new(Keyring::new(MasterKey::random().unwrap(), Vec::new(), Some(keeper)));
    let serve = world.serve();
    let environment = environment(&world, &serve);
    for n in 0..90 {
        set(&world, &serve, &environment, &format!("KEY{n}"), "value");
    }
    // One that was sealed with a key that is nowhere.
    let mut lost = samples::secret(&environment.id, "LOST");
    lost.sealed = atoll_testkit::keyring().seal(b"", b"x").unwrap();
    block(world.store.secret_put(&lost)).unwrap();
    let old = world.seal.ids();
    let admin = world.user(Role::Admin);
    let forbidden = serve.run(serve.engine.rotate_master_key(&world.caller)).unwrap_err();
    assert_eq!((forbidden.code, world.seal.ids()), (ErrorCode::Forbidden, old.clone()));

    // Cut off in the middle, all can be opened, and the next one goes on.
    world.store.faults().nth_of("secret_reseal", 40, Fault::Before(StoreFault));
    serve.run(serve.engine.rotate_master_key(&admin)).unwrap_err();
    assert_eq!((world.seal.ids().len(), kept.lock().len()), (2, 2));
    world.store.faults().clear();
    let rotated = serve.run(serve.engine.rotate_master_key(&admin)).unwrap();
    assert_eq!((rotated.resealed, rotated.unreadable), (90, 1));
    assert_eq!((world.seal.ids(), kept.lock().len()), (vec![rotated.key], 1));
    assert_ne!(world.seal.ids(), old);
    let all = block(world.store.secret_list(&environment.id)).unwrap();
    assert_eq!(all.iter().filter(|secret| world.seal.is_current(&secret.sealed)).count(), 90);
    serve.run(serve.engine.secret_delete(&world.caller, &environment.id, &lost.name)).unwrap();
    let new = of(&world, &serve, &environment);
    let sandbox = serve.create(&world, new).unwrap().record.id;
    serve.exec(&world, &sandbox, "true").unwrap();
    assert_eq!(given(&world, "KEY7").as_deref(), Some("value"));
}
