//! The OpenAPI document, made from the code.

use std::collections::BTreeMap;

use atoll_api_types::{
    Accepted, AdminRuntime, AdminSession, AdminUser, ApiKey, AuditCheck, AuditEntry, AuthData, BuildProgress,
    BulkResult, ClassLink, ClassLinkEntry, CreatedApiKey, CreatedInvitation, CreatedSandboxes, Deleted,
    DoctorReport, Environment, EnvironmentDiff, EnvironmentVersion, Event, Exec, ExecEvent, Failure,
    FieldError, File, FileEvent, FileMatches, Health, Image, Invitation, Job, LogLine, Logs, Metrics,
    MetricsHistory, Probe, PublicSession, PullProgress, PushProgress, PushedImage, RotatedMasterKey, Sandbox,
    Secret, Session, Terminal, TerminalCommand, TerminalControl, UnpackedArchive, Usage, User, UserQuota,
};
use atoll_types::ErrorCode;
use axum::http::Method;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{
    ApiKey as KeyPlace, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme,
};
use utoipa::openapi::{
    Components, HttpMethod, ObjectBuilder, PathItem, Ref, RefOr, Required, Schema, SecurityRequirement, Type,
};
use utoipa::{OpenApi, ToSchema};

use crate::access::needed;
use crate::idempotent::{CREATES, KEY_HEADER};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Atoll",
        description = "Isolated Linux machines in milliseconds: the public API of Atoll.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "auth", description = "Accounts and tokens"),
        (name = "API keys", description = "Keys for programs"),
        (name = "admin", description = "For the role admin"),
        (name = "environments", description = "Named, versioned definitions of sandboxes"),
        (name = "sandboxes", description = "Sandboxes and their state"),
        (name = "execs", description = "Commands in a sandbox"),
        (name = "terminals", description = "A screen and a keyboard in a sandbox"),
        (name = "background", description = "Commands that start again by themselves"),
        (name = "images", description = "What sandboxes are made of"),
        (name = "files", description = "Files of a sandbox, as one of its users sees them"),
        (name = "sessions", description = "Anonymous sandboxes for a public web page"),
        (name = "audit", description = "Who did what"),
        (name = "usage", description = "Quotas, and what is used of them"),
        (name = "events", description = "What happens, as it happens"),
        (name = "health", description = "For probes and monitors; without the envelope")
    )
)]
struct Base;

/// The document before any route is in it.
pub(crate) fn base() -> utoipa::openapi::OpenApi {
    let mut document = Base::openapi();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(
        "token",
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
    );
    let key = SecurityScheme::ApiKey(KeyPlace::Header(ApiKeyValue::new("X-API-Key")));
    components.add_security_scheme("apiKey", key);
    register_responses(components);
    document
}

/// Answers refer to these by name, and nothing else puts them into the document.
fn register_responses(components: &mut Components) {
    let mut schemas = Vec::new();
    macro_rules! register {
        ($($type:ty),* $(,)?) => {
            $(
                schemas.push((<$type as ToSchema>::name().into_owned(), <$type as utoipa::PartialSchema>::schema()));
                <$type as ToSchema>::schemas(&mut schemas);
            )*
        };
    }
    register!(
        Accepted,
        AdminRuntime,
        AdminSession,
        AdminUser,
        ApiKey,
        AuditCheck,
        AuditEntry,
        AuthData,
        BulkResult,
        ClassLink,
        ClassLinkEntry,
        CreatedApiKey,
        CreatedInvitation,
        CreatedSandboxes,
        Deleted,
        DoctorReport,
        Event,
        Environment,
        EnvironmentDiff,
        EnvironmentVersion,
        Exec,
        ExecEvent,
        Failure,
        FieldError,
        File,
        FileEvent,
        BuildProgress,
        PullProgress,
        PushProgress,
        PushedImage,
        FileMatches,
        Health,
        Image,
        Invitation,
        Job,
        LogLine,
        Logs,
        Metrics,
        MetricsHistory,
        Probe,
        PublicSession,
        RotatedMasterKey,
        Sandbox,
        Session,
        Secret,
        Terminal,
        TerminalCommand,
        TerminalControl,
        UnpackedArchive,
        Usage,
        User,
        UserQuota,
    );
    components.schemas.extend(schemas);
    list_error_codes(components);
}

/// Makes the code of a failure one of the documented list, so that generated clients know them all.
fn list_error_codes(components: &mut Components) {
    let codes = ErrorCode::ALL.iter().map(|code| code.as_str());
    let text = "Stable code of a failure; docs/errors.md says what each means. Others may be added.";
    let list =
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes)).description(Some(text));
    components.schemas.insert("ErrorCode".to_owned(), list.into());
    if let Some(RefOr::T(Schema::Object(failure))) = components.schemas.get_mut("FailureBody") {
        failure.properties.insert("code".to_owned(), Ref::from_schema_name("ErrorCode").into());
    }
}

/// Notes that the routes of this document need a token, or a key with the scope that stands there.
pub(crate) fn secured(document: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let scope = needed(&method, path).map(|scope| scope.as_str());
            operation.security = Some(vec![
                SecurityRequirement::new("token", Vec::<String>::new()),
                SecurityRequirement::new("apiKey", scope),
            ]);
        }
    }
}

/// Notes which routes take the key of a request that may come again.
pub(crate) fn idempotent(document: &mut utoipa::openapi::OpenApi) {
    for path in CREATES {
        let post = document.paths.paths.get_mut(path).and_then(|item| item.post.as_mut());
        let parameter = ParameterBuilder::new()
            .name(KEY_HEADER)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "A key of one's own, new for each thing that is to be made: the same request under the same key is carried out once in \
                 24 hours, and answered again with `Idempotency-Replayed: true`.",
            ))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).max_length(Some(255))))
            .build();
        if let Some(post) = post {
            post.parameters.get_or_insert_default().push(RefOr::T(parameter));
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    let methods = [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::PATCH];
    let operations = methods.into_iter().zip([get, put, post, delete, patch]);
    operations.filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The document in its final form: a wildcard of a route is a plain parameter there.
pub(crate) fn finished(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let paths = std::mem::take(&mut document.paths.paths);
    let mut paths: BTreeMap<String, PathItem> =
        paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    // The router knows no wildcard with something behind it, so the handler looks for that.
    if let Some(post) = paths.get_mut("/images/{name}").and_then(|item| item.post.take()) {
        paths.insert("/images/{name}/push".to_owned(), PathItem::new(HttpMethod::Post, post));
    }
    document.paths.paths = paths;
    document
}

/// The OpenAPI 3.1 document of every route.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::router::routes().1
}
