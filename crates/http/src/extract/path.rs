//! What stands in the path. Text that can be no id names nothing, so it is answered as such.

use std::str::FromStr;

use atoll_types::{
    ApiKeyId, ClassLinkId, EnvironmentId, ErrorCode, ExecId, ImageName, InvitationId, JobId, SandboxId,
    SecretName, SessionId, TerminalName, UserId,
};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use utoipa::IntoParams;

use crate::answer::ApiFailure;

/// The parameters of a path.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

/// Makes them of text.
pub(crate) trait FromPath: Sized {
    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure>;
    /// What is answered when the path is not even text.
    const ABSENT: ErrorCode;
}

impl<S: Send + Sync, T: FromPath> FromRequestParts<S> for Path<T> {
    type Rejection = ApiFailure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiFailure> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| absent(T::ABSENT))?;
        T::from_path(&params).map(Self)
    }
}

fn absent(code: ErrorCode) -> ApiFailure {
    let message = match code {
        ErrorCode::ExecNotFound => "this sandbox has no such exec; GET /sandboxes/{id}/execs lists them",
        ErrorCode::JobNotFound => {
            "this sandbox has no such background job; GET /sandboxes/{id}/background lists them"
        }
        ErrorCode::EnvironmentNotFound => "there is no such environment; GET /environments lists yours",
        ErrorCode::SecretNotFound => {
            "the environment has no such secret; GET /environments/{id}/secrets lists their names"
        }
        ErrorCode::EnvironmentVersionNotFound => {
            "the environment has no such version; GET /environments/{id}/versions lists them"
        }
        ErrorCode::ApiKeyNotFound => "there is no such API key; GET /api-keys lists yours",
        ErrorCode::SessionNotFound => "there is no such session; GET /auth/sessions lists yours",
        ErrorCode::AccountNotFound => "there is no such account; GET /admin/users lists all",
        ErrorCode::InvitationNotFound => "there is no such invitation; GET /admin/invitations lists all",
        ErrorCode::ClassLinkNotFound => "there is no such class link; GET /admin/class-links lists all",
        ErrorCode::TerminalNotFound => "there is no such terminal; GET /sandboxes/{id}/terminals lists them",
        ErrorCode::ImageNotFound => "there is no such image; GET /images lists all",
        ErrorCode::RouteNotFound => "there is no such route; POST /images/NAME/push pushes an image",
        _ => "there is no such sandbox; GET /sandboxes lists yours",
    };
    ApiFailure::new(code, message)
}

fn param<T: FromStr>(params: &RawPathParams, name: &str, code: ErrorCode) -> Result<T, ApiFailure> {
    let text = params.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| absent(code))
}

/// `/sandboxes/{id}`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SandboxPath {
    /// Id of the sandbox.
    #[param(value_type = String, example = "0k3v9qz8m2xa")]
    pub(crate) id: SandboxId,
}

impl FromPath for SandboxPath {
    const ABSENT: ErrorCode = ErrorCode::SandboxNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        Ok(Self { id: param(params, "id", Self::ABSENT)? })
    }
}

/// `/auth/sessions/{id}`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SessionPath {
    /// Id of the log-in.
    #[param(value_type = String, example = "0k3v9qz8m2xa0k3v")]
    pub(crate) id: SessionId,
}

impl FromPath for SessionPath {
    const ABSENT: ErrorCode = ErrorCode::SessionNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        Ok(Self { id: param(params, "id", Self::ABSENT)? })
    }
}

/// `/sessions/{id}`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PublicSessionPath {
    /// Id of the session, which is the right to it.
    #[param(example = "0k3v9qz8m2xa.pZ0nTUpU8AZD5FAzSZGd5NvWNpJ8ZgG4cYd1rcJsYIk")]
    pub(crate) id: String,
}

impl FromPath for PublicSessionPath {
    const ABSENT: ErrorCode = ErrorCode::SessionNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        Ok(Self { id: param(params, "id", Self::ABSENT)? })
    }
}

/// `/admin/users/{id}` and `/admin/quotas/{id}`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UserPath {
    /// Id of the account.
    #[param(value_type = String, example = "0k3v9qz8m2xa0k3v")]
    pub(crate) id: UserId,
}

impl FromPath for UserPath {
    const ABSENT: ErrorCode = ErrorCode::AccountNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        Ok(Self { id: param(params, "id", Self::ABSENT)? })
    }
}

/// `/admin/invitations/{id}`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InvitationPath {
    /// Id of the invitation.
    #[param(value_type = String, example = "0k3v9qz8m2xa0k3v")]
    pub(crate) id: InvitationId,
}

impl FromPath for InvitationPath {
    const ABSENT: ErrorCode = ErrorCode::InvitationNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        Ok(Self { id: param(params, "id", Self::ABSENT)? })
    }
}

/// `/admin/class-links/{id}`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ClassLinkPath {
    /// Id of the class link.
    #[param(value_type = String, example = "0k3v9qz8m2xa0k3v")]
    pub(crate) id: ClassLinkId,
}

impl FromPath for ClassLinkPath {
    const ABSENT: ErrorCode = ErrorCode::ClassLinkNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        Ok(Self { id: param(params, "id", Self::ABSENT)? })
    }
}

/// `/sandboxes/{id}/execs/{exec_id}`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ExecPath {
    /// Id of the sandbox.
    #[param(value_type = String, example = "0k3v9qz8m2xa")]
    pub(crate) id: SandboxId,
    /// Id of the exec.
    #[param(value_type = String, example = "0k3v9qz8m2xa0k3v9qz8")]
    pub(crate) exec_id: ExecId,
}

impl FromPath for ExecPath {
    const ABSENT: ErrorCode = ErrorCode::ExecNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        let id = param(params, "id", ErrorCode::SandboxNotFound)?;
        Ok(Self { id, exec_id: param(params, "exec_id", Self::ABSENT)? })
    }
}

/// `/sandboxes/{id}/terminals/{name}`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TerminalPath {
    /// Id of the sandbox.
    #[param(value_type = String, example = "0k3v9qz8m2xa")]
    pub(crate) id: SandboxId,
    /// Name of the terminal.
    #[param(value_type = String, example = "main")]
    pub(crate) name: TerminalName,
}

impl FromPath for TerminalPath {
    const ABSENT: ErrorCode = ErrorCode::TerminalNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        let id = param(params, "id", ErrorCode::SandboxNotFound)?;
        Ok(Self { id, name: param(params, "name", Self::ABSENT)? })
    }
}

/// `/sandboxes/{id}/background/{job_id}`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct JobPath {
    /// Id of the sandbox.
    #[param(value_type = String, example = "0k3v9qz8m2xa")]
    pub(crate) id: SandboxId,
    /// Id of the job.
    #[param(value_type = String, example = "0k3v9qz8m2xa0k3v")]
    pub(crate) job_id: JobId,
}

impl FromPath for JobPath {
    const ABSENT: ErrorCode = ErrorCode::JobNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        let id = param(params, "id", ErrorCode::SandboxNotFound)?;
        Ok(Self { id, job_id: param(params, "job_id", Self::ABSENT)? })
    }
}

/// `/environments/{id}`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct EnvironmentPath {
    /// Id of the environment.
    #[param(value_type = String, example = "0k3v9qz8m2xa0k3v")]
    pub(crate) id: EnvironmentId,
}

impl FromPath for EnvironmentPath {
    const ABSENT: ErrorCode = ErrorCode::EnvironmentNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        Ok(Self { id: param(params, "id", Self::ABSENT)? })
    }
}

/// `/environments/{id}/versions/{version}`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct EnvironmentVersionPath {
    /// Id of the environment.
    #[param(value_type = String, example = "0k3v9qz8m2xa0k3v")]
    pub(crate) id: EnvironmentId,
    /// Number of the version, from 1.
    pub(crate) version: u32,
}

impl FromPath for EnvironmentVersionPath {
    const ABSENT: ErrorCode = ErrorCode::EnvironmentVersionNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        let id = param(params, "id", ErrorCode::EnvironmentNotFound)?;
        Ok(Self { id, version: param(params, "version", Self::ABSENT)? })
    }
}

/// `/environments/{id}/secrets/{key}`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SecretPath {
    /// Id of the environment.
    #[param(value_type = String, example = "0k3v9qz8m2xa0k3v")]
    pub(crate) id: EnvironmentId,
    /// Name of the secret.
    #[param(value_type = String, example = "API_KEY")]
    pub(crate) key: SecretName,
}

impl FromPath for SecretPath {
    const ABSENT: ErrorCode = ErrorCode::SecretNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        let id = param(params, "id", ErrorCode::EnvironmentNotFound)?;
        Ok(Self { id, key: param(params, "key", Self::ABSENT)? })
    }
}

/// `/api-keys/{id}`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ApiKeyPath {
    /// Id of the key.
    #[param(value_type = String)]
    pub(crate) id: ApiKeyId,
}

impl FromPath for ApiKeyPath {
    const ABSENT: ErrorCode = ErrorCode::ApiKeyNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        Ok(Self { id: param(params, "id", Self::ABSENT)? })
    }
}

/// `/images/{name}`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ImagePath {
    /// Name of the image, as it is or percent-encoded: it may hold `/` and `:`.
    #[param(value_type = String, example = "debian:12")]
    pub(crate) name: ImageName,
}

impl FromPath for ImagePath {
    const ABSENT: ErrorCode = ErrorCode::ImageNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        Ok(Self { name: param(params, "name", Self::ABSENT)? })
    }
}

/// `/images/{name}/push`. A name may hold `/`, so the route has all of it, and what it ends with is told here.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ImagePushPath {
    /// Name of the image, as it is or percent-encoded: it may hold `/` and `:`.
    #[param(value_type = String, example = "debian:12")]
    pub(crate) name: ImageName,
}

impl FromPath for ImagePushPath {
    const ABSENT: ErrorCode = ErrorCode::ImageNotFound;

    fn from_path(params: &RawPathParams) -> Result<Self, ApiFailure> {
        let path = params.iter().find(|(key, _)| *key == "name").map(|(_, value)| value);
        let Some(name) = path.and_then(|path| path.strip_suffix("/push")) else {
            return Err(absent(ErrorCode::RouteNotFound));
        };
        Ok(Self { name: name.parse().map_err(|_| absent(Self::ABSENT))? })
    }
}
