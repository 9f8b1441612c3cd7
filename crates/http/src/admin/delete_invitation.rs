//! `DELETE /admin/invitations/{id}`

use atoll_api_types::Deleted;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{InvitationPath, Path};

/// Take an invitation back.
#[utoipa::path(delete, path = "/admin/invitations/{id}", tag = "admin", params(InvitationPath))]
pub(crate) async fn delete_invitation(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<InvitationPath>,
) -> Result<Ok<Deleted>, ApiFailure> {
    api.engine().invitation_delete(&caller, &path.id).await?;
    data(Deleted { id: path.id.to_string(), deleted: true })
}
