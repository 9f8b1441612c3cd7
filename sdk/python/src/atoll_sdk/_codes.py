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


class ImageInUse(ApiError):
    """`image_in_use`"""


class InvalidImage(ApiError):
    """`invalid_image`"""


class EmailTaken(ApiError):
    """`email_taken`"""


class SignupClosed(ApiError):
    """`signup_closed`"""


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


class JobNotFound(ApiError):
    """`job_not_found`"""


class TooManyJobs(ApiError):
    """`too_many_jobs`"""


__all__ = [
    "AgentUnreachable",
    "ApiKeyNotFound",
    "BodyTooLarge",
    "CrossDevice",
    "DirectoryNotEmpty",
    "DiskFull",
    "EmailTaken",
    "EventsExpired",
    "ExecNotFound",
    "ExecNotRunning",
    "FileBusy",
    "FileExists",
    "FileNotFound",
    "FileOperationFailed",
    "FilePermissionDenied",
    "FileTooLarge",
    "Forbidden",
    "ImageInUse",
    "ImageNotFound",
    "Internal",
    "InvalidArchive",
    "InvalidCredentials",
    "InvalidImage",
    "InvalidPath",
    "InvalidRequest",
    "IsDirectory",
    "JobNotFound",
    "MethodNotAllowed",
    "NotDirectory",
    "NotRegularFile",
    "QuotaExceeded",
    "RangeNotSatisfiable",
    "RateLimited",
    "ReadOnlyFileSystem",
    "RouteNotFound",
    "RuntimeFailed",
    "SandboxDeleting",
    "SandboxDiskFull",
    "SandboxNotFound",
    "SandboxNotRunning",
    "SandboxPaused",
    "SignupClosed",
    "StdinClosed",
    "StdinOffset",
    "TerminalEnded",
    "TerminalNotFound",
    "TooManyExecs",
    "TooManyFileOperations",
    "TooManyJobs",
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
    "image_in_use": ImageInUse,
    "invalid_image": InvalidImage,
    "email_taken": EmailTaken,
    "signup_closed": SignupClosed,
    "sandbox_not_running": SandboxNotRunning,
    "sandbox_paused": SandboxPaused,
    "sandbox_deleting": SandboxDeleting,
    "exec_not_running": ExecNotRunning,
    "stdin_closed": StdinClosed,
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
    "job_not_found": JobNotFound,
    "too_many_jobs": TooManyJobs,
}
