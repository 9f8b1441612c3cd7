//! `POST /images/build`

use std::collections::BTreeMap;

use atoll_api_types::BuildProgress;
use atoll_ports::BuildSource;
use atoll_types::{ErrorCode, ImageName, Network};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;

use super::built_lines::{Building, Step};
use super::import::{TARS, media, variables};
use super::lines::Told;
use super::upload::{UploadLimit, receive_within};
use super::{image_view, lines};
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, TraceId};
use crate::extract::{Problems, Query, discard};

/// Bytes of a context as it is sent; unpacked it may have as many.
const CONTEXT_BYTES_MAX: u64 = 2 << 30;
/// Characters of the path of a Dockerfile, and of the name of a stage.
const TEXT_CHARS_MAX: usize = 1_024;
/// What a build is made of where nothing is said.
const DOCKERFILE: &str = "Dockerfile";
/// What its commands may reach.
const NETWORKS: &[(&str, Network)] = &[("none", Network::None), ("all", Network::All)];

/// Under which name, and how it is built.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BuildQuery {
    /// Name of the image; one that exists is replaced.
    #[param(example = "team/app:1.2", required)]
    name: Option<String>,
    /// Path of the Dockerfile in the context; `Dockerfile` when absent. A file `.atoll.Dockerfile` is no part of the context otherwise.
    dockerfile: Option<String>,
    /// The stage that is wanted, by its name or number; the last one when absent.
    target: Option<String>,
    /// The platform that the image is for, which must be this host's.
    #[param(example = "linux/amd64")]
    platform: Option<String>,
    /// Value of an `ARG` of the Dockerfile, `NAME=value`; may be given several times.
    #[serde(default)]
    build_arg: Vec<String>,
    /// What the commands of the Dockerfile may reach: `none`, which is the default.
    #[param(example = "none")]
    network: Option<String>,
}

/// Build an image from a Dockerfile.
///
/// The body is the context: a tar, plain or compressed by gzip, with the Dockerfile and the files that it copies. With
/// `Accept: application/x-ndjson` its output is told line by line. Docker builds it, within bounds and on images of this server; one that the
/// Dockerfile names and that is not here is pulled as `POST /images` would. When the client goes away, the build is given up.
#[utoipa::path(
    post, path = "/images/build", tag = "images", params(BuildQuery),
    request_body(content = String, content_type = "application/x-tar", description = "The context, a tar.")
)]
pub(crate) async fn build_image(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Extension(trace): Extension<TraceId>,
    query: Result<Query<BuildQuery>, ApiFailure>,
    headers: HeaderMap,
    body: Body,
) -> Result<Told<201, BuildProgress>, ApiFailure> {
    let asked = match query.and_then(|Query(query)| Asked::new(query, &headers)) {
        Ok(asked) => asked,
        Err(refused) => {
            discard(body).await;
            return Err(refused);
        }
    };
    if let Err(refused) = api.engine().may_build(&caller, &asked.name).await {
        discard(body).await;
        return Err(refused.into());
    }
    let bytes = CONTEXT_BYTES_MAX.min(api.settings().archive_bytes_max);
    let hint = "leave out what the build does not need";
    let context = receive_within(&api, &headers, body, UploadLimit { bytes, hint }).await?;
    let (tell, heard) = tokio::sync::mpsc::unbounded_channel();
    let (engine, name, network) = (api.engine().clone(), asked.name.clone(), asked.network);
    let source = asked.source(context);
    let work = Box::pin(async move {
        // The broker passes no more on of one build than a few MiB.
        let progress = |step: atoll_ports::BuildProgress<'_>| drop(tell.send(Step::from(step)));
        Ok(image_view(engine.image_build(&caller, name, source, network, &progress).await?))
    });
    lines::answer(&api, &headers, trace, work, Building::new(heard)).await
}

/// What is asked for.
struct Asked {
    name: ImageName,
    dockerfile: String,
    args: BTreeMap<String, String>,
    target: Option<String>,
    platform: Option<String>,
    network: Network,
}

impl Asked {
    fn new(query: BuildQuery, headers: &HeaderMap) -> Result<Self, ApiFailure> {
        let mut problems = Problems::default();
        if query.name.is_none() {
            problems.add("query.name", "must be given");
        }
        let name = problems.parse::<ImageName>("query.name", query.name);
        let args = variables(&mut problems, "query.buildArg", &query.build_arg);
        if !args.keys().all(|name| is_arg(name)) {
            problems.add("query.buildArg", "must have names of letters, digits and '_'");
        }
        let network = problems.word("query.network", query.network.as_deref(), NETWORKS);
        let dockerfile = query.dockerfile.unwrap_or_else(|| DOCKERFILE.to_owned());
        for (field, text) in [
            ("query.dockerfile", Some(&dockerfile)),
            ("query.target", query.target.as_ref()),
            ("query.platform", query.platform.as_ref()),
        ] {
            if text.is_some_and(|text| !is_plain(text)) {
                problems.add(field, format!("must be 1 to {TEXT_CHARS_MAX} characters of a line"));
            }
        }
        let name = problems.finish(name)?;
        if !TARS.contains(&media(headers).as_str()) {
            let hint = "the body must be a tar: send it with Content-Type: application/x-tar";
            return Err(ApiFailure::new(ErrorCode::UnsupportedMediaType, hint));
        }
        let (target, platform) = (query.target, query.platform);
        Ok(Self { name, dockerfile, args, target, platform, network: network.unwrap_or(Network::None) })
    }

    fn source(self, context: std::fs::File) -> BuildSource {
        let Self { name: _, dockerfile, args, target, platform, network: _ } = self;
        BuildSource { context, dockerfile, args, target, platform }
    }
}

fn is_plain(text: &str) -> bool {
    (1..=TEXT_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn is_arg(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| !c.is_ascii_digit()) && name.chars().all(known)
}
