"""Isolated Linux machines in milliseconds: the client of Atoll."""

from ._async._terminal import AsyncTerminal
from ._async.client import AsyncSandboxClient
from ._async.sandbox import AsyncSandboxHandle
from ._retry import Retries
from ._sync._terminal import Terminal
from ._sync.client import SandboxClient
from ._sync.sandbox import SandboxHandle
from .errors import ApiError, AtollError, ConnectionFailed, ProtocolError

__all__ = [
    "ApiError",
    "AsyncSandboxClient",
    "AsyncSandboxHandle",
    "AsyncTerminal",
    "AtollError",
    "ConnectionFailed",
    "ProtocolError",
    "Retries",
    "SandboxClient",
    "SandboxHandle",
    "Terminal",
]
