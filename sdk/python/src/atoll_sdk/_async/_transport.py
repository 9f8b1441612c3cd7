"""The connection of an asynchronous client: sends requests, tries again, opens WebSockets."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from .._request import Request
from .._retry import Retries, is_worth_trying
from ..errors import ApiError, ConnectionFailed, ProtocolError, failure

T = TypeVar("T")

# Making a connection; an answer of an ordinary request.
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 120.0
# The largest message that Atoll sends over a WebSocket, with room to spare.
MESSAGE_BYTES_MAX = 16 * 1024 * 1024
# A stream of events says every 15 seconds that it lives.
SILENCE_SECONDS = 45.0
# What is read of an answer that says what went wrong.
FAILURE_BYTES_MAX = 1024 * 1024


class AsyncTransport:
    """One connection pool to one Atoll."""

    def __init__(self, base_url: str, api_key: str | None, retries: Retries) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = api_key
        self._retries = retries
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        self._http = httpx.AsyncClient(timeout=timeout, follow_redirects=False)

    def use_key(self, key: str | None) -> None:
        """Sends this key or token from now on."""
        self._key = key

    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._key}"} if self._key else {}

    async def aclose(self) -> None:
        await self._http.aclose()

    async def send(self, request: Request[T]) -> T:
        """Sends a request, again where that is harmless, and reads its answer."""
        headers = self.headers()
        if request.is_create:
            headers["idempotency-key"] = str(uuid.uuid4())
        repeatable = request.is_create or request.method in ("GET", "PUT", "DELETE")
        attempt = 1
        while True:
            retry_after = None
            try:
                answer = await self._http.request(
                    request.method,
                    self._base_url + request.path,
                    params=_query(request.query),
                    json=request.json,
                    headers=headers,
                    timeout=httpx.Timeout(None, connect=CONNECT_SECONDS) if request.waits else httpx.USE_CLIENT_DEFAULT,
                )
                if answer.is_success:
                    return request.parse(_json(answer.content))
                error: ApiError | ConnectionFailed = failure(answer.status_code, _json_or_none(answer.content))
                retry_after = answer.headers.get("retry-after")
                again = is_worth_trying(answer.status_code, getattr(error, "code", ""), repeatable)
            except httpx.TransportError as cause:
                # Where there was no connection, nothing was asked.
                again = repeatable or isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout)
                error = ConnectionFailed(f"{self._base_url} cannot be reached: {cause or type(cause).__name__}")
                error.__cause__ = cause
            wait = self._retries.wait_seconds(attempt, retry_after) if again else None
            if wait is None:
                raise error
            await asyncio.sleep(wait)
            attempt += 1

    async def upload(
        self,
        method: str,
        path: str,
        content: bytes | str | AsyncIterator[bytes],
        content_type: str,
        query: Mapping[str, Any],
    ) -> Any:
        """Sends bytes, once, and gives the JSON of the answer."""
        try:
            answer = await self._http.request(
                method,
                self._base_url + path,
                params=_query(query),
                content=content,
                headers={**self.headers(), "content-type": content_type},
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            )
        except httpx.TransportError as cause:
            raise ConnectionFailed(f"the upload to {self._base_url} failed: {cause}") from cause
        if not answer.is_success:
            raise failure(answer.status_code, _json_or_none(answer.content))
        return _json(answer.content)

    async def download(
        self, path: str, query: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of an answer, as they come."""
        try:
            async with self._http.stream(
                "GET",
                self._base_url + path,
                params=_query(query),
                headers={**self.headers(), **(headers or {})},
            ) as answer:
                if not answer.is_success:
                    raise await _refused(answer)
                async for part in answer.aiter_bytes():
                    yield part
        except httpx.TransportError as cause:
            raise ConnectionFailed(f"the download from {self._base_url} failed: {cause}") from cause

    async def server_sent(self, path: str, headers: Mapping[str, str]) -> AsyncIterator[dict[str, str]]:
        """Server-sent events, as they come: the fields of each. A comment has none."""
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        sent = {**self.headers(), "accept": "text/event-stream", **headers}
        try:
            async with self._http.stream("GET", self._base_url + path, headers=sent, timeout=timeout) as answer:
                if not answer.is_success:
                    raise await _refused(answer)
                rest = b""
                async for part in answer.aiter_bytes():
                    *blocks, rest = (rest + part).split(b"\n\n")
                    if len(rest) > MESSAGE_BYTES_MAX:
                        raise ProtocolError("an event has no end: is the base URL right?")
                    for block in blocks:
                        yield _fields(block)
        except httpx.TransportError as cause:
            lost = cause or type(cause).__name__
            raise ConnectionFailed(f"the events of {self._base_url} were cut: {lost}") from cause

    async def socket(self, path: str, query: Mapping[str, Any], subprotocols: Sequence[str] = ()) -> ClientConnection:
        """Opens a WebSocket. Raises `ApiError` when it is refused, `ConnectionFailed` when nobody is there."""
        scheme, host, base, _, _ = urlsplit(self._base_url)
        scheme = {"http": "ws", "https": "wss"}.get(scheme, scheme)
        url = urlunsplit((scheme, host, base + path, urlencode(_query(query)), ""))
        try:
            return await connect(
                url,
                additional_headers=self.headers(),
                subprotocols=[Subprotocol(name) for name in subprotocols] or None,
                open_timeout=CONNECT_SECONDS,
                max_size=MESSAGE_BYTES_MAX,
            )
        except InvalidStatus as refused:
            raise failure(refused.response.status_code, _json_or_none(bytes(refused.response.body or b""))) from None
        except (OSError, InvalidHandshake, EOFError) as cause:
            raise ConnectionFailed(f"{self._base_url} cannot be reached: {cause or type(cause).__name__}") from cause


async def _refused(answer: httpx.Response) -> ApiError:
    """What the body of an answer says that went wrong."""
    body = b""
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > FAILURE_BYTES_MAX:
            break
    return failure(answer.status_code, _json_or_none(body))


def _fields(block: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in block.decode(errors="replace").split("\n"))
    return {name: value.removeprefix(" ") for name, _, value in lines if name}


def _query(query: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for key, value in query.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is not None:
                pairs.append((key, str(one).lower() if isinstance(one, bool) else str(one)))
    return tuple(pairs)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as cause:
        raise ProtocolError("the answer is no JSON: is the base URL right?") from cause


def _json_or_none(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
