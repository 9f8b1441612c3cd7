//! The one failure of every route.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use atoll_api_types::{Failure, FailureBody, FieldError};
use atoll_engine::EngineError;
use atoll_types::ErrorCode;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::openapi::{ContentBuilder, RefOr, ResponseBuilder, ResponsesBuilder};
use utoipa::{IntoResponses, PartialSchema};

use super::TraceId;
use crate::limit::Standing;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Said in place of what went wrong inside: that is for the operator, in the log.
const INTERNAL: &str =
    "Atoll failed to do this, and it is not your fault; the trace id finds the reason in the server's log";

/// Why a request failed. It becomes a body where the trace id is known: in [`super::observe()`].
#[derive(Debug)]
pub(crate) struct ApiFailure {
    code: ErrorCode,
    message: String,
    details: Option<Value>,
    /// When to try again, where it is known; else by the code.
    retry_after_seconds: Option<u64>,
    source: Option<Source>,
}

/// A failure on its way to [`super::observe()`]; a response's extensions must be `Clone`.
#[derive(Debug, Clone)]
struct Pending(Arc<ApiFailure>);

impl ApiFailure {
    /// A failure with a sentence for the caller.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, retry_after_seconds: None, source: None }
    }

    /// `invalid_request`, naming every field that is wrong.
    pub(crate) fn fields(problems: Vec<FieldError>) -> Self {
        let mut message = String::new();
        for problem in &problems {
            let separator = if message.is_empty() { "" } else { "; " };
            // Writing to a String cannot fail.
            let _written = write!(message, "{separator}{}: {}", problem.field, problem.message);
        }
        Self { details: Some(json!(problems)), ..Self::new(ErrorCode::InvalidRequest, message) }
    }

    /// `invalid_request` for one field.
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// With more for programs.
    pub(crate) fn with_details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }

    /// With its cause, for the log.
    pub(crate) fn because(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// A defect of ours.
    pub(crate) fn internal(source: impl Into<Source>) -> Self {
        Self::new(ErrorCode::Internal, INTERNAL).because(source)
    }

    /// The code of a failure that is on its way.
    pub(crate) fn code_of(response: &Response) -> Option<ErrorCode> {
        response.extensions().get::<Pending>().map(|Pending(failure)| failure.code)
    }

    pub(crate) fn code(&self) -> ErrorCode {
        self.code
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Its body, for an answer or a message of a stream. What is ours to mend is logged, once, here.
    pub(crate) fn body(&self, trace: &TraceId) -> Failure {
        self.log(trace);
        let body = FailureBody {
            code: self.code.as_str().to_owned(),
            message: self.message.clone(),
            details: self.details.clone(),
            trace_id: trace.as_str().to_owned(),
        };
        Failure { success: false, error: body }
    }

    fn log(&self, trace: &TraceId) {
        let code = self.code.as_str();
        match self.status().as_u16() {
            500 => {
                tracing::error!(trace_id = %trace, code, "request failed: {}{}", self.message, self.causes())
            }
            501.. => {
                tracing::warn!(trace_id = %trace, code, "request failed: {}{}", self.message, self.causes())
            }
            _ => {
                tracing::debug!(trace_id = %trace, code, "request refused: {}{}", self.message, self.causes())
            }
        }
    }

    fn causes(&self) -> String {
        let mut text = String::new();
        let mut source = self.source.as_deref().map(|source| source as &dyn std::error::Error);
        while let Some(cause) = source {
            // Writing to a String cannot fail.
            let _written = write!(text, ": {cause}");
            source = cause.source();
        }
        text
    }

    fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after_seconds.or_else(|| self.retry_after_of_code())
    }

    fn retry_after_of_code(&self) -> Option<u64> {
        match self.code {
            ErrorCode::QuotaExceeded
            | ErrorCode::DiskFull
            | ErrorCode::RegistryBusy
            | ErrorCode::TooManyBuilds
            | ErrorCode::TooManySessions
            | ErrorCode::SessionsUnavailable => Some(60),
            ErrorCode::RateLimited => Some(5),
            ErrorCode::TooManyExecs
            | ErrorCode::TooManyTerminals
            | ErrorCode::TooManyFileOperations
            | ErrorCode::TooManyJobs
            | ErrorCode::IdempotencyInProgress
            | ErrorCode::Unavailable => Some(1),
            ErrorCode::InvalidRequest
            | ErrorCode::Unauthorized
            | ErrorCode::InvalidCredentials
            | ErrorCode::Forbidden
            | ErrorCode::RouteNotFound
            | ErrorCode::MethodNotAllowed
            | ErrorCode::SandboxNotFound
            | ErrorCode::ExecNotFound
            | ErrorCode::ApiKeyNotFound
            | ErrorCode::ImageNotFound
            | ErrorCode::ImageInUse
            | ErrorCode::RuntimeUnavailable
            | ErrorCode::GpuUnavailable
            | ErrorCode::InvalidImage
            | ErrorCode::InvalidDockerfile
            | ErrorCode::BuildFailed
            | ErrorCode::RegistryDenied
            | ErrorCode::RegistryUnavailable
            | ErrorCode::EmailTaken
            | ErrorCode::SignupClosed
            | ErrorCode::MissingScope
            | ErrorCode::LoginLocked
            | ErrorCode::AccountDisabled
            | ErrorCode::SessionEnded
            | ErrorCode::SessionNotFound
            | ErrorCode::InvalidInvitation
            | ErrorCode::InvitationNotFound
            | ErrorCode::AccountNotFound
            | ErrorCode::AccountInUse
            | ErrorCode::LastAdmin
            | ErrorCode::SandboxNotRunning
            | ErrorCode::SandboxPaused
            | ErrorCode::SandboxDeleting
            | ErrorCode::ExecNotRunning
            | ErrorCode::StdinClosed
            | ErrorCode::ExecHasNoTty
            | ErrorCode::StdinOffset
            | ErrorCode::EventsExpired
            | ErrorCode::BodyTooLarge
            | ErrorCode::UnsupportedMediaType
            | ErrorCode::RuntimeFailed
            | ErrorCode::AgentUnreachable
            | ErrorCode::TerminalNotFound
            | ErrorCode::TerminalEnded
            | ErrorCode::FileNotFound
            | ErrorCode::FileExists
            | ErrorCode::IsDirectory
            | ErrorCode::NotDirectory
            | ErrorCode::NotRegularFile
            | ErrorCode::DirectoryNotEmpty
            | ErrorCode::FilePermissionDenied
            | ErrorCode::InvalidPath
            | ErrorCode::SandboxDiskFull
            | ErrorCode::ReadOnlyFileSystem
            | ErrorCode::FileBusy
            | ErrorCode::FileTooLarge
            | ErrorCode::RangeNotSatisfiable
            | ErrorCode::InvalidArchive
            | ErrorCode::CrossDevice
            | ErrorCode::UserNotFound
            | ErrorCode::FileOperationFailed
            | ErrorCode::IdempotencyMismatch
            | ErrorCode::IdempotencyInterrupted
            | ErrorCode::SecretNotFound
            | ErrorCode::SecretUnreadable
            | ErrorCode::EnvironmentNotFound
            | ErrorCode::EnvironmentVersionNotFound
            | ErrorCode::EnvironmentInUse
            | ErrorCode::EnvironmentChanged
            | ErrorCode::Internal
            | ErrorCode::JobNotFound
            | ErrorCode::SessionsDisabled
            | ErrorCode::InvalidClassLink
            | ErrorCode::ClassLinkNotFound
            | ErrorCode::SandboxNotHealthy => None,
        }
    }

    /// Gives a response the body of the failure that it stands for. One that the framework made gets the code that its
    /// status has here.
    pub(crate) fn render(mut response: Response, trace: &TraceId) -> Response {
        if let Some(Pending(failure)) = response.extensions_mut().remove::<Pending>() {
            let mut rendered = failure.rendered(trace);
            // What other layers have said stays: limits, cookies, other sites that may read it.
            for (name, value) in response.headers() {
                if !rendered.headers().contains_key(name) {
                    rendered.headers_mut().append(name, value.clone());
                }
            }
            return rendered;
        }
        let status = response.status();
        let is_ours =
            response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json");
        if is_ours || !(status.is_client_error() || status.is_server_error()) {
            return response;
        }
        Self::of_status(status).rendered(trace)
    }

    fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::no_route(),
            StatusCode::METHOD_NOT_ALLOWED => Self::no_method(),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(ErrorCode::BodyTooLarge, "the body is too large"),
            status if status.is_client_error() => Self::new(
                ErrorCode::InvalidRequest,
                "the request is malformed; /docs shows what would be right",
            ),
            status => Self::internal(format!("a handler answered {status} without a reason")),
        }
    }

    /// Nobody may ask so often.
    pub(crate) fn rate_limited(standing: &Standing) -> Self {
        let seconds = standing.retry_after_seconds();
        Self::too_soon(seconds, format!("too many requests: try again in {seconds} s"))
    }

    /// What may not be done so soon, with the seconds until it may.
    pub(crate) fn too_soon(seconds: u64, text: impl Into<String>) -> Self {
        Self { retry_after_seconds: Some(seconds), ..Self::new(ErrorCode::RateLimited, text) }
    }

    /// Nothing is at this path.
    pub(crate) fn no_route() -> Self {
        Self::new(ErrorCode::RouteNotFound, "there is no such route; /docs lists all")
    }

    /// The path exists with other methods.
    pub(crate) fn no_method() -> Self {
        Self::new(
            ErrorCode::MethodNotAllowed,
            "this route does not take this method; /docs lists those that it takes",
        )
    }

    fn rendered(&self, trace: &TraceId) -> Response {
        let mut response = super::success::json(self.status(), &self.body(trace));
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<EngineError> for ApiFailure {
    fn from(error: EngineError) -> Self {
        if error.code == ErrorCode::Internal {
            return Self::internal(error);
        }
        let details = if error.fields.is_empty() {
            let first = error.first_seq.map(|first| json!({ "firstSeq": first }));
            first
                .or_else(|| error.expected_offset.map(|offset| json!({ "expectedOffset": offset })))
                .or_else(|| error.size_bytes.map(|size| json!({ "size": size })))
        } else {
            let field = |problem: &atoll_engine::FieldProblem| FieldError {
                field: problem.field.clone(),
                message: problem.message.clone(),
            };
            Some(json!(error.fields.iter().map(field).collect::<Vec<_>>()))
        };
        let retry_after_seconds = error.retry_after_seconds.map(u64::from);
        Self { code: error.code, message: error.message, details, retry_after_seconds, source: error.source }
    }
}

impl IntoResponse for ApiFailure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Pending(Arc::new(self)));
        response
    }
}

impl IntoResponses for ApiFailure {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let content = || ContentBuilder::new().schema(Some(Failure::schema())).build();
        let failure =
            |text: &str| ResponseBuilder::new().description(text).content("application/json", content());
        ResponsesBuilder::new()
            .response("4XX", failure("The request is refused; `error.code` says why."))
            .response("5XX", failure("Atoll failed; `error.code` says whether to try again."))
            .build()
            .into()
    }
}
