"""What every exception of this package has in common."""

from __future__ import annotations

from typing import Any


class AtollError(Exception):
    """Whatever this package raises of its own."""


class ConnectionFailed(AtollError):
    """Atoll could not be reached, or the connection was lost, also after trying again."""


class ProtocolError(AtollError):
    """What came is not what Atoll would say."""


class ApiError(AtollError):
    """Atoll refused a request, or failed to do it. Each code has a class of its own below this one."""

    def __init__(self, code: str, message: str, status: int, details: Any = None, trace_id: str | None = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        """Stable code from the documented list."""
        self.message = message
        """For people."""
        self.status = status
        """The HTTP status."""
        self.details = details
        """More for programs: which fields are wrong, for instance."""
        self.trace_id = trace_id
        """Finds the request in the log of the server."""
