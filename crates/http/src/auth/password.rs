//! `POST /auth/password`

use atoll_api_types::{ChangePassword, User};
use axum::extract::State;

use super::{token_keys, turn};
use crate::Api;
use crate::access::{Authenticated, Client, Grant};
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::{new_passwords, user_view};
use crate::extract::Json;

/// Change one's password.
///
/// All other log-ins end. API keys go on working: delete those that somebody else may have.
#[utoipa::path(post, path = "/auth/password", tag = "auth")]
pub(crate) async fn change_password(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    grant: Grant,
    Client(visitor): Client,
    Json(body): Json<ChangePassword>,
) -> Result<Ok<User>, ApiFailure> {
    token_keys(&api)?;
    let passwords = new_passwords(body)?;
    let _turn = turn(&api).await?;
    let (engine, session) = (api.engine(), grant.session.as_ref());
    let user = engine.password_change(&caller, session, passwords, visitor.address).await?;
    data(user_view(&user))
}
