//! `POST /sandboxes/{id}/exec`

use std::collections::BTreeMap;

use atoll_api_types::{Exec, ExecBody};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use utoipa::IntoResponses;
use utoipa::openapi::RefOr;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Accepted, Answer, ApiFailure, Ok};
use crate::convert::{NewExecBody, exec_record_view, exec_view};
use crate::extract::{Json, Path, SandboxPath};

/// The exec: ended, or just begun.
#[derive(Debug)]
pub(crate) enum RunAnswer {
    Ended(Ok<Exec>),
    Begun(Accepted<Exec>),
}

/// Run a command.
///
/// Answers when it has ended (200), with what it wrote; with `"async": true` at once (202), with the `id` for the stream
/// and `GET …/execs/{exec_id}`. The command goes on when the connection is cut.
#[utoipa::path(post, path = "/sandboxes/{id}/exec", tag = "execs", params(SandboxPath))]
pub(crate) async fn run_exec(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
    Json(body): Json<ExecBody>,
) -> Result<RunAnswer, ApiFailure> {
    let NewExecBody { exec, run_async } = body.try_into()?;
    let engine = api.engine();
    if run_async.unwrap_or_else(|| api.settings().async_exec) {
        let begun = engine.exec_start(&caller, &path.id, exec).await?;
        return Ok(RunAnswer::Begun(Answer(exec_record_view(begun.record))));
    }
    let ended = engine.exec_run(&caller, &path.id, exec).await?;
    Ok(RunAnswer::Ended(Answer(exec_view(ended))))
}

impl IntoResponse for RunAnswer {
    fn into_response(self) -> Response {
        match self {
            Self::Ended(answer) => answer.into_response(),
            Self::Begun(answer) => answer.into_response(),
        }
    }
}

impl IntoResponses for RunAnswer {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let mut responses = <Ok<Exec>>::responses();
        responses.extend(<Accepted<Exec>>::responses());
        responses
    }
}
