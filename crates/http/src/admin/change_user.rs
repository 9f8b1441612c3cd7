//! `PATCH /admin/users/{id}`

use atoll_api_types::{AdminUser, ChangeUser};
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::auth::turn;
use crate::convert::{admin_user_view, new_user_edit};
use crate::extract::{Json, Path, UserPath};

/// Change an account: its role, whether it is disabled, its password.
///
/// A disabled account is logged out everywhere and its keys do not work; its sandboxes go on. A new password logs it out too.
#[utoipa::path(patch, path = "/admin/users/{id}", tag = "admin", params(UserPath))]
pub(crate) async fn change_user(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<UserPath>,
    Json(body): Json<ChangeUser>,
) -> Result<Ok<AdminUser>, ApiFailure> {
    let edit = new_user_edit(body)?;
    let _turn = if edit.password.is_some() { Some(turn(&api).await?) } else { None };
    data(admin_user_view(&api.engine().admin_user_change(&caller, &path.id, edit).await?))
}
