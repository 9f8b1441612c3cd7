//! Every route.

use axum::Router;
use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::authenticate;
use crate::answer::{ApiFailure, observe};
use crate::audit::audited;
use crate::{
    Api, api_keys, audit, auth, events, execs, files, health, images, jobs, metrics, openapi, pages,
    sandboxes, terminal, usage,
};

/// Routes that anybody may call.
fn public() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(auth::signup::signup))
        .routes(routes!(auth::login::login))
        .routes(routes!(health::show::get_health))
        .routes(routes!(health::ready::get_readiness))
        .routes(routes!(health::live::get_liveness))
        .routes(routes!(metrics::get_metrics))
}

/// Routes that need a token or a key.
fn protected() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(auth::me::me))
        .routes(routes!(api_keys::create::create_api_key, api_keys::list::list_api_keys))
        .routes(routes!(api_keys::delete::delete_api_key))
        .routes(routes!(sandboxes::create::create_sandbox, sandboxes::list::list_sandboxes))
        .routes(routes!(sandboxes::get::get_sandbox, sandboxes::delete::delete_sandbox))
        .routes(routes!(sandboxes::start::start_sandbox))
        .routes(routes!(sandboxes::stop::stop_sandbox))
        .routes(routes!(sandboxes::restart::restart_sandbox))
        .routes(routes!(sandboxes::keepalive::keep_sandbox_alive))
        .routes(routes!(sandboxes::logs::get_sandbox_logs))
        .routes(routes!(execs::run::run_exec))
        .routes(routes!(execs::list::list_execs))
        .routes(routes!(execs::get::get_exec))
        .routes(routes!(execs::stdin::write_exec_stdin))
        .routes(routes!(execs::signal::signal_exec))
        .routes(routes!(execs::resize::resize_exec))
        .routes(routes!(execs::stream::stream_exec))
        .routes(routes!(images::import::import_image, images::list::list_images))
        .routes(routes!(images::delete::delete_image))
        .routes(routes!(terminal::attach::open_terminal))
        .routes(routes!(terminal::attach::open_terminal_ws))
        .routes(routes!(terminal::resize::resize_terminal))
        .routes(routes!(terminal::list::list_terminals))
        .routes(routes!(terminal::close::close_terminal))
        .routes(routes!(files::list::list_files, files::write::write_file))
        .routes(routes!(files::read::read_file, files::delete::delete_file, files::change::change_file))
        .routes(routes!(files::archive::get_archive, files::archive::put_archive))
        .routes(routes!(files::search::search_files))
        .routes(routes!(files::watch::watch_files))
        .routes(routes!(sandboxes::pause::pause_sandbox))
        .routes(routes!(sandboxes::resume::resume_sandbox))
        .routes(routes!(sandboxes::metrics::get_sandbox_metrics))
        .routes(routes!(sandboxes::follow_logs::follow_sandbox_logs))
        .routes(routes!(jobs::create::create_job, jobs::list::list_jobs))
        .routes(routes!(jobs::get::get_job, jobs::delete::delete_job))
        .routes(routes!(jobs::logs::get_job_logs))
        .routes(routes!(audit::list::list_audit))
        .routes(routes!(audit::verify::verify_audit))
        .routes(routes!(events::listen_to_events))
        .routes(routes!(usage::show::get_usage))
        .routes(routes!(usage::quotas::get_user_quota, usage::quotas::set_user_quota))
        .routes(routes!(sandboxes::history::get_metrics_history))
}

/// The two tables, and the document of both.
pub(crate) fn routes() -> ((Router<Api>, Router<Api>), utoipa::openapi::OpenApi) {
    let (public, open) = public().split_for_parts();
    let (protected, mut closed) = protected().split_for_parts();
    openapi::secured(&mut closed);
    let mut document = openapi::base();
    document.merge(open);
    document.merge(closed);
    ((public, protected), openapi::finished(document))
}

/// The whole API as a service. Whoever is not known reaches the public routes and the documentation alone.
pub fn router(api: Api) -> Router {
    let ((public, protected), _) = routes();
    protected
        .route_layer(from_fn_with_state(api.clone(), audited))
        .route_layer(from_fn_with_state(api.clone(), authenticate))
        .merge(public.route_layer(from_fn_with_state(api.clone(), audited)))
        .merge(pages::pages())
        .fallback(async || ApiFailure::no_route())
        .method_not_allowed_fallback(async || ApiFailure::no_method())
        .layer(from_fn_with_state(api.clone(), observe))
        .with_state(api)
}
