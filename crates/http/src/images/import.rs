//! `POST /images`

use std::collections::BTreeMap;

use atoll_api_types::{CommandBody, Definition, PullImage, PullProgress};
use atoll_types::{ErrorCode, ImageName, SandboxTemplate};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use serde::Deserialize;

use super::image_view;
use super::lines::Told;
use super::pull::Asked;
use super::upload::receive;
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, TraceId};
use crate::convert::template;
use crate::extract::{Json, Problems, Query, discard};

/// Types of a body that is a tar.
pub(super) const TARS: [&str; 5] = [
    "application/x-tar",
    "application/tar",
    "application/octet-stream",
    "application/gzip",
    "application/zstd",
];

/// Under which name, and what an image's own configuration would say.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// Name of the image; one that exists is replaced. A tar needs one; an image of a registry has its reference.
    #[param(example = "debian:12")]
    name: Option<String>,
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

/// Import an image, or pull one from a registry.
///
/// A tar is sent as it is: of a root file system, as `docker export` or `mmdebstrap` make one; what `docker save` writes; or an
/// OCI image layout. It may be compressed by gzip or zstd. JSON names an image of a registry, which the server fetches for its
/// own processor; with `Accept: application/x-ndjson` its progress is told. What an image says of itself counts where the query
/// says nothing.
#[utoipa::path(
    post, path = "/images", tag = "images", params(ImportQuery),
    request_body(
        content((String = "application/x-tar"), (PullImage = "application/json")),
        description = "A tar of a root file system or of an image, or which image to pull."
    )
)]
pub(crate) async fn import_image(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Extension(trace): Extension<TraceId>,
    query: Result<Query<ImportQuery>, ApiFailure>,
    headers: HeaderMap,
    body: Body,
) -> Result<Told<201, PullProgress>, ApiFailure> {
    if media(&headers) == "application/json" {
        let body = Json::<PullImage>::read(&headers, body).await?;
        let Query(query) = query?;
        let (mut problems, name) = (Problems::default(), query.name.clone());
        let template = defaults(&mut problems, query);
        return Asked::new(body, name, template, problems)?.answer(&api, caller, &headers, trace).await;
    }
    let (name, template) = match checked(query, &headers) {
        Ok(checked) => checked,
        Err(refused) => {
            discard(body).await;
            return Err(refused);
        }
    };
    let archive = receive(&api, &headers, body).await?;
    let image = api.engine().image_import(&caller, name, template, archive).await?;
    Ok(Told::Done(Box::new(Answer(image_view(image)))))
}

/// The type of the body, without its parameters.
pub(super) fn media(headers: &HeaderMap) -> String {
    let text = headers
        .get(header::CONTENT_TYPE)
        .map_or("application/x-tar", |value| value.to_str().unwrap_or_default());
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn defaults(problems: &mut Problems, query: ImportQuery) -> SandboxTemplate {
    let env = variables(problems, "query.env", &query.env);
    let asked = Definition {
        command: (!query.command.is_empty()).then_some(CommandBody::Argv(query.command)),
        entrypoint: (!query.entrypoint.is_empty()).then_some(query.entrypoint),
        env,
        cwd: query.cwd,
        user: query.user,
        ..Definition::default()
    };
    template(problems, asked)
}

fn checked(
    query: Result<Query<ImportQuery>, ApiFailure>,
    headers: &HeaderMap,
) -> Result<(ImageName, SandboxTemplate), ApiFailure> {
    let Query(mut query) = query?;
    let mut problems = Problems::default();
    let name = query.name.take();
    if name.is_none() {
        problems.add("query.name", "must be given: a tar has none");
    }
    let name = problems.parse::<ImageName>("query.name", name);
    let template = defaults(&mut problems, query);
    let name = problems.finish(name)?;
    if name.is_host() {
        return Err(ApiFailure::field(
            "query.name",
            "must not be 'host': that image is made of this machine's own files",
        ));
    }
    if TARS.contains(&media(headers).as_str()) {
        return Ok((name, template));
    }
    let hint = "the body must be a tar: send it with Content-Type: application/x-tar (curl: -H 'Content-Type: application/x-tar' -T FILE -X POST); or JSON that names an image of a registry";
    Err(ApiFailure::new(ErrorCode::UnsupportedMediaType, hint))
}

/// Variables of the form `NAME=value`.
pub(super) fn variables(problems: &mut Problems, field: &str, given: &[String]) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for text in given {
        match text.split_once('=') {
            Some((name, value)) if !env.contains_key(name) => {
                env.insert(name.to_owned(), value.to_owned());
            }
            Some((name, _)) => problems.add(field, format!("gives {name} twice")),
            None => problems.add(field, "must be NAME=value"),
        }
    }
    env
}
