"""A function for every operation, which makes its request.

Made by generate.py from the OpenAPI document: change that, not this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ._models import (
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
    Deleted,
    DoctorReport,
    Encoding,
    Environment,
    EnvironmentDiff,
    EnvironmentVersion,
    Exec,
    File,
    FileMatches,
    Health,
    HealthCheck,
    Image,
    Invitation,
    Job,
    Logs,
    Metrics,
    MetricsHistory,
    Probe,
    PublicSession,
    PublishPort,
    PushedImage,
    RotatedMasterKey,
    Sandbox,
    Secret,
    Session,
    Terminal,
    Usage,
    User,
    UserQuota,
)
from ._request import Page, Request, enveloped, page, place, present, to_json


def verify_audit(*, seq: int | None = None, hash: str | None = None) -> Request[AuditCheck]:
    """`GET /admin/audit/verify`"""
    return Request(
        "GET",
        "/admin/audit/verify",
        lambda answer: enveloped(answer, AuditCheck.from_json),
        query={"seq": seq, "hash": hash},
    )


def list_class_links(*, cursor: str | None = None, limit: int | None = None) -> Request[Page[ClassLinkEntry]]:
    """`GET /admin/class-links`"""
    return Request(
        "GET",
        "/admin/class-links",
        lambda answer: page(answer, ClassLinkEntry.from_json),
        query={"cursor": cursor, "limit": limit},
    )


def create_class_link(*, expires_in_seconds: int | None = None, sessions: int | None = None) -> Request[ClassLink]:
    """`POST /admin/class-links`"""
    return Request(
        "POST",
        "/admin/class-links",
        lambda answer: enveloped(answer, ClassLink.from_json),
        json=present({"expiresInSeconds": expires_in_seconds, "sessions": sessions}),
    )


def delete_class_link(class_link_id: str) -> Request[Deleted]:
    """`DELETE /admin/class-links/{class_link_id}`"""
    return Request(
        "DELETE",
        f"/admin/class-links/{place(class_link_id)}",
        lambda answer: enveloped(answer, Deleted.from_json),
    )


def get_doctor() -> Request[DoctorReport]:
    """`GET /admin/doctor`"""
    return Request(
        "GET",
        "/admin/doctor",
        lambda answer: enveloped(answer, DoctorReport.from_json),
    )


def list_invitations(*, cursor: str | None = None, limit: int | None = None) -> Request[Page[Invitation]]:
    """`GET /admin/invitations`"""
    return Request(
        "GET",
        "/admin/invitations",
        lambda answer: page(answer, Invitation.from_json),
        query={"cursor": cursor, "limit": limit},
    )


def create_invitation(
    *, email: str | None = None, expires_in_seconds: int | None = None, role: str | None = None
) -> Request[CreatedInvitation]:
    """`POST /admin/invitations`"""
    return Request(
        "POST",
        "/admin/invitations",
        lambda answer: enveloped(answer, CreatedInvitation.from_json),
        json=present({"email": email, "expiresInSeconds": expires_in_seconds, "role": role}),
    )


def delete_invitation(invitation_id: str) -> Request[Deleted]:
    """`DELETE /admin/invitations/{invitation_id}`"""
    return Request(
        "DELETE",
        f"/admin/invitations/{place(invitation_id)}",
        lambda answer: enveloped(answer, Deleted.from_json),
    )


def rotate_master_key() -> Request[RotatedMasterKey]:
    """`POST /admin/master-key/rotate`"""
    return Request(
        "POST",
        "/admin/master-key/rotate",
        lambda answer: enveloped(answer, RotatedMasterKey.from_json),
    )


def get_user_quota(quota_id: str) -> Request[UserQuota]:
    """`GET /admin/quotas/{quota_id}`"""
    return Request(
        "GET",
        f"/admin/quotas/{place(quota_id)}",
        lambda answer: enveloped(answer, UserQuota.from_json),
    )


def set_user_quota(
    quota_id: str,
    *,
    cpu: float | None = None,
    egress: int | None = None,
    execs_per_hour: int | None = None,
    memory: int | None = None,
    sandboxes: int | None = None,
    storage: int | None = None,
) -> Request[UserQuota]:
    """`PUT /admin/quotas/{quota_id}`"""
    return Request(
        "PUT",
        f"/admin/quotas/{place(quota_id)}",
        lambda answer: enveloped(answer, UserQuota.from_json),
        json=present(
            {
                "cpu": cpu,
                "egress": egress,
                "execsPerHour": execs_per_hour,
                "memory": memory,
                "sandboxes": sandboxes,
                "storage": storage,
            }
        ),
    )


def list_runtimes() -> Request[list[AdminRuntime]]:
    """`GET /admin/runtimes`"""
    return Request(
        "GET",
        "/admin/runtimes",
        lambda answer: enveloped(answer, lambda data: [AdminRuntime.from_json(item) for item in data]),
    )


def list_public_sessions(*, cursor: str | None = None, limit: int | None = None) -> Request[Page[AdminSession]]:
    """`GET /admin/sessions`"""
    return Request(
        "GET",
        "/admin/sessions",
        lambda answer: page(answer, AdminSession.from_json),
        query={"cursor": cursor, "limit": limit},
    )


def list_users(*, cursor: str | None = None, limit: int | None = None) -> Request[Page[AdminUser]]:
    """`GET /admin/users`"""
    return Request(
        "GET",
        "/admin/users",
        lambda answer: page(answer, AdminUser.from_json),
        query={"cursor": cursor, "limit": limit},
    )


def get_user(user_id: str) -> Request[AdminUser]:
    """`GET /admin/users/{user_id}`"""
    return Request(
        "GET",
        f"/admin/users/{place(user_id)}",
        lambda answer: enveloped(answer, AdminUser.from_json),
    )


def delete_user(user_id: str, *, sandboxes: str | None = None) -> Request[Deleted]:
    """`DELETE /admin/users/{user_id}`"""
    return Request(
        "DELETE",
        f"/admin/users/{place(user_id)}",
        lambda answer: enveloped(answer, Deleted.from_json),
        query={"sandboxes": sandboxes},
    )


def change_user(
    user_id: str, *, disabled: bool | None = None, password: str | None = None, role: str | None = None
) -> Request[AdminUser]:
    """`PATCH /admin/users/{user_id}`"""
    return Request(
        "PATCH",
        f"/admin/users/{place(user_id)}",
        lambda answer: enveloped(answer, AdminUser.from_json),
        json=present({"disabled": disabled, "password": password, "role": role}),
    )


def list_api_keys(*, cursor: str | None = None, limit: int | None = None) -> Request[Page[ApiKey]]:
    """`GET /api-keys`"""
    return Request(
        "GET",
        "/api-keys",
        lambda answer: page(answer, ApiKey.from_json),
        query={"cursor": cursor, "limit": limit},
    )


def create_api_key(
    name: str, *, expires_in_seconds: int | None = None, scopes: Sequence[str] | None = None
) -> Request[CreatedApiKey]:
    """`POST /api-keys`"""
    return Request(
        "POST",
        "/api-keys",
        lambda answer: enveloped(answer, CreatedApiKey.from_json),
        json=present(
            {"expiresInSeconds": expires_in_seconds, "name": name, "scopes": None if scopes is None else list(scopes)}
        ),
        is_create=True,
    )


def delete_api_key(api_key_id: str) -> Request[Deleted]:
    """`DELETE /api-keys/{api_key_id}`"""
    return Request(
        "DELETE",
        f"/api-keys/{place(api_key_id)}",
        lambda answer: enveloped(answer, Deleted.from_json),
    )


def list_audit(
    *,
    cursor: str | None = None,
    limit: int | None = None,
    user: str | None = None,
    action: str | None = None,
    target: str | None = None,
    outcome: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Request[Page[AuditEntry]]:
    """`GET /audit`"""
    return Request(
        "GET",
        "/audit",
        lambda answer: page(answer, AuditEntry.from_json),
        query={
            "cursor": cursor,
            "limit": limit,
            "user": user,
            "action": action,
            "target": target,
            "outcome": outcome,
            "since": since,
            "until": until,
        },
    )


def login(email: str, password: str) -> Request[AuthData]:
    """`POST /auth/login`"""
    return Request(
        "POST",
        "/auth/login",
        lambda answer: enveloped(answer, AuthData.from_json),
        json=present({"email": email, "password": password}),
    )


def log_out() -> Request[Deleted]:
    """`POST /auth/logout`"""
    return Request(
        "POST",
        "/auth/logout",
        lambda answer: enveloped(answer, Deleted.from_json),
    )


def me() -> Request[User]:
    """`GET /auth/me`"""
    return Request(
        "GET",
        "/auth/me",
        lambda answer: enveloped(answer, User.from_json),
    )


def change_password(current_password: str, new_password: str) -> Request[User]:
    """`POST /auth/password`"""
    return Request(
        "POST",
        "/auth/password",
        lambda answer: enveloped(answer, User.from_json),
        json=present({"currentPassword": current_password, "newPassword": new_password}),
    )


def refresh(*, refresh_token: str | None = None) -> Request[AuthData]:
    """`POST /auth/refresh`"""
    return Request(
        "POST",
        "/auth/refresh",
        lambda answer: enveloped(answer, AuthData.from_json),
        json=present({"refreshToken": refresh_token}),
    )


def list_sessions(*, cursor: str | None = None, limit: int | None = None) -> Request[Page[Session]]:
    """`GET /auth/sessions`"""
    return Request(
        "GET",
        "/auth/sessions",
        lambda answer: page(answer, Session.from_json),
        query={"cursor": cursor, "limit": limit},
    )


def end_session(session_id: str) -> Request[Deleted]:
    """`DELETE /auth/sessions/{session_id}`"""
    return Request(
        "DELETE",
        f"/auth/sessions/{place(session_id)}",
        lambda answer: enveloped(answer, Deleted.from_json),
    )


def signup(email: str, password: str, *, invitation: str | None = None) -> Request[AuthData]:
    """`POST /auth/signup`"""
    return Request(
        "POST",
        "/auth/signup",
        lambda answer: enveloped(answer, AuthData.from_json),
        json=present({"email": email, "invitation": invitation, "password": password}),
    )


def list_environments(*, cursor: str | None = None, limit: int | None = None) -> Request[Page[Environment]]:
    """`GET /environments`"""
    return Request(
        "GET",
        "/environments",
        lambda answer: page(answer, Environment.from_json),
        query={"cursor": cursor, "limit": limit},
    )


def create_environment(
    name: str,
    *,
    bandwidth: int | None = None,
    capabilities: str | None = None,
    command: str | Sequence[str] | None = None,
    cpu: float | None = None,
    cwd: str | None = None,
    disk: int | None = None,
    entrypoint: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    gpus: str | int | Sequence[str] | None = None,
    health_check: HealthCheck | Mapping[str, Any] | None = None,
    idle_ttl_seconds: int | None = None,
    image: str | None = None,
    isolation: str | None = None,
    labels: Mapping[str, str] | None = None,
    memory: int | None = None,
    network: str | None = None,
    on_expiry: str | None = None,
    open_files: int | None = None,
    pids: int | None = None,
    ports: Sequence[PublishPort | Mapping[str, Any]] | None = None,
    read_only_root: bool | None = None,
    runtime: str | None = None,
    ttl_seconds: int | None = None,
    user: str | None = None,
    warm_pool: int | Mapping[str, Any] | None = None,
) -> Request[Environment]:
    """`POST /environments`"""
    return Request(
        "POST",
        "/environments",
        lambda answer: enveloped(answer, Environment.from_json),
        json=present(
            {
                "bandwidth": bandwidth,
                "capabilities": capabilities,
                "command": None if command is None else (list(command) if not isinstance(command, str) else command),
                "cpu": cpu,
                "cwd": cwd,
                "disk": disk,
                "entrypoint": None if entrypoint is None else list(entrypoint),
                "env": None if env is None else dict(env),
                "gpus": gpus,
                "healthCheck": None if health_check is None else to_json(health_check),
                "idleTtlSeconds": idle_ttl_seconds,
                "image": image,
                "isolation": isolation,
                "labels": None if labels is None else dict(labels),
                "memory": memory,
                "name": name,
                "network": network,
                "onExpiry": on_expiry,
                "openFiles": open_files,
                "pids": pids,
                "ports": None if ports is None else [to_json(item) for item in ports],
                "readOnlyRoot": read_only_root,
                "runtime": runtime,
                "ttlSeconds": ttl_seconds,
                "user": user,
                "warmPool": warm_pool,
            }
        ),
        is_create=True,
    )


def get_environment(environment_id: str) -> Request[Environment]:
    """`GET /environments/{environment_id}`"""
    return Request(
        "GET",
        f"/environments/{place(environment_id)}",
        lambda answer: enveloped(answer, Environment.from_json),
    )


def update_environment(
    environment_id: str,
    *,
    bandwidth: int | None = None,
    capabilities: str | None = None,
    command: str | Sequence[str] | None = None,
    cpu: float | None = None,
    cwd: str | None = None,
    disk: int | None = None,
    entrypoint: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    gpus: str | int | Sequence[str] | None = None,
    health_check: HealthCheck | Mapping[str, Any] | None = None,
    idle_ttl_seconds: int | None = None,
    image: str | None = None,
    isolation: str | None = None,
    labels: Mapping[str, str] | None = None,
    memory: int | None = None,
    name: str | None = None,
    network: str | None = None,
    on_expiry: str | None = None,
    open_files: int | None = None,
    pids: int | None = None,
    ports: Sequence[PublishPort | Mapping[str, Any]] | None = None,
    read_only_root: bool | None = None,
    runtime: str | None = None,
    ttl_seconds: int | None = None,
    user: str | None = None,
    warm_pool: int | Mapping[str, Any] | None = None,
) -> Request[Environment]:
    """`PUT /environments/{environment_id}`"""
    return Request(
        "PUT",
        f"/environments/{place(environment_id)}",
        lambda answer: enveloped(answer, Environment.from_json),
        json=present(
            {
                "bandwidth": bandwidth,
                "capabilities": capabilities,
                "command": None if command is None else (list(command) if not isinstance(command, str) else command),
                "cpu": cpu,
                "cwd": cwd,
                "disk": disk,
                "entrypoint": None if entrypoint is None else list(entrypoint),
                "env": None if env is None else dict(env),
                "gpus": gpus,
                "healthCheck": None if health_check is None else to_json(health_check),
                "idleTtlSeconds": idle_ttl_seconds,
                "image": image,
                "isolation": isolation,
                "labels": None if labels is None else dict(labels),
                "memory": memory,
                "name": name,
                "network": network,
                "onExpiry": on_expiry,
                "openFiles": open_files,
                "pids": pids,
                "ports": None if ports is None else [to_json(item) for item in ports],
                "readOnlyRoot": read_only_root,
                "runtime": runtime,
                "ttlSeconds": ttl_seconds,
                "user": user,
                "warmPool": warm_pool,
            }
        ),
    )


def delete_environment(environment_id: str) -> Request[Deleted]:
    """`DELETE /environments/{environment_id}`"""
    return Request(
        "DELETE",
        f"/environments/{place(environment_id)}",
        lambda answer: enveloped(answer, Deleted.from_json),
    )


def list_secrets(environment_id: str) -> Request[list[Secret]]:
    """`GET /environments/{environment_id}/secrets`"""
    return Request(
        "GET",
        f"/environments/{place(environment_id)}/secrets",
        lambda answer: enveloped(answer, lambda data: [Secret.from_json(item) for item in data]),
    )


def set_secret(environment_id: str, key: str, value: str) -> Request[Secret]:
    """`POST /environments/{environment_id}/secrets`"""
    return Request(
        "POST",
        f"/environments/{place(environment_id)}/secrets",
        lambda answer: enveloped(answer, Secret.from_json),
        json=present({"key": key, "value": value}),
        is_create=True,
    )


def delete_secret(environment_id: str, key: str) -> Request[Deleted]:
    """`DELETE /environments/{environment_id}/secrets/{key}`"""
    return Request(
        "DELETE",
        f"/environments/{place(environment_id)}/secrets/{place(key)}",
        lambda answer: enveloped(answer, Deleted.from_json),
    )


def list_environment_versions(
    environment_id: str, *, cursor: str | None = None, limit: int | None = None
) -> Request[Page[EnvironmentVersion]]:
    """`GET /environments/{environment_id}/versions`"""
    return Request(
        "GET",
        f"/environments/{place(environment_id)}/versions",
        lambda answer: page(answer, EnvironmentVersion.from_json),
        query={"cursor": cursor, "limit": limit},
    )


def diff_environment_versions(
    environment_id: str, *, from_: int | None = None, to: int | None = None
) -> Request[EnvironmentDiff]:
    """`GET /environments/{environment_id}/versions/diff`"""
    return Request(
        "GET",
        f"/environments/{place(environment_id)}/versions/diff",
        lambda answer: enveloped(answer, EnvironmentDiff.from_json),
        query={"from": from_, "to": to},
    )


def get_environment_version(environment_id: str, version: int) -> Request[EnvironmentVersion]:
    """`GET /environments/{environment_id}/versions/{version}`"""
    return Request(
        "GET",
        f"/environments/{place(environment_id)}/versions/{place(version)}",
        lambda answer: enveloped(answer, EnvironmentVersion.from_json),
    )


def get_health() -> Request[Health]:
    """`GET /health`"""
    return Request(
        "GET",
        "/health",
        Health.from_json,
    )


def get_liveness() -> Request[Probe]:
    """`GET /health/live`"""
    return Request(
        "GET",
        "/health/live",
        Probe.from_json,
    )


def get_readiness() -> Request[Probe]:
    """`GET /health/ready`"""
    return Request(
        "GET",
        "/health/ready",
        Probe.from_json,
    )


def list_images(*, cursor: str | None = None, limit: int | None = None) -> Request[Page[Image]]:
    """`GET /images`"""
    return Request(
        "GET",
        "/images",
        lambda answer: page(answer, Image.from_json),
        query={"cursor": cursor, "limit": limit},
    )


def delete_image(name: str) -> Request[Deleted]:
    """`DELETE /images/{name}`"""
    return Request(
        "DELETE",
        f"/images/{place(name)}",
        lambda answer: enveloped(answer, Deleted.from_json),
    )


def push_image(name: str, *, reference: str | None = None) -> Request[PushedImage]:
    """`POST /images/{name}/push`"""
    return Request(
        "POST",
        f"/images/{place(name)}/push",
        lambda answer: enveloped(answer, PushedImage.from_json),
        json=present({"reference": reference}),
    )


def list_sandboxes(
    *,
    state: str | None = None,
    label: Sequence[str] | None = None,
    environment: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Request[Page[Sandbox]]:
    """`GET /sandboxes`"""
    return Request(
        "GET",
        "/sandboxes",
        lambda answer: page(answer, Sandbox.from_json),
        query={"state": state, "label": label, "environment": environment, "cursor": cursor, "limit": limit},
    )


def create_sandbox(
    *,
    bandwidth: int | None = None,
    capabilities: str | None = None,
    command: str | Sequence[str] | None = None,
    count: int | None = None,
    cpu: float | None = None,
    cwd: str | None = None,
    disk: int | None = None,
    entrypoint: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    environment_id: str | None = None,
    environment_version: int | None = None,
    gpus: str | int | Sequence[str] | None = None,
    health_check: HealthCheck | Mapping[str, Any] | None = None,
    idle_ttl_seconds: int | None = None,
    image: str | None = None,
    isolation: str | None = None,
    labels: Mapping[str, str] | None = None,
    memory: int | None = None,
    name: str | None = None,
    network: str | None = None,
    on_expiry: str | None = None,
    open_files: int | None = None,
    pids: int | None = None,
    ports: Sequence[PublishPort | Mapping[str, Any]] | None = None,
    read_only_root: bool | None = None,
    runtime: str | None = None,
    ttl_seconds: int | None = None,
    user: str | None = None,
    wait_for: str | None = None,
    wait_seconds: int | None = None,
) -> Request[Sandbox | list[Sandbox]]:
    """`POST /sandboxes`"""
    return Request(
        "POST",
        "/sandboxes",
        lambda answer: enveloped(
            answer,
            lambda data: (
                [Sandbox.from_json(item) for item in data] if isinstance(data, list) else Sandbox.from_json(data)
            ),
        ),
        json=present(
            {
                "bandwidth": bandwidth,
                "capabilities": capabilities,
                "command": None if command is None else (list(command) if not isinstance(command, str) else command),
                "count": count,
                "cpu": cpu,
                "cwd": cwd,
                "disk": disk,
                "entrypoint": None if entrypoint is None else list(entrypoint),
                "env": None if env is None else dict(env),
                "environmentId": environment_id,
                "environmentVersion": environment_version,
                "gpus": gpus,
                "healthCheck": None if health_check is None else to_json(health_check),
                "idleTtlSeconds": idle_ttl_seconds,
                "image": image,
                "isolation": isolation,
                "labels": None if labels is None else dict(labels),
                "memory": memory,
                "name": name,
                "network": network,
                "onExpiry": on_expiry,
                "openFiles": open_files,
                "pids": pids,
                "ports": None if ports is None else [to_json(item) for item in ports],
                "readOnlyRoot": read_only_root,
                "runtime": runtime,
                "ttlSeconds": ttl_seconds,
                "user": user,
                "waitFor": wait_for,
                "waitSeconds": wait_seconds,
            }
        ),
        is_create=True,
    )


def delete_sandboxes(label: Sequence[str]) -> Request[BulkResult]:
    """`DELETE /sandboxes`"""
    return Request(
        "DELETE",
        "/sandboxes",
        lambda answer: enveloped(answer, BulkResult.from_json),
        query={"label": label},
    )


def stop_sandboxes(label: Sequence[str]) -> Request[BulkResult]:
    """`POST /sandboxes/stop`"""
    return Request(
        "POST",
        "/sandboxes/stop",
        lambda answer: enveloped(answer, BulkResult.from_json),
        query={"label": label},
    )


def get_sandbox(sandbox_id: str) -> Request[Sandbox]:
    """`GET /sandboxes/{sandbox_id}`"""
    return Request(
        "GET",
        f"/sandboxes/{place(sandbox_id)}",
        lambda answer: enveloped(answer, Sandbox.from_json),
    )


def delete_sandbox(sandbox_id: str) -> Request[Deleted]:
    """`DELETE /sandboxes/{sandbox_id}`"""
    return Request(
        "DELETE",
        f"/sandboxes/{place(sandbox_id)}",
        lambda answer: enveloped(answer, Deleted.from_json),
    )


def list_jobs(sandbox_id: str, *, cursor: str | None = None, limit: int | None = None) -> Request[Page[Job]]:
    """`GET /sandboxes/{sandbox_id}/background`"""
    return Request(
        "GET",
        f"/sandboxes/{place(sandbox_id)}/background",
        lambda answer: page(answer, Job.from_json),
        query={"cursor": cursor, "limit": limit},
    )


def create_job(
    sandbox_id: str,
    command: str | Sequence[str],
    *,
    backoff_max_ms: int | None = None,
    backoff_ms: int | None = None,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    max_retries: int | None = None,
    name: str | None = None,
    restart: str | None = None,
    timeout_seconds: int | None = None,
    user: str | None = None,
) -> Request[Job]:
    """`POST /sandboxes/{sandbox_id}/background`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/background",
        lambda answer: enveloped(answer, Job.from_json),
        json=present(
            {
                "backoffMaxMs": backoff_max_ms,
                "backoffMs": backoff_ms,
                "command": (list(command) if not isinstance(command, str) else command),
                "cwd": cwd,
                "env": None if env is None else dict(env),
                "maxRetries": max_retries,
                "name": name,
                "restart": restart,
                "timeoutSeconds": timeout_seconds,
                "user": user,
            }
        ),
        is_create=True,
    )


def get_job(sandbox_id: str, job_id: str) -> Request[Job]:
    """`GET /sandboxes/{sandbox_id}/background/{job_id}`"""
    return Request(
        "GET",
        f"/sandboxes/{place(sandbox_id)}/background/{place(job_id)}",
        lambda answer: enveloped(answer, Job.from_json),
    )


def delete_job(sandbox_id: str, job_id: str) -> Request[Deleted]:
    """`DELETE /sandboxes/{sandbox_id}/background/{job_id}`"""
    return Request(
        "DELETE",
        f"/sandboxes/{place(sandbox_id)}/background/{place(job_id)}",
        lambda answer: enveloped(answer, Deleted.from_json),
    )


def get_job_logs(sandbox_id: str, job_id: str, *, tail: int | None = None, since: str | None = None) -> Request[Logs]:
    """`GET /sandboxes/{sandbox_id}/background/{job_id}/logs`"""
    return Request(
        "GET",
        f"/sandboxes/{place(sandbox_id)}/background/{place(job_id)}/logs",
        lambda answer: enveloped(answer, Logs.from_json),
        query={"tail": tail, "since": since},
    )


def run_exec(
    sandbox_id: str,
    command: str | Sequence[str],
    *,
    async_: bool | None = None,
    cols: int | None = None,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    open_stdin: bool | None = None,
    rows: int | None = None,
    stdin: str | None = None,
    stdin_encoding: Encoding | None = None,
    timeout_seconds: int | None = None,
    tty: bool | None = None,
    user: str | None = None,
) -> Request[Exec]:
    """`POST /sandboxes/{sandbox_id}/exec`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/exec",
        lambda answer: enveloped(answer, Exec.from_json),
        json=present(
            {
                "async": async_,
                "cols": cols,
                "command": (list(command) if not isinstance(command, str) else command),
                "cwd": cwd,
                "env": None if env is None else dict(env),
                "openStdin": open_stdin,
                "rows": rows,
                "stdin": stdin,
                "stdinEncoding": stdin_encoding,
                "timeoutSeconds": timeout_seconds,
                "tty": tty,
                "user": user,
            }
        ),
        waits=True,
    )


def list_execs(sandbox_id: str, *, cursor: str | None = None, limit: int | None = None) -> Request[Page[Exec]]:
    """`GET /sandboxes/{sandbox_id}/execs`"""
    return Request(
        "GET",
        f"/sandboxes/{place(sandbox_id)}/execs",
        lambda answer: page(answer, Exec.from_json),
        query={"cursor": cursor, "limit": limit},
    )


def get_exec(sandbox_id: str, exec_id: str) -> Request[Exec]:
    """`GET /sandboxes/{sandbox_id}/execs/{exec_id}`"""
    return Request(
        "GET",
        f"/sandboxes/{place(sandbox_id)}/execs/{place(exec_id)}",
        lambda answer: enveloped(answer, Exec.from_json),
    )


def resize_exec(sandbox_id: str, exec_id: str, cols: int, rows: int) -> Request[Accepted]:
    """`POST /sandboxes/{sandbox_id}/execs/{exec_id}/resize`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/execs/{place(exec_id)}/resize",
        lambda answer: enveloped(answer, Accepted.from_json),
        json=present({"cols": cols, "rows": rows}),
    )


def signal_exec(sandbox_id: str, exec_id: str, signal: str) -> Request[Accepted]:
    """`POST /sandboxes/{sandbox_id}/execs/{exec_id}/signal`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/execs/{place(exec_id)}/signal",
        lambda answer: enveloped(answer, Accepted.from_json),
        json=present({"signal": signal}),
    )


def write_exec_stdin(
    sandbox_id: str,
    exec_id: str,
    *,
    data: str | None = None,
    encoding: Encoding | None = None,
    eof: bool | None = None,
    offset: int | None = None,
) -> Request[Accepted]:
    """`POST /sandboxes/{sandbox_id}/execs/{exec_id}/stdin`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/execs/{place(exec_id)}/stdin",
        lambda answer: enveloped(answer, Accepted.from_json),
        json=present({"data": data, "encoding": encoding, "eof": eof, "offset": offset}),
    )


def list_files(
    sandbox_id: str,
    *,
    path: str | None = None,
    user: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Request[Page[File]]:
    """`GET /sandboxes/{sandbox_id}/files`"""
    return Request(
        "GET",
        f"/sandboxes/{place(sandbox_id)}/files",
        lambda answer: page(answer, File.from_json),
        query={"path": path, "user": user, "cursor": cursor, "limit": limit},
    )


def delete_file(
    sandbox_id: str, path: str, *, user: str | None = None, recursive: bool | None = None
) -> Request[Deleted]:
    """`DELETE /sandboxes/{sandbox_id}/files/{path}`"""
    return Request(
        "DELETE",
        f"/sandboxes/{place(sandbox_id)}/files/{place(path)}",
        lambda answer: enveloped(answer, Deleted.from_json),
        query={"user": user, "recursive": recursive},
    )


def change_file(
    sandbox_id: str,
    path: str,
    *,
    mode: str | None = None,
    overwrite: bool | None = None,
    to: str | None = None,
    user: str | None = None,
) -> Request[File]:
    """`PATCH /sandboxes/{sandbox_id}/files/{path}`"""
    return Request(
        "PATCH",
        f"/sandboxes/{place(sandbox_id)}/files/{place(path)}",
        lambda answer: enveloped(answer, File.from_json),
        query={"user": user},
        json=present({"mode": mode, "overwrite": overwrite, "to": to}),
    )


def keep_sandbox_alive(sandbox_id: str) -> Request[Sandbox]:
    """`POST /sandboxes/{sandbox_id}/keepalive`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/keepalive",
        lambda answer: enveloped(answer, Sandbox.from_json),
    )


def get_sandbox_logs(sandbox_id: str, *, tail: int | None = None, since: str | None = None) -> Request[Logs]:
    """`GET /sandboxes/{sandbox_id}/logs`"""
    return Request(
        "GET",
        f"/sandboxes/{place(sandbox_id)}/logs",
        lambda answer: enveloped(answer, Logs.from_json),
        query={"tail": tail, "since": since},
    )


def get_sandbox_metrics(sandbox_id: str, *, pids: bool | None = None) -> Request[Metrics]:
    """`GET /sandboxes/{sandbox_id}/metrics`"""
    return Request(
        "GET",
        f"/sandboxes/{place(sandbox_id)}/metrics",
        lambda answer: enveloped(answer, Metrics.from_json),
        query={"pids": pids},
    )


def get_metrics_history(
    sandbox_id: str, *, resolution: str | None = None, since: str | None = None
) -> Request[MetricsHistory]:
    """`GET /sandboxes/{sandbox_id}/metrics/history`"""
    return Request(
        "GET",
        f"/sandboxes/{place(sandbox_id)}/metrics/history",
        lambda answer: enveloped(answer, MetricsHistory.from_json),
        query={"resolution": resolution, "since": since},
    )


def pause_sandbox(sandbox_id: str) -> Request[Sandbox]:
    """`POST /sandboxes/{sandbox_id}/pause`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/pause",
        lambda answer: enveloped(answer, Sandbox.from_json),
    )


def replicate_sandbox(
    sandbox_id: str,
    *,
    bandwidth: int | None = None,
    capabilities: str | None = None,
    command: str | Sequence[str] | None = None,
    cpu: float | None = None,
    cwd: str | None = None,
    disk: int | None = None,
    entrypoint: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    gpus: str | int | Sequence[str] | None = None,
    health_check: HealthCheck | Mapping[str, Any] | None = None,
    idle_ttl_seconds: int | None = None,
    image: str | None = None,
    isolation: str | None = None,
    labels: Mapping[str, str] | None = None,
    memory: int | None = None,
    name: str | None = None,
    network: str | None = None,
    on_expiry: str | None = None,
    open_files: int | None = None,
    pids: int | None = None,
    ports: Sequence[PublishPort | Mapping[str, Any]] | None = None,
    read_only_root: bool | None = None,
    runtime: str | None = None,
    ttl_seconds: int | None = None,
    user: str | None = None,
) -> Request[Sandbox]:
    """`POST /sandboxes/{sandbox_id}/replicate`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/replicate",
        lambda answer: enveloped(answer, Sandbox.from_json),
        json=present(
            {
                "bandwidth": bandwidth,
                "capabilities": capabilities,
                "command": None if command is None else (list(command) if not isinstance(command, str) else command),
                "cpu": cpu,
                "cwd": cwd,
                "disk": disk,
                "entrypoint": None if entrypoint is None else list(entrypoint),
                "env": None if env is None else dict(env),
                "gpus": gpus,
                "healthCheck": None if health_check is None else to_json(health_check),
                "idleTtlSeconds": idle_ttl_seconds,
                "image": image,
                "isolation": isolation,
                "labels": None if labels is None else dict(labels),
                "memory": memory,
                "name": name,
                "network": network,
                "onExpiry": on_expiry,
                "openFiles": open_files,
                "pids": pids,
                "ports": None if ports is None else [to_json(item) for item in ports],
                "readOnlyRoot": read_only_root,
                "runtime": runtime,
                "ttlSeconds": ttl_seconds,
                "user": user,
            }
        ),
        is_create=True,
    )


def restart_sandbox(sandbox_id: str) -> Request[Sandbox]:
    """`POST /sandboxes/{sandbox_id}/restart`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/restart",
        lambda answer: enveloped(answer, Sandbox.from_json),
    )


def resume_sandbox(sandbox_id: str) -> Request[Sandbox]:
    """`POST /sandboxes/{sandbox_id}/resume`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/resume",
        lambda answer: enveloped(answer, Sandbox.from_json),
    )


def search_files(
    sandbox_id: str,
    q: str,
    *,
    path: str | None = None,
    in_: str | None = None,
    limit: int | None = None,
    user: str | None = None,
) -> Request[FileMatches]:
    """`GET /sandboxes/{sandbox_id}/search`"""
    return Request(
        "GET",
        f"/sandboxes/{place(sandbox_id)}/search",
        lambda answer: enveloped(answer, FileMatches.from_json),
        query={"q": q, "path": path, "in": in_, "limit": limit, "user": user},
    )


def start_sandbox(sandbox_id: str, *, wait_for: str | None = None, wait_seconds: int | None = None) -> Request[Sandbox]:
    """`POST /sandboxes/{sandbox_id}/start`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/start",
        lambda answer: enveloped(answer, Sandbox.from_json),
        query={"waitFor": wait_for, "waitSeconds": wait_seconds},
    )


def stop_sandbox(sandbox_id: str) -> Request[Sandbox]:
    """`POST /sandboxes/{sandbox_id}/stop`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/stop",
        lambda answer: enveloped(answer, Sandbox.from_json),
    )


def resize_terminal(sandbox_id: str, cols: int, rows: int, *, terminal: str | None = None) -> Request[Accepted]:
    """`POST /sandboxes/{sandbox_id}/terminal/resize`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/terminal/resize",
        lambda answer: enveloped(answer, Accepted.from_json),
        json=present({"cols": cols, "rows": rows, "terminal": terminal}),
    )


def list_terminals(sandbox_id: str) -> Request[list[Terminal]]:
    """`GET /sandboxes/{sandbox_id}/terminals`"""
    return Request(
        "GET",
        f"/sandboxes/{place(sandbox_id)}/terminals",
        lambda answer: enveloped(answer, lambda data: [Terminal.from_json(item) for item in data]),
    )


def close_terminal(sandbox_id: str, name: str) -> Request[Deleted]:
    """`DELETE /sandboxes/{sandbox_id}/terminals/{name}`"""
    return Request(
        "DELETE",
        f"/sandboxes/{place(sandbox_id)}/terminals/{place(name)}",
        lambda answer: enveloped(answer, Deleted.from_json),
    )


def begin_public_session(*, class_: str | None = None) -> Request[PublicSession]:
    """`POST /sessions`"""
    return Request(
        "POST",
        "/sessions",
        lambda answer: enveloped(answer, PublicSession.from_json),
        query={"class": class_},
    )


def end_public_session(session_id: str) -> Request[Deleted]:
    """`DELETE /sessions/{session_id}`"""
    return Request(
        "DELETE",
        f"/sessions/{place(session_id)}",
        lambda answer: enveloped(answer, Deleted.from_json),
    )


def get_usage() -> Request[Usage]:
    """`GET /usage`"""
    return Request(
        "GET",
        "/usage",
        lambda answer: enveloped(answer, Usage.from_json),
    )
