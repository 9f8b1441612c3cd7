//! `GET /admin/runtimes`

use atoll_api_types::AdminRuntime;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Page};
use crate::convert::runtime;

/// List the runtimes of this machine, and how they are.
#[utoipa::path(get, path = "/admin/runtimes", tag = "admin")]
pub(crate) async fn list_runtimes(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
) -> Result<Page<AdminRuntime>, ApiFailure> {
    let infos = api.engine().admin_runtimes(&caller).await?;
    let items = infos.into_iter().map(|info| AdminRuntime {
        name: runtime(info.kind).to_owned(),
        status: if info.available { "ok" } else { "unavailable" }.to_owned(),
        disk_limits: info.disk_limits,
        networks: info.no_networks.is_none(),
        gpus: info.no_gpus.is_none(),
        notes: info.notes,
    });
    Ok(Page { items: items.collect(), next_cursor: None })
}
