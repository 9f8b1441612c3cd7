//! Every list is answered by an index: no table is scanned, and nothing is sorted.

use atoll_ports::{AuditFilter, ExecFilter, SandboxFilter};
use atoll_testkit::samples;
use atoll_types::{EnvironmentId, ExecKind, ExecStatus, NodeId, SandboxId, Timestamp, UserId};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{
    api_keys, audit, class_links, environments, exec_writes, execs, idempotency, images, invitations, jobs,
    sandboxes, secrets, sessions, users,
};
use crate::SqliteStore;
use crate::cursor::Place;

async fn plan(store: &SqliteStore, statement: Statement) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {}", statement.sql);
    let explain = Statement { sql: explain, values: statement.values, db_backend: DbBackend::Sqlite };
    let rows = store.read.query_all_raw(explain).await.unwrap();
    rows.iter().map(|row| row.try_get("", "detail").unwrap()).collect()
}

fn sandbox_lists(after: Option<&Place>) -> Vec<Statement> {
    let labels: Vec<_> = samples::labels(&[("a", "1"), ("b", "2")]).into_iter().collect();
    let owner = Some(UserId::random());
    let environment = Some(EnvironmentId::random());
    let none = SandboxFilter::default;
    let filters = [
        none(),
        SandboxFilter { owner: owner.clone(), ..none() },
        SandboxFilter { labels: labels.clone(), ..none() },
        SandboxFilter { environment: environment.clone(), ..none() },
        SandboxFilter { owner: owner.clone(), environment: environment.clone(), ..none() },
        SandboxFilter { owner: owner.clone(), labels: labels.clone(), ..none() },
        SandboxFilter { owner, labels, environment },
    ];
    filters.iter().map(|filter| sandboxes::list_statement(filter, after.cloned(), 10)).collect()
}

fn exec_lists(after: Option<&Place>) -> Vec<Statement> {
    let sandbox = SandboxId::random();
    let statuses = [None, Some(ExecStatus::Running), Some(ExecStatus::Exited)];
    let kinds = [None, Some(ExecKind::Main)];
    let filters = statuses.into_iter().flat_map(|status| kinds.map(|kind| ExecFilter { status, kind }));
    filters.map(|filter| execs::list_statement(&sandbox, &filter, after.cloned(), 10)).collect()
}

fn audit_lists(after: Option<&Place>) -> Vec<Statement> {
    let filters = [
        AuditFilter::default(),
        AuditFilter { user: Some(UserId::random()), ..AuditFilter::default() },
        AuditFilter { target: Some("box".to_owned()), ..AuditFilter::default() },
    ];
    filters.iter().map(|filter| audit::list_statement(filter, after.cloned(), 10)).collect()
}

#[tokio::test]
async fn no_list_scans_or_sorts() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("atoll.db")).await.unwrap();
    let (sandbox, node) = (SandboxId::random(), NodeId::random());
    let mut statements = vec![
        sandboxes::list_node_statement(&node),
        execs::list_running_statement(&node),
        jobs::list_node_statement(&node),
        secrets::list_statement(&EnvironmentId::random()),
        secrets::list_all_statement(None, 10),
        environments::list_warm_statement(10),
        idempotency::sweep_statement(Timestamp::from_unix_ms(0)),
        exec_writes::finish_all_statement(&sandbox, &samples::lost(0)).unwrap(),
        exec_writes::sweep_statement(Timestamp::from_unix_ms(0), 10),
        sessions::crowded_statement("x", 10),
    ];
    statements.extend(sessions::sweep_statements(Timestamp::from_unix_ms(0)));
    for after in [None, Some(Place { created_at: 5, id: "x".to_owned() })] {
        statements.extend(sandbox_lists(after.as_ref()));
        statements.extend(exec_lists(after.as_ref()));
        statements.push(api_keys::list_statement(&UserId::random(), after.clone(), 10));
        statements.push(jobs::list_statement(&sandbox, after.clone(), 10));
        statements.push(sessions::list_statement(&UserId::random(), after.clone(), 10));
        statements.push(users::list_statement(after.clone(), 10));
        statements.push(invitations::list_statement(after.clone(), 10));
        statements.push(class_links::list_statement(after.clone(), 10));
        statements.push(images::list_statement(after.clone(), 10));
        statements.push(environments::list_statement(&UserId::random(), after.clone(), 10));
        statements.push(environments::versions_statement(&EnvironmentId::random(), after.clone(), 10));
        statements.extend(audit_lists(after.as_ref()));
    }
    for statement in statements {
        let sql = statement.sql.clone();
        let steps = plan(&store, statement).await;
        assert!(!steps.is_empty());
        for step in steps {
            // Walking an index in the order of the list is what LIMIT stops; a scan without one reads the table.
            let scans = step.starts_with("SCAN") && !step.contains("USING INDEX");
            assert!(!scans && !step.contains("TEMP B-TREE"), "{sql}\n  {step}");
        }
    }
}
