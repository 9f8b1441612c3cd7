//! `POST /admin/class-links`

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atoll_api_types::{ClassLink, CreateClassLink};
use atoll_ports::{AuditScope, Role};
use atoll_types::{ErrorCode, InvitationId, Timestamp};
use axum::extract::State;

use super::class_token::Class;
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Created};
use crate::bounds::{CLASS_SECONDS_DEFAULT, CLASS_SECONDS_MAX, CLASS_SESSIONS_DEFAULT};
use crate::extract::{Json, Problems};

/// Make a class link: whoever has it begins public sessions without the limits of his address, until it ends.
///
/// All who have the same link are counted together. It cannot be taken back, so give it no longer life than the class.
#[utoipa::path(post, path = "/admin/class-links", tag = "admin")]
pub(crate) async fn create_class_link(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Json(body): Json<CreateClassLink>,
) -> Result<Created<ClassLink>, ApiFailure> {
    if caller.role != Role::Admin {
        let text = "only an admin may do this; a key needs the scope admin too";
        return Err(ApiFailure::new(ErrorCode::Forbidden, text));
    }
    let settings = &api.enabled_sessions()?.settings;
    let mut problems = Problems::default();
    let usual = CLASS_SESSIONS_DEFAULT.min(settings.sessions_max);
    let sessions_max =
        problems.within("sessions", body.sessions, &(1..=settings.sessions_max)).unwrap_or(usual);
    let seconds = problems.within("expiresInSeconds", body.expires_in_seconds, &(1..=CLASS_SECONDS_MAX));
    let life = Duration::from_secs(seconds.unwrap_or(CLASS_SECONDS_DEFAULT));
    let class = problems.finish(Some(Class { id: InvitationId::random(), sessions_max }))?;
    let (token, ends) = settings.keys.class_token(&class, now(), life).map_err(ApiFailure::internal)?;
    AuditScope::detail("class", class.id.as_str());
    AuditScope::detail("sessions", sessions_max.to_string());
    Ok(Answer(ClassLink {
        id: class.id.to_string(),
        path: format!("/sessions?class={token}"),
        class: token,
        sessions: sessions_max,
        expires_at: ends.to_rfc3339(),
    }))
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
