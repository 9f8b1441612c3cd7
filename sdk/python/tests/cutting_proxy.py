"""A TCP proxy that cuts connections: what a bad network, or a restart of the server, looks like to a client."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit


class CuttingProxy:
    """Passes bytes on to a server. Each connection is cut once the server has said so many bytes, in their order."""

    def __init__(self, url: str, cuts: list[int]) -> None:
        self._target = (urlsplit(url).hostname, urlsplit(url).port)
        self._cuts = cuts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> CuttingProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                bound = self._cuts[self.connections] if self.connections < len(self._cuts) else None
                self.connections += 1
                server = socket.create_connection(self._target)
                threading.Thread(target=_pass, args=(client, server, None), daemon=True).start()
                threading.Thread(target=_pass, args=(server, client, bound), daemon=True).start()


def _pass(source: socket.socket, target: socket.socket, bound: int | None) -> None:
    """Until the source ends, or the bound is reached; then neither side hears anything more."""
    with contextlib.suppress(OSError):
        while bound is None or bound > 0:
            data = source.recv(65536 if bound is None else min(bound, 65536))
            if not data:
                break
            target.sendall(data)
            bound = None if bound is None else bound - len(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
