//! `POST /sandboxes/{id}/execs/{exec_id}/signal`

use atoll_api_types::{Accepted, SignalBody};
use atoll_types::Signal;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{ExecPath, Json, Path};

/// Send a signal to the process group of an exec.
#[utoipa::path(post, path = "/sandboxes/{id}/execs/{exec_id}/signal", tag = "execs", params(ExecPath))]
pub(crate) async fn signal_exec(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ExecPath>,
    Json(body): Json<SignalBody>,
) -> Result<Ok<Accepted>, ApiFailure> {
    let expected = "must be HUP, INT, QUIT, KILL, USR1, USR2, TERM, CONT, STOP or WINCH, with or without SIG, or its number";
    let known = (body.signal.len() <= 16).then(|| Signal::parse(&body.signal)).flatten();
    let signal = known.ok_or_else(|| ApiFailure::field("signal", expected))?;
    api.engine().exec_signal(&caller, &path.id, &path.exec_id, signal).await?;
    data(Accepted { id: path.exec_id.to_string(), accepted: true })
}
