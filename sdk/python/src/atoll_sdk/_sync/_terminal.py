"""A terminal, over `atoll.terminal.v1`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from .._request import place
from ..errors import ApiError, AtollError, ConnectionFailed, ProtocolError, failure
from ._streams import ATTEMPTS, CLOSE_FAILURE, PASSING
from ._transport import Transport

PROTOCOL = "atoll.terminal.v1"
INPUT, OUTPUT, CONTROL = 0, 1, 2


class Terminal:
    """A screen and a keyboard in a sandbox. Iterate over it to see what it shows, as bytes, until its program ends.

    When the connection is lost it comes again by itself, to the same terminal, and shows what was missed. What was
    typed in the moment of the loss may not have arrived.
    """

    def __init__(
        self,
        transport: Transport,
        sandbox_id: str,
        name: str | None,
        size: tuple[int, int] | None,
        options: dict[str, Any],
    ) -> None:
        self._transport = transport
        self._path = f"/sandboxes/{place(sandbox_id)}/terminal"
        self._options = {"terminal": name, **options}
        self._size = size
        self._socket: ClientConnection | None = None
        self._lock = threading.Lock()
        self._generation: int | None = None
        self._after = 0
        self._is_over = False
        self._failure: Any = None
        self.exit_code: int | None = None
        """How its program ended; None while it runs."""

    def __enter__(self) -> Terminal:
        self._connected(None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the terminal; it goes on without its viewer."""
        self._is_over = True
        if self._socket is not None:
            self._socket.close()

    def write(self, data: bytes | str) -> None:
        """Types."""
        self._say(INPUT, data.encode() if isinstance(data, str) else data)

    def resize(self, cols: int, rows: int) -> None:
        """Says that the window has this size now."""
        self._size = (cols, rows)
        self._say(CONTROL, json.dumps({"type": "resize", "cols": cols, "rows": rows}).encode())

    def __iter__(self) -> Iterator[bytes]:
        while not self._is_over:
            socket = self._connected(None)
            try:
                message = socket.recv()
            except ConnectionClosed as closed:
                if self._is_over:
                    return
                if closed.rcvd is not None and closed.rcvd.code > CLOSE_FAILURE:
                    raise failure(closed.rcvd.code - CLOSE_FAILURE, {"error": self._failure}) from None
                self._connected(socket)
                continue
            if isinstance(message, str) or not message:
                raise ProtocolError("a message without a channel came from the terminal")
            if message[0] == OUTPUT:
                self._after += len(message) - 1
                yield message[1:]
            elif message[0] == CONTROL:
                self._told(json.loads(message[1:]))

    def _told(self, control: dict[str, Any]) -> None:
        if control["type"] == "attached":
            self._generation, self._after = control["generation"], control["offset"]
        elif control["type"] == "gap":
            self._after = control["offset"]
        elif control["type"] == "resized":
            self._size = (control["cols"], control["rows"])
        elif control["type"] == "exit":
            self.exit_code, self._is_over = control["exitCode"], True
        elif control["type"] == "failed":
            # The close behind it has its status.
            self._failure = control["error"]

    def _say(self, channel: int, data: bytes) -> None:
        while True:
            socket = self._connected(None)
            try:
                socket.send(bytes([channel]) + data)
                return
            except ConnectionClosed:
                if self._is_over:
                    raise ConnectionFailed("the terminal has ended") from None
                self._connected(socket)

    def _connected(self, lost: ClientConnection | None) -> ClientConnection:
        """The connection, made anew when there is none or it is the one that was lost."""
        with self._lock:
            if self._socket is not None and self._socket is not lost:
                return self._socket
            attempt = 0
            while True:
                try:
                    self._socket = self._transport.socket(self._path, self._query(), [PROTOCOL])
                    return self._socket
                except AtollError as error:
                    if isinstance(error, ApiError) and error.status not in PASSING:
                        raise
                    attempt += 1
                    wait = ATTEMPTS.wait_seconds(attempt, None)
                    if wait is None:
                        raise
                time.sleep(wait)

    def _query(self) -> dict[str, Any]:
        cols, rows = self._size or (None, None)
        query = {**self._options, "cols": cols, "rows": rows}
        if self._generation is not None:
            query |= {"generation": self._generation, "after": self._after}
        return query
