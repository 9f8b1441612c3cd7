"""The synchronous client."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Literal, TypeVar

from .. import _requests as requests
from .._models import AuthData, Event, ExecEvent, File, FileEvent, Image, LogLine, UnpackedArchive
from .._request import Request, enveloped, place
from .._retry import Retries
from ..errors import SandboxNotFound
from . import _streams
from ._operations import Operations
from ._terminal import Terminal
from ._transport import Transport
from .sandbox import SandboxHandle

T = TypeVar("T")


class SandboxClient(Operations):
    """One Atoll, as one of its users sees it.

    Args:
        base_url: Where Atoll listens, such as `http://127.0.0.1:3001`.
        api_key: A key (`sk_…`) or a token; `login` gets a token where there is none.
        retries: How often what failed for the moment is tried again.
    """

    def __init__(self, base_url: str, api_key: str | None = None, *, retries: Retries | None = None) -> None:
        self._transport = Transport(base_url, api_key, retries or Retries())

    def __enter__(self) -> SandboxClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def _send(self, request: Request[T]) -> T:
        return self._transport.send(request)

    # --- accounts ---

    def login(self, email: str, password: str) -> AuthData:
        """Gets a token, and uses it from now on."""
        return self._authenticated(requests.login(email=email, password=password))

    def signup(self, email: str, password: str) -> AuthData:
        """Makes an account, and uses its token from now on."""
        return self._authenticated(requests.signup(email=email, password=password))

    def _authenticated(self, request: Request[AuthData]) -> AuthData:
        answer = self._send(request)
        self._transport.use_key(answer.token)
        return answer

    # --- sandboxes ---

    def sandbox_at(self, sandbox_id: str) -> SandboxHandle:
        """The methods of a sandbox that is there already."""
        return SandboxHandle(self, sandbox_id)

    @contextmanager
    def sandbox(self, **options: Any) -> Iterator[SandboxHandle]:
        """A sandbox for the time of a `with` block: `options` are those of `create_sandbox`. It is destroyed behind it."""
        made = self.create_sandbox(**options)
        try:
            yield self.sandbox_at(made.id)
        finally:
            # Where it is gone already, that is what was asked for.
            with suppress(SandboxNotFound):
                self.destroy_sandbox(made.id)

    # --- streams ---

    def stream_exec(
        self, sandbox_id: str, exec_id: str, *, after_seq: int = 0, encoding: Literal["utf8", "base64"] = "utf8"
    ) -> Iterator[ExecEvent]:
        """The events of an exec from its start, or behind `after_seq`, to its exit. A connection that is lost is made again,
        and the stream goes on where it was.
        """
        for event in _streams.exec_events(self._transport, sandbox_id, exec_id, after_seq, encoding):
            yield event

    def exec_stream(
        self,
        sandbox_id: str,
        command: str | Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        stdin: str | None = None,
        timeout_seconds: int | None = None,
    ) -> Iterator[ExecEvent]:
        """Runs a command, and gives its events as they come. The command goes on when nobody listens any more."""
        started = self.exec(
            sandbox_id, command, async_=True, env=env, cwd=cwd, user=user, stdin=stdin, timeout_seconds=timeout_seconds
        )
        for event in self.stream_exec(sandbox_id, started.id):
            yield event

    def follow_logs(self, sandbox_id: str, *, tail: int | None = None, since: str | None = None) -> Iterator[LogLine]:
        """The lines that the sandbox's main process wrote, then those that it writes, until it ends.

        Args:
            sandbox_id: Id of the sandbox.
            tail: The last so many of the lines that are there, 1 to 10,000; 1,000 when absent.
            since: Only lines from this moment on: RFC 3339, or a duration back from now such as `15m`.
        """
        for line in _streams.log_lines(self._transport, sandbox_id, tail, since):
            yield line

    def listen_to_events(self, *, after: str | None = None) -> Iterator[Event]:
        """What happens to what the caller may see, from now on. A connection that is lost is made again, and the stream goes
        on where it was. `EventsExpired` says that what came meanwhile is gone: look at what there is, and listen anew.

        Args:
            after: The `id` of the last event that was seen: what came behind it comes first.
        """
        for event in _streams.events(self._transport, after):
            yield event

    def watch_files(
        self, sandbox_id: str, path: str, *, recursive: bool = False, user: str | None = None
    ) -> Iterator[FileEvent]:
        """Changes of a file or directory. The first event is `ready`; `overflow` says that some were lost: look again."""
        for event in _streams.file_events(self._transport, sandbox_id, path, recursive, user):
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
    ) -> Terminal:
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
        return Terminal(self._transport, sandbox_id, name, (cols, rows), options)

    # --- files ---

    def read_file(
        self, sandbox_id: str, path: str, *, user: str | None = None, range_: tuple[int, int] | None = None
    ) -> bytes:
        """A file, or of `range_` the bytes from the first number to the second, both counted from 0 and in it."""
        return b"".join([part for part in self.download_file(sandbox_id, path, user=user, range_=range_)])

    def download_file(
        self, sandbox_id: str, path: str, *, user: str | None = None, range_: tuple[int, int] | None = None
    ) -> Iterator[bytes]:
        """A file in parts, as they come: of any size."""
        headers = {} if range_ is None else {"range": f"bytes={range_[0]}-{range_[1]}"}
        where = f"/sandboxes/{place(sandbox_id)}/files/{place(path)}"
        for part in self._transport.download(where, {"user": user}, headers):
            yield part

    def stat_file(self, sandbox_id: str, path: str, *, user: str | None = None) -> File:
        """What is at a path: type, size, rights, owner. A link is told as such."""
        where = f"/sandboxes/{place(sandbox_id)}/files/{place(path)}"
        query = {"stat": True, "user": user}
        return self._send(Request("GET", where, lambda data: enveloped(data, File.from_json), query))

    def write_file(
        self,
        sandbox_id: str,
        path: str,
        content: bytes | str | Iterator[bytes],
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
        answer = self._transport.upload("POST", where, content, "application/octet-stream", query)
        return enveloped(answer, File.from_json)

    def download_archive(self, sandbox_id: str, path: str | None = None, *, user: str | None = None) -> Iterator[bytes]:
        """A file or directory with all in it, as a tar, in parts as they come."""
        where = f"/sandboxes/{place(sandbox_id)}/archive"
        for part in self._transport.download(where, {"path": path, "user": user}):
            yield part

    def upload_archive(
        self,
        sandbox_id: str,
        content: bytes | Iterator[bytes],
        path: str | None = None,
        *,
        user: str | None = None,
    ) -> UnpackedArchive:
        """Unpacks a tar, uncompressed, in a directory of the sandbox."""
        where = f"/sandboxes/{place(sandbox_id)}/archive"
        query = {"path": path, "user": user}
        answer = self._transport.upload("POST", where, content, "application/x-tar", query)
        return enveloped(answer, UnpackedArchive.from_json)

    def import_image(self, name: str, content: bytes | Iterator[bytes]) -> Image:
        """Makes an image of a tar of a root file system or of an image, under any name."""
        answer = self._transport.upload("POST", "/images", content, "application/x-tar", {"name": name})
        return enveloped(answer, Image.from_json)

    def build_image(
        self,
        name: str,
        context: bytes | Iterator[bytes],
        *,
        dockerfile: str | None = None,
        target: str | None = None,
        build_args: Mapping[str, str] | None = None,
        network: str | None = None,
    ) -> Image:
        """Builds an image of a tar with a Dockerfile and what it copies; an error has the last of what was written."""
        args = [f"{key}={value}" for key, value in (build_args or {}).items()]
        query = {"name": name, "dockerfile": dockerfile, "target": target, "network": network, "buildArg": args}
        answer = self._transport.upload("POST", "/images/build", context, "application/x-tar", query)
        return enveloped(answer, Image.from_json)

    def pull_image(self, reference: str, name: str | None = None) -> Image:
        """Has the server fetch an image from its registry; its name is the reference unless one is given."""
        content = json.dumps({"reference": reference, "name": name}).encode()
        answer = self._transport.upload("POST", "/images", content, "application/json", {})
        return enveloped(answer, Image.from_json)
