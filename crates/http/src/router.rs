//! Every route.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::from_fn_with_state;
use tower_http::cors::CorsLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::authenticate;
use crate::answer::{ApiFailure, observe};
use crate::audit::audited;
use crate::idempotent::idempotent;
use crate::limit::{limit_public, no_route};
use crate::public_sessions::limit_sessions;
use crate::{
    Api, admin, api_keys, audit, auth, environments, events, execs, files, health, images, jobs, metrics,
    openapi, pages, public_sessions, sandboxes, terminal, usage,
};

/// Time that a browser need not ask again whether a page may: what browsers take at most.
const CORS_KEPT: Duration = Duration::from_secs(7_200);

/// Routes that anybody may call.
fn public() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(auth::signup::signup))
        .routes(routes!(auth::login::login))
        .routes(routes!(auth::refresh::refresh))
        .routes(routes!(health::show::get_health))
        .routes(routes!(health::ready::get_readiness))
        .routes(routes!(health::live::get_liveness))
        .routes(routes!(metrics::get_metrics))
}

/// Routes of public sessions: anybody may call them, from pages of the sites that the operator lists.
fn sessions() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(public_sessions::create::begin_public_session)).routes(routes!(
        public_sessions::attach::open_public_session,
        public_sessions::delete::end_public_session
    ))
}

/// Routes that need a token or a key.
fn protected() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(auth::me::me))
        .routes(routes!(auth::logout::log_out))
        .routes(routes!(auth::password::change_password))
        .routes(routes!(auth::sessions::list_sessions))
        .routes(routes!(auth::end_session::end_session))
        .routes(routes!(admin::list_users::list_users))
        .routes(routes!(
            admin::get_user::get_user,
            admin::change_user::change_user,
            admin::delete_user::delete_user
        ))
        .routes(routes!(admin::invite::create_invitation, admin::list_invitations::list_invitations))
        .routes(routes!(admin::delete_invitation::delete_invitation))
        .routes(routes!(admin::list_runtimes::list_runtimes))
        .routes(routes!(api_keys::create::create_api_key, api_keys::list::list_api_keys))
        .routes(routes!(api_keys::delete::delete_api_key))
        .routes(routes!(
            sandboxes::create::create_sandbox,
            sandboxes::list::list_sandboxes,
            sandboxes::bulk::delete_sandboxes
        ))
        .routes(routes!(sandboxes::bulk::stop_sandboxes))
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
        .routes(routes!(images::delete::delete_image, images::push::push_image))
        .routes(routes!(images::build::build_image))
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
        .routes(routes!(sandboxes::replicate::replicate_sandbox))
        .routes(routes!(environments::create::create_environment, environments::list::list_environments))
        .routes(routes!(
            environments::get::get_environment,
            environments::update::update_environment,
            environments::delete::delete_environment
        ))
        .routes(routes!(environments::secrets::set_secret, environments::secrets::list_secrets))
        .routes(routes!(environments::secrets::delete_secret))
        .routes(routes!(environments::secrets::rotate_master_key))
        .routes(routes!(environments::versions::list_environment_versions))
        .routes(routes!(environments::version::get_environment_version))
        .routes(routes!(environments::diff::diff_environment_versions))
        .routes(routes!(jobs::create::create_job, jobs::list::list_jobs))
        .routes(routes!(jobs::get::get_job, jobs::delete::delete_job))
        .routes(routes!(jobs::logs::get_job_logs))
        .routes(routes!(audit::list::list_audit))
        .routes(routes!(audit::verify::verify_audit))
        .routes(routes!(events::listen_to_events))
        .routes(routes!(usage::show::get_usage))
        .routes(routes!(usage::quotas::get_user_quota, usage::quotas::set_user_quota))
        .routes(routes!(sandboxes::history::get_metrics_history))
        .routes(routes!(admin::doctor::get_doctor))
        .routes(routes!(
            public_sessions::class_link::create_class_link,
            public_sessions::class_link::list_class_links
        ))
        .routes(routes!(public_sessions::class_link::delete_class_link))
        .routes(routes!(public_sessions::list::list_public_sessions))
}

/// The tables.
pub(crate) struct Tables {
    public: Router<Api>,
    sessions: Router<Api>,
    protected: Router<Api>,
}

/// The tables, and the document of all.
pub(crate) fn routes() -> (Tables, utoipa::openapi::OpenApi) {
    let (public, open) = public().split_for_parts();
    let (sessions, anonymous) = sessions().split_for_parts();
    let (protected, mut closed) = protected().split_for_parts();
    openapi::secured(&mut closed);
    openapi::idempotent(&mut closed);
    let mut document = openapi::base();
    document.merge(open);
    document.merge(anonymous);
    document.merge(closed);
    (Tables { public, sessions, protected }, openapi::finished(document))
}

/// Lets pages of the sites that may, use this API. Others' pages are kept from it by their browsers.
fn cors<'a>(sites: impl Iterator<Item = &'a String>) -> CorsLayer {
    let name = HeaderName::from_static;
    let origins: Vec<HeaderValue> = sites.filter_map(|site| site.parse().ok()).collect();
    CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(
            ["authorization", "content-type", "x-api-key", "idempotency-key", "traceparent"].map(name),
        )
        .expose_headers(
            ["x-trace-id", "retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]
                .map(name),
        )
        .max_age(CORS_KEPT)
}

/// The whole API as a service. Whoever is not known reaches the public routes and the documentation alone.
pub fn router(api: Api) -> Router {
    let (Tables { public, sessions, protected }, _) = routes();
    let limited = || from_fn_with_state(api.clone(), limit_public);
    let noted = || from_fn_with_state(api.clone(), audited);
    let protection = &api.settings().access.protection;
    let sites = &protection.cors_origins;
    let session_sites = protection.sessions.iter().flat_map(|sessions| &sessions.origins);
    // Sites that may begin sessions may do nothing else.
    let sessions = sessions
        .route_layer(noted())
        .route_layer(from_fn_with_state(api.clone(), limit_sessions))
        .method_not_allowed_fallback(async || ApiFailure::no_method())
        .layer(cors(sites.iter().chain(session_sites)));
    let router = protected
        .route_layer(noted())
        // Outside of the audit log: what is answered again is not done again.
        .route_layer(from_fn_with_state(api.clone(), idempotent))
        .route_layer(from_fn_with_state(api.clone(), authenticate))
        .merge(public.route_layer(noted()).route_layer(limited()))
        .merge(pages::pages().layer(limited()))
        .fallback(no_route)
        .method_not_allowed_fallback(async || ApiFailure::no_method());
    let router = if sites.is_empty() { router } else { router.layer(cors(sites.iter())) }.merge(sessions);
    router.layer(from_fn_with_state(api.clone(), observe)).with_state(api)
}
