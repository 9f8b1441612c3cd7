//! Accounts and API keys.

use std::time::Duration;

use atoll_ports::{ApiKeyRecord, Clock, Role, Store};
use atoll_testkit::{Fault, Gate, StoreFault, samples};
use atoll_types::{ErrorCode, Scopes, Timestamp};

use crate::world::{World, block};

/// A world that has no account yet: its own caller's store is another one.
fn empty() -> World {
    let mut world = World::new();
    world.store = std::sync::Arc::new(atoll_testkit::FakeStore::new());
    world
}

const PASSWORD: &str = "correct horse";
const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

#[test]
fn the_first_account_is_an_admin_and_only_the_first() {
    let world = empty();
    let serve = world.serve();
    let first =
        serve.run(serve.engine.sign_up(samples::parse("a@example.com"), PASSWORD.to_owned())).unwrap();
    assert_eq!(first.role, Role::Admin);
    let second =
        serve.run(serve.engine.sign_up(samples::parse("b@example.com"), PASSWORD.to_owned())).unwrap();
    assert_eq!(second.role, Role::User);
    let taken =
        serve.run(serve.engine.sign_up(samples::parse("a@example.com"), PASSWORD.to_owned())).unwrap_err();
    assert_eq!(taken.code, ErrorCode::EmailTaken);
    assert_eq!(serve.run(serve.engine.user(&first.id)).unwrap(), Some(first));
}

#[test]
fn of_two_first_accounts_at_once_one_is_an_admin() {
    for open in [true, false] {
        let mut world = empty();
        world.settings.signup_open = open;
        let serve = world.serve();
        let asked = ["a@example.com", "b@example.com", "c@example.com"]
            .map(|email| serve.engine.sign_up(samples::parse(email), PASSWORD.to_owned()));
        let answers = serve.run(futures_util::future::join_all(asked));
        let admins = answers.iter().flatten().filter(|u| u.role == Role::Admin).count();
        assert_eq!(admins, 1);
        assert_eq!(answers.iter().flatten().count(), if open { 3 } else { 1 });
    }
}

#[test]
fn closed_sign_up_takes_the_first_account_only() {
    let mut world = empty();
    world.settings.signup_open = false;
    let serve = world.serve();
    serve.run(serve.engine.sign_up(samples::parse("a@example.com"), PASSWORD.to_owned())).unwrap();
    let closed =
        serve.run(serve.engine.sign_up(samples::parse("b@example.com"), PASSWORD.to_owned())).unwrap_err();
    assert_eq!(closed.code, ErrorCode::SignupClosed);
}

#[test]
fn passwords_are_checked() {
    let world = empty();
    let serve = world.serve();
    for bad in ["short", &"x".repeat(2_000)] {
        let error =
            serve.run(serve.engine.sign_up(samples::parse("a@example.com"), bad.to_owned())).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        assert_eq!(error.fields[0].field, "password");
    }
    serve.run(serve.engine.sign_up(samples::parse("a@example.com"), PASSWORD.to_owned())).unwrap();
    let log_in = |email: &str, password: &str| {
        serve.run(serve.engine.log_in(samples::parse(email), password.to_owned(), HERE))
    };
    assert!(log_in("a@example.com", PASSWORD).is_ok());
    let wrong = log_in("a@example.com", "incorrect horse").unwrap_err();
    let unknown = log_in("nobody@example.com", PASSWORD).unwrap_err();
    assert_eq!((wrong.code, &wrong.message), (unknown.code, &unknown.message));
    assert_eq!(wrong.code, ErrorCode::InvalidCredentials);
}

#[test]
fn the_first_account_of_an_installation_is_made_once() {
    let world = empty();
    let serve = world.serve();
    let made = serve.run(serve.engine.ensure_first_account(None, None)).unwrap();
    let (email, password) = made.unwrap();
    let user = serve.run(serve.engine.log_in(email, password.unwrap(), HERE)).unwrap();
    assert_eq!(user.role, Role::Admin);
    assert_eq!(serve.run(serve.engine.ensure_first_account(None, None)).unwrap(), None);
}

fn stored(world: &World) -> Vec<ApiKeyRecord> {
    block(world.store.api_key_list(&world.caller.user, None, 10)).unwrap().items
}

#[test]
fn a_key_works_until_it_is_revoked() {
    let world = World::new();
    let serve = world.serve();
    let new = serve
        .run(serve.engine.api_key_create(&world.caller, "laptop".to_owned(), None, Scopes::usual()))
        .unwrap();
    assert!(new.key.starts_with("sk_") && new.key.starts_with(&new.record.prefix));
    let who =
        |key: &str| serve.run(serve.engine.api_key_authenticate(key)).unwrap().map(|holder| holder.caller);
    assert_eq!(who(&new.key), Some(world.caller.clone()));
    assert_eq!(who(&new.key), Some(world.caller.clone()));
    assert_eq!(who("sk_other"), None);
    let page = serve.run(serve.engine.api_key_list(&world.caller, None, 10)).unwrap();
    assert_eq!(page.items.len(), 1);
    serve.run(serve.engine.api_key_delete(&world.caller, &new.record.id)).unwrap();
    assert_eq!(who(&new.key), None);
    let again = serve.run(serve.engine.api_key_delete(&world.caller, &new.record.id)).unwrap_err();
    assert_eq!(again.code, ErrorCode::ApiKeyNotFound);
}

#[test]
fn a_key_that_is_revoked_while_it_is_looked_up_does_not_stay() {
    let world = World::new();
    let serve = world.serve();
    let new = serve
        .run(serve.engine.api_key_create(&world.caller, "laptop".to_owned(), None, Scopes::usual()))
        .unwrap();
    let gate = Gate::closed();
    world.store.faults().nth_of("user_get", 1, Fault::Wait(gate.clone()));
    let (engine, key) = (serve.engine.clone(), new.key.clone());
    let slow = serve.start(async move { engine.api_key_authenticate(&key).await });
    serve.run(serve.engine.api_key_delete(&world.caller, &new.record.id)).unwrap();
    gate.open();
    let _answer = slow.result(&serve);
    assert_eq!(serve.run(serve.engine.api_key_authenticate(&new.key)).unwrap(), None);
}

#[test]
fn a_key_ends_when_it_expires() {
    let world = World::new();
    let serve = world.serve();
    let hour = Duration::from_secs(3_600);
    let new = serve
        .run(serve.engine.api_key_create(&world.caller, "ci".to_owned(), Some(hour), Scopes::usual()))
        .unwrap();
    let who = || serve.run(serve.engine.api_key_authenticate(&new.key)).unwrap();
    assert!(who().is_some());
    world.clock.advance(hour - Duration::from_secs(60));
    assert!(who().is_some());
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(who(), None);
}

#[test]
fn a_use_is_noted_at_most_once_a_minute() {
    let world = World::new();
    let serve = world.serve();
    let new = serve
        .run(serve.engine.api_key_create(&world.caller, "laptop".to_owned(), None, Scopes::usual()))
        .unwrap();
    let count = || world.store.faults().count("api_key_touch");
    let uses = |n: usize| {
        let asked = (0..n).map(|_| serve.engine.api_key_authenticate(&new.key));
        let answers = serve.run(futures_util::future::join_all(asked));
        assert!(answers.iter().all(|a| a.as_ref().is_ok_and(Option::is_some)));
    };
    uses(20);
    assert_eq!(count(), 1);
    world.clock.advance(Duration::from_secs(30));
    uses(20);
    assert_eq!(count(), 1);
    world.clock.advance(Duration::from_secs(31));
    uses(20);
    assert_eq!(count(), 2);
    assert!(stored(&world)[0].last_used_at.is_some_and(|at| at <= world.clock.now()));
    // A wall clock that was wrong for a while does not stop the notes.
    let now = world.clock.now();
    world.clock.set_now(Timestamp::from_unix_ms(now.as_unix_ms() - 10 * 365 * 86_400_000));
    uses(1);
    assert!(count() >= 3);
}

#[test]
fn a_note_that_fails_refuses_nobody() {
    let world = World::new();
    let serve = world.serve();
    let new = serve
        .run(serve.engine.api_key_create(&world.caller, "laptop".to_owned(), None, Scopes::usual()))
        .unwrap();
    world.store.faults().always("api_key_touch", StoreFault);
    let holder = serve.run(serve.engine.api_key_authenticate(&new.key)).unwrap();
    assert_eq!(holder.map(|holder| holder.caller), Some(world.caller.clone()));
}

#[test]
fn a_busy_key_costs_no_query_a_request() {
    let world = World::new();
    let serve = world.serve();
    let new = serve
        .run(serve.engine.api_key_create(&world.caller, "laptop".to_owned(), None, Scopes::usual()))
        .unwrap();
    for _ in 0..50 {
        assert!(serve.run(serve.engine.api_key_authenticate(&new.key)).unwrap().is_some());
    }
    assert_eq!(world.store.faults().count("api_key_by_hash"), 1);
}

#[test]
fn a_user_has_a_hundred_keys_at_most_also_when_many_are_asked_for_at_once() {
    let world = World::new();
    let serve = world.serve();
    let other = world.user(Role::User);
    let ask = |caller, count| {
        let asked = (0..count)
            .map(|n| serve.engine.api_key_create(caller, format!("key {n}"), None, Scopes::usual()));
        serve.run(futures_util::future::join_all(asked))
    };
    let answers = ask(&world.caller, 103);
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|error| error.code == ErrorCode::QuotaExceeded));
    assert!(ask(&other, 1)[0].is_ok(), "another user's are his own");
    let one = &answers.iter().find_map(|answer| answer.as_ref().ok()).unwrap().record.id;
    serve.run(serve.engine.api_key_delete(&world.caller, one)).unwrap();
    assert!(ask(&world.caller, 1)[0].is_ok());
}
