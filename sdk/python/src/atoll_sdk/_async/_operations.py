"""A method for every operation.

Made by generate.py from the OpenAPI document: change that, not this."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeVar

from .. import _requests as requests
from .._models import (
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
from .._request import Request
from ..errors import ProtocolError

T = TypeVar("T")


class AsyncOperations:
    """The operations of the API."""

    async def _send(self, request: Request[T]) -> T:
        raise NotImplementedError

    async def verify_audit(self, *, seq: int | None = None, hash: str | None = None) -> AuditCheck:
        """Check the chain of the audit log (admin).

        Walks along all entries that are held. Whoever can write the database can write a whole new
        chain: keep `lastSeq` and `lastHash` on another machine, and give them here the next time.

        Args:
            seq: Number of an entry whose hash was kept; goes with `hash`.
            hash: The hash that it had, 64 hexadecimal digits.
        """
        return await self._send(requests.verify_audit(seq=seq, hash=hash))

    async def iterate_class_links(self, *, limit: int | None = None) -> AsyncIterator[ClassLinkEntry]:
        """List the class links that were not taken back, newest first, page by page.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        cursor: str | None = None
        while True:
            page = await self._send(requests.list_class_links(limit=limit, cursor=cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def list_class_links(self, *, limit: int | None = None) -> list[ClassLinkEntry]:
        """List the class links that were not taken back, newest first: all pages.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        return [item async for item in self.iterate_class_links(limit=limit)]

    async def create_class_link(
        self, *, expires_in_seconds: int | None = None, sessions: int | None = None
    ) -> ClassLink:
        """Make a class link: whoever has it begins public sessions without the limits of his address,
        until it ends.

        All who have the same link are counted together. `DELETE /admin/class-links/{id}` takes it
        back.

        Args:
            expires_in_seconds: How long it is good, in seconds; four hours when absent.
            sessions: Sessions at once of all who have the link; 40 when absent, and no more than the
                server has.
        """
        return await self._send(requests.create_class_link(expires_in_seconds=expires_in_seconds, sessions=sessions))

    async def delete_class_link(self, class_link_id: str) -> Deleted:
        """Take a class link back: nobody begins a session with it any more.

        Sessions that were begun with it go on; `DELETE /sandboxes/{id}` ends one.

        Args:
            class_link_id: Id of the class link.
        """
        return await self._send(requests.delete_class_link(class_link_id))

    async def get_doctor(self) -> DoctorReport:
        """Look for what is wrong: the records, against what the runtimes say is there.

        Nothing is changed; what is found is mended once a minute by itself, or needs the operator.
        `atoll doctor`, as root on the server's machine, sees more: processes, mounts, control
        groups and networks that nobody owns."""
        return await self._send(requests.get_doctor())

    async def iterate_invitations(self, *, limit: int | None = None) -> AsyncIterator[Invitation]:
        """List open invitations, newest first, page by page.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        cursor: str | None = None
        while True:
            page = await self._send(requests.list_invitations(limit=limit, cursor=cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def list_invitations(self, *, limit: int | None = None) -> list[Invitation]:
        """List open invitations, newest first: all pages.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        return [item async for item in self.iterate_invitations(limit=limit)]

    async def create_invitation(
        self, *, email: str | None = None, expires_in_seconds: int | None = None, role: str | None = None
    ) -> CreatedInvitation:
        """Invite somebody to make an account.

        The invitation is in this answer and never shown again; `POST /auth/signup` takes it.

        Args:
            email: The only address that it is good for; any when absent.
            expires_in_seconds: How long it is good, in seconds; seven days when absent.
            role: Role of the account: `user` (the default) or `admin`.
        """
        return await self._send(
            requests.create_invitation(email=email, expires_in_seconds=expires_in_seconds, role=role)
        )

    async def delete_invitation(self, invitation_id: str) -> Deleted:
        """Take an invitation back.

        Args:
            invitation_id: Id of the invitation.
        """
        return await self._send(requests.delete_invitation(invitation_id))

    async def rotate_master_key(self) -> RotatedMasterKey:
        """Rotate the master key of this installation.

        Makes another one, where the server keeps it, and seals every secret with the one that
        counts. Only for the role admin."""
        return await self._send(requests.rotate_master_key())

    async def get_user_quota(self, quota_id: str) -> UserQuota:
        """Show what a user may have (admin).

        Args:
            quota_id: Id of the account.
        """
        return await self._send(requests.get_user_quota(quota_id))

    async def set_user_quota(
        self,
        quota_id: str,
        *,
        cpu: float | None = None,
        egress: int | None = None,
        execs_per_hour: int | None = None,
        memory: int | None = None,
        sandboxes: int | None = None,
        storage: int | None = None,
    ) -> UserQuota:
        """Change what a user may have (admin).

        The body replaces what the user was given before; an empty one gives back what the settings
        say. What a user has beyond a smaller quota stays, and no more comes.

        Args:
            quota_id: Id of the account.
            cpu: Cores of those that are up.
            egress: MiB that they send in a month.
            execs_per_hour: Commands that are started in an hour.
            memory: MiB of memory of those that are up.
            sandboxes: Sandboxes in any state.
            storage: MiB of disk of all, by what they may take.
        """
        return await self._send(
            requests.set_user_quota(
                quota_id,
                cpu=cpu,
                egress=egress,
                execs_per_hour=execs_per_hour,
                memory=memory,
                sandboxes=sandboxes,
                storage=storage,
            )
        )

    async def list_runtimes(self) -> list[AdminRuntime]:
        """List the runtimes of this machine, and how they are."""
        return await self._send(requests.list_runtimes())

    async def iterate_public_sessions(self, *, limit: int | None = None) -> AsyncIterator[AdminSession]:
        """List the public sessions that there are, newest first. `DELETE /sandboxes/{id}` ends one,
        page by page.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        cursor: str | None = None
        while True:
            page = await self._send(requests.list_public_sessions(limit=limit, cursor=cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def list_public_sessions(self, *, limit: int | None = None) -> list[AdminSession]:
        """List the public sessions that there are, newest first. `DELETE /sandboxes/{id}` ends one:
        all pages.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        return [item async for item in self.iterate_public_sessions(limit=limit)]

    async def iterate_users(self, *, limit: int | None = None) -> AsyncIterator[AdminUser]:
        """List all accounts, newest first, page by page.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        cursor: str | None = None
        while True:
            page = await self._send(requests.list_users(limit=limit, cursor=cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def list_users(self, *, limit: int | None = None) -> list[AdminUser]:
        """List all accounts, newest first: all pages.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        return [item async for item in self.iterate_users(limit=limit)]

    async def get_user(self, user_id: str) -> AdminUser:
        """Show an account.

        Args:
            user_id: Id of the account.
        """
        return await self._send(requests.get_user(user_id))

    async def delete_user(self, user_id: str, *, sandboxes: str | None = None) -> Deleted:
        """Delete an account with its keys and log-ins.

        Its images become those of whoever deletes it.

        Args:
            user_id: Id of the account.
            sandboxes: `delete` deletes its sandboxes too; else an account that has any is refused
                (`account_in_use`).
        """
        return await self._send(requests.delete_user(user_id, sandboxes=sandboxes))

    async def change_user(
        self, user_id: str, *, disabled: bool | None = None, password: str | None = None, role: str | None = None
    ) -> AdminUser:
        """Change an account: its role, whether it is disabled, its password.

        A disabled account is logged out everywhere and its keys do not work; its sandboxes go on. A
        new password logs it out too.

        Args:
            user_id: Id of the account.
            disabled: Whether nobody logs in to it.
            password: A new password, 8 to 1024 characters: for somebody who forgot his.
            role: `user` or `admin`.
        """
        return await self._send(requests.change_user(user_id, disabled=disabled, password=password, role=role))

    async def iterate_api_keys(self, *, limit: int | None = None) -> AsyncIterator[ApiKey]:
        """List one's API keys, newest first, page by page.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        cursor: str | None = None
        while True:
            page = await self._send(requests.list_api_keys(limit=limit, cursor=cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def list_api_keys(self, *, limit: int | None = None) -> list[ApiKey]:
        """List one's API keys, newest first: all pages.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        return [item async for item in self.iterate_api_keys(limit=limit)]

    async def create_api_key(
        self, name: str, *, expires_in_seconds: int | None = None, scopes: Sequence[str] | None = None
    ) -> CreatedApiKey:
        """Make an API key.

        The key is in this answer and never shown again.

        Args:
            expires_in_seconds: The key stops working after so many seconds; never when absent.
            name: Name for people, 1 to 63 characters.
            scopes: What it may: `sandboxes:read`, `sandboxes:write`, and the same of `images`,
                `environments`, `secrets`, `keys` and `account`; `admin`. Write has read in it. All
                but `admin` when absent; never more than whoever makes it may.
        """
        return await self._send(requests.create_api_key(name, expires_in_seconds=expires_in_seconds, scopes=scopes))

    async def delete_api_key(self, api_key_id: str) -> Deleted:
        """Delete an API key. It stops working within seconds.

        Args:
            api_key_id: Id of the key.
        """
        return await self._send(requests.delete_api_key(api_key_id))

    async def iterate_audit(
        self,
        *,
        limit: int | None = None,
        user: str | None = None,
        action: str | None = None,
        target: str | None = None,
        outcome: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> AsyncIterator[AuditEntry]:
        """List the audit log, newest first, page by page.

        Users see what they did, and what Atoll did with their sandboxes; admins see everything.

        Args:
            limit: Items of a page, 1 to 1000.
            user: Only of this user; another than oneself for admins alone.
            action: Only this action, as `sandbox.create`; with a dot at its end all of an area, as
                `sandbox.`.
            target: Only about the thing with this id or name.
            outcome: `accepted`, `done`, `refused` or `failed`.
            since: Only from this moment on, RFC 3339.
            until: Only before this moment, RFC 3339.
        """
        cursor: str | None = None
        while True:
            page = await self._send(
                requests.list_audit(
                    limit=limit,
                    user=user,
                    action=action,
                    target=target,
                    outcome=outcome,
                    since=since,
                    until=until,
                    cursor=cursor,
                )
            )
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def list_audit(
        self,
        *,
        limit: int | None = None,
        user: str | None = None,
        action: str | None = None,
        target: str | None = None,
        outcome: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> list[AuditEntry]:
        """List the audit log, newest first: all pages.

        Users see what they did, and what Atoll did with their sandboxes; admins see everything.

        Args:
            limit: Items of a page, 1 to 1000.
            user: Only of this user; another than oneself for admins alone.
            action: Only this action, as `sandbox.create`; with a dot at its end all of an area, as
                `sandbox.`.
            target: Only about the thing with this id or name.
            outcome: `accepted`, `done`, `refused` or `failed`.
            since: Only from this moment on, RFC 3339.
            until: Only before this moment, RFC 3339.
        """
        return [
            item
            async for item in self.iterate_audit(
                limit=limit, user=user, action=action, target=target, outcome=outcome, since=since, until=until
            )
        ]

    async def _login(self, email: str, password: str) -> AuthData:
        """Log in.

        After several wrong passwords the next is looked at later (`login_locked`).

        Args:
            email: Address of the account.
            password: 8 to 1024 characters.
        """
        return await self._send(requests.login(email, password))

    async def log_out(self) -> Deleted:
        """End the log-in that this token is of.

        Its tokens stop working at once, this one too."""
        return await self._send(requests.log_out())

    async def me(self) -> User:
        """Show one's own account."""
        return await self._send(requests.me())

    async def change_password(self, current_password: str, new_password: str) -> User:
        """Change one's password.

        All other log-ins end. API keys go on working: delete those that somebody else may have.

        Args:
            current_password: The password until now.
            new_password: 8 to 1024 characters.
        """
        return await self._send(requests.change_password(current_password, new_password))

    async def _refresh(self, *, refresh_token: str | None = None) -> AuthData:
        """Get a new token for a refresh token.

        The refresh token is in the body, or in the cookie that log-in gave to a browser. It is good
        once: the answer has the next one, in the same place. One that comes a second time ends the
        log-in, since somebody else may have it.

        Args:
            refresh_token: The refresh token; absent where the cookie has it.
        """
        return await self._send(requests.refresh(refresh_token=refresh_token))

    async def iterate_sessions(self, *, limit: int | None = None) -> AsyncIterator[Session]:
        """List one's log-ins, newest first, page by page.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        cursor: str | None = None
        while True:
            page = await self._send(requests.list_sessions(limit=limit, cursor=cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def list_sessions(self, *, limit: int | None = None) -> list[Session]:
        """List one's log-ins, newest first: all pages.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        return [item async for item in self.iterate_sessions(limit=limit)]

    async def end_session(self, session_id: str) -> Deleted:
        """End one of one's log-ins. Its tokens stop working at once.

        Args:
            session_id: Id of the log-in.
        """
        return await self._send(requests.end_session(session_id))

    async def _signup(self, email: str, password: str, *, invitation: str | None = None) -> AuthData:
        """Make an account.

        Open while Atoll listens on loopback only; else for the first account, and by invitation.

        Args:
            email: Address of the account.
            invitation: An invitation, `inv_…`, where sign-up is not open.
            password: 8 to 1024 characters.
        """
        return await self._send(requests.signup(email, password, invitation=invitation))

    async def iterate_environments(self, *, limit: int | None = None) -> AsyncIterator[Environment]:
        """List one's environments, newest first, page by page.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        cursor: str | None = None
        while True:
            page = await self._send(requests.list_environments(limit=limit, cursor=cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def list_environments(self, *, limit: int | None = None) -> list[Environment]:
        """List one's environments, newest first: all pages.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        return [item async for item in self.iterate_environments(limit=limit)]

    async def create_environment(
        self,
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
    ) -> Environment:
        """Define an environment.

        What it says is checked now; that its image exists, only when a sandbox is made of it.

        Args:
            bandwidth: What its network carries each way, in megabits a second, at most 100,000; 0: as much
                as it can.
            capabilities: `standard` or `none`.
            command: Main process, or the arguments of the entry point; its output is the sandbox's log.
            cpu: Cores, 0.01 to 256.
            cwd: Where processes begin, absolute; the user's home when nothing says.
            disk: Size of the writable layer in MiB.
            entrypoint: Program, with arguments, that gets the command as further arguments; an empty list:
                none.
            env: Variables of every process.
            gpus: GPUs of the host: `none`, `all`, a number, or a list of ids; only with the runtime
                `docker`, and where the operator allows it.
            health_check: What tells whether it works, as OCI's HEALTHCHECK.
            idle_ttl_seconds: Seconds without activity after which it stops; 0: never; the server's `idleTtl` when
                nothing says.
            image: Image; the server's default when nothing says.
            isolation: `standard`, or `strong`: not the host's kernel answers its system calls, which is
                the runtime `gvisor`.
            labels: For filters; at most 32.
            memory: Memory in MiB.
            name: Name for people, 1 to 63 characters; not unique.
            network: `none`, or `all`: the Internet, but no private, host or metadata addresses.
            on_expiry: What the end of the life time does: `delete` or `stop`.
            open_files: Open files of one process, 1,024 to 65,536.
            pids: Processes and threads at once.
            ports: Ports to publish on the host while it runs; at most 16, no port inside twice.
            read_only_root: Whether the root is read-only.
            runtime: `native`, `docker` or `gvisor`, or `auto` for what `isolation` asks for; `native`
                when nothing says. No other takes the place of one that is missing.
            ttl_seconds: Life time in seconds.
            user: User of execs and of the main process; `agent` when nothing says.
            warm_pool: How many of its sandboxes are kept ready: a create of it that changes nothing of
                what they are made with takes one at once.
        """
        return await self._send(
            requests.create_environment(
                name,
                bandwidth=bandwidth,
                capabilities=capabilities,
                command=command,
                cpu=cpu,
                cwd=cwd,
                disk=disk,
                entrypoint=entrypoint,
                env=env,
                gpus=gpus,
                health_check=health_check,
                idle_ttl_seconds=idle_ttl_seconds,
                image=image,
                isolation=isolation,
                labels=labels,
                memory=memory,
                network=network,
                on_expiry=on_expiry,
                open_files=open_files,
                pids=pids,
                ports=ports,
                read_only_root=read_only_root,
                runtime=runtime,
                ttl_seconds=ttl_seconds,
                user=user,
                warm_pool=warm_pool,
            )
        )

    async def get_environment(self, environment_id: str) -> Environment:
        """Show an environment with its newest version.

        Args:
            environment_id: Id of the environment.
        """
        return await self._send(requests.get_environment(environment_id))

    async def update_environment(
        self,
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
    ) -> Environment:
        """Make the next version of an environment.

        The body is the whole of it. Sandboxes that exist stay as they are.

        Args:
            environment_id: Id of the environment.
            bandwidth: What its network carries each way, in megabits a second, at most 100,000; 0: as much
                as it can.
            capabilities: `standard` or `none`.
            command: Main process, or the arguments of the entry point; its output is the sandbox's log.
            cpu: Cores, 0.01 to 256.
            cwd: Where processes begin, absolute; the user's home when nothing says.
            disk: Size of the writable layer in MiB.
            entrypoint: Program, with arguments, that gets the command as further arguments; an empty list:
                none.
            env: Variables of every process.
            gpus: GPUs of the host: `none`, `all`, a number, or a list of ids; only with the runtime
                `docker`, and where the operator allows it.
            health_check: What tells whether it works, as OCI's HEALTHCHECK.
            idle_ttl_seconds: Seconds without activity after which it stops; 0: never; the server's `idleTtl` when
                nothing says.
            image: Image; the server's default when nothing says.
            isolation: `standard`, or `strong`: not the host's kernel answers its system calls, which is
                the runtime `gvisor`.
            labels: For filters; at most 32.
            memory: Memory in MiB.
            name: Name of the environment from now on; the same when absent.
            network: `none`, or `all`: the Internet, but no private, host or metadata addresses.
            on_expiry: What the end of the life time does: `delete` or `stop`.
            open_files: Open files of one process, 1,024 to 65,536.
            pids: Processes and threads at once.
            ports: Ports to publish on the host while it runs; at most 16, no port inside twice.
            read_only_root: Whether the root is read-only.
            runtime: `native`, `docker` or `gvisor`, or `auto` for what `isolation` asks for; `native`
                when nothing says. No other takes the place of one that is missing.
            ttl_seconds: Life time in seconds.
            user: User of execs and of the main process; `agent` when nothing says.
            warm_pool: How many of its sandboxes are kept ready.
        """
        return await self._send(
            requests.update_environment(
                environment_id,
                bandwidth=bandwidth,
                capabilities=capabilities,
                command=command,
                cpu=cpu,
                cwd=cwd,
                disk=disk,
                entrypoint=entrypoint,
                env=env,
                gpus=gpus,
                health_check=health_check,
                idle_ttl_seconds=idle_ttl_seconds,
                image=image,
                isolation=isolation,
                labels=labels,
                memory=memory,
                name=name,
                network=network,
                on_expiry=on_expiry,
                open_files=open_files,
                pids=pids,
                ports=ports,
                read_only_root=read_only_root,
                runtime=runtime,
                ttl_seconds=ttl_seconds,
                user=user,
                warm_pool=warm_pool,
            )
        )

    async def delete_environment(self, environment_id: str) -> Deleted:
        """Delete an environment with all its versions.

        Refused while a sandbox exists that was made of it.

        Args:
            environment_id: Id of the environment.
        """
        return await self._send(requests.delete_environment(environment_id))

    async def list_secrets(self, environment_id: str) -> list[Secret]:
        """List the names of an environment's secrets, all in one page.

        Args:
            environment_id: Id of the environment.
        """
        return await self._send(requests.list_secrets(environment_id))

    async def set_secret(self, environment_id: str, key: str, value: str) -> Secret:
        """Set a secret of an environment.

        Processes of its sandboxes that start from now on find it in the variable of that name. Its
        value is kept sealed, and shown to nobody.

        Args:
            environment_id: Id of the environment.
            key: Name of the variable in which processes find it.
            value: Its value, at most 32 KiB; nobody is shown it again.
        """
        return await self._send(requests.set_secret(environment_id, key, value))

    async def delete_secret(self, environment_id: str, key: str) -> Deleted:
        """Delete a secret of an environment.

        Processes that run keep it.

        Args:
            environment_id: Id of the environment.
            key: Name of the secret.
        """
        return await self._send(requests.delete_secret(environment_id, key))

    async def iterate_environment_versions(
        self, environment_id: str, *, limit: int | None = None
    ) -> AsyncIterator[EnvironmentVersion]:
        """List the versions of an environment, newest first, page by page.

        Args:
            environment_id: Id of the environment.
            limit: Items of a page, 1 to 1000.
        """
        cursor: str | None = None
        while True:
            page = await self._send(requests.list_environment_versions(environment_id, limit=limit, cursor=cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def list_environment_versions(
        self, environment_id: str, *, limit: int | None = None
    ) -> list[EnvironmentVersion]:
        """List the versions of an environment, newest first: all pages.

        Args:
            environment_id: Id of the environment.
            limit: Items of a page, 1 to 1000.
        """
        return [item async for item in self.iterate_environment_versions(environment_id, limit=limit)]

    async def diff_environment_versions(
        self, environment_id: str, *, from_: int | None = None, to: int | None = None
    ) -> EnvironmentDiff:
        """Show what two versions of an environment differ in.

        Args:
            environment_id: Id of the environment.
            from_: The first; the one before the other when absent.
            to: The second; the newest when absent.
        """
        return await self._send(requests.diff_environment_versions(environment_id, from_=from_, to=to))

    async def get_environment_version(self, environment_id: str, version: int) -> EnvironmentVersion:
        """Show one version of an environment.

        Args:
            environment_id: Id of the environment.
            version: Number of the version, from 1.
        """
        return await self._send(requests.get_environment_version(environment_id, version))

    async def get_health(self) -> Health:
        """Show how Atoll is."""
        return await self._send(requests.get_health())

    async def get_liveness(self) -> Probe:
        """Say that serve answers."""
        return await self._send(requests.get_liveness())

    async def get_readiness(self) -> Probe:
        """Say whether requests can be served: the first reconcile is done, database and native runtime
        answer."""
        return await self._send(requests.get_readiness())

    async def iterate_images(self, *, limit: int | None = None) -> AsyncIterator[Image]:
        """List the images, by name. `host` is always there: it comes first, beside the items of the
        first page, page by page.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        cursor: str | None = None
        while True:
            page = await self._send(requests.list_images(limit=limit, cursor=cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def list_images(self, *, limit: int | None = None) -> list[Image]:
        """List the images, by name. `host` is always there: it comes first, beside the items of the
        first page: all pages.

        Args:
            limit: Items of a page, 1 to 1000.
        """
        return [item async for item in self.iterate_images(limit=limit)]

    async def delete_image(self, name: str) -> Deleted:
        """Delete an image that no sandbox uses.

        Args:
            name: Name of the image, as it is or percent-encoded: it may hold `/` and `:`.
        """
        return await self._send(requests.delete_image(name))

    async def push_image(self, name: str, *, reference: str | None = None) -> PushedImage:
        """Push an image to a registry, as one layer.

        The server packs the image and sends it to the registry that the reference names; with
        `Accept: application/x-ndjson` its progress is told. Only for an admin are the operator's
        credentials used.

        Args:
            name: Name of the image, as it is or percent-encoded: it may hold `/` and `:`.
            reference: `REGISTRY/REPOSITORY`, with `:TAG` or `latest`; the name of the image when absent.
        """
        return await self._send(requests.push_image(name, reference=reference))

    async def iterate_sandboxes(
        self,
        *,
        state: str | None = None,
        label: Sequence[str] | None = None,
        environment: str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Sandbox]:
        """List one's sandboxes, newest first, page by page.

        Args:
            state: Only in this state.
            label: Only with this label, `key=value`; may be given several times.
            environment: Only those that were made of this environment, in any version.
            limit: Items of a page, 1 to 1000.
        """
        cursor: str | None = None
        while True:
            page = await self._send(
                requests.list_sandboxes(state=state, label=label, environment=environment, limit=limit, cursor=cursor)
            )
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def list_sandboxes(
        self,
        *,
        state: str | None = None,
        label: Sequence[str] | None = None,
        environment: str | None = None,
        limit: int | None = None,
    ) -> list[Sandbox]:
        """List one's sandboxes, newest first: all pages.

        Args:
            state: Only in this state.
            label: Only with this label, `key=value`; may be given several times.
            environment: Only those that were made of this environment, in any version.
            limit: Items of a page, 1 to 1000.
        """
        return [
            item
            async for item in self.iterate_sandboxes(state=state, label=label, environment=environment, limit=limit)
        ]

    async def create_sandbox(
        self,
        *,
        bandwidth: int | None = None,
        capabilities: str | None = None,
        command: str | Sequence[str] | None = None,
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
    ) -> Sandbox:
        """Make a sandbox, or `count` of them.

        With `environmentId` it is what that environment says, but for what the body says. Answers
        when it runs, or with `waitFor` when it is healthy. With `count` the answer is a list, and
        all of them run or none is kept.

        Args:
            bandwidth: What its network carries each way, in megabits a second, at most 100,000; 0: as much
                as it can.
            capabilities: `standard` or `none`.
            command: Main process, or the arguments of the entry point; its output is the sandbox's log.
            cpu: Cores, 0.01 to 256.
            cwd: Where processes begin, absolute; the user's home when nothing says.
            disk: Size of the writable layer in MiB.
            entrypoint: Program, with arguments, that gets the command as further arguments; an empty list:
                none.
            env: Variables of every process.
            environment_id: Environment to make it of; the other fields are laid over what that says, variables
                and labels one by one.
            environment_version: Version of the environment; its newest when absent.
            gpus: GPUs of the host: `none`, `all`, a number, or a list of ids; only with the runtime
                `docker`, and where the operator allows it.
            health_check: What tells whether it works, as OCI's HEALTHCHECK.
            idle_ttl_seconds: Seconds without activity after which it stops; 0: never; the server's `idleTtl` when
                nothing says.
            image: Image; the server's default when nothing says.
            isolation: `standard`, or `strong`: not the host's kernel answers its system calls, which is
                the runtime `gvisor`.
            labels: For filters; at most 32.
            memory: Memory in MiB.
            name: Name for people, 1 to 63 characters.
            network: `none`, or `all`: the Internet, but no private, host or metadata addresses.
            on_expiry: What the end of the life time does: `delete` or `stop`.
            open_files: Open files of one process, 1,024 to 65,536.
            pids: Processes and threads at once.
            ports: Ports to publish on the host while it runs; at most 16, no port inside twice.
            read_only_root: Whether the root is read-only.
            runtime: `native`, `docker` or `gvisor`, or `auto` for what `isolation` asks for; `native`
                when nothing says. No other takes the place of one that is missing.
            ttl_seconds: Life time in seconds.
            user: User of execs and of the main process; `agent` when nothing says.
            wait_for: `healthy`: answer only when its health check says so. One that is unhealthy, or not
                healthy in time, is kept, and the answer is the error `sandbox_not_healthy`.
            wait_seconds: Seconds to wait for that, 1 to 300; 60 when absent.
        """
        made = await self._send(
            requests.create_sandbox(
                bandwidth=bandwidth,
                capabilities=capabilities,
                command=command,
                cpu=cpu,
                cwd=cwd,
                disk=disk,
                entrypoint=entrypoint,
                env=env,
                environment_id=environment_id,
                environment_version=environment_version,
                gpus=gpus,
                health_check=health_check,
                idle_ttl_seconds=idle_ttl_seconds,
                image=image,
                isolation=isolation,
                labels=labels,
                memory=memory,
                name=name,
                network=network,
                on_expiry=on_expiry,
                open_files=open_files,
                pids=pids,
                ports=ports,
                read_only_root=read_only_root,
                runtime=runtime,
                ttl_seconds=ttl_seconds,
                user=user,
                wait_for=wait_for,
                wait_seconds=wait_seconds,
            )
        )
        if isinstance(made, list):
            raise ProtocolError("one was asked for, and a list came")
        return made

    async def create_sandboxes(
        self,
        count: int,
        *,
        bandwidth: int | None = None,
        capabilities: str | None = None,
        command: str | Sequence[str] | None = None,
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
    ) -> list[Sandbox]:
        """Make a sandbox, or `count` of them: several at once.

        With `environmentId` it is what that environment says, but for what the body says. Answers
        when it runs, or with `waitFor` when it is healthy. With `count` the answer is a list, and
        all of them run or none is kept.

        Args:
            count: How many to make, 1 to 100; then the answer is a list.
            bandwidth: What its network carries each way, in megabits a second, at most 100,000; 0: as much
                as it can.
            capabilities: `standard` or `none`.
            command: Main process, or the arguments of the entry point; its output is the sandbox's log.
            cpu: Cores, 0.01 to 256.
            cwd: Where processes begin, absolute; the user's home when nothing says.
            disk: Size of the writable layer in MiB.
            entrypoint: Program, with arguments, that gets the command as further arguments; an empty list:
                none.
            env: Variables of every process.
            environment_id: Environment to make it of; the other fields are laid over what that says, variables
                and labels one by one.
            environment_version: Version of the environment; its newest when absent.
            gpus: GPUs of the host: `none`, `all`, a number, or a list of ids; only with the runtime
                `docker`, and where the operator allows it.
            health_check: What tells whether it works, as OCI's HEALTHCHECK.
            idle_ttl_seconds: Seconds without activity after which it stops; 0: never; the server's `idleTtl` when
                nothing says.
            image: Image; the server's default when nothing says.
            isolation: `standard`, or `strong`: not the host's kernel answers its system calls, which is
                the runtime `gvisor`.
            labels: For filters; at most 32.
            memory: Memory in MiB.
            name: Name for people, 1 to 63 characters.
            network: `none`, or `all`: the Internet, but no private, host or metadata addresses.
            on_expiry: What the end of the life time does: `delete` or `stop`.
            open_files: Open files of one process, 1,024 to 65,536.
            pids: Processes and threads at once.
            ports: Ports to publish on the host while it runs; at most 16, no port inside twice.
            read_only_root: Whether the root is read-only.
            runtime: `native`, `docker` or `gvisor`, or `auto` for what `isolation` asks for; `native`
                when nothing says. No other takes the place of one that is missing.
            ttl_seconds: Life time in seconds.
            user: User of execs and of the main process; `agent` when nothing says.
            wait_for: `healthy`: answer only when its health check says so. One that is unhealthy, or not
                healthy in time, is kept, and the answer is the error `sandbox_not_healthy`.
            wait_seconds: Seconds to wait for that, 1 to 300; 60 when absent.
        """
        made = await self._send(
            requests.create_sandbox(
                bandwidth=bandwidth,
                capabilities=capabilities,
                command=command,
                cpu=cpu,
                cwd=cwd,
                disk=disk,
                entrypoint=entrypoint,
                env=env,
                environment_id=environment_id,
                environment_version=environment_version,
                gpus=gpus,
                health_check=health_check,
                idle_ttl_seconds=idle_ttl_seconds,
                image=image,
                isolation=isolation,
                labels=labels,
                memory=memory,
                name=name,
                network=network,
                on_expiry=on_expiry,
                open_files=open_files,
                pids=pids,
                ports=ports,
                read_only_root=read_only_root,
                runtime=runtime,
                ttl_seconds=ttl_seconds,
                user=user,
                wait_for=wait_for,
                wait_seconds=wait_seconds,
                count=count,
            )
        )
        if not isinstance(made, list):
            raise ProtocolError("a list was asked for, and one came")
        return made

    async def delete_sandboxes(self, label: Sequence[str]) -> BulkResult:
        """Delete all of one's sandboxes with a label.

        Without a label it is refused. One that fails does not keep the others from it.

        Args:
            label: Those with this label, `key=value`; given several times, those with all of them.
        """
        return await self._send(requests.delete_sandboxes(label))

    async def stop_sandboxes(self, label: Sequence[str]) -> BulkResult:
        """Stop all of one's sandboxes with a label.

        Without a label it is refused. One that fails does not keep the others from it.

        Args:
            label: Those with this label, `key=value`; given several times, those with all of them.
        """
        return await self._send(requests.stop_sandboxes(label))

    async def get_sandbox(self, sandbox_id: str) -> Sandbox:
        """Show a sandbox.

        Args:
            sandbox_id: Id of the sandbox.
        """
        return await self._send(requests.get_sandbox(sandbox_id))

    async def destroy_sandbox(self, sandbox_id: str) -> Deleted:
        """Delete a sandbox with all its files, in whatever state it is.

        Args:
            sandbox_id: Id of the sandbox.
        """
        return await self._send(requests.delete_sandbox(sandbox_id))

    async def iterate_jobs(self, sandbox_id: str, *, limit: int | None = None) -> AsyncIterator[Job]:
        """List the background jobs of a sandbox, newest first, page by page.

        Args:
            sandbox_id: Id of the sandbox.
            limit: Items of a page, 1 to 1000.
        """
        cursor: str | None = None
        while True:
            page = await self._send(requests.list_jobs(sandbox_id, limit=limit, cursor=cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def list_jobs(self, sandbox_id: str, *, limit: int | None = None) -> list[Job]:
        """List the background jobs of a sandbox, newest first: all pages.

        Args:
            sandbox_id: Id of the sandbox.
            limit: Items of a page, 1 to 1000.
        """
        return [item async for item in self.iterate_jobs(sandbox_id, limit=limit)]

    async def start_job(
        self,
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
    ) -> Job:
        """Start a background job.

        Answers once it is written down; from then on it is started, and started again as `restart`
        says, whatever becomes of the server. Its runs are execs.

        Args:
            sandbox_id: Id of the sandbox.
            backoff_max_ms: Longest wait, in milliseconds, 1,000 to 3,600,000 and not below `backoffMs`.
            backoff_ms: Wait before the first restart in a row, in milliseconds, 100 to 3,600,000; each wait
                after it is twice the one before.
            command: What to run.
            cwd: Where; absolute. The user's home when absent.
            env: Variables added to the sandbox's.
            max_retries: Most restarts in a row, 0 to 10,000; none: no bound. A run of ten seconds or more
                begins a new row.
            name: Name for people, 1 to 63 characters; not unique.
            restart: When it starts again after it ended: `never`, `on-failure` (an exit code other than
                0), or `always`, which also starts it whenever its sandbox comes up again.
            timeout_seconds: Each run is killed with its process group after so many seconds, 1 to 86,400, and
                has failed then.
            user: As whom; the sandbox's user when absent.
        """
        return await self._send(
            requests.create_job(
                sandbox_id,
                command,
                backoff_max_ms=backoff_max_ms,
                backoff_ms=backoff_ms,
                cwd=cwd,
                env=env,
                max_retries=max_retries,
                name=name,
                restart=restart,
                timeout_seconds=timeout_seconds,
                user=user,
            )
        )

    async def get_job(self, sandbox_id: str, job_id: str) -> Job:
        """Show a background job.

        Args:
            sandbox_id: Id of the sandbox.
            job_id: Id of the job.
        """
        return await self._send(requests.get_job(sandbox_id, job_id))

    async def stop_job(self, sandbox_id: str, job_id: str) -> Deleted:
        """Stop and remove a background job.

        Its process group gets TERM, and KILL after ten seconds; then the job is gone. What it wrote
        stays with its execs. Where the sandbox is neither up nor down, nothing is changed: 409.

        Args:
            sandbox_id: Id of the sandbox.
            job_id: Id of the job.
        """
        return await self._send(requests.delete_job(sandbox_id, job_id))

    async def get_job_logs(
        self, sandbox_id: str, job_id: str, *, tail: int | None = None, since: str | None = None
    ) -> Logs:
        """Show what the last runs of a background job wrote.

        Args:
            sandbox_id: Id of the sandbox.
            job_id: Id of the job.
            tail: The last so many lines, 1 to 10,000.
            since: Only lines from this moment on: a time in RFC 3339, or a duration such as `90s`,
                `15m` or `2h` back from now.
        """
        return await self._send(requests.get_job_logs(sandbox_id, job_id, tail=tail, since=since))

    async def exec(
        self,
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
    ) -> Exec:
        """Run a command.

        Answers when it has ended (200), with what it wrote; with `"async": true` at once (202),
        with the `id` for the stream and `GET …/execs/{exec_id}`. The command goes on when the
        connection is cut.

        Args:
            sandbox_id: Id of the sandbox.
            async_: Answer at once with the id, instead of waiting for the end.
            cols: Columns of the terminal, 1 to 1000.
            command: What to run.
            cwd: Where; absolute. The user's home when absent.
            env: Variables added to the sandbox's.
            open_stdin: Keeps standard input open for `POST …/execs/:exec_id/stdin`.
            rows: Rows of the terminal, 1 to 1000.
            stdin: Standard input, at most 1 MiB; then its end, unless `openStdin`.
            stdin_encoding: How `stdin` is written.
            timeout_seconds: Killed with its process group after so many seconds, 1 to 86,400.
            tty: Runs it in a terminal: all output is `stdout`, and the end of standard input is
                typed as Ctrl-D. `TERM` is `xterm-256color` unless `env` says otherwise.
            user: As whom; the sandbox's user when absent.
        """
        return await self._send(
            requests.run_exec(
                sandbox_id,
                command,
                async_=async_,
                cols=cols,
                cwd=cwd,
                env=env,
                open_stdin=open_stdin,
                rows=rows,
                stdin=stdin,
                stdin_encoding=stdin_encoding,
                timeout_seconds=timeout_seconds,
                tty=tty,
                user=user,
            )
        )

    async def iterate_execs(self, sandbox_id: str, *, limit: int | None = None) -> AsyncIterator[Exec]:
        """List the execs of a sandbox, newest first, without their output, page by page.

        Args:
            sandbox_id: Id of the sandbox.
            limit: Items of a page, 1 to 1000.
        """
        cursor: str | None = None
        while True:
            page = await self._send(requests.list_execs(sandbox_id, limit=limit, cursor=cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def list_execs(self, sandbox_id: str, *, limit: int | None = None) -> list[Exec]:
        """List the execs of a sandbox, newest first, without their output: all pages.

        Args:
            sandbox_id: Id of the sandbox.
            limit: Items of a page, 1 to 1000.
        """
        return [item async for item in self.iterate_execs(sandbox_id, limit=limit)]

    async def get_exec(self, sandbox_id: str, exec_id: str) -> Exec:
        """Show an exec with what it wrote so far.

        Args:
            sandbox_id: Id of the sandbox.
            exec_id: Id of the exec.
        """
        return await self._send(requests.get_exec(sandbox_id, exec_id))

    async def resize_exec(self, sandbox_id: str, exec_id: str, cols: int, rows: int) -> Accepted:
        """Change the size of the terminal that an exec runs in (`tty`): its programs get SIGWINCH.

        Args:
            sandbox_id: Id of the sandbox.
            exec_id: Id of the exec.
            cols: Columns, 1 to 1000.
            rows: Rows, 1 to 1000.
        """
        return await self._send(requests.resize_exec(sandbox_id, exec_id, cols, rows))

    async def signal_exec(self, sandbox_id: str, exec_id: str, signal: str) -> Accepted:
        """Send a signal to the process group of an exec.

        Args:
            sandbox_id: Id of the sandbox.
            exec_id: Id of the exec.
            signal: `TERM`, `SIGTERM` or `15`.
        """
        return await self._send(requests.signal_exec(sandbox_id, exec_id, signal))

    async def write_exec_stdin(
        self,
        sandbox_id: str,
        exec_id: str,
        *,
        data: str | None = None,
        encoding: Encoding | None = None,
        eof: bool | None = None,
        offset: int | None = None,
    ) -> Accepted:
        """Write to the standard input of an exec that was started with `openStdin`.

        Answers when the command's pipe has taken it, so a command that does not read holds the next
        write. With `offset` a write whose answer was lost may be repeated: every byte arrives once.

        Args:
            sandbox_id: Id of the sandbox.
            exec_id: Id of the exec.
            data: What to write.
            encoding: How `data` is written.
            eof: Closes it afterwards.
            offset: Number of the first byte of `data` (after decoding), counted from 0 behind the
                exec's own `stdin`. Bytes that were taken already are skipped, so a write whose
                answer was lost may be repeated; one that leaves a gap is refused with
                `stdin_offset`. Without it `data` goes behind whatever was taken.
        """
        return await self._send(
            requests.write_exec_stdin(sandbox_id, exec_id, data=data, encoding=encoding, eof=eof, offset=offset)
        )

    async def iterate_files(
        self, sandbox_id: str, *, path: str | None = None, user: str | None = None, limit: int | None = None
    ) -> AsyncIterator[File]:
        """List a directory, in the order of the names' bytes, page by page.

        Args:
            sandbox_id: Id of the sandbox.
            path: Path of the directory, absolute or from the home of the user; the home when absent.
            user: User of the sandbox whose rights and home count; the one of its execs when absent.
            limit: Items of a page, 1 to 1000.
        """
        cursor: str | None = None
        while True:
            page = await self._send(requests.list_files(sandbox_id, path=path, user=user, limit=limit, cursor=cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def list_files(
        self, sandbox_id: str, *, path: str | None = None, user: str | None = None, limit: int | None = None
    ) -> list[File]:
        """List a directory, in the order of the names' bytes: all pages.

        Args:
            sandbox_id: Id of the sandbox.
            path: Path of the directory, absolute or from the home of the user; the home when absent.
            user: User of the sandbox whose rights and home count; the one of its execs when absent.
            limit: Items of a page, 1 to 1000.
        """
        return [item async for item in self.iterate_files(sandbox_id, path=path, user=user, limit=limit)]

    async def delete_file(
        self, sandbox_id: str, path: str, *, user: str | None = None, recursive: bool | None = None
    ) -> Deleted:
        """Delete a file, a link or an empty directory; with `recursive` a directory with all that is
        in it.

        Args:
            sandbox_id: Id of the sandbox.
            path: Path of the file, with its slashes as they are or percent-encoded. Without a slash
                at its beginning it is looked for in the home of the user, then from the root:
                `hello.txt`, `/etc/hosts` and `etc/hosts` all work.
            user: User of the sandbox whose rights and home count; the one of its execs when absent.
            recursive: A directory with all that is in it.
        """
        return await self._send(requests.delete_file(sandbox_id, path, user=user, recursive=recursive))

    async def change_file(
        self,
        sandbox_id: str,
        path: str,
        *,
        mode: str | None = None,
        overwrite: bool | None = None,
        to: str | None = None,
        user: str | None = None,
    ) -> File:
        """Move a file or a directory, or change its rights, or both.

        A link is moved itself; rights are those of what it leads to. To another file system only a
        regular file is moved.

        Args:
            sandbox_id: Id of the sandbox.
            path: Path of the file, with its slashes as they are or percent-encoded. Without a slash
                at its beginning it is looked for in the home of the user, then from the root:
                `hello.txt`, `/etc/hosts` and `etc/hosts` all work.
            mode: New rights, octal.
            overwrite: Whether a file that has the new path is replaced.
            to: New path, absolute or from the home of the user; directories on the way are made.
            user: User of the sandbox whose rights and home count; the one of its execs when absent.
        """
        return await self._send(
            requests.change_file(sandbox_id, path, mode=mode, overwrite=overwrite, to=to, user=user)
        )

    async def keep_sandbox_alive(self, sandbox_id: str) -> Sandbox:
        """Count as activity: the idle time of the sandbox begins anew.

        Args:
            sandbox_id: Id of the sandbox.
        """
        return await self._send(requests.keep_sandbox_alive(sandbox_id))

    async def get_logs(self, sandbox_id: str, *, tail: int | None = None, since: str | None = None) -> Logs:
        """Show what the sandbox's main process wrote.

        Args:
            sandbox_id: Id of the sandbox.
            tail: The last so many lines, 1 to 10,000.
            since: Only lines from this moment on: a time in RFC 3339, or a duration such as `90s`,
                `15m` or `2h` back from now.
        """
        return await self._send(requests.get_sandbox_logs(sandbox_id, tail=tail, since=since))

    async def get_metrics(self, sandbox_id: str, *, pids: bool | None = None) -> Metrics:
        """Show what a sandbox uses.

        It runs or is paused. The first look takes a tenth of a second, over which the share of the
        CPU is measured; each later one within half a minute measures since the look before it.

        Args:
            sandbox_id: Id of the sandbox.
            pids: Whether to count processes too.
        """
        return await self._send(requests.get_sandbox_metrics(sandbox_id, pids=pids))

    async def get_metrics_history(
        self, sandbox_id: str, *, resolution: str | None = None, since: str | None = None
    ) -> MetricsHistory:
        """Show what a sandbox used over time.

        In memory: it begins with the server's start, and a sandbox that is deleted takes it along.
        Of more than 1,000 sandboxes those that came first have one.

        Args:
            sandbox_id: Id of the sandbox.
            resolution: `10s`, for the last hour, or `1m`, for the last day.
            since: Only from this moment on, RFC 3339.
        """
        return await self._send(requests.get_metrics_history(sandbox_id, resolution=resolution, since=since))

    async def pause_sandbox(self, sandbox_id: str) -> Sandbox:
        """Pause a sandbox: nothing of it runs until it is resumed; its memory, files and connections
        stay.

        Args:
            sandbox_id: Id of the sandbox.
        """
        return await self._send(requests.pause_sandbox(sandbox_id))

    async def replicate_sandbox(
        self,
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
    ) -> Sandbox:
        """Make another sandbox like this one.

        It is what this one is, but for what the body says; variables and labels are laid over this
        one's. It begins with the files of the image and a life time of its own. Answers when it
        runs.

        Args:
            sandbox_id: Id of the sandbox.
            bandwidth: What its network carries each way, in megabits a second, at most 100,000; 0: as much
                as it can.
            capabilities: `standard` or `none`.
            command: Main process, or the arguments of the entry point; its output is the sandbox's log.
            cpu: Cores, 0.01 to 256.
            cwd: Where processes begin, absolute; the user's home when nothing says.
            disk: Size of the writable layer in MiB.
            entrypoint: Program, with arguments, that gets the command as further arguments; an empty list:
                none.
            env: Variables of every process.
            gpus: GPUs of the host: `none`, `all`, a number, or a list of ids; only with the runtime
                `docker`, and where the operator allows it.
            health_check: What tells whether it works, as OCI's HEALTHCHECK.
            idle_ttl_seconds: Seconds without activity after which it stops; 0: never; the server's `idleTtl` when
                nothing says.
            image: Image; the server's default when nothing says.
            isolation: `standard`, or `strong`: not the host's kernel answers its system calls, which is
                the runtime `gvisor`.
            labels: For filters; at most 32.
            memory: Memory in MiB.
            name: Name for people, 1 to 63 characters; none when absent.
            network: `none`, or `all`: the Internet, but no private, host or metadata addresses.
            on_expiry: What the end of the life time does: `delete` or `stop`.
            open_files: Open files of one process, 1,024 to 65,536.
            pids: Processes and threads at once.
            ports: Ports to publish on the host while it runs; at most 16, no port inside twice.
            read_only_root: Whether the root is read-only.
            runtime: `native`, `docker` or `gvisor`, or `auto` for what `isolation` asks for; `native`
                when nothing says. No other takes the place of one that is missing.
            ttl_seconds: Life time in seconds.
            user: User of execs and of the main process; `agent` when nothing says.
        """
        return await self._send(
            requests.replicate_sandbox(
                sandbox_id,
                bandwidth=bandwidth,
                capabilities=capabilities,
                command=command,
                cpu=cpu,
                cwd=cwd,
                disk=disk,
                entrypoint=entrypoint,
                env=env,
                gpus=gpus,
                health_check=health_check,
                idle_ttl_seconds=idle_ttl_seconds,
                image=image,
                isolation=isolation,
                labels=labels,
                memory=memory,
                name=name,
                network=network,
                on_expiry=on_expiry,
                open_files=open_files,
                pids=pids,
                ports=ports,
                read_only_root=read_only_root,
                runtime=runtime,
                ttl_seconds=ttl_seconds,
                user=user,
            )
        )

    async def restart_sandbox(self, sandbox_id: str) -> Sandbox:
        """Stop a sandbox and start it again. Answers when it runs.

        Args:
            sandbox_id: Id of the sandbox.
        """
        return await self._send(requests.restart_sandbox(sandbox_id))

    async def resume_sandbox(self, sandbox_id: str) -> Sandbox:
        """Resume a paused sandbox: everything goes on where it was, and its idle time begins anew.

        Args:
            sandbox_id: Id of the sandbox.
        """
        return await self._send(requests.resume_sandbox(sandbox_id))

    async def search_files(
        self,
        sandbox_id: str,
        q: str,
        *,
        path: str | None = None,
        in_: str | None = None,
        limit: int | None = None,
        user: str | None = None,
    ) -> FileMatches:
        """Look for a text in the names or the contents of files below a directory.

        Stays on one file system, follows no links and passes what the user may not read. Of a
        content the first 4 MiB and 20 matches count, and none of a binary one. After ten seconds or
        a million files the search ends, which is told.

        Args:
            sandbox_id: Id of the sandbox.
            q: A part of a name, in any case, or of a line. Plain text, no pattern.
            path: Path of the directory, absolute or from the home of the user; the home when absent.
            in_: Where it is looked for: `name`, `content` or `all`.
            limit: Most matches, 1 to 1000.
            user: User of the sandbox whose rights and home count; the one of its execs when absent.
        """
        return await self._send(requests.search_files(sandbox_id, q, path=path, in_=in_, limit=limit, user=user))

    async def start_sandbox(
        self, sandbox_id: str, *, wait_for: str | None = None, wait_seconds: int | None = None
    ) -> Sandbox:
        """Start a stopped sandbox. Answers when it runs, or with `waitFor` when it is healthy.

        Args:
            sandbox_id: Id of the sandbox.
            wait_for: `healthy`: answer only when its health check says so. When it is unhealthy, or not
                healthy in time, it runs on, and the answer is the error `sandbox_not_healthy`.
            wait_seconds: Seconds to wait for that.
        """
        return await self._send(requests.start_sandbox(sandbox_id, wait_for=wait_for, wait_seconds=wait_seconds))

    async def stop_sandbox(self, sandbox_id: str) -> Sandbox:
        """Stop a sandbox: its processes end, its files stay. Answers when it is stopped.

        Args:
            sandbox_id: Id of the sandbox.
        """
        return await self._send(requests.stop_sandbox(sandbox_id))

    async def resize_terminal(self, sandbox_id: str, cols: int, rows: int, *, terminal: str | None = None) -> Accepted:
        """Change the size of a terminal: its programs get SIGWINCH, and every client is told.

        Args:
            sandbox_id: Id of the sandbox.
            cols: Columns, 1 to 1000.
            rows: Rows, 1 to 1000.
            terminal: Name of the terminal; `main` when absent.
        """
        return await self._send(requests.resize_terminal(sandbox_id, cols, rows, terminal=terminal))

    async def list_terminals(self, sandbox_id: str) -> list[Terminal]:
        """List the terminals of a sandbox, by name. There are 16 at most, so this is always the whole
        list.

        Args:
            sandbox_id: Id of the sandbox.
        """
        return await self._send(requests.list_terminals(sandbox_id))

    async def close_terminal(self, sandbox_id: str, name: str) -> Deleted:
        """Hang a terminal up. Its programs get SIGHUP, and SIGKILL two seconds later.

        Args:
            sandbox_id: Id of the sandbox.
            name: Name of the terminal.
        """
        return await self._send(requests.close_terminal(sandbox_id, name))

    async def begin_public_session(self, *, class_: str | None = None) -> PublicSession:
        """Begin a public session.

        An anonymous sandbox with narrow limits and no network, which is destroyed after a few
        minutes without activity, and at the end of its life. Its id is the right to it: who has the
        id is in the session, so keep it in the page. There is no other token, and no `Idempotency-
        Key`. It must be turned on by the operator (`sessions.enabled`); pages of other sites only
        where he lists them.

        Args:
            class_: Class link: `class` of an answer to `POST /admin/class-links`. It is never logged.
        """
        return await self._send(requests.begin_public_session(class_=class_))

    async def end_public_session(self, session_id: str) -> Deleted:
        """End a public session, with everything in it.

        Args:
            session_id: Id of the session, which is the right to it.
        """
        return await self._send(requests.end_public_session(session_id))

    async def get_usage(self) -> Usage:
        """Show what one may have, and what is used of it.

        At 80 percent there is a warning here and an event `quota.warning`; at 100 percent requests
        are refused with `quota_exceeded`."""
        return await self._send(requests.get_usage())
