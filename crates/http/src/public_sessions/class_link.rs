//! `/admin/class-links`

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atoll_api_types::{ClassLink, ClassLinkEntry, CreateClassLink, Deleted};
use atoll_ports::{AuditScope, ClassLinkRecord, Role};
use atoll_types::{ErrorCode, Timestamp};
use axum::extract::State;

use super::class_token::Class;
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Created, Ok, Page, data};
use crate::bounds::{CLASS_SECONDS_DEFAULT, CLASS_SECONDS_MAX, CLASS_SESSIONS_DEFAULT};
use crate::extract::{ClassLinkPath, Json, PageQuery, Path, Problems, Query};

/// Make a class link: whoever has it begins public sessions without the limits of his address, until it ends.
///
/// All who have the same link are counted together. `DELETE /admin/class-links/{id}` takes it back.
#[utoipa::path(post, path = "/admin/class-links", tag = "admin")]
pub(crate) async fn create_class_link(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Json(body): Json<CreateClassLink>,
) -> Result<Created<ClassLink>, ApiFailure> {
    // Before what is wrong with the body is told, which names the operator's settings.
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
    let life = problems.finish(Some(Duration::from_secs(seconds.unwrap_or(CLASS_SECONDS_DEFAULT))))?;
    let record = api.engine().class_link_create(&caller, sessions_max, life).await?;
    let class = Class { id: record.id, sessions_max };
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

/// List the class links that were not taken back, newest first.
#[utoipa::path(get, path = "/admin/class-links", tag = "admin", params(PageQuery))]
pub(crate) async fn list_class_links(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Query(query): Query<PageQuery>,
) -> Result<Page<ClassLinkEntry>, ApiFailure> {
    let (cursor, limit) = query.bounds()?;
    let page = api.engine().class_link_list(&caller, cursor.as_deref(), limit).await?;
    Ok(Page::of(page, shown))
}

/// Take a class link back: nobody begins a session with it any more.
///
/// Sessions that were begun with it go on; `DELETE /sandboxes/{id}` ends one.
#[utoipa::path(delete, path = "/admin/class-links/{id}", tag = "admin", params(ClassLinkPath))]
pub(crate) async fn delete_class_link(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ClassLinkPath>,
) -> Result<Ok<Deleted>, ApiFailure> {
    api.engine().class_link_delete(&caller, &path.id).await?;
    data(Deleted { id: path.id.to_string(), deleted: true })
}

fn shown(link: ClassLinkRecord) -> ClassLinkEntry {
    ClassLinkEntry {
        id: link.id.to_string(),
        maker: link.maker.to_string(),
        sessions: link.sessions_max,
        created_at: link.created_at.to_rfc3339(),
        expires_at: link.expires_at.to_rfc3339(),
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
