"""A live server: `scripts/test-sdk.sh` starts one, and says where it is."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from atoll_sdk import AsyncSandboxClient, SandboxClient


@dataclass(frozen=True)
class Live:
    """Where the server is, and a key of its first account."""

    url: str
    email: str
    password: str
    key: str


@pytest.fixture(scope="session")
def live() -> Live:
    url, email, password = (os.environ[name] for name in ("ATOLL_URL", "ATOLL_EMAIL", "ATOLL_PASSWORD"))
    with SandboxClient(url) as client:
        client.login(email, password)
        key = client.create_api_key(name="tests of the Python SDK").key
    return Live(url, email, password, key)


@pytest.fixture
def client(live: Live) -> Iterator[SandboxClient]:
    with SandboxClient(live.url, live.key) as client:
        yield client


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def async_client(live: Live) -> AsyncIterator[AsyncSandboxClient]:
    async with AsyncSandboxClient(live.url, live.key) as client:
        yield client
