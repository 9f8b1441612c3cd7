"""An exception for every error code; docs/errors.md says what each means.

Made by generate.py from the OpenAPI document: change that, not this."""

from __future__ import annotations

from ._failure import ApiError


class InvalidRequest(ApiError):
    """`invalid_request`"""


class Unauthorized(ApiError):
    """`unauthorized`"""


class InvalidCredentials(ApiError):
    """`invalid_credentials`"""


class Forbidden(ApiError):
    """`forbidden`"""


class RouteNotFound(ApiError):
    """`route_not_found`"""


class MethodNotAllowed(ApiError):
    """`method_not_allowed`"""


class SandboxNotFound(ApiError):
    """`sandbox_not_found`"""


class ExecNotFound(ApiError):
    """`exec_not_found`"""


class ApiKeyNotFound(ApiError):
    """`api_key_not_found`"""


class ImageNotFound(ApiError):
    """`image_not_found`"""


class RuntimeUnavailable(ApiError):
    """`runtime_unavailable`"""


class GpuUnavailable(ApiError):
    """`gpu_unavailable`"""


class ImageInUse(ApiError):
    """`image_in_use`"""


class InvalidImage(ApiError):
    """`invalid_image`"""


class InvalidDockerfile(ApiError):
    """`invalid_dockerfile`"""


class BuildFailed(ApiError):
    """`build_failed`"""


class TooManyBuilds(ApiError):
    """`too_many_builds`"""


class RegistryDenied(ApiError):
    """`registry_denied`"""


class RegistryUnavailable(ApiError):
    """`registry_unavailable`"""


class RegistryBusy(ApiError):
    """`registry_busy`"""


class EmailTaken(ApiError):
    """`email_taken`"""


class SignupClosed(ApiError):
    """`signup_closed`"""


class MissingScope(ApiError):
    """`missing_scope`"""


class LoginLocked(ApiError):
    """`login_locked`"""


class AccountDisabled(ApiError):
    """`account_disabled`"""


class SessionEnded(ApiError):
    """`session_ended`"""


class SessionNotFound(ApiError):
    """`session_not_found`"""


class InvalidInvitation(ApiError):
    """`invalid_invitation`"""


class InvitationNotFound(ApiError):
    """`invitation_not_found`"""


class AccountNotFound(ApiError):
    """`account_not_found`"""


class AccountInUse(ApiError):
    """`account_in_use`"""


class LastAdmin(ApiError):
    """`last_admin`"""


class SandboxNotRunning(ApiError):
    """`sandbox_not_running`"""


class SandboxPaused(ApiError):
    """`sandbox_paused`"""


class SandboxDeleting(ApiError):
    """`sandbox_deleting`"""


class ExecNotRunning(ApiError):
    """`exec_not_running`"""


class StdinClosed(ApiError):
    """`stdin_closed`"""


class ExecHasNoTty(ApiError):
    """`exec_has_no_tty`"""


class StdinOffset(ApiError):
    """`stdin_offset`"""


class EventsExpired(ApiError):
    """`events_expired`"""


class BodyTooLarge(ApiError):
    """`body_too_large`"""


class UnsupportedMediaType(ApiError):
    """`unsupported_media_type`"""


class QuotaExceeded(ApiError):
    """`quota_exceeded`"""


class RateLimited(ApiError):
    """`rate_limited`"""


class TooManyExecs(ApiError):
    """`too_many_execs`"""


class FileNotFound(ApiError):
    """`file_not_found`"""


class FileExists(ApiError):
    """`file_exists`"""


class IsDirectory(ApiError):
    """`is_directory`"""


class NotDirectory(ApiError):
    """`not_directory`"""


class NotRegularFile(ApiError):
    """`not_regular_file`"""


class DirectoryNotEmpty(ApiError):
    """`directory_not_empty`"""


class FilePermissionDenied(ApiError):
    """`file_permission_denied`"""


class InvalidPath(ApiError):
    """`invalid_path`"""


class SandboxDiskFull(ApiError):
    """`sandbox_disk_full`"""


class ReadOnlyFileSystem(ApiError):
    """`read_only_file_system`"""


class FileBusy(ApiError):
    """`file_busy`"""


class FileTooLarge(ApiError):
    """`file_too_large`"""


class RangeNotSatisfiable(ApiError):
    """`range_not_satisfiable`"""


class InvalidArchive(ApiError):
    """`invalid_archive`"""


class CrossDevice(ApiError):
    """`cross_device`"""


class UserNotFound(ApiError):
    """`user_not_found`"""


class TooManyFileOperations(ApiError):
    """`too_many_file_operations`"""


class FileOperationFailed(ApiError):
    """`file_operation_failed`"""


class DiskFull(ApiError):
    """`disk_full`"""


class RuntimeFailed(ApiError):
    """`runtime_failed`"""


class AgentUnreachable(ApiError):
    """`agent_unreachable`"""


class Unavailable(ApiError):
    """`unavailable`"""


class TerminalNotFound(ApiError):
    """`terminal_not_found`"""


class TerminalEnded(ApiError):
    """`terminal_ended`"""


class TooManyTerminals(ApiError):
    """`too_many_terminals`"""


class Internal(ApiError):
    """`internal`"""


class EnvironmentNotFound(ApiError):
    """`environment_not_found`"""


class EnvironmentVersionNotFound(ApiError):
    """`environment_version_not_found`"""


class EnvironmentInUse(ApiError):
    """`environment_in_use`"""


class EnvironmentChanged(ApiError):
    """`environment_changed`"""


class SecretNotFound(ApiError):
    """`secret_not_found`"""


class SecretUnreadable(ApiError):
    """`secret_unreadable`"""


class IdempotencyMismatch(ApiError):
    """`idempotency_mismatch`"""


class IdempotencyInProgress(ApiError):
    """`idempotency_in_progress`"""


class IdempotencyInterrupted(ApiError):
    """`idempotency_interrupted`"""


class JobNotFound(ApiError):
    """`job_not_found`"""


class TooManyJobs(ApiError):
    """`too_many_jobs`"""


class SessionsDisabled(ApiError):
    """`sessions_disabled`"""


class SessionsUnavailable(ApiError):
    """`sessions_unavailable`"""


class TooManySessions(ApiError):
    """`too_many_sessions`"""


class InvalidClassLink(ApiError):
    """`invalid_class_link`"""


class ClassLinkNotFound(ApiError):
    """`class_link_not_found`"""


class SandboxNotHealthy(ApiError):
    """`sandbox_not_healthy`"""


__all__ = [
    "AccountDisabled",
    "AccountInUse",
    "AccountNotFound",
    "AgentUnreachable",
    "ApiKeyNotFound",
    "BodyTooLarge",
    "BuildFailed",
    "ClassLinkNotFound",
    "CrossDevice",
    "DirectoryNotEmpty",
    "DiskFull",
    "EmailTaken",
    "EnvironmentChanged",
    "EnvironmentInUse",
    "EnvironmentNotFound",
    "EnvironmentVersionNotFound",
    "EventsExpired",
    "ExecHasNoTty",
    "ExecNotFound",
    "ExecNotRunning",
    "FileBusy",
    "FileExists",
    "FileNotFound",
    "FileOperationFailed",
    "FilePermissionDenied",
    "FileTooLarge",
    "Forbidden",
    "GpuUnavailable",
    "IdempotencyInProgress",
    "IdempotencyInterrupted",
    "IdempotencyMismatch",
    "ImageInUse",
    "ImageNotFound",
    "Internal",
    "InvalidArchive",
    "InvalidClassLink",
    "InvalidCredentials",
    "InvalidDockerfile",
    "InvalidImage",
    "InvalidInvitation",
    "InvalidPath",
    "InvalidRequest",
    "InvitationNotFound",
    "IsDirectory",
    "JobNotFound",
    "LastAdmin",
    "LoginLocked",
    "MethodNotAllowed",
    "MissingScope",
    "NotDirectory",
    "NotRegularFile",
    "QuotaExceeded",
    "RangeNotSatisfiable",
    "RateLimited",
    "ReadOnlyFileSystem",
    "RegistryBusy",
    "RegistryDenied",
    "RegistryUnavailable",
    "RouteNotFound",
    "RuntimeFailed",
    "RuntimeUnavailable",
    "SandboxDeleting",
    "SandboxDiskFull",
    "SandboxNotFound",
    "SandboxNotHealthy",
    "SandboxNotRunning",
    "SandboxPaused",
    "SecretNotFound",
    "SecretUnreadable",
    "SessionEnded",
    "SessionNotFound",
    "SessionsDisabled",
    "SessionsUnavailable",
    "SignupClosed",
    "StdinClosed",
    "StdinOffset",
    "TerminalEnded",
    "TerminalNotFound",
    "TooManyBuilds",
    "TooManyExecs",
    "TooManyFileOperations",
    "TooManyJobs",
    "TooManySessions",
    "TooManyTerminals",
    "Unauthorized",
    "Unavailable",
    "UnsupportedMediaType",
    "UserNotFound",
]

BY_CODE: dict[str, type[ApiError]] = {
    "invalid_request": InvalidRequest,
    "unauthorized": Unauthorized,
    "invalid_credentials": InvalidCredentials,
    "forbidden": Forbidden,
    "route_not_found": RouteNotFound,
    "method_not_allowed": MethodNotAllowed,
    "sandbox_not_found": SandboxNotFound,
    "exec_not_found": ExecNotFound,
    "api_key_not_found": ApiKeyNotFound,
    "image_not_found": ImageNotFound,
    "runtime_unavailable": RuntimeUnavailable,
    "gpu_unavailable": GpuUnavailable,
    "image_in_use": ImageInUse,
    "invalid_image": InvalidImage,
    "invalid_dockerfile": InvalidDockerfile,
    "build_failed": BuildFailed,
    "too_many_builds": TooManyBuilds,
    "registry_denied": RegistryDenied,
    "registry_unavailable": RegistryUnavailable,
    "registry_busy": RegistryBusy,
    "email_taken": EmailTaken,
    "signup_closed": SignupClosed,
    "missing_scope": MissingScope,
    "login_locked": LoginLocked,
    "account_disabled": AccountDisabled,
    "session_ended": SessionEnded,
    "session_not_found": SessionNotFound,
    "invalid_invitation": InvalidInvitation,
    "invitation_not_found": InvitationNotFound,
    "account_not_found": AccountNotFound,
    "account_in_use": AccountInUse,
    "last_admin": LastAdmin,
    "sandbox_not_running": SandboxNotRunning,
    "sandbox_paused": SandboxPaused,
    "sandbox_deleting": SandboxDeleting,
    "exec_not_running": ExecNotRunning,
    "stdin_closed": StdinClosed,
    "exec_has_no_tty": ExecHasNoTty,
    "stdin_offset": StdinOffset,
    "events_expired": EventsExpired,
    "body_too_large": BodyTooLarge,
    "unsupported_media_type": UnsupportedMediaType,
    "quota_exceeded": QuotaExceeded,
    "rate_limited": RateLimited,
    "too_many_execs": TooManyExecs,
    "file_not_found": FileNotFound,
    "file_exists": FileExists,
    "is_directory": IsDirectory,
    "not_directory": NotDirectory,
    "not_regular_file": NotRegularFile,
    "directory_not_empty": DirectoryNotEmpty,
    "file_permission_denied": FilePermissionDenied,
    "invalid_path": InvalidPath,
    "sandbox_disk_full": SandboxDiskFull,
    "read_only_file_system": ReadOnlyFileSystem,
    "file_busy": FileBusy,
    "file_too_large": FileTooLarge,
    "range_not_satisfiable": RangeNotSatisfiable,
    "invalid_archive": InvalidArchive,
    "cross_device": CrossDevice,
    "user_not_found": UserNotFound,
    "too_many_file_operations": TooManyFileOperations,
    "file_operation_failed": FileOperationFailed,
    "disk_full": DiskFull,
    "runtime_failed": RuntimeFailed,
    "agent_unreachable": AgentUnreachable,
    "unavailable": Unavailable,
    "terminal_not_found": TerminalNotFound,
    "terminal_ended": TerminalEnded,
    "too_many_terminals": TooManyTerminals,
    "internal": Internal,
    "environment_not_found": EnvironmentNotFound,
    "environment_version_not_found": EnvironmentVersionNotFound,
    "environment_in_use": EnvironmentInUse,
    "environment_changed": EnvironmentChanged,
    "secret_not_found": SecretNotFound,
    "secret_unreadable": SecretUnreadable,
    "idempotency_mismatch": IdempotencyMismatch,
    "idempotency_in_progress": IdempotencyInProgress,
    "idempotency_interrupted": IdempotencyInterrupted,
    "job_not_found": JobNotFound,
    "too_many_jobs": TooManyJobs,
    "sessions_disabled": SessionsDisabled,
    "sessions_unavailable": SessionsUnavailable,
    "too_many_sessions": TooManySessions,
    "invalid_class_link": InvalidClassLink,
    "class_link_not_found": ClassLinkNotFound,
    "sandbox_not_healthy": SandboxNotHealthy,
}
