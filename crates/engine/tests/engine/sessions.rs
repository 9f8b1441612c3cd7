//! Log-ins.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use atoll_engine::{Caller, UserEdit, Visitor};
use atoll_ports::{AccountStore as _, Role, SessionRecord, Store as _, UserChange, UserRecord};
use atoll_testkit::{Fault, Gate};
use atoll_types::{ErrorCode, SessionId};

use crate::world::{Serve, World, block};

fn visitor() -> Visitor {
    Visitor {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        agent: "curl/8\u{1b}[2J".to_owned() + &"x".repeat(1_000),
    }
}

fn user(world: &World) -> UserRecord {
    block(world.store.user_get(&world.caller.user)).unwrap().unwrap()
}

fn begin(world: &World, serve: &Serve) -> SessionRecord {
    serve.run(serve.engine.session_begin(&user(world), &visitor())).unwrap()
}

fn refresh(serve: &Serve, id: &SessionId, seq: u64) -> Result<SessionRecord, ErrorCode> {
    let refreshed = serve.run(serve.engine.session_refresh(id, seq, &visitor()));
    refreshed.map(|(_, session)| session).map_err(|error| error.code)
}

fn caller(world: &World, serve: &Serve, id: &SessionId) -> Option<Caller> {
    serve.run(serve.engine.session_caller(&world.caller.user, id)).unwrap()
}

#[test]
fn each_number_is_good_once_also_over_a_restart() {
    let world = World::new();
    let serve = world.serve();
    let first = begin(&world, &serve);
    assert_eq!((first.seq, first.agent.chars().count()), (1, 200));
    assert!(!first.agent.contains('\u{1b}'));
    assert_eq!(refresh(&serve, &first.id, 1).unwrap().seq, 2);
    drop(serve);
    let serve = world.serve();
    assert_eq!(refresh(&serve, &first.id, 2).unwrap().seq, 3);
    assert_eq!(caller(&world, &serve, &first.id), Some(world.caller.clone()));
    assert_eq!(refresh(&serve, &first.id, 2), Err(ErrorCode::SessionEnded));
    assert_eq!(caller(&world, &serve, &first.id), None);
    assert_eq!(refresh(&serve, &first.id, 3), Err(ErrorCode::SessionEnded));
}

#[test]
fn a_token_from_after_a_loss_of_power_goes_on() {
    let world = World::new();
    let serve = world.serve();
    let session = begin(&world, &serve);
    assert_eq!(refresh(&serve, &session.id, 4).unwrap().seq, 5);
    assert_eq!(refresh(&serve, &session.id, 4), Err(ErrorCode::SessionEnded));
}

#[test]
fn a_log_in_speaks_for_its_own_user_alone() {
    let world = World::new();
    let serve = world.serve();
    let session = begin(&world, &serve);
    let other = world.user(Role::Admin);
    for _ in 0..2 {
        assert_eq!(serve.run(serve.engine.session_caller(&other.user, &session.id)).unwrap(), None);
        assert_eq!(caller(&world, &serve, &session.id), Some(world.caller.clone()));
    }
    assert_eq!(
        serve.run(serve.engine.session_end(&other, &session.id)).unwrap_err().code,
        ErrorCode::SessionNotFound
    );
    assert_eq!(caller(&world, &serve, &SessionId::random()), None);
}

#[test]
fn a_busy_token_costs_no_query_a_request() {
    let world = World::new();
    let serve = world.serve();
    let session = begin(&world, &serve);
    for _ in 0..50 {
        assert!(caller(&world, &serve, &session.id).is_some());
    }
    assert_eq!(world.store.faults().count("session_get"), 1);
}

#[test]
fn a_log_in_that_is_ended_while_it_is_looked_up_does_not_stay() {
    let world = World::new();
    let serve = world.serve();
    let session = begin(&world, &serve);
    let gate = Gate::closed();
    world.store.faults().nth_of("user_get", 1, Fault::Wait(gate.clone()));
    let (engine, user, id) = (serve.engine.clone(), world.caller.user.clone(), session.id.clone());
    let slow = serve.start(async move { engine.session_caller(&user, &id).await });
    serve.run(serve.engine.session_end(&world.caller, &session.id)).unwrap();
    gate.open();
    let _answer = slow.result(&serve);
    assert_eq!(caller(&world, &serve, &session.id), None);
}

#[test]
fn one_that_begins_while_the_account_changes_does_not_stay() {
    let world = World::new();
    let serve = world.serve();
    let before = user(&world);
    let hash = Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$bmV3".to_owned());
    let change = UserChange { password_hash: hash, ..UserChange::default() };
    block(world.store.user_update(&before.id, &change)).unwrap();
    let refused = serve.run(serve.engine.session_begin(&before, &visitor())).unwrap_err();
    assert_eq!(refused.code, ErrorCode::SessionEnded);
    let page = serve.run(serve.engine.session_list(&world.caller, None, 10)).unwrap();
    assert!(page.items.is_empty());
}

#[test]
fn a_user_has_a_hundred_at_most() {
    let world = World::new();
    let serve = world.serve();
    let first = begin(&world, &serve);
    world.clock.advance(Duration::from_millis(1));
    for _ in 0..100 {
        begin(&world, &serve);
    }
    assert_eq!(caller(&world, &serve, &first.id), None);
    let page = serve.run(serve.engine.session_list(&world.caller, None, 1_000)).unwrap();
    assert_eq!(page.items.len(), 100);
}

#[test]
fn what_is_over_is_swept() {
    let world = World::new();
    let serve = world.serve();
    let session = begin(&world, &serve);
    world.clock.advance(world.settings.session_ttl + Duration::from_secs(1));
    assert_eq!(caller(&world, &serve, &session.id), None);
    serve.pass(Duration::from_secs(700));
    assert_eq!(block(world.store.session_get(&session.id)).unwrap(), None);
}

#[test]
fn a_delete_that_a_crash_cuts_leaves_an_account_that_nobody_enters() {
    let world = World::new();
    let serve = world.serve();
    let admin = world.user(Role::Admin);
    let edit = UserEdit { role: Some(Role::User), ..UserEdit::default() };
    let refused =
        serve.run(serve.engine.admin_user_change(&world.caller, &admin.user, edit.clone())).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
    let last = serve.run(serve.engine.admin_user_change(&admin, &admin.user, edit)).unwrap_err();
    assert_eq!(last.code, ErrorCode::LastAdmin);

    let session = begin(&world, &serve);
    world.store.faults().always("user_remove", atoll_testkit::StoreFault);
    assert!(serve.run(serve.engine.admin_user_delete(&admin, &world.caller.user, true)).is_err());
    assert_eq!(caller(&world, &serve, &session.id), None);
    assert!(user(&world).disabled_at.is_some());
    world.clear_faults();
    serve.run(serve.engine.admin_user_delete(&admin, &world.caller.user, true)).unwrap();
    assert_eq!(block(world.store.user_get(&world.caller.user)).unwrap(), None);
}
