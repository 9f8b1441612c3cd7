//! `/images`: what sandboxes are made of.

pub(crate) mod delete;
pub(crate) mod import;
pub(crate) mod list;
mod upload;

use atoll_api_types::Image;
use atoll_ports::ImageRecord;

use crate::convert::command_view;

fn image_view(image: ImageRecord) -> Image {
    Image {
        name: image.name.into(),
        digest: Some(image.digest.into()),
        size_bytes: Some(image.size_bytes),
        created_at: Some(image.created_at.to_rfc3339()),
        entrypoint: image.template.entrypoint,
        command: image.template.command.as_ref().map(command_view),
        env: image.template.env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        cwd: image.template.cwd.map(Into::into),
        user: image.template.user.map(Into::into),
    }
}
