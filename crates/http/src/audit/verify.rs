//! `GET /admin/audit/verify`

use atoll_api_types::AuditCheck;
use axum::extract::State;
use serde::Deserialize;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{Problems, Query};

/// What somebody kept elsewhere.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VerifyQuery {
    /// Number of an entry whose hash was kept; goes with `hash`.
    seq: Option<u64>,
    /// The hash that it had, 64 hexadecimal digits.
    hash: Option<String>,
}

/// Check the chain of the audit log (admin).
///
/// Walks along all entries that are held. Whoever can write the database can write a whole new chain: keep `lastSeq` and `lastHash`
/// on another machine, and give them here the next time.
#[utoipa::path(get, path = "/admin/audit/verify", tag = "audit", params(VerifyQuery))]
pub(crate) async fn verify_audit(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Query(query): Query<VerifyQuery>,
) -> Result<Ok<AuditCheck>, ApiFailure> {
    let check = api.engine().audit_verify(&caller, query.kept()?).await?;
    data(AuditCheck {
        intact: check.broken.is_none(),
        entries: check.entries,
        first_seq: check.first_seq,
        last_seq: check.last_seq,
        last_hash: check.last_hash,
        broken_seq: check.broken.map(|(seq, _)| seq),
        reason: check.broken.map(|(_, why)| why.to_owned()),
    })
}

impl VerifyQuery {
    fn kept(self) -> Result<Option<(u64, String)>, ApiFailure> {
        let mut problems = Problems::default();
        let is_hash = |hash: &String| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        if self.hash.as_ref().is_some_and(|hash| !is_hash(hash)) {
            problems.add("query.hash", "must be 64 hexadecimal digits");
        }
        if self.seq.is_some() != self.hash.is_some() {
            problems.add("query.seq", "must be given together with hash");
        }
        if self.seq.is_some_and(|seq| i64::try_from(seq).is_err()) {
            problems.add("query.seq", "must be the number of an entry");
        }
        problems.finish(Some(self.seq.zip(self.hash.map(|hash| hash.to_ascii_lowercase()))))
    }
}
