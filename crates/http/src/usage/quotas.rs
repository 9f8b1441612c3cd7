//! `/admin/quotas/{id}`

use atoll_api_types::{QuotaBody, UserQuota};
use atoll_engine::QuotaView;
use atoll_types::{QuotaOverride, UserId};
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{Json, Path, Problems, UserPath};

/// Most of anything that a quota may be: 2^50, which JSON's readers hold exactly in every unit.
const NUMBER_MAX: u64 = 1 << 50;
/// Most cores.
const CORES_MAX: f64 = 1_000_000.0;
/// Thousandths of a core in a core.
const MILLIS: f64 = 1_000.0;

/// Show what a user may have (admin).
#[utoipa::path(get, path = "/admin/quotas/{id}", tag = "usage", params(UserPath))]
pub(crate) async fn get_user_quota(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<UserPath>,
) -> Result<Ok<UserQuota>, ApiFailure> {
    let user = path.id;
    let view = api.engine().quota_get(&caller, &user).await?;
    data(quota_view(&user, &view))
}

/// Change what a user may have (admin).
///
/// The body replaces what the user was given before; an empty one gives back what the settings say. What a user has beyond a
/// smaller quota stays, and no more comes.
#[utoipa::path(put, path = "/admin/quotas/{id}", tag = "usage", params(UserPath))]
pub(crate) async fn set_user_quota(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<UserPath>,
    Json(body): Json<QuotaBody>,
) -> Result<Ok<UserQuota>, ApiFailure> {
    let own = new_quota(&body)?;
    let user = path.id;
    let view = api.engine().quota_set(&caller, &user, own).await?;
    data(quota_view(&user, &view))
}

fn new_quota(body: &QuotaBody) -> Result<QuotaOverride, ApiFailure> {
    let mut problems = Problems::default();
    let whole = &(0..=NUMBER_MAX);
    let mib = &(0..=NUMBER_MAX >> 20);
    let sandboxes = problems.within("sandboxes", body.sandboxes, whole);
    let memory = problems.within("memory", body.memory, mib);
    let storage = problems.within("storage", body.storage, mib);
    let egress = problems.within("egress", body.egress, mib);
    let execs_per_hour = problems.within("execsPerHour", body.execs_per_hour, whole);
    let cpu = problems.within("cpu", body.cpu, &(0.0..=CORES_MAX));
    let bytes = |mib: Option<u64>| mib.map(|mib| mib << 20);
    let own = QuotaOverride {
        sandboxes,
        cpu_millis: cpu.map(millis),
        memory_bytes: bytes(memory),
        storage_bytes: bytes(storage),
        egress_bytes: bytes(egress),
        execs_per_hour,
    };
    problems.finish(Some(own))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and CORES_MAX")]
fn millis(cores: f64) -> u64 {
    (cores * MILLIS).round() as u64
}

fn quota_view(user: &UserId, view: &QuotaView) -> UserQuota {
    let QuotaView { quota, own } = view;
    let whole = QuotaOverride {
        sandboxes: Some(quota.sandboxes),
        cpu_millis: Some(quota.cpu_millis),
        memory_bytes: Some(quota.memory_bytes),
        storage_bytes: Some(quota.storage_bytes),
        egress_bytes: Some(quota.egress_bytes),
        execs_per_hour: Some(quota.execs_per_hour),
    };
    UserQuota { user_id: user.to_string(), quota: body_view(&whole), own: body_view(own) }
}

fn body_view(quota: &QuotaOverride) -> QuotaBody {
    let mib = |bytes: Option<u64>| bytes.map(|bytes| bytes >> 20);
    QuotaBody {
        sandboxes: quota.sandboxes,
        cpu: quota.cpu_millis.map(|millis| millis as f64 / MILLIS),
        memory: mib(quota.memory_bytes),
        storage: mib(quota.storage_bytes),
        egress: mib(quota.egress_bytes),
        execs_per_hour: quota.execs_per_hour,
    }
}
