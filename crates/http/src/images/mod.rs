//! `/images`: what sandboxes are made of.

pub(crate) mod delete;
pub(crate) mod import;
pub(crate) mod list;
mod upload;

use atoll_api_types::Image;
use atoll_ports::ImageRecord;

fn image_view(image: ImageRecord) -> Image {
    Image {
        name: image.name.into(),
        digest: Some(image.digest.into()),
        size_bytes: Some(image.size_bytes),
        created_at: Some(image.created_at.to_rfc3339()),
    }
}
