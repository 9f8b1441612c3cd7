//! Quotas over restarts, and what is noted of what nobody asked for.

use std::time::Duration;

use atoll_engine::AuditRequest;
use atoll_ports::{AuditFilter, AuditStore, QuotaStore, Usage};
use atoll_types::{AuditActor, AuditEntry, AuditOutcome, Network, QuotaOverride};

use crate::world::{World, block, sandbox};

fn entry(world: &World, serve: &crate::world::Serve) -> AuditEntry {
    let request = AuditRequest { action: "exec.start".to_owned(), ..AuditRequest::default() };
    let scope = serve.engine.audit_scope(Some(&world.caller), request);
    AuditEntry { target: Some("0123456789ab".to_owned()), ..scope.take().remove(0) }
}

#[test]
fn execs_of_the_last_hour_and_quotas_of_ones_own_outlive_a_restart() {
    let world = World::new();
    let serve = world.serve();
    let entries = (0..3).map(|_| entry(&world, &serve)).collect();
    block(world.store.audit_add(entries)).unwrap();
    let own = QuotaOverride { sandboxes: Some(3), ..QuotaOverride::default() };
    block(world.store.quota_put(&world.caller.user, &own)).unwrap();
    drop(serve);
    let serve = world.serve();
    let usage = serve.engine.usage(&world.caller);
    assert_eq!((usage.execs_per_hour.used, usage.sandboxes.limit), (3, 3));
    drop(serve);
    world.clock.advance(Duration::from_secs(3_700));
    assert_eq!(world.serve().engine.usage(&world.caller).execs_per_hour.used, 0);
}

#[test]
fn an_idle_stop_is_noted_as_our_own_act_for_the_owner() {
    let world = World::new();
    let serve = world.serve();
    let new = atoll_engine::NewSandbox { idle_seconds: Some(60), ..sandbox() };
    let made = serve.run(serve.engine.sandbox_create(&world.caller, new)).unwrap();
    serve.pass(Duration::from_secs(300));
    let filter = AuditFilter { action: Some("sandbox.stop".to_owned()), ..AuditFilter::default() };
    let found = block(world.store.audit_list(&filter, None, 10)).unwrap().items;
    let entry = &found[0].entry;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((entry.actor, entry.user.as_ref()), (AuditActor::System, Some(&world.caller.user)));
    assert_eq!(entry.target.as_deref(), Some(made.record.id.as_str()));
    assert_eq!((entry.detail["reason"].as_str(), entry.outcome), ("idle", AuditOutcome::Accepted));
}

#[test]
fn what_is_sent_counts_and_a_network_is_refused_when_it_is_too_much() {
    let mut world = World::new();
    world.settings.keeps_history = true;
    world.settings.quota.egress_bytes = 1_000;
    let serve = world.serve();
    let new = || atoll_engine::NewSandbox { network: Network::All, idle_seconds: Some(0), ..sandbox() };
    let made = serve.run(serve.engine.sandbox_create(&world.caller, new())).unwrap();
    let send = |tx_bytes| world.runtime.set_usage(&made.record.id, Usage { tx_bytes, ..Usage::default() });
    send(600);
    serve.pass(Duration::from_secs(15));
    assert_eq!(serve.engine.usage(&world.caller).egress_bytes.used, 600);
    send(900);
    serve.pass(Duration::from_secs(75));
    let used = || serve.engine.usage(&world.caller).egress_bytes;
    assert!(used().used == 900 && used().is_warning(), "{:?}", used());
    let points = serve.engine.sandbox_history(
        &world.caller,
        &made.record.id,
        atoll_engine::Resolution::TenSeconds,
        None,
    );
    assert!(points.unwrap().len() >= 6);
    drop(serve);
    // A new serve does not count again what was sent before it.
    let serve = world.serve();
    serve.pass(Duration::from_secs(15));
    assert_eq!(serve.engine.usage(&world.caller).egress_bytes.used, 900);
    send(1_000);
    serve.pass(Duration::from_secs(15));
    let refused = serve.run(serve.engine.sandbox_create(&world.caller, new())).unwrap_err();
    assert!(refused.message.contains("may send in a month"), "{refused}");
    serve.run(serve.engine.sandbox_create(&world.caller, sandbox())).unwrap();
}
