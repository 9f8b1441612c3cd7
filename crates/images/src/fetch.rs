//! From a reference to an archive.

use atoll_oci::{
    DOCUMENT_BYTES_MAX, INDEXES_MAX, LAYERS_MAX, NotChosen, choose, digest_of, is_index, runs_here, sha256,
};
use atoll_ports::{Fetched, Images, PullProgress, RegistryError};
use atoll_types::ImageDigest;
use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType};
use serde::Deserialize;
use serde_json::json;

use crate::layer::Layer;
use crate::layout::Layout;
use crate::session::Session;

/// Documents that name an image, or several.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// A manifest as it came.
struct Manifest {
    digest: String,
    bytes: Vec<u8>,
    parsed: ImageManifest,
}

/// Enough of a document to tell what it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
}

/// Fetches an image into a file, of at most `bytes_max` bytes.
pub(crate) async fn fetch(
    session: &mut Session<'_>,
    file: std::fs::File,
    bytes_max: u64,
    known: Option<&dyn Images>,
    progress: &(dyn Fn(PullProgress) + Send + Sync),
) -> Result<Fetched, RegistryError> {
    let manifest = manifest(session).await?;
    let layers = layers(&manifest.parsed)?;
    let sum = |layers: &[Layer<'_>]| layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.bytes));
    let all_bytes = sum(&layers);
    if all_bytes > bytes_max {
        return Err(RegistryError::TooLarge { bytes: all_bytes, max: bytes_max });
    }
    let config = config(session, manifest.parsed.config()).await?;
    let left_out = known_layers(known, &layers).await;
    let total_bytes = sum(&layers[left_out..]);
    progress(PullProgress::Found {
        layers: u32::try_from(layers.len()).unwrap_or(u32::MAX),
        total_bytes,
        existing_bytes: all_bytes.saturating_sub(total_bytes),
    });

    let mut layout = Layout::new(file);
    layout.add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#).await?;
    layout.add("index.json", index(&manifest).as_bytes()).await?;
    layout.add(&blob(&manifest.digest), &manifest.bytes).await?;
    layout.add(&blob(&digest_of(&config)), &config).await?;
    let mut bytes = 0;
    let mut seen = std::collections::HashSet::new();
    for layer in layers.into_iter().skip(left_out) {
        // The same layer may be in an image twice.
        if !seen.insert(layer.digest) {
            continue;
        }
        layout.begin(&blob(layer.digest), layer.bytes).await?;
        let told = |more| {
            bytes += more;
            progress(PullProgress::Fetched { bytes, total_bytes });
        };
        layer.fetch(session, &mut layout, told).await?;
        layout.end(layer.bytes).await?;
    }
    let manifest: ImageDigest = manifest.digest.parse().map_err(|_| invalid("its digest is none"))?;
    Ok(Fetched { archive: layout.finish().await?, left_out, manifest })
}

/// How many of the layers need not be fetched. Where nobody can say, none.
async fn known_layers(known: Option<&dyn Images>, layers: &[Layer<'_>]) -> usize {
    let Some(images) = known else { return 0 };
    let digests: Result<Vec<ImageDigest>, _> = layers.iter().map(|layer| layer.digest.parse()).collect();
    let Ok(digests) = digests else { return 0 };
    images.known_layers(&digests).await.unwrap_or(0).min(layers.len())
}

fn blob(digest: &str) -> String {
    format!("blobs/sha256/{digest}")
}

fn index(manifest: &Manifest) -> String {
    let one = json!({
        "mediaType": MediaType::ImageManifest.to_string(),
        "digest": format!("sha256:{}", manifest.digest), "size": manifest.bytes.len(),
    });
    json!({"schemaVersion": 2, "manifests": [one]}).to_string()
}

fn invalid(why: impl std::fmt::Display) -> RegistryError {
    let why: String = why.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
    RegistryError::Invalid(format!("the image of the registry cannot be used: {why}"))
}

/// The manifest of the image for this host.
async fn manifest(session: &mut Session<'_>) -> Result<Manifest, RegistryError> {
    let reference = session.reference;
    let mut wanted = reference.digest().map(ToString::to_string);
    for _index in 0..=INDEXES_MAX {
        let name = match &wanted {
            Some(digest) => format!("sha256:{digest}"),
            None => reference.tag().to_owned(),
        };
        let response = session.get(&format!("manifests/{name}"), MANIFESTS, 0).await?;
        let bytes = session.read(response, DOCUMENT_BYTES_MAX, "manifest").await?;
        let digest = digest_of(&bytes);
        if let Some(wanted) = &wanted
            && *wanted != digest
        {
            return Err(invalid(format!(
                "a manifest has the digest sha256:{digest}, and sha256:{wanted} was asked for"
            )));
        }
        let kind: Kind = serde_json::from_slice(&bytes).map_err(|_| invalid("its manifest is no JSON"))?;
        let is_list = kind.media_type.as_deref().is_some_and(|media| is_index(&MediaType::from(media)));
        if !is_list && kind.manifests.is_none() {
            let parsed = ImageManifest::from_reader(&*bytes).map_err(invalid)?;
            return Ok(Manifest { digest, bytes, parsed });
        }
        let index = ImageIndex::from_reader(&*bytes).map_err(invalid)?;
        wanted = Some(sha256(choose(index.manifests()).map_err(not_chosen)?).map_err(invalid)?.to_owned());
    }
    Err(invalid("its indexes name each other"))
}

fn not_chosen(error: NotChosen) -> RegistryError {
    invalid(error)
}

fn layers(manifest: &ImageManifest) -> Result<Vec<Layer<'_>>, RegistryError> {
    if manifest.layers().len() > LAYERS_MAX {
        return Err(invalid(format!("it has more than {LAYERS_MAX} layers")));
    }
    let layer = |one| Ok(Layer { digest: sha256(one).map_err(invalid)?, bytes: one.size() });
    manifest.layers().iter().map(layer).collect()
}

/// The configuration, and whether this host runs it: before anything large is fetched.
async fn config(session: &mut Session<'_>, descriptor: &Descriptor) -> Result<Vec<u8>, RegistryError> {
    let digest = sha256(descriptor).map_err(invalid)?;
    let response = session.get(&format!("blobs/sha256:{digest}"), "*/*", 0).await?;
    let bytes = session.read(response, DOCUMENT_BYTES_MAX, "configuration").await?;
    let found = digest_of(&bytes);
    if found != digest {
        return Err(invalid(format!(
            "its configuration has the digest sha256:{found}, and sha256:{digest} was asked for"
        )));
    }
    let config = ImageConfiguration::from_reader(&*bytes).map_err(invalid)?;
    runs_here(config.os(), config.architecture()).map_err(not_chosen)?;
    Ok(bytes)
}
