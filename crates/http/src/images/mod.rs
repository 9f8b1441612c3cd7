//! `/images`: what sandboxes are made of.

pub(crate) mod build;
mod built_lines;
pub(crate) mod delete;
pub(crate) mod import;
mod lines;
pub(crate) mod list;
mod pull;
pub(crate) mod push;
mod upload;

use atoll_api_types::{Image, ImageHealthCheck};
use atoll_ports::ImageRecord;
use atoll_types::ImageConfig;

use crate::convert::command_view;

fn image_view(image: ImageRecord) -> Image {
    let said = image.config.unwrap_or_default();
    Image {
        name: image.name.into(),
        digest: Some(image.digest.into()),
        size_bytes: Some(image.size_bytes),
        shared_bytes: None,
        unique_bytes: None,
        created_at: Some(image.created_at.to_rfc3339()),
        entrypoint: image.template.entrypoint,
        command: image.template.command.as_ref().map(command_view),
        env: image.template.env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        cwd: image.template.cwd.map(Into::into),
        user: image.template.user.map(Into::into),
        manifest_digest: said.manifest.as_ref().map(|digest| format!("sha256:{digest}")),
        health_check: health_check_view(&said),
        exposed_ports: said.exposed_ports.into_iter().map(Into::into).collect(),
    }
}

fn health_check_view(said: &ImageConfig) -> Option<ImageHealthCheck> {
    said.health_check.as_ref().map(|check| ImageHealthCheck {
        test: check.test.clone(),
        interval_ms: check.interval_ms,
        timeout_ms: check.timeout_ms,
        start_period_ms: check.start_period_ms,
        retries: check.retries,
    })
}
