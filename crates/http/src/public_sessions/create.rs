//! `POST /sessions`

use atoll_api_types::PublicSession;
use atoll_engine::{SandboxView, SessionHolder};
use atoll_types::Timestamp;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;

use super::Sessions;
use super::guard::no_class;
use crate::Api;
use crate::access::Client;
use crate::answer::{Answer, ApiFailure, Created, WithCookie};
use crate::extract::Query;

/// Name of the class link in a query.
const CLASS: &str = "class";

/// Who begins a session.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionQuery {
    /// Class link: `class` of an answer to `POST /admin/class-links`. It is never logged.
    class: Option<String>,
}

/// The class link in a query that nobody has checked yet.
pub(super) fn class_of(uri: &Uri) -> Option<String> {
    let query = uri.query()?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == CLASS)
        .map(|(_, token)| token.into_owned())
}

/// Begin a public session.
///
/// An anonymous sandbox with narrow limits and no network, which is destroyed after a few minutes without activity, and at the end
/// of its life. Its id is the right to it: who has the id is in the session, so keep it in the page. There is no other token, and
/// no `Idempotency-Key`. It must be turned on by the operator (`sessions.enabled`); pages of other sites only where he lists them.
#[utoipa::path(post, path = "/sessions", tag = "sessions", params(SessionQuery))]
pub(crate) async fn begin_public_session(
    State(api): State<Api>,
    Client(visitor): Client,
    headers: HeaderMap,
    uri: Uri,
    Query(query): Query<SessionQuery>,
) -> Result<WithCookie<Created<PublicSession>>, ApiFailure> {
    let sessions = api.enabled_sessions()?;
    sessions.check_origin(&headers, &uri)?;
    let class = sessions.class(query.class.as_deref())?;
    if let Some(class) = &class
        && !api.engine().class_link_is_open(&class.id).await?
    {
        return Err(no_class());
    }
    let holder = match &class {
        Some(class) => SessionHolder {
            name: class.name().map_err(ApiFailure::internal)?,
            is_class: true,
            sessions_max: class.sessions_max,
        },
        None => {
            let name = sessions.settings.keys.address(visitor.address).map_err(ApiFailure::internal)?;
            let holder = SessionHolder { name, is_class: false, sessions_max: sessions.settings.per_address };
            // What is refused for this is not counted as begun.
            api.engine().public_session_room(&holder)?;
            sessions.begin(visitor.address)?;
            holder
        }
    };
    let made = api.engine().public_session_create(holder).await?;
    // Not kept by anything on its way to the page.
    Ok(WithCookie { answer: Answer(shown(sessions, &made)?), cookie: None })
}

fn shown(sessions: &Sessions, view: &SandboxView) -> Result<PublicSession, ApiFailure> {
    let spec = &view.record.spec;
    let id = sessions.settings.keys.id(&view.record.id).map_err(ApiFailure::internal)?;
    Ok(PublicSession {
        path: format!("/sessions/{id}"),
        id,
        created_at: view.record.created_at.to_rfc3339(),
        expires_at: view.expires_at.map(Timestamp::to_rfc3339).unwrap_or_default(),
        idle_ttl_seconds: spec.idle_seconds,
        cpu: f64::from(spec.limits.cpu_millis) / 1_000.0,
        memory: spec.limits.memory_bytes >> 20,
        pids: spec.limits.pids,
        open_files: spec.limits.open_files,
    })
}
