"""One sandbox, at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from .._models import ExecEvent, File, FileEvent, LogLine, UnpackedArchive
from ._at_sandbox import SandboxOperations
from ._terminal import Terminal

if TYPE_CHECKING:
    from .client import SandboxClient


class SandboxHandle(SandboxOperations):
    """The methods of the client on one sandbox, without its id."""

    def __init__(self, client: SandboxClient, sandbox_id: str) -> None:
        super().__init__(client, sandbox_id)
        self._whole = client

    def stream_exec(
        self, exec_id: str, *, after_seq: int = 0, encoding: Literal["utf8", "base64"] = "utf8"
    ) -> Iterator[ExecEvent]:
        """See `stream_exec` of the client."""
        for event in self._whole.stream_exec(self.id, exec_id, after_seq=after_seq, encoding=encoding):
            yield event

    def exec_stream(
        self,
        command: str | Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        stdin: str | None = None,
        timeout_seconds: int | None = None,
    ) -> Iterator[ExecEvent]:
        """See `exec_stream` of the client."""
        for event in self._whole.exec_stream(
            self.id, command, env=env, cwd=cwd, user=user, stdin=stdin, timeout_seconds=timeout_seconds
        ):
            yield event

    def follow_logs(self, *, tail: int | None = None, since: str | None = None) -> Iterator[LogLine]:
        """See `follow_logs` of the client."""
        for line in self._whole.follow_logs(self.id, tail=tail, since=since):
            yield line

    def watch_files(self, path: str, *, recursive: bool = False, user: str | None = None) -> Iterator[FileEvent]:
        """See `watch_files` of the client."""
        for event in self._whole.watch_files(self.id, path, recursive=recursive, user=user):
            yield event

    def terminal(
        self,
        *,
        name: str | None = None,
        cols: int = 80,
        rows: int = 24,
        user: str | None = None,
        cwd: str | None = None,
        linger: int | None = None,
    ) -> Terminal:
        """See `terminal` of the client."""
        return self._whole.terminal(self.id, name=name, cols=cols, rows=rows, user=user, cwd=cwd, linger=linger)

    def read_file(self, path: str, *, user: str | None = None, range_: tuple[int, int] | None = None) -> bytes:
        """See `read_file` of the client."""
        return self._whole.read_file(self.id, path, user=user, range_=range_)

    def download_file(
        self, path: str, *, user: str | None = None, range_: tuple[int, int] | None = None
    ) -> Iterator[bytes]:
        """See `download_file` of the client."""
        for part in self._whole.download_file(self.id, path, user=user, range_=range_):
            yield part

    def stat_file(self, path: str, *, user: str | None = None) -> File:
        """See `stat_file` of the client."""
        return self._whole.stat_file(self.id, path, user=user)

    def write_file(
        self,
        path: str,
        content: bytes | str | Iterator[bytes],
        *,
        mode: str | None = None,
        user: str | None = None,
    ) -> File:
        """See `write_file` of the client."""
        return self._whole.write_file(self.id, path, content, mode=mode, user=user)

    def download_archive(self, path: str | None = None, *, user: str | None = None) -> Iterator[bytes]:
        """See `download_archive` of the client."""
        for part in self._whole.download_archive(self.id, path, user=user):
            yield part

    def upload_archive(
        self, content: bytes | Iterator[bytes], path: str | None = None, *, user: str | None = None
    ) -> UnpackedArchive:
        """See `upload_archive` of the client."""
        return self._whole.upload_archive(self.id, content, path, user=user)
