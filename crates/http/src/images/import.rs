//! `POST /images`

use std::collections::BTreeMap;

use atoll_api_types::{CommandBody, Definition, Image};
use atoll_types::{ErrorCode, ImageName, SandboxTemplate};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use serde::Deserialize;

use super::image_view;
use super::upload::receive;
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Created};
use crate::convert::template;
use crate::extract::{Problems, Query, discard};

/// Under which name, and what an image's own configuration would say.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// Name of the image; one that exists is replaced.
    #[param(example = "debian:12")]
    name: String,
    /// Main process of its sandboxes where nothing else says: a program and its arguments, one by one.
    #[serde(default)]
    command: Vec<String>,
    /// What gets the command as its arguments: a program and its arguments, one by one.
    #[serde(default)]
    entrypoint: Vec<String>,
    /// A variable of its sandboxes, `NAME=value`; may be given several times.
    #[serde(default)]
    env: Vec<String>,
    /// Where processes of its sandboxes begin.
    cwd: Option<String>,
    /// User of processes of its sandboxes; `agent` when absent.
    #[param(example = "root")]
    user: Option<String>,
}

/// Import an image.
///
/// The body is a tar, sent as it is: of a root file system, as `docker export` or `mmdebstrap` make one; what `docker save`
/// writes; or an OCI image layout. It may be compressed by gzip or zstd. What an image says of itself counts where the query says
/// nothing.
#[utoipa::path(
    post, path = "/images", tag = "images", params(ImportQuery),
    request_body(content = String, content_type = "application/x-tar", description = "A tar of a root file system or of an image.")
)]
pub(crate) async fn import_image(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    query: Result<Query<ImportQuery>, ApiFailure>,
    headers: HeaderMap,
    body: Body,
) -> Result<Created<Image>, ApiFailure> {
    let (name, template) = match checked(query, &headers) {
        Ok(checked) => checked,
        Err(refused) => {
            discard(body).await;
            return Err(refused);
        }
    };
    let archive = receive(&api, &headers, body).await?;
    Ok(Answer(image_view(api.engine().image_import(&caller, name, template, archive).await?)))
}

fn checked(
    query: Result<Query<ImportQuery>, ApiFailure>,
    headers: &HeaderMap,
) -> Result<(ImageName, SandboxTemplate), ApiFailure> {
    let Query(query) = query?;
    let mut problems = Problems::default();
    let name = problems.parse::<ImageName>("query.name", Some(query.name));
    let env = variables(&mut problems, &query.env);
    let asked = Definition {
        command: (!query.command.is_empty()).then_some(CommandBody::Argv(query.command)),
        entrypoint: (!query.entrypoint.is_empty()).then_some(query.entrypoint),
        env,
        cwd: query.cwd,
        user: query.user,
        ..Definition::default()
    };
    let template = template(&mut problems, asked);
    let name = problems.finish(name)?;
    if name.is_host() {
        return Err(ApiFailure::field(
            "query.name",
            "must not be 'host': that image is made of this machine's own files",
        ));
    }
    let media = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    if media.is_none_or(|media| {
        ["application/x-tar", "application/tar", "application/octet-stream"].contains(&media)
    }) {
        return Ok((name, template));
    }
    let hint = "the body must be a tar: send it with Content-Type: application/x-tar (curl: -H 'Content-Type: application/x-tar' -T FILE -X POST)";
    Err(ApiFailure::new(ErrorCode::UnsupportedMediaType, hint))
}

/// Variables of the form `NAME=value`.
fn variables(problems: &mut Problems, given: &[String]) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for text in given {
        match text.split_once('=') {
            Some((name, value)) if !env.contains_key(name) => {
                env.insert(name.to_owned(), value.to_owned());
            }
            Some((name, _)) => problems.add("query.env", format!("gives {name} twice")),
            None => problems.add("query.env", "must be NAME=value"),
        }
    }
    env
}
