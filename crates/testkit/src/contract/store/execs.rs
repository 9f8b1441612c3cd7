use atoll_ports::{ExecFilter, ExecOutcome, ExecRecord, Store, StoreError};
use atoll_types::{Command, ExecExit, ExecId, ExecKind, ExecStatus, NodeId, SandboxId, Timestamp};

use super::{is_absent, is_conflict, is_impossible, pages, sandbox_in};
use crate::samples;

pub(super) async fn insert_and_finish(store: &dyn Store) {
    let (sandbox, other) = (sandbox_in(store).await, sandbox_in(store).await);
    let mut exec = ExecRecord { kind: ExecKind::Main, ..samples::exec(&sandbox.id) };
    exec.spec.command = Command::argv(vec!["a".into(), "'\"\u{1f40b}\n".into()]).unwrap();
    store.exec_insert(&exec).await.unwrap();
    assert_eq!(store.exec_get(&sandbox.id, &exec.id).await.unwrap(), Some(exec.clone()));
    assert_eq!(store.exec_get(&other.id, &exec.id).await.unwrap(), None, "only within its sandbox");
    assert_eq!(store.exec_get(&sandbox.id, &ExecId::random()).await.unwrap(), None);
    assert!(is_conflict(&store.exec_insert(&exec).await));
    assert!(is_absent(&store.exec_insert(&samples::exec(&SandboxId::random())).await));
    assert_eq!(store.exec_list_running(&sandbox.node).await.unwrap(), [exec.clone()]);

    let outcome = ExecOutcome { last_seq: 1 << 40, truncated: true, ..samples::exited(-1) };
    let ended = samples::finished(&exec, outcome);
    store.exec_finish(&ended).await.unwrap();
    assert_eq!(store.exec_get(&sandbox.id, &exec.id).await.unwrap(), Some(ended.clone()));
    store.exec_finish(&samples::finished(&exec, samples::lost(0))).await.unwrap();
    assert_eq!(store.exec_get(&sandbox.id, &exec.id).await.unwrap(), Some(ended.clone()), "it ends once");
    assert_eq!(store.exec_list_running(&sandbox.node).await.unwrap(), []);

    let missing = samples::exec(&sandbox.id);
    let missing = samples::finished(&missing, samples::lost(4));
    store.exec_finish(&missing).await.unwrap();
    assert_eq!(store.exec_get(&sandbox.id, &missing.id).await.unwrap(), Some(missing));
    let foreign = ExecRecord { sandbox: other.id, ..ended.clone() };
    let told = store.exec_finish(&foreign).await;
    assert!(told.is_ok() || is_conflict(&told));
    assert_eq!(store.exec_get(&foreign.sandbox, &foreign.id).await.unwrap(), None);
    assert_eq!(store.exec_get(&sandbox.id, &exec.id).await.unwrap(), Some(ended), "it stays as it was");
}

/// Outcomes that contradict themselves are refused, and leave the exec as it was.
pub(super) async fn impossible(store: &dyn Store) {
    let sandbox = sandbox_in(store).await;
    let exec = samples::exec(&sandbox.id);
    store.exec_insert(&exec).await.unwrap();
    let exit = |timed_out| Some(ExecExit { code: 0, timed_out });
    let contradictions = [
        ExecOutcome { status: ExecStatus::Running, ..samples::exited(0) },
        ExecOutcome { exit: None, ..samples::exited(0) },
        ExecOutcome { exit: exit(true), ..samples::exited(0) },
        ExecOutcome { status: ExecStatus::TimedOut, ..samples::exited(0) },
        ExecOutcome { exit: exit(false), ..samples::lost(1) },
        ExecOutcome { status: ExecStatus::Failed, ..samples::exited(0) },
    ];
    for outcome in contradictions {
        let refused = store.exec_finish(&samples::finished(&exec, outcome.clone())).await;
        assert!(is_impossible(&refused), "{outcome:?}: {refused:?}");
        assert!(is_impossible(&store.exec_finish_all(&sandbox.id, &outcome).await), "{outcome:?}");
    }
    assert!(is_impossible(&store.exec_finish(&exec).await), "without an outcome");
    let half = ExecRecord { status: ExecStatus::Lost, ..samples::exec(&sandbox.id) };
    assert!(is_impossible(&store.exec_insert(&half).await));
    assert_eq!(store.exec_get(&sandbox.id, &exec.id).await.unwrap(), Some(exec));
    let timed_out = ExecOutcome { status: ExecStatus::TimedOut, exit: exit(true), ..samples::exited(0) };
    let late = samples::finished(&samples::exec(&sandbox.id), timed_out);
    store.exec_insert(&late).await.unwrap();
    assert_eq!(store.exec_get(&sandbox.id, &late.id).await.unwrap(), Some(late));
}

pub(super) async fn lists(store: &dyn Store) {
    let (sandbox, other) = (sandbox_in(store).await, sandbox_in(store).await);
    let mut all = Vec::new();
    for n in 0..21 {
        let mut exec = samples::exec(&sandbox.id);
        if n % 7 == 0 {
            exec.kind = ExecKind::Main;
        }
        if n % 4 == 0 {
            exec.created_at = Timestamp::from_unix_ms(1_000);
        }
        store.exec_insert(&exec).await.unwrap();
        if n % 3 == 0 {
            exec = samples::finished(&exec, samples::exited(n));
            store.exec_finish(&exec).await.unwrap();
        }
        all.push(exec);
    }
    let foreign = samples::exec(&other.id);
    store.exec_insert(&foreign).await.unwrap();
    all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let statuses = [None, Some(ExecStatus::Running), Some(ExecStatus::Exited), Some(ExecStatus::Lost)];
    let kinds = [None, Some(ExecKind::Main), Some(ExecKind::Exec)];
    for (status, kind) in statuses.into_iter().flat_map(|s| kinds.map(|k| (s, k))) {
        let fits = |e: &&ExecRecord| status.is_none_or(|s| s == e.status) && kind.is_none_or(|k| k == e.kind);
        let expected: Vec<_> = all.iter().filter(fits).cloned().collect();
        let filter = ExecFilter { status, kind };
        for limit in [1, 4, 100] {
            let listed = pages(limit, async |cursor, limit| {
                store.exec_list(&sandbox.id, &filter, cursor, limit).await
            });
            assert_eq!(listed.await, expected, "{filter:?}, newest first, in pages of {limit}");
        }
    }
    let bad = store.exec_list(&sandbox.id, &ExecFilter::default(), Some("x"), 1).await;
    assert!(matches!(bad, Err(StoreError::BadCursor)));

    let running = all.iter().filter(|e| e.status == ExecStatus::Running).count();
    assert_eq!(store.exec_list_running(&sandbox.node).await.unwrap().len(), running);
    assert_eq!(store.exec_list_running(&NodeId::random()).await.unwrap(), []);
    let outcome = samples::lost(5);
    assert_eq!(store.exec_finish_all(&sandbox.id, &outcome).await.unwrap(), running as u64);
    assert_eq!(store.exec_finish_all(&sandbox.id, &outcome).await.unwrap(), 0);
    assert_eq!(store.exec_list_running(&sandbox.node).await.unwrap(), []);
    assert_eq!(store.exec_list_running(&other.node).await.unwrap(), [foreign]);
    let lost = ExecFilter { status: Some(ExecStatus::Lost), kind: None };
    let lost = store.exec_list(&sandbox.id, &lost, None, 100).await.unwrap().items;
    assert!(lost.len() == running && lost.iter().all(|e| e.outcome.as_ref() == Some(&outcome)));
}

pub(super) async fn sweep(store: &dyn Store) {
    let sandbox = sandbox_in(store).await;
    let mut ids = Vec::new();
    for n in 0..6 {
        let finished_at = Timestamp::from_unix_ms(100 - n);
        let exec =
            samples::finished(&samples::exec(&sandbox.id), ExecOutcome { finished_at, ..samples::exited(0) });
        store.exec_finish(&exec).await.unwrap();
        ids.push(exec.id);
    }
    let running = ExecRecord { created_at: Timestamp::from_unix_ms(1), ..samples::exec(&sandbox.id) };
    store.exec_insert(&running).await.unwrap();
    let swept = async |limit| {
        let mut swept = store.exec_sweep(Timestamp::from_unix_ms(100), limit).await.unwrap();
        swept.sort();
        swept
    };
    let named = |ids: &[ExecId]| {
        let mut named: Vec<_> = ids.iter().map(|id| (sandbox.id.clone(), id.clone())).collect();
        named.sort();
        named
    };
    assert_eq!(swept(2).await, named(&ids[4..]), "the oldest first");
    assert_eq!(swept(100).await, named(&ids[1..4]), "only what ended before");
    assert_eq!(swept(100).await, []);
    assert!(store.exec_get(&sandbox.id, &ids[0]).await.unwrap().is_some());
    assert!(store.exec_get(&sandbox.id, &ids[5]).await.unwrap().is_none());
    assert!(store.exec_get(&sandbox.id, &running.id).await.unwrap().is_some(), "never one that runs");
}
