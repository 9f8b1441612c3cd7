//! `POST /admin/invitations`

use atoll_api_types::{CreateInvitation, CreatedInvitation};
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Created};
use crate::convert::{invitation_view, new_invite};
use crate::extract::Json;

/// Invite somebody to make an account.
///
/// The invitation is in this answer and never shown again; `POST /auth/signup` takes it.
#[utoipa::path(post, path = "/admin/invitations", tag = "admin")]
pub(crate) async fn create_invitation(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Json(body): Json<CreateInvitation>,
) -> Result<Created<CreatedInvitation>, ApiFailure> {
    let made = api.engine().invitation_create(&caller, new_invite(body)?).await?;
    Ok(Answer(CreatedInvitation { info: invitation_view(made.record), invitation: made.secret }))
}
