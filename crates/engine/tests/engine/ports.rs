//! Published ports: opened, shared, kept, closed.

use std::num::NonZeroU16;
use std::time::Duration;

use atoll_engine::{NewSandbox, SandboxView};
use atoll_ports::{HostPortError, RuntimeError};
use atoll_testkit::{Fault, Gate};
use atoll_types::{PublishPort, SandboxId, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::world::{Serve, World, sandbox, with_main};

fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

/// A request for a sandbox that publishes these: port inside, port of the host (0: any).
fn publishing(ports: &[(u16, u16)]) -> NewSandbox {
    let ports = ports
        .iter()
        .map(|(container, host)| PublishPort { container: port(*container), host: NonZeroU16::new(*host) });
    NewSandbox { ports: ports.collect(), ..sandbox() }
}

fn given(view: &SandboxView) -> Vec<(u16, u16)> {
    view.record.host_ports.iter().map(|port| (port.container.get(), port.host.get())).collect()
}

fn get(world: &World, serve: &Serve, id: &SandboxId) -> SandboxView {
    serve.run(serve.engine.sandbox_get(&world.caller, id)).unwrap()
}

/// A client through a port of the host, and the end inside.
fn connect(
    world: &World,
    serve: &Serve,
    id: &SandboxId,
    inside: u16,
    host: u16,
) -> (DuplexStream, DuplexStream) {
    let mut listening = world.runtime.listen_inside(id, port(inside));
    let client = world.host_ports.connect(host).expect("the port is closed");
    let far = serve.run(async { listening.recv().await }).unwrap();
    (client, far)
}

fn says(serve: &Serve, from: &mut DuplexStream, to: &mut DuplexStream, word: &str) {
    serve.run(async {
        from.write_all(word.as_bytes()).await.unwrap();
        let mut heard = vec![0; word.len()];
        to.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, word.as_bytes());
    });
}

/// The rest of what comes, until the other side ends.
fn rest(serve: &Serve, mut from: DuplexStream) -> String {
    serve.run(async {
        let mut text = String::new();
        from.read_to_string(&mut text).await.unwrap();
        text
    })
}

#[test]
fn bytes_go_both_ways_and_each_way_ends_by_itself() {
    let world = World::new();
    let serve = world.serve();
    let made = serve.create(&world, publishing(&[(80, 8_080)])).unwrap();
    assert_eq!(given(&made), [(80, 8_080)]);
    let (mut client, mut inside) = connect(&world, &serve, &made.record.id, 80, 8_080);
    says(&serve, &mut client, &mut inside, "a question");
    says(&serve, &mut inside, &mut client, "an answer");
    serve.run(client.shutdown()).unwrap();
    serve.run(async { assert_eq!(inside.read(&mut [0; 8]).await.unwrap(), 0, "the end was not passed on") });
    says(&serve, &mut inside, &mut client, "after the end");
    drop(inside);
    assert_eq!(rest(&serve, client), "");
    serve.shut_down();
}

#[test]
fn a_port_that_is_taken_or_roots_is_replaced_by_a_free_one() {
    let world = World::new();
    let serve = world.serve();
    let one = serve.create(&world, publishing(&[(80, 8_080), (81, 0)])).unwrap();
    let other = serve.create(&world, publishing(&[(80, 8_080), (443, 443)])).unwrap();
    assert_eq!(given(&one)[0], (80, 8_080));
    let all: Vec<u16> = given(&one).iter().chain(&given(&other)).map(|(_, host)| *host).collect();
    assert_eq!(world.host_ports.open(), {
        let mut all = all.clone();
        all.sort_unstable();
        all
    });
    for (container, host) in given(&other) {
        let (mut client, mut inside) = connect(&world, &serve, &other.record.id, container, host);
        says(&serve, &mut client, &mut inside, "its own");
    }
    world.assert_clean(&serve, "two sandboxes with the same port");
}

#[test]
fn a_stop_closes_and_a_start_opens_the_same_again() {
    let world = World::new();
    let serve = world.serve();
    let made = serve.create(&world, publishing(&[(80, 0)])).unwrap();
    let (id, before) = (made.record.id.clone(), given(&made));
    let (client, _inside) = connect(&world, &serve, &id, 80, before[0].1);
    serve.run(serve.engine.sandbox_stop(&world.caller, &id)).unwrap();
    assert_eq!(world.host_ports.open(), []);
    assert_eq!(rest(&serve, client), "");
    assert_eq!(given(&get(&world, &serve, &id)), before, "it is shown what it will be");
    serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap();
    assert_eq!(
        (world.host_ports.open(), given(&get(&world, &serve, &id))),
        (vec![before[0].1], before.clone())
    );
    // While it is down somebody else takes it.
    serve.run(serve.engine.sandbox_stop(&world.caller, &id)).unwrap();
    world.host_ports.take(before[0].1);
    serve.run(serve.engine.sandbox_start(&world.caller, &id)).unwrap();
    let after = given(&get(&world, &serve, &id));
    assert_ne!(after, before);
    assert_eq!(world.host_ports.open(), [after[0].1]);
    // A restart is both.
    serve.run(serve.engine.sandbox_restart(&world.caller, &id)).unwrap();
    assert_eq!(given(&get(&world, &serve, &id)), after);
    serve.run(serve.engine.sandbox_delete(&world.caller, &id)).unwrap();
    assert_eq!(world.host_ports.open(), []);
}

#[test]
fn a_crash_closes() {
    let world = World::new();
    let serve = world.serve();
    let made = serve.create(&world, publishing(&[(80, 8_080)])).unwrap();
    let (client, _inside) = connect(&world, &serve, &made.record.id, 80, 8_080);
    world.runtime.crash(&made.record.id);
    serve.until("it is noticed", || world.host_ports.open().is_empty());
    assert_eq!(rest(&serve, client), "");
    serve.run(serve.engine.sandbox_start(&world.caller, &made.record.id)).unwrap();
    assert_eq!(world.host_ports.open(), [8_080]);
}

#[test]
fn the_next_serve_opens_the_same_ports_where_they_are_free() {
    let world = World::new();
    let serve = world.serve();
    let kept = serve.create(&world, publishing(&[(80, 0)])).unwrap();
    let lost = serve.create(&world, publishing(&[(80, 0)])).unwrap();
    let down = serve.create(&world, publishing(&[(80, 0)])).unwrap();
    serve.run(serve.engine.sandbox_stop(&world.caller, &down.record.id)).unwrap();
    drop(serve);
    assert_eq!(world.host_ports.open(), [], "they died with it");
    world.host_ports.take(given(&lost)[0].1);
    let serve = world.serve();
    assert_eq!(given(&get(&world, &serve, &kept.record.id)), given(&kept));
    let now = given(&get(&world, &serve, &lost.record.id));
    assert_ne!(now, given(&lost));
    let (mut client, mut inside) = connect(&world, &serve, &lost.record.id, 80, now[0].1);
    says(&serve, &mut client, &mut inside, "another port");
    assert_eq!(world.host_ports.open().len(), 2, "that of the stopped one stays closed");
    world.assert_clean(&serve, "the next serve");
}

#[test]
fn a_paused_sandbox_has_its_ports_under_the_next_serve_too() {
    let world = World::new();
    let serve = world.serve();
    let made = serve.create(&world, publishing(&[(80, 8_080)])).unwrap();
    serve.run(serve.engine.sandbox_pause(&world.caller, &made.record.id)).unwrap();
    serve.shut_down();
    let serve = world.serve();
    assert_eq!(rest(&serve, world.host_ports.connect(8_080).unwrap()), "", "a paused one hears nobody");
    serve.run(serve.engine.sandbox_resume(&world.caller, &made.record.id)).unwrap();
    let (mut client, mut inside) = connect(&world, &serve, &made.record.id, 80, 8_080);
    says(&serve, &mut client, &mut inside, "at last");
}

#[test]
fn no_port_at_all_fails_nothing_and_is_tried_again() {
    let world = World::new();
    let serve = world.serve();
    world.host_ports.faults().always("listen", HostPortError::Failed("no descriptors".to_owned()));
    let made = serve.create(&world, publishing(&[(80, 8_080)])).unwrap();
    assert_eq!((made.status, given(&made)), (Status::Running, vec![]));
    world.host_ports.faults().clear();
    serve.until("the next pass", || world.host_ports.open() == [8_080]);
    assert_eq!(given(&get(&world, &serve, &made.record.id)), [(80, 8_080)]);
}

#[test]
fn who_is_not_let_in_is_turned_away_and_the_next_is_not() {
    let world = World::new();
    let serve = world.serve();
    let made = serve.create(&world, publishing(&[(80, 8_080)])).unwrap();
    // Nobody listens inside.
    assert_eq!(rest(&serve, world.host_ports.connect(8_080).unwrap()), "");
    // The launcher is away.
    world.runtime.faults().nth_of("dial", 1, Fault::Before(RuntimeError::Unavailable("gone".to_owned())));
    assert_eq!(rest(&serve, world.host_ports.connect(8_080).unwrap()), "");
    let (mut client, mut inside) = connect(&world, &serve, &made.record.id, 80, 8_080);
    says(&serve, &mut client, &mut inside, "at last");
}

#[test]
fn one_sandbox_has_room_for_so_many_and_leaves_room_to_others() {
    let world = World::new();
    let serve = world.serve();
    let full = serve.create(&world, publishing(&[(80, 8_080)])).unwrap().record.id;
    let other = serve.create(&world, publishing(&[(80, 8_081)])).unwrap().record.id;
    let mut listening = world.runtime.listen_inside(&full, port(80));
    let clients: Vec<DuplexStream> = (0..600).map(|_| world.host_ports.connect(8_080).unwrap()).collect();
    let mut inside = Vec::new();
    serve.run_for(Duration::from_secs(2), async {
        while let Some(connection) = listening.recv().await {
            inside.push(connection);
        }
    });
    assert_eq!(inside.len(), 512);
    let (mut client, mut far) = connect(&world, &serve, &other, 80, 8_081);
    says(&serve, &mut client, &mut far, "room for others");
    // Those who wait come in as others leave.
    inside.truncate(500);
    drop(clients);
    let came = serve.run_for(Duration::from_secs(2), async { listening.recv().await.is_some() });
    assert_eq!(came, Some(true));
}

#[test]
fn silence_for_long_ends_a_connection_and_words_keep_it() {
    let world = World::new();
    let serve = world.serve();
    let made = serve.create(&world, publishing(&[(80, 8_080)])).unwrap();
    let (quiet, _far) = connect(&world, &serve, &made.record.id, 80, 8_080);
    let (mut busy, mut far) = connect(&world, &serve, &made.record.id, 80, 8_080);
    for _ in 0..5 {
        serve.pass(Duration::from_secs(1_800));
        says(&serve, &mut far, &mut busy, "still here");
    }
    assert_eq!(rest(&serve, quiet), "");
    says(&serve, &mut busy, &mut far, "as before");
}

#[test]
fn words_through_a_port_keep_a_sandbox_up_and_an_open_connection_does_not() {
    let world = World::new();
    let serve = world.serve();
    let new = |host| NewSandbox { idle_seconds: Some(60), ..publishing(&[(80, host)]) };
    let talks = serve.create(&world, new(8_080)).unwrap().record.id;
    let silent = serve.create(&world, new(8_081)).unwrap().record.id;
    let (mut client, mut inside) = connect(&world, &serve, &talks, 80, 8_080);
    let _held = connect(&world, &serve, &silent, 80, 8_081);
    for _ in 0..8 {
        serve.pass(Duration::from_secs(20));
        says(&serve, &mut inside, &mut client, "word");
    }
    assert_eq!(get(&world, &serve, &talks).status, Status::Running);
    assert_eq!(get(&world, &serve, &silent).status, Status::Stopped);
    assert_eq!(world.host_ports.open(), [8_080]);
    serve.pass(Duration::from_secs(120));
    assert_eq!(get(&world, &serve, &talks).status, Status::Stopped);
}

#[test]
fn a_delete_in_the_middle_of_a_create_leaves_no_port_open() {
    let world = World::new();
    let serve = world.serve();
    let gate = Gate::closed();
    world.host_ports.faults().nth_of("listen", 2, Fault::Wait(gate.clone()));
    let (engine, caller) = (serve.engine.clone(), world.caller.clone());
    let new = NewSandbox { ports: publishing(&[(80, 8_080), (81, 8_081)]).ports, ..with_main(&world) };
    let creating = serve.start(async move { engine.sandbox_create(&caller, new).await });
    let id = world.records()[0].id.clone();
    assert_eq!(world.host_ports.open(), [8_080]);
    serve.run(serve.engine.sandbox_delete(&world.caller, &id)).unwrap();
    gate.open();
    assert!(creating.result(&serve).is_err());
    assert_eq!(world.host_ports.open(), []);
    world.assert_clean(&serve, "a delete in a create");
}

#[test]
fn a_serve_that_dies_in_the_middle_of_a_create_leaves_it_to_the_next() {
    let world = World::new();
    let serve = world.serve();
    let gate = Gate::closed();
    world.host_ports.faults().nth_of("listen", 2, Fault::Wait(gate));
    let (engine, caller) = (serve.engine.clone(), world.caller.clone());
    let new = publishing(&[(80, 8_080), (81, 8_081)]);
    drop(serve.start(async move { engine.sandbox_create(&caller, new).await }));
    drop(serve);
    let serve = world.serve();
    serve.until("both are open", || world.host_ports.open() == [8_080, 8_081]);
    let id = world.records()[0].id.clone();
    assert_eq!(given(&get(&world, &serve, &id)), [(80, 8_080), (81, 8_081)]);
    world.assert_clean(&serve, "a create that was cut off");
}
