"""What requests and answers hold.

Made by generate.py from the OpenAPI document: change that, not this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Encoding = Literal["utf8", "base64"]
"""How bytes are written in JSON."""

EventKind = Literal["start", "output", "exit"]
"""Kind of a stream event."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Something was handed on to a running command."""

    accepted: bool
    """Always true."""
    id: str
    """To which."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Accepted:
        """From an answer."""
        return cls(
            accepted=data["accepted"],
            id=data["id"],
        )


@dataclass(frozen=True, slots=True)
class AdminRuntime:
    """A runtime of this machine."""

    disk_limits: bool
    """Whether the disk limits of sandboxes are enforced."""
    name: str
    """`native`."""
    notes: list[str]
    """What an operator should know."""
    status: str
    """`ok` or `unavailable`."""
    gpus: bool | None = None
    """Whether sandboxes may ask for GPUs."""
    networks: bool | None = None
    """Whether sandboxes can have a network, beside loopback."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AdminRuntime:
        """From an answer."""
        return cls(
            disk_limits=data["diskLimits"],
            name=data["name"],
            notes=list(data["notes"]),
            status=data["status"],
            gpus=data.get("gpus"),
            networks=data.get("networks"),
        )


@dataclass(frozen=True, slots=True)
class AdminSession:
    """A public session, as an admin sees it."""

    created_at: str
    """RFC 3339."""
    holder: str
    """Who holds it: `address-…`, the same for one network and no address that anybody could read, or
    `class-…`."""
    id: str
    """Id of its sandbox, which does not open it."""
    state: str
    """State of its sandbox."""
    expires_at: str | None = None
    """RFC 3339."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AdminSession:
        """From an answer."""
        return cls(
            created_at=data["createdAt"],
            holder=data["holder"],
            id=data["id"],
            state=data["state"],
            expires_at=data.get("expiresAt"),
        )


@dataclass(frozen=True, slots=True)
class AdminUser:
    """An account, as an admin sees it."""

    created_at: str
    """RFC 3339."""
    disabled: bool
    """Whether nobody logs in to it."""
    email: str
    """Address."""
    id: str
    """Id."""
    role: str
    """`user` or `admin`."""
    disabled_at: str | None = None
    """RFC 3339: since when."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AdminUser:
        """From an answer."""
        return cls(
            created_at=data["createdAt"],
            disabled=data["disabled"],
            email=data["email"],
            id=data["id"],
            role=data["role"],
            disabled_at=data.get("disabledAt"),
        )


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key, without the key."""

    created_at: str
    """RFC 3339."""
    id: str
    """Id."""
    name: str
    """Name."""
    prefix: str
    """First characters of the key."""
    expires_at: str | None = None
    """RFC 3339."""
    last_used_at: str | None = None
    """RFC 3339, to the minute."""
    scopes: list[str] | None = None
    """What it may."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ApiKey:
        """From an answer."""
        return cls(
            created_at=data["createdAt"],
            id=data["id"],
            name=data["name"],
            prefix=data["prefix"],
            expires_at=data.get("expiresAt"),
            last_used_at=data.get("lastUsedAt"),
            scopes=None if (value := data.get("scopes")) is None else list(value),
        )


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """Answer to `GET /admin/audit/verify`."""

    entries: int
    """Entries that were looked at."""
    first_seq: int
    """The first that is held; older ones were removed for their age."""
    intact: bool
    """Whether every entry is as it was written."""
    last_hash: str
    """Its hash: keep both elsewhere, and give them to the next check."""
    last_seq: int
    """The last that is right."""
    broken_seq: int | None = None
    """The first entry that is not right."""
    reason: str | None = None
    """What is wrong with it."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AuditCheck:
        """From an answer."""
        return cls(
            entries=data["entries"],
            first_seq=data["firstSeq"],
            intact=data["intact"],
            last_hash=data["lastHash"],
            last_seq=data["lastSeq"],
            broken_seq=data.get("brokenSeq"),
            reason=data.get("reason"),
        )


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry of the audit log."""

    action: str
    """As `sandbox.create`."""
    actor: str
    """`user`, `system` (Atoll itself) or `nobody` (who failed to log in)."""
    detail: dict[str, str]
    """More, by name."""
    hash: str
    """SHA-256 over the hash of the entry before and this one."""
    id: str
    """Id."""
    node: str
    """Id of the machine."""
    outcome: str
    """`accepted` (written down together with the change, or before the act), `done`, `refused` or
    `failed`."""
    seq: int
    """Number on its machine, from 1, without gaps."""
    time: str
    """RFC 3339."""
    address: str | None = None
    """Address that the request came from."""
    code: str | None = None
    """The error code, where it was refused or failed."""
    target: str | None = None
    """Id or name of what it was done to."""
    trace_id: str | None = None
    """Trace id of the request."""
    user_id: str | None = None
    """Who acted, or whose sandbox Atoll acted on."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AuditEntry:
        """From an answer."""
        return cls(
            action=data["action"],
            actor=data["actor"],
            detail=dict(data["detail"]),
            hash=data["hash"],
            id=data["id"],
            node=data["node"],
            outcome=data["outcome"],
            seq=data["seq"],
            time=data["time"],
            address=data.get("address"),
            code=data.get("code"),
            target=data.get("target"),
            trace_id=data.get("traceId"),
            user_id=data.get("userId"),
        )


@dataclass(frozen=True, slots=True)
class AuthData:
    """Answer to sign-up and log-in."""

    expires_at: str
    """RFC 3339: when the token ends."""
    token: str
    """Bearer token."""
    user: User
    """The account."""
    refresh_token: str | None = None
    """For `POST /auth/refresh`, good once; a page of a browser gets it as a cookie instead."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AuthData:
        """From an answer."""
        return cls(
            expires_at=data["expiresAt"],
            token=data["token"],
            user=User.from_json(data["user"]),
            refresh_token=data.get("refreshToken"),
        )


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """One line of the progress of a build. The last has `image` or `error`."""

    status: str
    """`building`, `pulling` an image that it needs, `unpacking`, `done` or `failed`."""
    error: FailureBody | None = None
    """What went wrong, at the end."""
    image: Image | None = None
    """The image, at the end."""
    output: str | None = None
    """What its steps have written since the last line, as far as it is text."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BuildProgress:
        """From an answer."""
        return cls(
            status=data["status"],
            error=None if (value := data.get("error")) is None else FailureBody.from_json(value),
            image=None if (value := data.get("image")) is None else Image.from_json(value),
            output=data.get("output"),
        )


@dataclass(frozen=True, slots=True)
class BulkFailure:
    """Why it was not done with one."""

    code: str
    """Code of the error."""
    id: str
    """Id of the sandbox."""
    message: str
    """What would be right."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BulkFailure:
        """From an answer."""
        return cls(
            code=data["code"],
            id=data["id"],
            message=data["message"],
        )


@dataclass(frozen=True, slots=True)
class BulkResult:
    """Answer to what is done to many sandboxes at once."""

    failed: list[BulkFailure]
    """Those with which it was not."""
    ids: list[str]
    """Ids of those with which it was done."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BulkResult:
        """From an answer."""
        return cls(
            failed=[BulkFailure.from_json(item) for item in data["failed"]],
            ids=list(data["ids"]),
        )


@dataclass(frozen=True, slots=True)
class ClassLink:
    """Answer to `POST /admin/class-links`: the only time that the link is shown."""

    class_: str
    """Value of `class` in the query of `POST /sessions`."""
    expires_at: str
    """RFC 3339."""
    id: str
    """Id of the class, as `holder` of its sessions names it."""
    path: str
    """Path to post to."""
    sessions: int
    """Sessions at once."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClassLink:
        """From an answer."""
        return cls(
            class_=data["class"],
            expires_at=data["expiresAt"],
            id=data["id"],
            path=data["path"],
            sessions=data["sessions"],
        )


@dataclass(frozen=True, slots=True)
class ClassLinkEntry:
    """A class link, as an admin sees it. The link itself was shown when it was made."""

    created_at: str
    """RFC 3339."""
    expires_at: str
    """RFC 3339."""
    id: str
    """Id of the class, as `holder` of its sessions names it."""
    maker: str
    """Id of the account that made it."""
    sessions: int
    """Sessions at once."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClassLinkEntry:
        """From an answer."""
        return cls(
            created_at=data["createdAt"],
            expires_at=data["expiresAt"],
            id=data["id"],
            maker=data["maker"],
            sessions=data["sessions"],
        )


@dataclass(frozen=True, slots=True)
class CpuMetrics:
    """Time of the CPU, over the time since somebody looked last (0.1 to 30 s)."""

    cores: float
    """Cores that the sandbox may use."""
    system_percent: float
    """The part of it that the kernel ran for the sandbox."""
    usage_percent: float
    """In percent of one core: 100 keeps one core busy."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CpuMetrics:
        """From an answer."""
        return cls(
            cores=data["cores"],
            system_percent=data["systemPercent"],
            usage_percent=data["usagePercent"],
        )


@dataclass(frozen=True, slots=True)
class CreatedApiKey:
    """Answer to `POST /api-keys`: the only time that the key is shown."""

    created_at: str
    """RFC 3339."""
    id: str
    """Id."""
    name: str
    """Name."""
    prefix: str
    """First characters of the key."""
    key: str
    """The key, `sk_…`."""
    expires_at: str | None = None
    """RFC 3339."""
    last_used_at: str | None = None
    """RFC 3339, to the minute."""
    scopes: list[str] | None = None
    """What it may."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CreatedApiKey:
        """From an answer."""
        return cls(
            created_at=data["createdAt"],
            id=data["id"],
            name=data["name"],
            prefix=data["prefix"],
            key=data["key"],
            expires_at=data.get("expiresAt"),
            last_used_at=data.get("lastUsedAt"),
            scopes=None if (value := data.get("scopes")) is None else list(value),
        )


@dataclass(frozen=True, slots=True)
class CreatedInvitation:
    """Answer to `POST /admin/invitations`: the only time that the invitation is shown."""

    created_at: str
    """RFC 3339."""
    expires_at: str
    """RFC 3339."""
    id: str
    """Id."""
    inviter: str
    """Id of the admin who invites."""
    role: str
    """Role of the account."""
    invitation: str
    """The invitation, `inv_…`."""
    email: str | None = None
    """The only address that it is good for."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CreatedInvitation:
        """From an answer."""
        return cls(
            created_at=data["createdAt"],
            expires_at=data["expiresAt"],
            id=data["id"],
            inviter=data["inviter"],
            role=data["role"],
            invitation=data["invitation"],
            email=data.get("email"),
        )


@dataclass(frozen=True, slots=True)
class Definition:
    """What a sandbox is to be, where it says so."""

    bandwidth: int | None = None
    """What its network carries each way, in megabits a second, at most 100,000; 0: as much as it can."""
    capabilities: str | None = None
    """`standard` or `none`."""
    command: str | list[str] | None = None
    """Main process, or the arguments of the entry point; its output is the sandbox's log."""
    cpu: float | None = None
    """Cores, 0.01 to 256."""
    cwd: str | None = None
    """Where processes begin, absolute; the user's home when nothing says."""
    disk: int | None = None
    """Size of the writable layer in MiB."""
    entrypoint: list[str] | None = None
    """Program, with arguments, that gets the command as further arguments; an empty list: none."""
    env: dict[str, str] | None = None
    """Variables of every process."""
    gpus: str | int | list[str] | None = None
    """GPUs of the host: `none`, `all`, a number, or a list of ids; only with the runtime `docker`, and
    where the operator allows it."""
    health_check: HealthCheck | None = None
    """What tells whether it works, as OCI's HEALTHCHECK."""
    idle_ttl_seconds: int | None = None
    """Seconds without activity after which it stops; 0: never; the server's `idleTtl` when nothing
    says."""
    image: str | None = None
    """Image; the server's default when nothing says."""
    isolation: str | None = None
    """`standard`, or `strong`: not the host's kernel answers its system calls, which is the runtime
    `gvisor`."""
    labels: dict[str, str] | None = None
    """For filters; at most 32."""
    memory: int | None = None
    """Memory in MiB."""
    network: str | None = None
    """`none`, or `all`: the Internet, but no private, host or metadata addresses."""
    on_expiry: str | None = None
    """What the end of the life time does: `delete` or `stop`."""
    open_files: int | None = None
    """Open files of one process, 1,024 to 65,536."""
    pids: int | None = None
    """Processes and threads at once."""
    ports: list[PublishPort] | None = None
    """Ports to publish on the host while it runs; at most 16, no port inside twice."""
    read_only_root: bool | None = None
    """Whether the root is read-only."""
    runtime: str | None = None
    """`native`, `docker` or `gvisor`, or `auto` for what `isolation` asks for; `native` when nothing
    says. No other takes the place of one that is missing."""
    ttl_seconds: int | None = None
    """Life time in seconds."""
    user: str | None = None
    """User of execs and of the main process; `agent` when nothing says."""
    warm_pool: int | dict[str, Any] | None = None
    """Of an environment: how many of its sandboxes are kept ready."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Definition:
        """From an answer."""
        return cls(
            bandwidth=data.get("bandwidth"),
            capabilities=data.get("capabilities"),
            command=data.get("command"),
            cpu=data.get("cpu"),
            cwd=data.get("cwd"),
            disk=data.get("disk"),
            entrypoint=None if (value := data.get("entrypoint")) is None else list(value),
            env=None if (value := data.get("env")) is None else dict(value),
            gpus=data.get("gpus"),
            health_check=None if (value := data.get("healthCheck")) is None else HealthCheck.from_json(value),
            idle_ttl_seconds=data.get("idleTtlSeconds"),
            image=data.get("image"),
            isolation=data.get("isolation"),
            labels=None if (value := data.get("labels")) is None else dict(value),
            memory=data.get("memory"),
            network=data.get("network"),
            on_expiry=data.get("onExpiry"),
            open_files=data.get("openFiles"),
            pids=data.get("pids"),
            ports=None if (value := data.get("ports")) is None else [PublishPort.from_json(item) for item in value],
            read_only_root=data.get("readOnlyRoot"),
            runtime=data.get("runtime"),
            ttl_seconds=data.get("ttlSeconds"),
            user=data.get("user"),
            warm_pool=data.get("warmPool"),
        )


@dataclass(frozen=True, slots=True)
class Deleted:
    """Something was removed."""

    deleted: bool
    """Always true."""
    id: str
    """What."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Deleted:
        """From an answer."""
        return cls(
            deleted=data["deleted"],
            id=data["id"],
        )


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """Something that is not as it should be."""

    kind: str
    """What it is: `runtime`, `storage`, `record`, `files`, `image`, `exec_log` or `master_key`."""
    name: str
    """Its name or id."""
    problem: str
    """What is wrong, for people."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DoctorFinding:
        """From an answer."""
        return cls(
            kind=data["kind"],
            name=data["name"],
            problem=data["problem"],
        )


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """What the server can see that is wrong."""

    findings: list[DoctorFinding]
    """What is wrong, 1,000 at most."""
    healthy: bool
    """Whether nothing is wrong."""
    notes: list[str]
    """What was not looked at."""
    sandboxes_alive: int
    """Sandboxes that are up, paused ones and those that are kept ready among them."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DoctorReport:
        """From an answer."""
        return cls(
            findings=[DoctorFinding.from_json(item) for item in data["findings"]],
            healthy=data["healthy"],
            notes=list(data["notes"]),
            sandboxes_alive=data["sandboxesAlive"],
        )


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment with its newest version."""

    created_at: str
    """RFC 3339: when it was made."""
    id: str
    """Id."""
    name: str
    """Name."""
    updated_at: str
    """RFC 3339: when its newest version was made."""
    version: int
    """Number of its newest version, from 1."""
    bandwidth: int | None = None
    """What its network carries each way, in megabits a second, at most 100,000; 0: as much as it can."""
    capabilities: str | None = None
    """`standard` or `none`."""
    command: str | list[str] | None = None
    """Main process, or the arguments of the entry point; its output is the sandbox's log."""
    cpu: float | None = None
    """Cores, 0.01 to 256."""
    cwd: str | None = None
    """Where processes begin, absolute; the user's home when nothing says."""
    disk: int | None = None
    """Size of the writable layer in MiB."""
    entrypoint: list[str] | None = None
    """Program, with arguments, that gets the command as further arguments; an empty list: none."""
    env: dict[str, str] | None = None
    """Variables of every process."""
    gpus: str | int | list[str] | None = None
    """GPUs of the host: `none`, `all`, a number, or a list of ids; only with the runtime `docker`, and
    where the operator allows it."""
    health_check: HealthCheck | None = None
    """What tells whether it works, as OCI's HEALTHCHECK."""
    idle_ttl_seconds: int | None = None
    """Seconds without activity after which it stops; 0: never; the server's `idleTtl` when nothing
    says."""
    image: str | None = None
    """Image; the server's default when nothing says."""
    isolation: str | None = None
    """`standard`, or `strong`: not the host's kernel answers its system calls, which is the runtime
    `gvisor`."""
    labels: dict[str, str] | None = None
    """For filters; at most 32."""
    memory: int | None = None
    """Memory in MiB."""
    network: str | None = None
    """`none`, or `all`: the Internet, but no private, host or metadata addresses."""
    on_expiry: str | None = None
    """What the end of the life time does: `delete` or `stop`."""
    open_files: int | None = None
    """Open files of one process, 1,024 to 65,536."""
    pids: int | None = None
    """Processes and threads at once."""
    ports: list[PublishPort] | None = None
    """Ports to publish on the host while it runs; at most 16, no port inside twice."""
    read_only_root: bool | None = None
    """Whether the root is read-only."""
    runtime: str | None = None
    """`native`, `docker` or `gvisor`, or `auto` for what `isolation` asks for; `native` when nothing
    says. No other takes the place of one that is missing."""
    ttl_seconds: int | None = None
    """Life time in seconds."""
    user: str | None = None
    """User of execs and of the main process; `agent` when nothing says."""
    warm_pool: int | dict[str, Any] | None = None
    """Of an environment: how many of its sandboxes are kept ready."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Environment:
        """From an answer."""
        return cls(
            created_at=data["createdAt"],
            id=data["id"],
            name=data["name"],
            updated_at=data["updatedAt"],
            version=data["version"],
            bandwidth=data.get("bandwidth"),
            capabilities=data.get("capabilities"),
            command=data.get("command"),
            cpu=data.get("cpu"),
            cwd=data.get("cwd"),
            disk=data.get("disk"),
            entrypoint=None if (value := data.get("entrypoint")) is None else list(value),
            env=None if (value := data.get("env")) is None else dict(value),
            gpus=data.get("gpus"),
            health_check=None if (value := data.get("healthCheck")) is None else HealthCheck.from_json(value),
            idle_ttl_seconds=data.get("idleTtlSeconds"),
            image=data.get("image"),
            isolation=data.get("isolation"),
            labels=None if (value := data.get("labels")) is None else dict(value),
            memory=data.get("memory"),
            network=data.get("network"),
            on_expiry=data.get("onExpiry"),
            open_files=data.get("openFiles"),
            pids=data.get("pids"),
            ports=None if (value := data.get("ports")) is None else [PublishPort.from_json(item) for item in value],
            read_only_root=data.get("readOnlyRoot"),
            runtime=data.get("runtime"),
            ttl_seconds=data.get("ttlSeconds"),
            user=data.get("user"),
            warm_pool=data.get("warmPool"),
        )


@dataclass(frozen=True, slots=True)
class EnvironmentChange:
    """A field that two versions have differently."""

    field: str
    """Its name; variables and labels are told one by one."""
    from_: Any
    """In the first; null where it says nothing."""
    to: Any
    """In the second; null where it says nothing."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EnvironmentChange:
        """From an answer."""
        return cls(
            field=data["field"],
            from_=data["from"],
            to=data["to"],
        )


@dataclass(frozen=True, slots=True)
class EnvironmentDiff:
    """What two versions of an environment differ in."""

    changes: list[EnvironmentChange]
    """The fields that differ, by name."""
    from_: int
    """The first."""
    to: int
    """The second."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EnvironmentDiff:
        """From an answer."""
        return cls(
            changes=[EnvironmentChange.from_json(item) for item in data["changes"]],
            from_=data["from"],
            to=data["to"],
        )


@dataclass(frozen=True, slots=True)
class EnvironmentVersion:
    """One version of an environment; it never changes."""

    created_at: str
    """RFC 3339: when it was made."""
    version: int
    """Its number."""
    bandwidth: int | None = None
    """What its network carries each way, in megabits a second, at most 100,000; 0: as much as it can."""
    capabilities: str | None = None
    """`standard` or `none`."""
    command: str | list[str] | None = None
    """Main process, or the arguments of the entry point; its output is the sandbox's log."""
    cpu: float | None = None
    """Cores, 0.01 to 256."""
    cwd: str | None = None
    """Where processes begin, absolute; the user's home when nothing says."""
    disk: int | None = None
    """Size of the writable layer in MiB."""
    entrypoint: list[str] | None = None
    """Program, with arguments, that gets the command as further arguments; an empty list: none."""
    env: dict[str, str] | None = None
    """Variables of every process."""
    gpus: str | int | list[str] | None = None
    """GPUs of the host: `none`, `all`, a number, or a list of ids; only with the runtime `docker`, and
    where the operator allows it."""
    health_check: HealthCheck | None = None
    """What tells whether it works, as OCI's HEALTHCHECK."""
    idle_ttl_seconds: int | None = None
    """Seconds without activity after which it stops; 0: never; the server's `idleTtl` when nothing
    says."""
    image: str | None = None
    """Image; the server's default when nothing says."""
    isolation: str | None = None
    """`standard`, or `strong`: not the host's kernel answers its system calls, which is the runtime
    `gvisor`."""
    labels: dict[str, str] | None = None
    """For filters; at most 32."""
    memory: int | None = None
    """Memory in MiB."""
    network: str | None = None
    """`none`, or `all`: the Internet, but no private, host or metadata addresses."""
    on_expiry: str | None = None
    """What the end of the life time does: `delete` or `stop`."""
    open_files: int | None = None
    """Open files of one process, 1,024 to 65,536."""
    pids: int | None = None
    """Processes and threads at once."""
    ports: list[PublishPort] | None = None
    """Ports to publish on the host while it runs; at most 16, no port inside twice."""
    read_only_root: bool | None = None
    """Whether the root is read-only."""
    runtime: str | None = None
    """`native`, `docker` or `gvisor`, or `auto` for what `isolation` asks for; `native` when nothing
    says. No other takes the place of one that is missing."""
    ttl_seconds: int | None = None
    """Life time in seconds."""
    user: str | None = None
    """User of execs and of the main process; `agent` when nothing says."""
    warm_pool: int | dict[str, Any] | None = None
    """Of an environment: how many of its sandboxes are kept ready."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EnvironmentVersion:
        """From an answer."""
        return cls(
            created_at=data["createdAt"],
            version=data["version"],
            bandwidth=data.get("bandwidth"),
            capabilities=data.get("capabilities"),
            command=data.get("command"),
            cpu=data.get("cpu"),
            cwd=data.get("cwd"),
            disk=data.get("disk"),
            entrypoint=None if (value := data.get("entrypoint")) is None else list(value),
            env=None if (value := data.get("env")) is None else dict(value),
            gpus=data.get("gpus"),
            health_check=None if (value := data.get("healthCheck")) is None else HealthCheck.from_json(value),
            idle_ttl_seconds=data.get("idleTtlSeconds"),
            image=data.get("image"),
            isolation=data.get("isolation"),
            labels=None if (value := data.get("labels")) is None else dict(value),
            memory=data.get("memory"),
            network=data.get("network"),
            on_expiry=data.get("onExpiry"),
            open_files=data.get("openFiles"),
            pids=data.get("pids"),
            ports=None if (value := data.get("ports")) is None else [PublishPort.from_json(item) for item in value],
            read_only_root=data.get("readOnlyRoot"),
            runtime=data.get("runtime"),
            ttl_seconds=data.get("ttlSeconds"),
            user=data.get("user"),
            warm_pool=data.get("warmPool"),
        )


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: the data of a server-sent event of `GET /events`."""

    data: dict[str, str]
    """More, by name: of a sandbox `status`, `before` and `name`; of an exec `execId`, `status` and
    `exitCode`."""
    id: str
    """To go on after it, as `Last-Event-ID`."""
    time: str
    """RFC 3339."""
    type: str
    """As `sandbox.changed`."""
    sandbox_id: str | None = None
    """The sandbox that it is about."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Event:
        """From an answer."""
        return cls(
            data=dict(data["data"]),
            id=data["id"],
            time=data["time"],
            type=data["type"],
            sandbox_id=data.get("sandboxId"),
        )


@dataclass(frozen=True, slots=True)
class Exec:
    """An exec."""

    command: str | list[str]
    """What was asked."""
    created_at: str
    """RFC 3339."""
    id: str
    """Id; the `exec_id` of the stream."""
    sandbox_id: str
    """Where it runs."""
    status: str
    """`running`, `exited`, `timed_out`, `lost` or `failed`."""
    truncated: bool
    """Whether `stdout` or `stderr` are not whole; the stream may have more."""
    duration_ms: int | None = None
    """From its start to its end."""
    error: str | None = None
    """Why it failed or was lost."""
    exit_code: int | None = None
    """128 + n after signal n, 127 for a program that was not found, 126 for one that cannot run; null
    while it runs."""
    finished_at: str | None = None
    """RFC 3339."""
    stderr: str | None = None
    """What it wrote; only where one exec is shown, and bounded: see `truncated`."""
    stdout: str | None = None
    """What it wrote; only where one exec is shown, and bounded: see `truncated`."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Exec:
        """From an answer."""
        return cls(
            command=data["command"],
            created_at=data["createdAt"],
            id=data["id"],
            sandbox_id=data["sandboxId"],
            status=data["status"],
            truncated=data["truncated"],
            duration_ms=data.get("durationMs"),
            error=data.get("error"),
            exit_code=data.get("exitCode"),
            finished_at=data.get("finishedAt"),
            stderr=data.get("stderr"),
            stdout=data.get("stdout"),
        )


@dataclass(frozen=True, slots=True)
class ExecEvent:
    """One message of `WS /sandboxes/:id/stream`. Its names are those of the Agent Sandbox document, in
    snake case."""

    exec_id: str
    """Which exec."""
    sandbox_id: str
    """Where."""
    seq: int
    """From 1, without gaps."""
    time: str
    """RFC 3339."""
    type: EventKind
    """What."""
    data: str | None = None
    """Output, cut at character boundaries; base 64 with `?encoding=base64`."""
    exit_code: int | None = None
    """Of the exit; null when the exec was lost."""
    stream: str | None = None
    """`stdout` or `stderr`, of output."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ExecEvent:
        """From an answer."""
        return cls(
            exec_id=data["exec_id"],
            sandbox_id=data["sandbox_id"],
            seq=data["seq"],
            time=data["time"],
            type=data["type"],
            data=data.get("data"),
            exit_code=data.get("exit_code"),
            stream=data.get("stream"),
        )


@dataclass(frozen=True, slots=True)
class FailureBody:
    """What went wrong."""

    code: str
    message: str
    """What happened and what would be right, for people."""
    trace_id: str
    """Finds this request in the log of the server."""
    details: Any = None
    """More for programs: a list of [`FieldError`] for `invalid_request`, `firstSeq` for
    `events_expired`."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FailureBody:
        """From an answer."""
        return cls(
            code=data["code"],
            message=data["message"],
            trace_id=data["traceId"],
            details=data.get("details"),
        )


@dataclass(frozen=True, slots=True)
class FieldError:
    """A field that is wrong, and what would be right."""

    field: str
    """Path of the field: `command`, `env.PATH`, `query.limit`, `path.id`."""
    message: str
    """What would be right."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FieldError:
        """From an answer."""
        return cls(
            field=data["field"],
            message=data["message"],
        )


@dataclass(frozen=True, slots=True)
class File:
    """A file of a sandbox."""

    gid: int
    """Group, as a number of the sandbox."""
    mode: str
    """Rights, octal."""
    modified_at: str
    """RFC 3339: last change of its content."""
    name: str
    """Last part of its path. Bytes that are no UTF-8 are shown as U+FFFD."""
    path: str
    """Its path; in a search from where that began. Bytes that are no UTF-8 are shown as U+FFFD."""
    size: int
    """In bytes."""
    type: str
    """`file`, `directory`, `symlink`, `fifo`, `socket`, `character_device`, `block_device` or `other`."""
    uid: int
    """Owner, as a number of the sandbox."""
    path_base64: str | None = None
    """`path` as its bytes in base 64, where it is no UTF-8."""
    target: str | None = None
    """Of a symbolic link: where it leads."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> File:
        """From an answer."""
        return cls(
            gid=data["gid"],
            mode=data["mode"],
            modified_at=data["modifiedAt"],
            name=data["name"],
            path=data["path"],
            size=data["size"],
            type=data["type"],
            uid=data["uid"],
            path_base64=data.get("pathBase64"),
            target=data.get("target"),
        )


@dataclass(frozen=True, slots=True)
class FileEvent:
    """One message of `WS /sandboxes/{id}/watch`."""

    directory: bool
    """Whether it is a directory."""
    path: str
    """Below what is watched; empty: itself. Bytes that are no UTF-8 are shown as U+FFFD."""
    type: str
    """`ready` (the watch stands), `created`, `modified`, `deleted`, `attributes`, `moved_from`,
    `moved_to`, `overflow` (events were lost: look again) or `gone` (what is watched is gone;
    nothing follows)."""
    cookie: int | None = None
    """The two halves of one move have the same."""
    path_base64: str | None = None
    """`path` as its bytes in base 64, where it is no UTF-8."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FileEvent:
        """From an answer."""
        return cls(
            directory=data["directory"],
            path=data["path"],
            type=data["type"],
            cookie=data.get("cookie"),
            path_base64=data.get("pathBase64"),
        )


@dataclass(frozen=True, slots=True)
class FileMatch:
    """Something that was looked for."""

    file: File
    """The file."""
    line: int | None = None
    """Of a match in a content: number of the line, from 1."""
    text: str | None = None
    """Of a match in a content: the line, cut to 256 bytes."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FileMatch:
        """From an answer."""
        return cls(
            file=File.from_json(data["file"]),
            line=data.get("line"),
            text=data.get("text"),
        )


@dataclass(frozen=True, slots=True)
class FileMatches:
    """What a search found."""

    matches: list[FileMatch]
    """The matches, in no order."""
    truncated: bool
    """Whether a bound of number, time or work ended the search."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FileMatches:
        """From an answer."""
        return cls(
            matches=[FileMatch.from_json(item) for item in data["matches"]],
            truncated=data["truncated"],
        )


@dataclass(frozen=True, slots=True)
class Health:
    """Answer to `GET /health`."""

    containers: int
    """Running sandboxes."""
    db: str
    """`ok` or the error."""
    docker: str
    """`ok`, `absent` or the error."""
    runtimes: dict[str, RuntimeHealth]
    """By name."""
    status: str
    """`ok` or `degraded`."""
    timestamp: str
    """RFC 3339."""
    uptime: str
    """`2h15m30s`."""
    version: str
    """Release."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Health:
        """From an answer."""
        return cls(
            containers=data["containers"],
            db=data["db"],
            docker=data["docker"],
            runtimes={k: RuntimeHealth.from_json(v) for k, v in data["runtimes"].items()},
            status=data["status"],
            timestamp=data["timestamp"],
            uptime=data["uptime"],
            version=data["version"],
        )


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A health check, as OCI's HEALTHCHECK: a command that runs in the sandbox, as its user, while it
    is up and not paused. It is no activity."""

    command: str | list[str]
    """Ends with 0 when all is well: a line for the shell, or a program with its arguments; at most 4
    KiB. An empty list: no check, whatever the environment says."""
    interval_seconds: int | None = None
    """Seconds from the end of one check to the next, 1 to 3600; until it is first healthy, one second."""
    retries: int | None = None
    """Checks that fail in a row before it is unhealthy, 1 to 100; until it is first healthy, one in an
    interval counts."""
    start_period_seconds: int | None = None
    """Seconds from its start in which a check that fails does not count, 0 to 3600."""
    timeout_seconds: int | None = None
    """Seconds after which a check has failed, and is killed, 1 to 3600."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HealthCheck:
        """From an answer."""
        return cls(
            command=data["command"],
            interval_seconds=data.get("intervalSeconds"),
            retries=data.get("retries"),
            start_period_seconds=data.get("startPeriodSeconds"),
            timeout_seconds=data.get("timeoutSeconds"),
        )

    def to_json(self) -> dict[str, Any]:
        """As a request writes it."""
        data = {
            "command": (list(self.command) if not isinstance(self.command, str) else self.command),
            "intervalSeconds": self.interval_seconds,
            "retries": self.retries,
            "startPeriodSeconds": self.start_period_seconds,
            "timeoutSeconds": self.timeout_seconds,
        }
        return {key: value for key, value in data.items() if value is not None}


@dataclass(frozen=True, slots=True)
class HealthResult:
    """What the last check told."""

    checked_at: str
    """RFC 3339: when it ended."""
    failing_streak: int
    """Checks that failed in a row, and counted."""
    output: str
    """The end of what it wrote, or why it could not be run; at most 1 KiB."""
    exit_code: int | None = None
    """Its exit code; null where it did not end by itself, or could not be run."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HealthResult:
        """From an answer."""
        return cls(
            checked_at=data["checkedAt"],
            failing_streak=data["failingStreak"],
            output=data["output"],
            exit_code=data.get("exitCode"),
        )


@dataclass(frozen=True, slots=True)
class Image:
    """An image."""

    name: str
    """Name, unique."""
    command: str | list[str] | None = None
    """Main process of its sandboxes, where nothing else says."""
    created_at: str | None = None
    """RFC 3339; null for `host`."""
    cwd: str | None = None
    """Where their processes begin."""
    digest: str | None = None
    """What names its files: the SHA-256 of the archive that it was unpacked from or, where that has
    layers, made of theirs; null for `host`."""
    entrypoint: list[str] | None = None
    """What gets the command as its arguments."""
    env: dict[str, str] | None = None
    """Variables of its sandboxes."""
    exposed_ports: list[str] | None = None
    """Ports that its programs listen on, with `/tcp`, `/udp` or `/sctp`. They are published where a
    sandbox says so."""
    health_check: ImageHealthCheck | None = None
    """How the image wants to be asked whether it is well."""
    manifest_digest: str | None = None
    """SHA-256 of the image's manifest, as registries name it; absent where the archive had none."""
    shared_bytes: int | None = None
    """Bytes of its layers that other images have too: they are kept once. Absent where it is not
    known."""
    size_bytes: int | None = None
    """Bytes of its files; null for `host`."""
    unique_bytes: int | None = None
    """Bytes of its files that no other image has: they go with it. Absent where it is not known."""
    user: str | None = None
    """User of their processes."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Image:
        """From an answer."""
        return cls(
            name=data["name"],
            command=data.get("command"),
            created_at=data.get("createdAt"),
            cwd=data.get("cwd"),
            digest=data.get("digest"),
            entrypoint=None if (value := data.get("entrypoint")) is None else list(value),
            env=None if (value := data.get("env")) is None else dict(value),
            exposed_ports=None if (value := data.get("exposedPorts")) is None else list(value),
            health_check=None if (value := data.get("healthCheck")) is None else ImageHealthCheck.from_json(value),
            manifest_digest=data.get("manifestDigest"),
            shared_bytes=data.get("sharedBytes"),
            size_bytes=data.get("sizeBytes"),
            unique_bytes=data.get("uniqueBytes"),
            user=data.get("user"),
        )


@dataclass(frozen=True, slots=True)
class ImageHealthCheck:
    """The HEALTHCHECK of an image. A number that is 0 is left to the default."""

    interval_ms: int
    """Between two checks."""
    retries: int
    """Failures in a row that count."""
    start_period_ms: int
    """After the start, in which failures do not count."""
    test: list[str]
    """`NONE`; `CMD`, a program and its arguments; or `CMD-SHELL` and a line for the shell."""
    timeout_ms: int
    """For one check."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ImageHealthCheck:
        """From an answer."""
        return cls(
            interval_ms=data["intervalMs"],
            retries=data["retries"],
            start_period_ms=data["startPeriodMs"],
            test=list(data["test"]),
            timeout_ms=data["timeoutMs"],
        )


@dataclass(frozen=True, slots=True)
class Invitation:
    """An open invitation, without the invitation itself."""

    created_at: str
    """RFC 3339."""
    expires_at: str
    """RFC 3339."""
    id: str
    """Id."""
    inviter: str
    """Id of the admin who invites."""
    role: str
    """Role of the account."""
    email: str | None = None
    """The only address that it is good for."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Invitation:
        """From an answer."""
        return cls(
            created_at=data["createdAt"],
            expires_at=data["expiresAt"],
            id=data["id"],
            inviter=data["inviter"],
            role=data["role"],
            email=data.get("email"),
        )


@dataclass(frozen=True, slots=True)
class IoMetrics:
    """What went to and from storage."""

    read_bytes: int
    """Bytes read."""
    write_bytes: int
    """Bytes written."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> IoMetrics:
        """From an answer."""
        return cls(
            read_bytes=data["readBytes"],
            write_bytes=data["writeBytes"],
        )


@dataclass(frozen=True, slots=True)
class Job:
    """A background job."""

    backoff_max_ms: int
    """Longest wait."""
    backoff_ms: int
    """Wait before the first restart in a row."""
    command: str | list[str]
    """What was asked."""
    created_at: str
    """RFC 3339."""
    exec_id: str
    """The last run: an exec, to stream, signal and look at as any other."""
    exec_ids: list[str]
    """The last runs, at most ten, newest last. Each is an exec, held for 24 hours after its end."""
    id: str
    """Id."""
    restart: str
    """`never`, `on-failure` or `always`."""
    retries: int
    """Restarts in a row, none of whose runs lasted ten seconds."""
    sandbox_id: str
    """Where it runs."""
    starts: int
    """Runs that were begun."""
    status: str
    """`running`, `backoff` (waits before it starts again), `waiting` (for its sandbox to come up),
    `exited`, `failed`, `stopped` (ended with its sandbox) or `stopping`."""
    last_exit: JobExit | None = None
    """How the last run that ended did; null before."""
    max_retries: int | None = None
    """Most restarts in a row; null: no bound."""
    name: str | None = None
    """Name for people."""
    next_start: str | None = None
    """RFC 3339; null unless `backoff`."""
    pid: int | None = None
    """Number of the run's process inside; null unless `running`, and just after a start."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        """From an answer."""
        return cls(
            backoff_max_ms=data["backoffMaxMs"],
            backoff_ms=data["backoffMs"],
            command=data["command"],
            created_at=data["createdAt"],
            exec_id=data["execId"],
            exec_ids=list(data["execIds"]),
            id=data["id"],
            restart=data["restart"],
            retries=data["retries"],
            sandbox_id=data["sandboxId"],
            starts=data["starts"],
            status=data["status"],
            last_exit=None if (value := data.get("lastExit")) is None else JobExit.from_json(value),
            max_retries=data.get("maxRetries"),
            name=data.get("name"),
            next_start=data.get("nextStart"),
            pid=data.get("pid"),
        )


@dataclass(frozen=True, slots=True)
class JobExit:
    """How a run of a job ended."""

    exec_id: str
    """Which run."""
    finished_at: str
    """RFC 3339."""
    status: str
    """`exited`, `timed_out`, `lost` or `failed`."""
    error: str | None = None
    """Why it failed or was lost."""
    exit_code: int | None = None
    """128 + n after signal n, 127 for a program that was not found, 126 for one that cannot run; null
    when it was lost or could not be started."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JobExit:
        """From an answer."""
        return cls(
            exec_id=data["execId"],
            finished_at=data["finishedAt"],
            status=data["status"],
            error=data.get("error"),
            exit_code=data.get("exitCode"),
        )


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line."""

    line: str
    """The line without its end."""
    stream: str
    """`stdout` or `stderr`."""
    time: str
    """RFC 3339."""
    seq: int | None = None
    """Number of the event that ended it; several lines may have the same."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LogLine:
        """From an answer."""
        return cls(
            line=data["line"],
            stream=data["stream"],
            time=data["time"],
            seq=data.get("seq"),
        )


@dataclass(frozen=True, slots=True)
class Logs:
    """Answer to `GET /sandboxes/:id/logs`."""

    lines: list[LogLine]
    """Oldest first."""
    truncated: bool
    """Whether older lines were dropped or not asked for."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Logs:
        """From an answer."""
        return cls(
            lines=[LogLine.from_json(item) for item in data["lines"]],
            truncated=data["truncated"],
        )


@dataclass(frozen=True, slots=True)
class MemoryMetrics:
    """Memory."""

    limit_bytes: int
    """Bytes that it may use."""
    usage_bytes: int
    """Bytes in use, without file pages that nobody has used lately."""
    usage_percent: float
    """Use in percent of the limit."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MemoryMetrics:
        """From an answer."""
        return cls(
            limit_bytes=data["limitBytes"],
            usage_bytes=data["usageBytes"],
            usage_percent=data["usagePercent"],
        )


@dataclass(frozen=True, slots=True)
class Metrics:
    """Answer to `GET /sandboxes/:id/metrics`."""

    cpu: CpuMetrics
    """Time of the CPU."""
    io: IoMetrics
    """What went to and from storage since the sandbox came up; what came out of a cache does not
    count."""
    memory: MemoryMetrics
    """Memory."""
    network: NetworkMetrics
    """What went over the network since the sandbox came up; loopback does not count. All zero without
    a network."""
    pids: PidMetrics | None = None
    """Processes; only when they are asked for."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Metrics:
        """From an answer."""
        return cls(
            cpu=CpuMetrics.from_json(data["cpu"]),
            io=IoMetrics.from_json(data["io"]),
            memory=MemoryMetrics.from_json(data["memory"]),
            network=NetworkMetrics.from_json(data["network"]),
            pids=None if (value := data.get("pids")) is None else PidMetrics.from_json(value),
        )


@dataclass(frozen=True, slots=True)
class MetricsHistory:
    """Answer to `GET /sandboxes/:id/metrics/history`."""

    interval_seconds: int
    """Seconds from one point to the next: 10 or 60."""
    points: list[MetricsPoint]
    """Oldest first; numbers have seven digits. A gap is a time in which the sandbox did not run, or
    nobody could look."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MetricsHistory:
        """From an answer."""
        return cls(
            interval_seconds=data["intervalSeconds"],
            points=[MetricsPoint.from_json(item) for item in data["points"]],
        )


@dataclass(frozen=True, slots=True)
class MetricsPoint:
    """What a sandbox used in one while."""

    cpu_percent: float
    """CPU in percent of one core."""
    memory_bytes: int
    """Bytes of memory at its end; in a minute the most."""
    pids: int
    """Processes at its end; in a minute the most."""
    read_bytes: int
    """Bytes read from storage meanwhile."""
    rx_bytes: int
    """Bytes received meanwhile."""
    system_percent: float
    """The part of it that the kernel ran for the sandbox."""
    time: str
    """At its end, RFC 3339."""
    tx_bytes: int
    """Bytes sent meanwhile."""
    write_bytes: int
    """Bytes written to storage meanwhile."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MetricsPoint:
        """From an answer."""
        return cls(
            cpu_percent=data["cpuPercent"],
            memory_bytes=data["memoryBytes"],
            pids=data["pids"],
            read_bytes=data["readBytes"],
            rx_bytes=data["rxBytes"],
            system_percent=data["systemPercent"],
            time=data["time"],
            tx_bytes=data["txBytes"],
            write_bytes=data["writeBytes"],
        )


@dataclass(frozen=True, slots=True)
class NetworkMetrics:
    """What went over the network."""

    rx_bytes: int
    """Bytes received."""
    rx_packets: int
    """Packets received."""
    tx_bytes: int
    """Bytes sent."""
    tx_packets: int
    """Packets sent."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> NetworkMetrics:
        """From an answer."""
        return cls(
            rx_bytes=data["rxBytes"],
            rx_packets=data["rxPackets"],
            tx_bytes=data["txBytes"],
            tx_packets=data["txPackets"],
        )


@dataclass(frozen=True, slots=True)
class PidMetrics:
    """Processes and threads."""

    current: int
    """Now; one of them is Atoll's own, ready for the next command."""
    limit: int
    """How many there may be."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PidMetrics:
        """From an answer."""
        return cls(
            current=data["current"],
            limit=data["limit"],
        )


@dataclass(frozen=True, slots=True)
class Probe:
    """Answer to `GET /health/live` and `GET /health/ready`."""

    status: str
    """`ok`, `starting` or `degraded`."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Probe:
        """From an answer."""
        return cls(
            status=data["status"],
        )


@dataclass(frozen=True, slots=True)
class PublicSession:
    """Answer to `POST /sessions`: the only time that the id is shown."""

    cpu: float
    """CPU, in cores."""
    created_at: str
    """RFC 3339."""
    expires_at: str
    """RFC 3339: when it ends at the latest."""
    id: str
    """Id; whoever has it is in the session."""
    idle_ttl_seconds: int
    """Time without activity after which it ends, in seconds."""
    memory: int
    """Memory, in MiB."""
    open_files: int
    """Open files of a process."""
    path: str
    """Path of its terminal (a WebSocket), and of its end (`DELETE`)."""
    pids: int
    """Processes."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PublicSession:
        """From an answer."""
        return cls(
            cpu=data["cpu"],
            created_at=data["createdAt"],
            expires_at=data["expiresAt"],
            id=data["id"],
            idle_ttl_seconds=data["idleTtlSeconds"],
            memory=data["memory"],
            open_files=data["openFiles"],
            path=data["path"],
            pids=data["pids"],
        )


@dataclass(frozen=True, slots=True)
class PublishPort:
    """A port of a sandbox to publish on the host."""

    container: int
    """TCP port inside, 1 to 65535, on any address or on loopback."""
    host: int | None = None
    """Port of the host; absent or 0: any that is free. One that is taken, or below 1024, is replaced
    by one that is free."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PublishPort:
        """From an answer."""
        return cls(
            container=data["container"],
            host=data.get("host"),
        )

    def to_json(self) -> dict[str, Any]:
        """As a request writes it."""
        data = {
            "container": self.container,
            "host": self.host,
        }
        return {key: value for key, value in data.items() if value is not None}


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of a sandbox that is published on the host."""

    container: int
    """Port inside."""
    host: int | None = None
    """Port of the host, open while the sandbox runs; of one that is down, the one that it has again
    where it is free. Absent while none could be had."""
    note: str | None = None
    """Why it is another, for people."""
    requested_host: int | None = None
    """The port that was asked for, where it is another."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PublishedPort:
        """From an answer."""
        return cls(
            container=data["container"],
            host=data.get("host"),
            note=data.get("note"),
            requested_host=data.get("requestedHost"),
        )


@dataclass(frozen=True, slots=True)
class PullImage:
    """Body of `POST /images` that asks for an image of a registry."""

    reference: str
    """`REGISTRY/REPOSITORY`, with `:TAG`, `@sha256:` and a digest, or both; `latest` when neither
    says."""
    name: str | None = None
    """Name of the image here; the reference when absent. One that exists is replaced."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PullImage:
        """From an answer."""
        return cls(
            reference=data["reference"],
            name=data.get("name"),
        )


@dataclass(frozen=True, slots=True)
class PullProgress:
    """One line of the progress of a pull. The last has `image` or `error`."""

    bytes: int
    """Bytes of the layers that are here."""
    status: str
    """`fetching`, `exists` where all layers are here already, `unpacking`, `done` or `failed`."""
    total_bytes: int
    """Bytes of all layers that are fetched, as they are stored in the registry; 0 until it is known."""
    error: FailureBody | None = None
    """What went wrong, at the end."""
    existing_bytes: int | None = None
    """Bytes of the layers that are here already and are not fetched, as they are stored in the
    registry."""
    image: Image | None = None
    """The image, at the end."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PullProgress:
        """From an answer."""
        return cls(
            bytes=data["bytes"],
            status=data["status"],
            total_bytes=data["totalBytes"],
            error=None if (value := data.get("error")) is None else FailureBody.from_json(value),
            existing_bytes=data.get("existingBytes"),
            image=None if (value := data.get("image")) is None else Image.from_json(value),
        )


@dataclass(frozen=True, slots=True)
class PushProgress:
    """One line of the progress of a push. The last has `pushed` or `error`."""

    bytes: int
    """Bytes of the layer that were sent."""
    status: str
    """`packing`, `pushing`, `exists` where the registry has the layer already, `done` or `failed`."""
    total_bytes: int
    """Bytes of the layer, compressed; 0 until it is packed."""
    error: FailureBody | None = None
    """What went wrong, at the end."""
    pushed: PushedImage | None = None
    """What was pushed, at the end."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PushProgress:
        """From an answer."""
        return cls(
            bytes=data["bytes"],
            status=data["status"],
            total_bytes=data["totalBytes"],
            error=None if (value := data.get("error")) is None else FailureBody.from_json(value),
            pushed=None if (value := data.get("pushed")) is None else PushedImage.from_json(value),
        )


@dataclass(frozen=True, slots=True)
class PushedImage:
    """An image that was pushed."""

    manifest_digest: str
    """SHA-256 of its manifest: by this it can be pulled whatever its tag becomes."""
    reference: str
    """Where it is now."""
    size_bytes: int
    """Bytes of its layer, compressed."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PushedImage:
        """From an answer."""
        return cls(
            manifest_digest=data["manifestDigest"],
            reference=data["reference"],
            size_bytes=data["sizeBytes"],
        )


@dataclass(frozen=True, slots=True)
class QuotaBody:
    """What a user is given in place of the settings. Body of `PUT /admin/quotas/:user`; what is absent
    or null is as the settings say."""

    cpu: float | None = None
    """Cores of those that are up."""
    egress: int | None = None
    """MiB that they send in a month."""
    execs_per_hour: int | None = None
    """Commands that are started in an hour."""
    memory: int | None = None
    """MiB of memory of those that are up."""
    sandboxes: int | None = None
    """Sandboxes in any state."""
    storage: int | None = None
    """MiB of disk of all, by what they may take."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> QuotaBody:
        """From an answer."""
        return cls(
            cpu=data.get("cpu"),
            egress=data.get("egress"),
            execs_per_hour=data.get("execsPerHour"),
            memory=data.get("memory"),
            sandboxes=data.get("sandboxes"),
            storage=data.get("storage"),
        )


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """One quota, and how much of it is used."""

    percent: float
    """In percent."""
    quota: float
    """At most."""
    used: float
    """Now."""
    warning: bool
    """Whether it is nearly used up: 80 percent or more."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> QuotaUse:
        """From an answer."""
        return cls(
            percent=data["percent"],
            quota=data["quota"],
            used=data["used"],
            warning=data["warning"],
        )


@dataclass(frozen=True, slots=True)
class RotatedMasterKey:
    """Answer to `POST /admin/master-key/rotate`."""

    key_id: str
    """Id of the master key that seals now; tells nothing of the key."""
    resealed: int
    """Secrets that were sealed anew."""
    unreadable: int
    """Secrets that no master key opens: they stay as they are, and have to be set again."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RotatedMasterKey:
        """From an answer."""
        return cls(
            key_id=data["keyId"],
            resealed=data["resealed"],
            unreadable=data["unreadable"],
        )


@dataclass(frozen=True, slots=True)
class RuntimeHealth:
    """A runtime's part of the health."""

    disk_limits: bool
    """Whether disk limits hold here."""
    notes: list[str]
    """What is missing here and why."""
    status: str
    """`ok` or `unavailable`."""
    gpus: bool | None = None
    """Whether sandboxes may ask for GPUs here; Docker says whether it has any only when one is made."""
    networks: bool | None = None
    """Whether sandboxes can have a network here, beside loopback."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RuntimeHealth:
        """From an answer."""
        return cls(
            disk_limits=data["diskLimits"],
            notes=list(data["notes"]),
            status=data["status"],
            gpus=data.get("gpus"),
            networks=data.get("networks"),
        )


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox."""

    capabilities: str
    """`standard` or `none`."""
    cpu: float
    """Cores."""
    created_at: str
    """RFC 3339."""
    disk_bytes: int
    """Size of the writable layer in bytes."""
    env: dict[str, str]
    """Variables of every process."""
    id: str
    """Id."""
    idle_ttl_seconds: int
    """Seconds without activity after which it stops; 0: never."""
    image: str
    """Image as it was asked for."""
    labels: dict[str, str]
    """Labels."""
    memory_bytes: int
    """Memory in bytes."""
    network: str
    """What it reaches: `none` or `all`."""
    on_expiry: str
    """What its end does."""
    pids: int
    """Processes and threads at once."""
    read_only_root: bool
    """Whether the root is read-only."""
    runtime: str
    """What isolates it."""
    state: str
    """`creating`, `starting`, `running`, `paused`, `stopping`, `stopped`, `crashed`, `failed`,
    `deleting` or `unknown`."""
    user: str
    """User of execs."""
    bandwidth: int | None = None
    """What its network carries each way, in megabits a second; 0: as much as it can."""
    command: str | list[str] | None = None
    """Main process, or the arguments of the entry point."""
    cwd: str | None = None
    """Where processes begin; null: the user's home."""
    entrypoint: list[str] | None = None
    """What gets the command as its arguments; may be empty."""
    environment_id: str | None = None
    """The environment that it was made of."""
    environment_version: int | None = None
    """Which version of that."""
    error: str | None = None
    """Why it failed."""
    expires_at: str | None = None
    """RFC 3339: when its life ends, as the clocks stand now."""
    gpus: str | int | list[str] | None = None
    """GPUs of the host that it has."""
    health: str | None = None
    """`none` without a health check, and while it is not up; `starting`, `healthy` or `unhealthy`."""
    health_check: HealthCheck | None = None
    """What tells its health."""
    health_result: HealthResult | None = None
    """The last check since it came up."""
    name: str | None = None
    """Name."""
    open_files: int | None = None
    """Open files of one process."""
    ports: list[PublishedPort] | None = None
    """Published ports."""
    started_at: str | None = None
    """RFC 3339."""
    state_reason: str | None = None
    """Why it is in this state, where there is more to say: `idle`, `expired`, `requested`,
    `host_restarted`."""
    ttl_seconds: int | None = None
    """Life time in seconds."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Sandbox:
        """From an answer."""
        return cls(
            capabilities=data["capabilities"],
            cpu=data["cpu"],
            created_at=data["createdAt"],
            disk_bytes=data["diskBytes"],
            env=dict(data["env"]),
            id=data["id"],
            idle_ttl_seconds=data["idleTtlSeconds"],
            image=data["image"],
            labels=dict(data["labels"]),
            memory_bytes=data["memoryBytes"],
            network=data["network"],
            on_expiry=data["onExpiry"],
            pids=data["pids"],
            read_only_root=data["readOnlyRoot"],
            runtime=data["runtime"],
            state=data["state"],
            user=data["user"],
            bandwidth=data.get("bandwidth"),
            command=data.get("command"),
            cwd=data.get("cwd"),
            entrypoint=None if (value := data.get("entrypoint")) is None else list(value),
            environment_id=data.get("environmentId"),
            environment_version=data.get("environmentVersion"),
            error=data.get("error"),
            expires_at=data.get("expiresAt"),
            gpus=data.get("gpus"),
            health=data.get("health"),
            health_check=None if (value := data.get("healthCheck")) is None else HealthCheck.from_json(value),
            health_result=None if (value := data.get("healthResult")) is None else HealthResult.from_json(value),
            name=data.get("name"),
            open_files=data.get("openFiles"),
            ports=None if (value := data.get("ports")) is None else [PublishedPort.from_json(item) for item in value],
            started_at=data.get("startedAt"),
            state_reason=data.get("stateReason"),
            ttl_seconds=data.get("ttlSeconds"),
        )


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of an environment, without its value."""

    created_at: str
    """RFC 3339: when it was first set."""
    key: str
    """Name of the variable."""
    updated_at: str
    """RFC 3339: when it was last set."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Secret:
        """From an answer."""
        return cls(
            created_at=data["createdAt"],
            key=data["key"],
            updated_at=data["updatedAt"],
        )


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in."""

    address: str
    """Address that it was last refreshed from."""
    agent: str
    """What the client says that it is."""
    created_at: str
    """RFC 3339."""
    current: bool
    """Whether this request came with it."""
    expires_at: str
    """RFC 3339: when it ends unless it is refreshed."""
    id: str
    """Id."""
    used_at: str
    """RFC 3339: the last refresh."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Session:
        """From an answer."""
        return cls(
            address=data["address"],
            agent=data["agent"],
            created_at=data["createdAt"],
            current=data["current"],
            expires_at=data["expiresAt"],
            id=data["id"],
            used_at=data["usedAt"],
        )


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal."""

    cols: int
    """Columns."""
    created_at: str
    """RFC 3339."""
    generation: int
    """Tells it from others that had, or will have, its name; larger for a later one."""
    name: str
    """Its name in the sandbox."""
    rows: int
    """Rows."""
    viewers: int
    """How many look at it."""
    exit_code: int | None = None
    """How its program ended; null while it runs."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Terminal:
        """From an answer."""
        return cls(
            cols=data["cols"],
            created_at=data["createdAt"],
            generation=data["generation"],
            name=data["name"],
            rows=data["rows"],
            viewers=data["viewers"],
            exit_code=data.get("exitCode"),
        )


@dataclass(frozen=True, slots=True)
class UnpackedArchive:
    """What came of an archive."""

    bytes: int
    """Bytes of its files."""
    entries: int
    """Entries made: files, directories, links."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> UnpackedArchive:
        """From an answer."""
        return cls(
            bytes=data["bytes"],
            entries=data["entries"],
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """Answer to `GET /usage`."""

    cpu: QuotaUse
    """Cores of those that are up."""
    egress_bytes: QuotaUse
    """Bytes that they sent in this month of UTC."""
    execs_per_hour: QuotaUse
    """Commands that were started in the last hour."""
    memory_bytes: QuotaUse
    """Bytes of memory of those that are up."""
    sandboxes: QuotaUse
    """Sandboxes in any state."""
    storage_bytes: QuotaUse
    """Bytes of disk of all, by what they may take."""
    warnings: list[str]
    """Names of the quotas that are nearly used up."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Usage:
        """From an answer."""
        return cls(
            cpu=QuotaUse.from_json(data["cpu"]),
            egress_bytes=QuotaUse.from_json(data["egressBytes"]),
            execs_per_hour=QuotaUse.from_json(data["execsPerHour"]),
            memory_bytes=QuotaUse.from_json(data["memoryBytes"]),
            sandboxes=QuotaUse.from_json(data["sandboxes"]),
            storage_bytes=QuotaUse.from_json(data["storageBytes"]),
            warnings=list(data["warnings"]),
        )


@dataclass(frozen=True, slots=True)
class User:
    """An account."""

    created_at: str
    """RFC 3339."""
    email: str
    """Address."""
    id: str
    """Id."""
    role: str
    """`user` or `admin`."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> User:
        """From an answer."""
        return cls(
            created_at=data["createdAt"],
            email=data["email"],
            id=data["id"],
            role=data["role"],
        )


@dataclass(frozen=True, slots=True)
class UserQuota:
    """What a user may have."""

    own: QuotaBody
    """What of it was given to this user alone."""
    quota: QuotaBody
    """In all."""
    user_id: str
    """Who."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> UserQuota:
        """From an answer."""
        return cls(
            own=QuotaBody.from_json(data["own"]),
            quota=QuotaBody.from_json(data["quota"]),
            user_id=data["userId"],
        )


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Body of `POST /sandboxes/{id}/files` as JSON."""

    content: str
    """The content, as `encoding` says."""
    path: str
    """Absolute, or from the home of the user."""
    encoding: Encoding | None = None
    """How `content` is written."""
    mode: str | None = None
    """Rights, octal; those of the file that is replaced when absent, else 0644."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> WriteFile:
        """From an answer."""
        return cls(
            content=data["content"],
            path=data["path"],
            encoding=data.get("encoding"),
            mode=data.get("mode"),
        )
