//! `GET /audit`

use atoll_api_types::AuditEntry;
use atoll_ports::{AuditFilter, AuditRecord};
use atoll_types::{AuditOutcome, Timestamp, UserId};
use axum::extract::State;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Page};
use crate::extract::{Problems, Query, page_bounds};

/// Longest action or target that is looked for, in characters.
const TEXT_CHARS_MAX: usize = 256;

/// Which entries.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// Items of a page, 1 to 1000.
    #[param(default = 50, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Only of this user; another than oneself for admins alone.
    user: Option<String>,
    /// Only this action, as `sandbox.create`; with a dot at its end all of an area, as `sandbox.`.
    action: Option<String>,
    /// Only about the thing with this id or name.
    target: Option<String>,
    /// `accepted`, `done`, `refused` or `failed`.
    outcome: Option<String>,
    /// Only from this moment on, RFC 3339.
    since: Option<String>,
    /// Only before this moment, RFC 3339.
    until: Option<String>,
}

/// List the audit log, newest first.
///
/// Users see what they did, and what Atoll did with their sandboxes; admins see everything.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditQuery))]
pub(crate) async fn list_audit(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Query(query): Query<AuditQuery>,
) -> Result<Page<AuditEntry>, ApiFailure> {
    let (filter, cursor, limit) = query.check()?;
    let page = api.engine().audit_list(&caller, filter, cursor.as_deref(), limit).await?;
    Ok(Page::of(page, entry_view))
}

impl AuditQuery {
    fn check(self) -> Result<(AuditFilter, Option<String>, u32), ApiFailure> {
        let mut problems = Problems::default();
        let (cursor, limit) = page_bounds(&mut problems, self.cursor, self.limit);
        let user = self.user.and_then(|id| problems.check("query.user", id.parse::<UserId>()));
        let words = AuditOutcome::ALL.map(|outcome| (outcome.as_str(), outcome));
        let outcome = problems.word("query.outcome", self.outcome.as_deref(), &words);
        let filter = AuditFilter {
            user,
            action: text(&mut problems, "query.action", self.action),
            target: text(&mut problems, "query.target", self.target),
            outcome,
            since: moment(&mut problems, "query.since", self.since),
            until: moment(&mut problems, "query.until", self.until),
        };
        problems.finish(Some((filter, cursor, limit)))
    }
}

fn text(problems: &mut Problems, field: &str, text: Option<String>) -> Option<String> {
    let fits = |text: &String| (1..=TEXT_CHARS_MAX).contains(&text.chars().count());
    match text {
        Some(text) if !fits(&text) => {
            problems.add(field, format!("must be 1 to {TEXT_CHARS_MAX} characters"));
            None
        }
        text => text,
    }
}

fn moment(problems: &mut Problems, field: &str, text: Option<String>) -> Option<Timestamp> {
    let parsed = OffsetDateTime::parse(&text?, &Rfc3339);
    let ms = parsed.ok().and_then(|time| i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok());
    if ms.is_none() {
        problems.add(field, "must be a moment such as 2026-01-15T12:00:00Z");
    }
    ms.map(Timestamp::from_unix_ms)
}

fn entry_view(record: AuditRecord) -> AuditEntry {
    let AuditRecord { seq, entry, hash } = record;
    AuditEntry {
        id: entry.id.to_string(),
        seq,
        node: entry.node.to_string(),
        time: entry.at.to_rfc3339(),
        actor: entry.actor.as_str().to_owned(),
        user_id: entry.user.map(String::from),
        action: entry.action,
        target: entry.target,
        outcome: entry.outcome.as_str().to_owned(),
        code: entry.code.map(|code| code.as_str().to_owned()),
        trace_id: entry.trace_id,
        address: entry.address.map(|address| address.to_string()),
        detail: entry.detail,
        hash,
    }
}
