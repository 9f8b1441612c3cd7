//! A sandbox as people name it.

use atoll_client::{Client, SandboxFilter};
use atoll_types::SandboxId;

use crate::failure::advised;

/// The id that `text` stands for: itself when it has the form of an id, else that of the only sandbox of this name.
pub(crate) async fn resolve(client: &Client, text: &str) -> anyhow::Result<SandboxId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let sandboxes = client.sandbox_list_all(&SandboxFilter::default()).await?;
    let mut named = sandboxes.iter().filter(|sandbox| sandbox.name.as_deref() == Some(text));
    match (named.next(), named.count()) {
        (Some(sandbox), 0) => Ok(sandbox.id.parse()?),
        (Some(_), more) => Err(advised(
            format!("{} sandboxes have the name {text:?}", more + 1),
            "give the id; `atoll ls` shows it",
        )),
        (None, _) => Err(advised(
            format!("there is no sandbox {text:?}"),
            "`atoll ls` lists your sandboxes, by id and name",
        )),
    }
}
