//! `GET /admin/doctor`

use atoll_api_types::{DoctorFinding, DoctorReport};
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};

/// Look for what is wrong: the records, against what the runtimes say is there.
///
/// Nothing is changed; what is found is mended once a minute by itself, or needs the operator. `atoll doctor`, as root on the server's
/// machine, sees more: processes, mounts, control groups and networks that nobody owns.
#[utoipa::path(get, path = "/admin/doctor", tag = "admin")]
pub(crate) async fn get_doctor(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
) -> Result<Ok<DoctorReport>, ApiFailure> {
    let view = api.engine().admin_doctor(&caller).await?;
    let findings: Vec<_> = view
        .findings
        .into_iter()
        .map(|finding| DoctorFinding {
            kind: finding.kind.to_owned(),
            name: finding.name,
            problem: finding.problem,
        })
        .collect();
    data(DoctorReport {
        healthy: findings.is_empty(),
        sandboxes_alive: view.alive,
        findings,
        notes: view.notes,
    })
}
