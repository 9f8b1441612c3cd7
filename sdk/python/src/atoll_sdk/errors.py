"""The exceptions: one for every error code, below `ApiError`."""

from __future__ import annotations

from typing import Any

from . import _codes
from ._codes import *  # noqa: F403
from ._failure import ApiError, AtollError, ConnectionFailed, ProtocolError

__all__ = ["ApiError", "AtollError", "ConnectionFailed", "ProtocolError", "failure"]
__all__ += _codes.__all__


def failure(status: int, body: Any) -> ApiError:
    """The exception of an answer that says what went wrong, or of one that comes from something in between."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("code"), str):
        return ApiError("unknown", f"the answer was HTTP {status}, and is not one of Atoll", status)
    kind = _codes.BY_CODE.get(error["code"], ApiError)
    return kind(error["code"], str(error.get("message", "")), status, error.get("details"), error.get("traceId"))
