"""The asynchronous client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Literal, TypeVar

from .. import _requests as requests
from .._models import AuthData, Event, ExecEvent, File, FileEvent, Image, LogLine, UnpackedArchive
from .._request import Request, enveloped, place
from .._retry import Retries
from ..errors import SandboxNotFound
from . import _streams
from ._operations import AsyncOperations
from ._terminal import AsyncTerminal
from ._transport import AsyncTransport
from .sandbox import AsyncSandboxHandle

T = TypeVar("T")


class AsyncSandboxClient(AsyncOperations):
    """One Atoll, as one of its users sees it.

    Args:
        base_url: Where Atoll listens, such as `http://127.0.0.1:3001`.
        api_key: A key (`sk_…`) or a token; `login` gets a token where there is none.
        retries: How often what failed for the moment is tried again.
    """

    def __init__(self, base_url: str, api_key: str | None = None, *, retries: Retries | None = None) -> None:
        self._transport = AsyncTransport(base_url, api_key, retries or Retries())

    async def __aenter__(self) -> AsyncSandboxClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._transport.aclose()

    async def _send(self, request: Request[T]) -> T:
        return await self._transport.send(request)

    # --- accounts ---

    async def login(self, email: str, password: str) -> AuthData:
        """Gets a token, and uses it from now on."""
        return await self._authenticated(requests.login(email=email, password=password))

    async def signup(self, email: str, password: str) -> AuthData:
        """Makes an account, and uses its token from now on."""
        return await self._authenticated(requests.signup(email=email, password=password))

    async def _authenticated(self, request: Request[AuthData]) -> AuthData:
        answer = await self._send(request)
        self._transport.use_key(answer.token)
        return answer

    # --- sandboxes ---

    def sandbox_at(self, sandbox_id: str) -> AsyncSandboxHandle:
        """The methods of a sandbox that is there already."""
        return AsyncSandboxHandle(self, sandbox_id)

    @asynccontextmanager
    async def sandbox(self, **options: Any) -> AsyncIterator[AsyncSandboxHandle]:
        """A sandbox for the time of a `with` block: `options` are those of `create_sandbox`. It is destroyed behind it."""
        made = await self.create_sandbox(**options)
        try:
            yield self.sandbox_at(made.id)
        finally:
            # Where it is gone already, that is what was asked for.
            with suppress(SandboxNotFound):
                await self.destroy_sandbox(made.id)

    # --- streams ---

    async def stream_exec(
        self, sandbox_id: str, exec_id: str, *, after_seq: int = 0, encoding: Literal["utf8", "base64"] = "utf8"
    ) -> AsyncIterator[ExecEvent]:
        """The events of an exec from its start, or behind `after_seq`, to its exit. A connection that is lost is made again,
        and the stream goes on where it was.
        """
        async for event in _streams.exec_events(self._transport, sandbox_id, exec_id, after_seq, encoding):
            yield event

    async def exec_stream(
        self,
        sandbox_id: str,
        command: str | Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        stdin: str | None = None,
        timeout_seconds: int | None = None,
    ) -> AsyncIterator[ExecEvent]:
        """Runs a command, and gives its events as they come. The command goes on when nobody listens any more."""
        started = await self.exec(
            sandbox_id, command, async_=True, env=env, cwd=cwd, user=user, stdin=stdin, timeout_seconds=timeout_seconds
        )
        async for event in self.stream_exec(sandbox_id, started.id):
            yield event

    async def follow_logs(
        self, sandbox_id: str, *, tail: int | None = None, since: str | None = None
    ) -> AsyncIterator[LogLine]:
        """The lines that the sandbox's main process wrote, then those that it writes, until it ends.

        Args:
            sandbox_id: Id of the sandbox.
            tail: The last so many of the lines that are there, 1 to 10,000; 1,000 when absent.
            since: Only lines from this moment on: RFC 3339, or a duration back from now such as `15m`.
        """
        async for line in _streams.log_lines(self._transport, sandbox_id, tail, since):
            yield line

    async def listen_to_events(self, *, after: str | None = None) -> AsyncIterator[Event]:
        """What happens to what the caller may see, from now on. A connection that is lost is made again, and the stream goes
        on where it was. `EventsExpired` says that what came meanwhile is gone: look at what there is, and listen anew.

        Args:
            after: The `id` of the last event that was seen: what came behind it comes first.
        """
        async for event in _streams.events(self._transport, after):
            yield event

    async def watch_files(
        self, sandbox_id: str, path: str, *, recursive: bool = False, user: str | None = None
    ) -> AsyncIterator[FileEvent]:
        """Changes of a file or directory. The first event is `ready`; `overflow` says that some were lost: look again."""
        async for event in _streams.file_events(self._transport, sandbox_id, path, recursive, user):
            yield event

    def terminal(
        self,
        sandbox_id: str,
        *,
        name: str | None = None,
        cols: int = 80,
        rows: int = 24,
        user: str | None = None,
        cwd: str | None = None,
        linger: int | None = None,
    ) -> AsyncTerminal:
        """A terminal: use it as a context manager.

        Args:
            sandbox_id: Id of the sandbox.
            name: Everybody who gives the same name is at the same terminal; `main` when absent.
            cols: Columns of the window.
            rows: Rows of the window.
            user: As whom the shell of a new terminal runs.
            cwd: Where it starts.
            linger: Seconds that a new terminal outlives its last viewer; without it, it stays until its shell ends.
        """
        options = {"user": user, "cwd": cwd, "linger": linger}
        return AsyncTerminal(self._transport, sandbox_id, name, (cols, rows), options)

    # --- files ---

    async def read_file(
        self, sandbox_id: str, path: str, *, user: str | None = None, range_: tuple[int, int] | None = None
    ) -> bytes:
        """A file, or of `range_` the bytes from the first number to the second, both counted from 0 and in it."""
        return b"".join([part async for part in self.download_file(sandbox_id, path, user=user, range_=range_)])

    async def download_file(
        self, sandbox_id: str, path: str, *, user: str | None = None, range_: tuple[int, int] | None = None
    ) -> AsyncIterator[bytes]:
        """A file in parts, as they come: of any size."""
        headers = {} if range_ is None else {"range": f"bytes={range_[0]}-{range_[1]}"}
        where = f"/sandboxes/{place(sandbox_id)}/files/{place(path)}"
        async for part in self._transport.download(where, {"user": user}, headers):
            yield part

    async def stat_file(self, sandbox_id: str, path: str, *, user: str | None = None) -> File:
        """What is at a path: type, size, rights, owner. A link is told as such."""
        where = f"/sandboxes/{place(sandbox_id)}/files/{place(path)}"
        query = {"stat": True, "user": user}
        return await self._send(Request("GET", where, lambda data: enveloped(data, File.from_json), query))

    async def write_file(
        self,
        sandbox_id: str,
        path: str,
        content: bytes | str | AsyncIterator[bytes],
        *,
        mode: str | None = None,
        user: str | None = None,
    ) -> File:
        """Writes a file, and the directories on its way. One that is there is replaced in one step.

        Args:
            sandbox_id: Id of the sandbox.
            path: Absolute, or from the home of the user.
            content: All of it, or its parts as they come.
            mode: Rights, octal, such as `0755`.
            user: Whose rights and home count.
        """
        where = f"/sandboxes/{place(sandbox_id)}/files"
        query = {"path": path, "mode": mode, "user": user}
        answer = await self._transport.upload("POST", where, content, "application/octet-stream", query)
        return enveloped(answer, File.from_json)

    async def download_archive(
        self, sandbox_id: str, path: str | None = None, *, user: str | None = None
    ) -> AsyncIterator[bytes]:
        """A file or directory with all in it, as a tar, in parts as they come."""
        where = f"/sandboxes/{place(sandbox_id)}/archive"
        async for part in self._transport.download(where, {"path": path, "user": user}):
            yield part

    async def upload_archive(
        self,
        sandbox_id: str,
        content: bytes | AsyncIterator[bytes],
        path: str | None = None,
        *,
        user: str | None = None,
    ) -> UnpackedArchive:
        """Unpacks a tar, uncompressed, in a directory of the sandbox."""
        where = f"/sandboxes/{place(sandbox_id)}/archive"
        query = {"path": path, "user": user}
        answer = await self._transport.upload("POST", where, content, "application/x-tar", query)
        return enveloped(answer, UnpackedArchive.from_json)

    async def import_image(self, name: str, content: bytes | AsyncIterator[bytes]) -> Image:
        """Makes an image of a tar of a root file system or of an image, under any name."""
        answer = await self._transport.upload("POST", "/images", content, "application/x-tar", {"name": name})
        return enveloped(answer, Image.from_json)

    async def build_image(
        self,
        name: str,
        context: bytes | AsyncIterator[bytes],
        *,
        dockerfile: str | None = None,
        target: str | None = None,
        build_args: Mapping[str, str] | None = None,
        network: str | None = None,
    ) -> Image:
        """Builds an image of a tar with a Dockerfile and what it copies; an error has the last of what was written."""
        args = [f"{key}={value}" for key, value in (build_args or {}).items()]
        query = {"name": name, "dockerfile": dockerfile, "target": target, "network": network, "buildArg": args}
        answer = await self._transport.upload("POST", "/images/build", context, "application/x-tar", query)
        return enveloped(answer, Image.from_json)

    async def pull_image(self, reference: str, name: str | None = None) -> Image:
        """Has the server fetch an image from its registry; its name is the reference unless one is given."""
        content = json.dumps({"reference": reference, "name": name}).encode()
        answer = await self._transport.upload("POST", "/images", content, "application/json", {})
        return enveloped(answer, Image.from_json)
