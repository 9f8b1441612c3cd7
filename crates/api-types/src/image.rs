//! Images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{CommandBody, FailureBody};

/// An image.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Name, unique.
    pub name: String,
    /// What names its files: the SHA-256 of the archive that it was unpacked from or, where that has layers, made of theirs; null for
    /// `host`.
    pub digest: Option<String>,
    /// Bytes of its files; null for `host`.
    pub size_bytes: Option<u64>,
    /// Bytes of its layers that other images have too: they are kept once. Absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_bytes: Option<u64>,
    /// Bytes of its files that no other image has: they go with it. Absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_bytes: Option<u64>,
    /// RFC 3339; null for `host`.
    pub created_at: Option<String>,
    /// What gets the command as its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Main process of its sandboxes, where nothing else says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandBody>,
    /// Variables of its sandboxes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where their processes begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// User of their processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// SHA-256 of the image's manifest, as registries name it; absent where the archive had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "sha256:9b2c…")]
    pub manifest_digest: Option<String>,
    /// Ports that its programs listen on, with `/tcp`, `/udp` or `/sctp`. They are published where a sandbox says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["80/tcp"]))]
    pub exposed_ports: Vec<String>,
    /// How the image wants to be asked whether it is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<ImageHealthCheck>,
}

/// Body of `POST /images` that asks for an image of a registry.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullImage {
    /// `REGISTRY/REPOSITORY`, with `:TAG`, `@sha256:` and a digest, or both; `latest` when neither says.
    #[schema(example = "registry.example.com/team/app:1.2")]
    pub reference: String,
    /// Name of the image here; the reference when absent. One that exists is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One line of the progress of a pull. The last has `image` or `error`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullProgress {
    /// `fetching`, `exists` where all layers are here already, `unpacking`, `done` or `failed`.
    pub status: String,
    /// Bytes of the layers that are here.
    pub bytes: u64,
    /// Bytes of all layers that are fetched, as they are stored in the registry; 0 until it is known.
    pub total_bytes: u64,
    /// Bytes of the layers that are here already and are not fetched, as they are stored in the registry.
    #[serde(default)]
    pub existing_bytes: u64,
    /// The image, at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// What went wrong, at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<FailureBody>,
}

/// Body of `POST /images/:name/push`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PushImage {
    /// `REGISTRY/REPOSITORY`, with `:TAG` or `latest`; the name of the image when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "registry.example.com/team/app:1.2")]
    pub reference: Option<String>,
}

/// An image that was pushed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushedImage {
    /// Where it is now.
    #[schema(example = "registry.example.com/team/app:1.2")]
    pub reference: String,
    /// SHA-256 of its manifest: by this it can be pulled whatever its tag becomes.
    #[schema(example = "sha256:9b2c…")]
    pub manifest_digest: String,
    /// Bytes of its layer, compressed.
    pub size_bytes: u64,
}

/// One line of the progress of a build. The last has `image` or `error`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuildProgress {
    /// `building`, `pulling` an image that it needs, `unpacking`, `done` or `failed`.
    pub status: String,
    /// What its steps have written since the last line, as far as it is text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// The image, at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// What went wrong, at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<FailureBody>,
}

/// One line of the progress of a push. The last has `pushed` or `error`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushProgress {
    /// `packing`, `pushing`, `exists` where the registry has the layer already, `done` or `failed`.
    pub status: String,
    /// Bytes of the layer that were sent.
    pub bytes: u64,
    /// Bytes of the layer, compressed; 0 until it is packed.
    pub total_bytes: u64,
    /// What was pushed, at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<PushedImage>,
    /// What went wrong, at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<FailureBody>,
}

/// The HEALTHCHECK of an image. A number that is 0 is left to the default.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageHealthCheck {
    /// `NONE`; `CMD`, a program and its arguments; or `CMD-SHELL` and a line for the shell.
    #[schema(example = json!(["CMD-SHELL", "curl -f http://localhost/"]))]
    pub test: Vec<String>,
    /// Between two checks.
    pub interval_ms: u64,
    /// For one check.
    pub timeout_ms: u64,
    /// After the start, in which failures do not count.
    pub start_period_ms: u64,
    /// Failures in a row that count.
    pub retries: u32,
}
