//! Connections to agents: made, shared, given up and closed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use atoll_agent_protocol::PROTOCOL_VERSION;
use atoll_ports::{AgentError, AgentLink};
use futures_util::StreamExt;

use crate::host::Host;
use crate::liar::{Liar, exit, start};

#[tokio::test]
async fn another_version_is_refused_with_clean_text() {
    let host = Host::with(Liar { version: PROTOCOL_VERSION + 1, ..Liar::default() });
    let Some(AgentError::Protocol(text)) = host.exec().await.err() else { panic!("not refused") };
    assert!(!text.contains('\u{1b}') && text.len() < 2000, "{text}");
}

#[tokio::test]
async fn one_greeting_serves_many_calls_at_once() {
    let liar = Liar { events: vec![start(), exit(2)], ..Liar::default() };
    let greetings = Arc::clone(&liar.greetings);
    let host = Host::with(liar);
    let calls = (0..50).map(|_| async { host.exec().await.unwrap().count().await });
    assert!(futures_util::future::join_all(calls).await.into_iter().all(|events| events == 2));
    assert_eq!(greetings.load(Ordering::Relaxed), 1);
    host.client.forget(&host.sandbox);
    host.client.list(&host.sandbox).await.unwrap();
    assert_eq!(greetings.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_greeting_ahead_of_the_first_call_is_the_only_one() {
    let liar = Liar::default();
    let greetings = Arc::clone(&liar.greetings);
    let host = Host::with(liar);
    host.client.greet(&host.sandbox).await.unwrap();
    assert_eq!(greetings.load(Ordering::Relaxed), 1);
    host.client.list(&host.sandbox).await.unwrap();
    assert_eq!(greetings.load(Ordering::Relaxed), 1);
    let absent = Host::without_agent();
    assert!(matches!(absent.client.greet(&absent.sandbox).await, Err(AgentError::Unreachable(_))));
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_unreachable_at_once() {
    let host = Host::without_agent();
    let began = Instant::now();
    assert!(matches!(host.exec().await.err(), Some(AgentError::Unreachable(_))));
    assert!(began.elapsed() < Duration::from_millis(1900));
}

#[tokio::test]
async fn an_agent_that_hangs_is_given_up() {
    let host = Host::without_agent();
    let listener = host.listen();
    let began = Instant::now();
    let error = host.exec().await.err();
    assert!(matches!(error, Some(AgentError::Unreachable(_))), "{error:?}");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1900), "{took:?}");
    drop(listener);
}

#[tokio::test]
async fn a_full_backlog_is_given_up() {
    let host = Host::without_agent();
    let listener = host.listen();
    // Shrinks the backlog; nobody accepts.
    rustix::net::listen(&listener, 0).unwrap();
    let path = host.directory.path().join(format!("{}.sock", host.sandbox));
    let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let began = Instant::now();
    let error = host.exec().await.err();
    assert!(matches!(error, Some(AgentError::Unreachable(_))), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_new_agent_of_the_same_sandbox_is_connected_anew() {
    let host = Host::with(Liar::default());
    host.client.list(&host.sandbox).await.unwrap();
    std::fs::remove_file(host.directory.path().join(format!("{}.sock", host.sandbox))).unwrap();
    let next = Liar::default();
    let greetings = Arc::clone(&next.greetings);
    host.serve(next);
    host.client.forget(&host.sandbox);
    host.client.list(&host.sandbox).await.unwrap();
    assert_eq!(greetings.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_unused_connection_is_closed_and_a_used_one_is_not() {
    let liar = Liar { events: vec![start()], hangs: true, ..Liar::default() };
    let greetings = Arc::clone(&liar.greetings);
    let host = Host::with(liar);
    let events = host.exec().await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    host.client.list(&host.sandbox).await.unwrap();
    assert_eq!(greetings.load(Ordering::Relaxed), 1, "a stream is open");
    drop(events);
    tokio::time::sleep(Duration::from_millis(700)).await;
    host.client.list(&host.sandbox).await.unwrap();
    assert_eq!(greetings.load(Ordering::Relaxed), 2, "nobody used it");
}
