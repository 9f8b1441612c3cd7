//! `GET /admin/users/{id}`

use atoll_api_types::AdminUser;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::admin_user_view;
use crate::extract::{Path, UserPath};

/// Show an account.
#[utoipa::path(get, path = "/admin/users/{id}", tag = "admin", params(UserPath))]
pub(crate) async fn get_user(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<UserPath>,
) -> Result<Ok<AdminUser>, ApiFailure> {
    data(admin_user_view(&api.engine().admin_user_get(&caller, &path.id).await?))
}
