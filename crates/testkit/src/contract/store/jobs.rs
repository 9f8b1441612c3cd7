use atoll_ports::{Cas, Durability, JobRecord, Store, StoreError};
use atoll_types::{
    Backoff, Desired, ExecId, ExecStatus, JobDesired, JobEnd, JobId, JobPhase, NodeId, RestartPolicy,
    SandboxId, Timestamp, bounds,
};

use super::{is_absent, is_conflict, is_impossible, pages, sandbox_in};
use crate::samples;

/// Every field that changes, changed.
fn changed(job: &JobRecord) -> JobRecord {
    JobRecord {
        desired: JobDesired::Deleted,
        phase: JobPhase::Waiting { next_start: Timestamp::from_unix_ms(88) },
        sandbox_started_at: Timestamp::from_unix_ms(77),
        starts: 1 << 40,
        retries: u32::MAX,
        runs: (0..bounds::JOB_RUNS_MAX).map(|_| ExecId::random()).collect(),
        last_end: Some(JobEnd {
            exec: ExecId::random(),
            status: ExecStatus::Exited,
            exit_code: Some(-1),
            finished_at: Timestamp::from_unix_ms(66),
            failure: Some("it failed: \"quoted\", 'so', and \u{1f40b}".to_owned()),
        }),
        ..job.clone()
    }
}

pub(super) async fn insert_and_update(store: &dyn Store) {
    let (sandbox, other) = (sandbox_in(store).await, sandbox_in(store).await);
    let mut job = samples::job(&sandbox.id);
    job.spec.name = Some(samples::parse("Größe 1"));
    job.spec.restart = RestartPolicy::Always;
    job.spec.max_retries = Some(3);
    job.spec.backoff = Backoff { first_ms: 5, max_ms: 50 };
    store.job_insert(&JobRecord { generation: 99, ..job.clone() }).await.unwrap();
    assert_eq!(store.job_get(&sandbox.id, &job.id).await.unwrap(), Some(job.clone()));
    assert_eq!(store.job_get(&other.id, &job.id).await.unwrap(), None, "only within its sandbox");
    assert_eq!(store.job_get(&sandbox.id, &JobId::random()).await.unwrap(), None);
    assert!(is_conflict(&store.job_insert(&job).await));
    assert!(is_absent(&store.job_insert(&samples::job(&SandboxId::random())).await));

    let next = changed(&job);
    let expected = JobRecord { generation: 2, ..next.clone() };
    let first = store.job_update(&next, Durability::Power).await.unwrap();
    assert_eq!(first, Cas::Updated(expected.clone()));
    let again = store.job_update(&next, Durability::Power).await.unwrap();
    assert_eq!(again, Cas::Stale(expected.clone()), "a generation is written once");
    // What never changes is not written, whatever the caller says.
    let wild = JobRecord {
        created_at: Timestamp::from_unix_ms(1),
        spec: samples::job_spec("false", RestartPolicy::Never),
        ..expected.clone()
    };
    let written = store.job_update(&wild, Durability::Process).await.unwrap();
    assert_eq!(written, Cas::Updated(JobRecord { generation: 3, ..expected.clone() }));
    let foreign = JobRecord { sandbox: other.id, generation: 3, ..expected };
    assert_eq!(store.job_update(&foreign, Durability::Process).await.unwrap(), Cas::Absent);
    let missing = samples::job(&sandbox.id);
    assert_eq!(store.job_update(&missing, Durability::Process).await.unwrap(), Cas::Absent);
    for phase in [JobPhase::Running, JobPhase::Exited, JobPhase::Failed, JobPhase::Stopped] {
        let now = store.job_get(&sandbox.id, &job.id).await.unwrap().unwrap();
        let wanted = JobRecord { phase, last_end: None, ..now };
        let Cas::Updated(written) = store.job_update(&wanted, Durability::Process).await.unwrap() else {
            panic!("it was not written")
        };
        assert_eq!(written, JobRecord { generation: wanted.generation + 1, ..wanted });
    }
}

/// Records that contradict themselves are refused, and leave what is there as it was.
pub(super) async fn impossible(store: &dyn Store) {
    let sandbox = sandbox_in(store).await;
    let job = samples::job(&sandbox.id);
    store.job_insert(&job).await.unwrap();
    let many = (0..=bounds::JOB_RUNS_MAX).map(|_| ExecId::random()).collect();
    let wrong = [
        JobRecord { runs: Vec::new(), ..job.clone() },
        JobRecord { runs: many, ..job.clone() },
        JobRecord { starts: 0, ..job.clone() },
    ];
    for record in wrong {
        assert!(is_impossible(&store.job_update(&record, Durability::Process).await), "{record:?}");
        let new = JobRecord { id: JobId::random(), ..record };
        assert!(is_impossible(&store.job_insert(&new).await), "{new:?}");
    }
    assert_eq!(store.job_get(&sandbox.id, &job.id).await.unwrap(), Some(job));
}

pub(super) async fn lists(store: &dyn Store) {
    let (sandbox, other) = (sandbox_in(store).await, sandbox_in(store).await);
    let mut all = Vec::new();
    for n in 0..9 {
        let mut job = samples::job(&sandbox.id);
        if n % 4 == 0 {
            job.created_at = Timestamp::from_unix_ms(1_000);
        }
        store.job_insert(&job).await.unwrap();
        all.push(job);
    }
    let foreign = samples::job(&other.id);
    store.job_insert(&foreign).await.unwrap();
    all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    for limit in [1, 4, 100] {
        let listed =
            pages(limit, async |cursor, limit| store.job_list(&sandbox.id, cursor, limit).await).await;
        assert_eq!(listed, all, "newest first, in pages of {limit}");
    }
    assert!(matches!(store.job_list(&sandbox.id, Some("x"), 1).await, Err(StoreError::BadCursor)));
    assert_eq!(store.job_list_node(&sandbox.node).await.unwrap().len(), all.len());
    assert_eq!(store.job_list_node(&other.node).await.unwrap(), [foreign]);
    assert_eq!(store.job_list_node(&NodeId::random()).await.unwrap(), []);
}

pub(super) async fn remove(store: &dyn Store) {
    let mut sandbox = sandbox_in(store).await;
    let (job, stays) = (samples::job(&sandbox.id), samples::job(&sandbox.id));
    store.job_insert(&job).await.unwrap();
    store.job_insert(&stays).await.unwrap();
    assert!(!store.job_remove(&sandbox.id, &job.id).await.unwrap(), "nobody asked for that");
    let deleted = JobRecord { desired: JobDesired::Deleted, ..job.clone() };
    store.job_update(&deleted, Durability::Power).await.unwrap();
    assert!(!store.job_remove(&SandboxId::random(), &job.id).await.unwrap());
    assert!(store.job_remove(&sandbox.id, &job.id).await.unwrap());
    assert!(!store.job_remove(&sandbox.id, &job.id).await.unwrap());
    assert_eq!(store.job_get(&sandbox.id, &job.id).await.unwrap(), None);
    assert_eq!(store.job_list_node(&sandbox.node).await.unwrap(), [stays]);

    sandbox.desired = Desired::Deleted;
    store.sandbox_update(&sandbox, Durability::Power).await.unwrap();
    assert!(store.sandbox_remove(&sandbox.id).await.unwrap());
    assert_eq!(store.job_list_node(&sandbox.node).await.unwrap(), [], "jobs go with their sandbox");
}
