"""A function for every operation, which makes its request.

Made by generate.py from the OpenAPI document: change that, not this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ._models import (
    Accepted,
    ApiKey,
    AuthData,
    CreatedApiKey,
    Deleted,
    Encoding,
    Exec,
    File,
    FileMatches,
    Health,
    Image,
    Job,
    Logs,
    Metrics,
    Probe,
    PublishPort,
    Sandbox,
    Terminal,
    User,
)
from ._request import Page, Request, enveloped, page, place, present, to_json


def list_api_keys(*, cursor: str | None = None, limit: int | None = None) -> Request[Page[ApiKey]]:
    """`GET /api-keys`"""
    return Request(
        "GET",
        "/api-keys",
        lambda answer: page(answer, ApiKey.from_json),
        query={"cursor": cursor, "limit": limit},
    )


def create_api_key(name: str, *, expires_in_seconds: int | None = None) -> Request[CreatedApiKey]:
    """`POST /api-keys`"""
    return Request(
        "POST",
        "/api-keys",
        lambda answer: enveloped(answer, CreatedApiKey.from_json),
        json=present({"expiresInSeconds": expires_in_seconds, "name": name}),
        is_create=True,
    )


def delete_api_key(api_key_id: str) -> Request[Deleted]:
    """`DELETE /api-keys/{api_key_id}`"""
    return Request(
        "DELETE",
        f"/api-keys/{place(api_key_id)}",
        lambda answer: enveloped(answer, Deleted.from_json),
    )


def login(email: str, password: str) -> Request[AuthData]:
    """`POST /auth/login`"""
    return Request(
        "POST",
        "/auth/login",
        lambda answer: enveloped(answer, AuthData.from_json),
        json=present({"email": email, "password": password}),
    )


def me() -> Request[User]:
    """`GET /auth/me`"""
    return Request(
        "GET",
        "/auth/me",
        lambda answer: enveloped(answer, User.from_json),
    )


def signup(email: str, password: str) -> Request[AuthData]:
    """`POST /auth/signup`"""
    return Request(
        "POST",
        "/auth/signup",
        lambda answer: enveloped(answer, AuthData.from_json),
        json=present({"email": email, "password": password}),
        is_create=True,
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


def list_sandboxes(
    *, state: str | None = None, label: Sequence[str] | None = None, cursor: str | None = None, limit: int | None = None
) -> Request[Page[Sandbox]]:
    """`GET /sandboxes`"""
    return Request(
        "GET",
        "/sandboxes",
        lambda answer: page(answer, Sandbox.from_json),
        query={"state": state, "label": label, "cursor": cursor, "limit": limit},
    )


def create_sandbox(
    *,
    capabilities: str | None = None,
    command: str | Sequence[str] | None = None,
    count: int | None = None,
    cpu: float | None = None,
    disk: int | None = None,
    env: Mapping[str, str] | None = None,
    idle_ttl_seconds: int | None = None,
    image: str | None = None,
    labels: Mapping[str, str] | None = None,
    memory: int | None = None,
    name: str | None = None,
    network: str | None = None,
    on_expiry: str | None = None,
    pids: int | None = None,
    ports: Sequence[PublishPort | Mapping[str, Any]] | None = None,
    read_only_root: bool | None = None,
    runtime: str | None = None,
    ttl_seconds: int | None = None,
    user: str | None = None,
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
                "capabilities": capabilities,
                "command": None if command is None else (list(command) if not isinstance(command, str) else command),
                "count": count,
                "cpu": cpu,
                "disk": disk,
                "env": None if env is None else dict(env),
                "idleTtlSeconds": idle_ttl_seconds,
                "image": image,
                "labels": None if labels is None else dict(labels),
                "memory": memory,
                "name": name,
                "network": network,
                "onExpiry": on_expiry,
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
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    open_stdin: bool | None = None,
    stdin: str | None = None,
    stdin_encoding: Encoding | None = None,
    timeout_seconds: int | None = None,
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
                "command": (list(command) if not isinstance(command, str) else command),
                "cwd": cwd,
                "env": None if env is None else dict(env),
                "openStdin": open_stdin,
                "stdin": stdin,
                "stdinEncoding": stdin_encoding,
                "timeoutSeconds": timeout_seconds,
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


def pause_sandbox(sandbox_id: str) -> Request[Sandbox]:
    """`POST /sandboxes/{sandbox_id}/pause`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/pause",
        lambda answer: enveloped(answer, Sandbox.from_json),
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


def start_sandbox(sandbox_id: str) -> Request[Sandbox]:
    """`POST /sandboxes/{sandbox_id}/start`"""
    return Request(
        "POST",
        f"/sandboxes/{place(sandbox_id)}/start",
        lambda answer: enveloped(answer, Sandbox.from_json),
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
