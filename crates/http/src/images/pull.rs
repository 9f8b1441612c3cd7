//! `POST /images` with JSON: an image of a registry, answered when it is here or told about line by line.

use atoll_api_types::{PullImage, PullProgress};
use atoll_engine::Caller;
use atoll_ports::PullProgress as Progress;
use atoll_types::{ImageName, ImageReference, SandboxTemplate};
use axum::http::HeaderMap;
use tokio::sync::watch;

use super::lines::Told;
use super::{image_view, lines};
use crate::Api;
use crate::answer::{ApiFailure, TraceId};
use crate::extract::Problems;

/// What is asked for.
pub(super) struct Asked {
    name: ImageName,
    reference: ImageReference,
    template: SandboxTemplate,
}

impl Asked {
    /// The name in the body counts before the one in the query, and both before the reference.
    pub(super) fn new(
        body: PullImage,
        query_name: Option<String>,
        template: SandboxTemplate,
        mut problems: Problems,
    ) -> Result<Self, ApiFailure> {
        let reference = problems.parse::<ImageReference>("reference", Some(body.reference));
        let given = match body.name {
            Some(name) => problems.parse::<ImageName>("name", Some(name)),
            None => problems.parse::<ImageName>("query.name", query_name),
        };
        let reference = problems.finish(reference)?;
        let name = match given {
            Some(name) => name,
            None => reference.to_name().map_err(|error| {
                ApiFailure::field("name", format!("must be given: the reference is no name; {error}"))
            })?,
        };
        Ok(Self { name, reference, template })
    }

    /// Does it, and answers as the client wants it.
    pub(super) async fn answer(
        self,
        api: &Api,
        caller: Caller,
        headers: &HeaderMap,
        trace: TraceId,
    ) -> Result<Told<201, PullProgress>, ApiFailure> {
        let first = PullProgress { status: "fetching".to_owned(), ..PullProgress::default() };
        let (progress, seen) = watch::channel(first);
        let engine = api.engine().clone();
        let work = Box::pin(async move {
            let tell = |step: Progress| progress.send_modify(|shown| show(shown, step));
            let Self { name, reference, template } = self;
            Ok(image_view(engine.image_pull(&caller, name, &reference, template, &tell).await?))
        });
        lines::answer(api, headers, trace, work, seen).await
    }
}

fn show(shown: &mut PullProgress, step: Progress) {
    match step {
        Progress::Found { total_bytes, existing_bytes, .. } => {
            (shown.total_bytes, shown.existing_bytes) = (total_bytes, existing_bytes);
            if total_bytes == 0 && existing_bytes > 0 {
                "exists".clone_into(&mut shown.status);
            }
        }
        Progress::Fetched { bytes, total_bytes } => {
            (shown.bytes, shown.total_bytes) = (bytes, total_bytes);
        }
        Progress::Unpacking => "unpacking".clone_into(&mut shown.status),
    }
}
