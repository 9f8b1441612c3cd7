//! Rows that no code of ours would write are refused by the tables themselves.

use atoll_ports::{
    AccountStore as _, ClassLinkStore as _, Durability, EnvironmentStore as _, SecretStore as _, Store,
    StoreError,
};
use atoll_testkit::samples;
use atoll_types::NodeId;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions, Executor};

/// A connection of somebody else's.
async fn raw(dir: &tempfile::TempDir) -> SqliteConnection {
    SqliteConnectOptions::new().filename(dir.path().join("atoll.db")).connect().await.unwrap()
}

async fn refused(connection: &mut SqliteConnection, sql: &str) {
    let result = connection.execute(AssertSqlSafe(sql.to_owned())).await;
    let text = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
    let constraint = text.contains("constraint failed") || text.contains("cannot store");
    assert!(constraint, "{sql}: {result:?}");
}

#[tokio::test]
async fn impossible_rows_are_refused() {
    let (dir, store) = super::fresh().await;
    let user = samples::user();
    store.user_insert(&user).await.unwrap();
    let node = NodeId::random();
    let first = store.sandbox_insert(&samples::sandbox(&user.id, &node), Durability::Process).await.unwrap();
    let second = store.sandbox_insert(&samples::sandbox(&user.id, &node), Durability::Process).await.unwrap();
    let exec = samples::exec(&first.id);
    store.exec_insert(&exec).await.unwrap();
    let ended = samples::finished(&samples::exec(&second.id), samples::exited(0));
    store.exec_insert(&ended).await.unwrap();
    store.image_put(&samples::image(&user.id, "a", samples::digest('a'))).await.unwrap();
    store.api_key_insert(&samples::api_key(&user.id)).await.unwrap();
    store.session_insert(&samples::session(&user.id), 10).await.unwrap();
    store.invitation_insert(&samples::invitation(&user.id)).await.unwrap();
    store.class_link_insert(&samples::class_link(&user.id)).await.unwrap();

    let waiting = samples::job(&second.id);
    store.job_insert(&waiting).await.unwrap();

    let environment = samples::environment(&user.id);
    store.environment_insert(&environment).await.unwrap();

    store.secret_put(&samples::secret(&environment.id, "A")).await.unwrap();

    let mut db = raw(&dir).await;
    let job = |set: &str| format!("UPDATE jobs SET {set} WHERE id = '{}'", waiting.id);
    let sandbox = |set: &str| format!("UPDATE sandboxes SET {set} WHERE id = '{}'", second.id);
    let running = |set: &str| format!("UPDATE execs SET {set} WHERE id = '{}'", exec.id);
    let done = |set: &str| format!("UPDATE execs SET {set} WHERE id = '{}'", ended.id);
    for sql in [
        "UPDATE users SET email = upper(email)".to_owned(),
        "UPDATE users SET email = 'nobody'".to_owned(),
        "UPDATE users SET role = 'root'".to_owned(),
        "UPDATE users SET password_hash = 'secret'".to_owned(),
        "UPDATE users SET id = '../../etc/passwd'".to_owned(),
        "UPDATE users SET created_at = 'yesterday'".to_owned(),
        "INSERT INTO users SELECT 'aaaaaaaaaaaaaaaa', email, password_hash, role, created_at, disabled_at FROM users"
            .to_owned(),
        "UPDATE api_keys SET hash = x'00'".to_owned(),
        "UPDATE api_keys SET scopes = ''".to_owned(),
        "UPDATE sessions SET seq = 0".to_owned(),
        "UPDATE sessions SET id = '../x'".to_owned(),
        "UPDATE sessions SET agent = hex(zeroblob(101))".to_owned(),
        "UPDATE invitations SET hash = x'00'".to_owned(),
        "UPDATE class_links SET sessions_max = 0".to_owned(),
        "UPDATE class_links SET maker_id = 'aaaaaaaaaaaaaaaa'".to_owned(),
        "UPDATE invitations SET role = 'root'".to_owned(),
        "UPDATE invitations SET email = 'nobody'".to_owned(),
        "UPDATE api_keys SET owner_id = 'aaaaaaaaaaaaaaaa'".to_owned(),
        "UPDATE images SET digest = 'sha256'".to_owned(),
        "UPDATE images SET size_bytes = -1".to_owned(),
        sandbox("uid_slot = 0"),
        sandbox("uid_slot = 4000"),
        sandbox("uid_slot = -1"),
        sandbox("generation = 0"),
        sandbox("desired = 'paused'"),
        sandbox("observed = 'gone'"),
        sandbox("desired_paused = 2"),
        sandbox("desired = 'stopped', desired_paused = 1"),
        sandbox("observed = 'crashed', observed_paused = 1"),
        sandbox("stop_reason = 'whim'"),
        sandbox("spec = '{'"),
        sandbox("host_ports = '{}'"),
        sandbox("image_digest = 'aa'"),
        sandbox("owner_id = 'aaaaaaaaaaaaaaaa'"),
        sandbox("operation_id = 'aaaaaaaaaaaaaaaa'"),
        sandbox(
            "operation_kind = 'create', operation_step = 0, operation_attempts = 0, operation_started_at = 0",
        ),
        sandbox(
            "operation_id = 'aaaaaaaaaaaaaaaa', operation_kind = 'fly', operation_step = 0, \
                 operation_attempts = 0, operation_started_at = 0",
        ),
        sandbox(&format!("environment_id = '{}'", environment.id)),
        "UPDATE environments SET owner_id = 'aaaaaaaaaaaaaaaa'".to_owned(),
        "UPDATE environments SET name = ''".to_owned(),
        "UPDATE environments SET version = 0".to_owned(),
        "UPDATE environment_versions SET template = '{'".to_owned(),
        "UPDATE secrets SET sealed = x'00'".to_owned(),
        "UPDATE secrets SET name = 'A B'".to_owned(),
        "UPDATE secrets SET environment_id = 'aaaaaaaaaaaaaaaa'".to_owned(),
        "UPDATE environment_versions SET version = 0".to_owned(),
        "UPDATE environment_versions SET environment_id = 'aaaaaaaaaaaaaaaa'".to_owned(),
        sandbox("lifetime_boot_id = 'b', lifetime_left_ms = 1"),
        running("status = 'exited'"),
        running("exit_code = 0"),
        running("failure = 'no'"),
        running("finished_at = 1"),
        running("last_seq = 1"),
        running("status = 'asleep'"),
        running("kind = 'shell'"),
        done("status = 'running'"),
        done("status = 'lost'"),
        done("exit_code = NULL"),
        done("finished_at = NULL"),
        done("truncated = 2"),
        done("exit_code = 4294967296"),
        done("sandbox_id = 'aaaaaaaaaaaa'"),
        job("phase = 'waiting'"),
        job("next_start_at = 1"),
        job("phase = 'asleep'"),
        job("desired = 'stopped'"),
        job("runs = '[]'"),
        job("runs = '{'"),
        job("starts = 0"),
        job("retries = -1"),
        job("last_end = '{'"),
        job("sandbox_id = 'aaaaaaaaaaaa'"),
        "INSERT INTO sandbox_labels VALUES ('k', 'v', 0, 'aaaaaaaaaaaa')".to_owned(),
    ] {
        refused(&mut db, &sql).await;
    }
    assert_eq!(store.sandbox_get(&second.id).await.unwrap(), Some(second));
    assert_eq!(store.exec_get(&ended.sandbox, &ended.id).await.unwrap(), Some(ended));
    assert_eq!(store.job_get(&waiting.sandbox, &waiting.id).await.unwrap(), Some(waiting));
}

#[tokio::test]
async fn a_row_that_is_no_record_is_an_error_and_no_panic() {
    let (dir, store) = super::fresh().await;
    let (user, sandbox) = super::owned_sandbox(&store).await;
    let exec = samples::exec(&sandbox.id);
    store.exec_insert(&exec).await.unwrap();
    let mut db = raw(&dir).await;
    for sql in [
        "UPDATE users SET email = 'a b@c'",
        "UPDATE sandboxes SET spec = '{\"later\": 1}', image_digest = NULL",
        "UPDATE execs SET spec = '[]'",
    ] {
        db.execute(sql).await.unwrap();
    }
    let broken = [
        store.user_get(&user.id).await.err(),
        store.sandbox_get(&sandbox.id).await.err(),
        store.exec_get(&sandbox.id, &exec.id).await.err(),
        store.exec_list_running(&sandbox.node).await.err(),
    ];
    for error in broken {
        let Some(StoreError::Database { source, .. }) = &error else { panic!("{error:?}") };
        assert!(source.to_string().starts_with("column "), "{source}");
    }
}
