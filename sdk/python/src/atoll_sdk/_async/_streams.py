"""Streams of an asynchronous client: each comes again by itself when its connection is lost, where it was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from websockets.exceptions import ConnectionClosed

from .._models import Event, ExecEvent, FileEvent, LogLine
from .._request import place
from .._retry import LONGEST_WAIT_SECONDS, Retries
from ..errors import ApiError, ConnectionFailed, failure
from ._transport import AsyncTransport

# How often a stream tries to come again with nothing heard in between: with the waits, about half a minute, in which
# a server that is restarted is back.
ATTEMPTS = Retries(attempts=12, longest_wait_seconds=LONGEST_WAIT_SECONDS)
# Close codes: all was sent; and a failure, plus its HTTP status.
CLOSE_DONE = 1000
CLOSE_FAILURE = 4000
# Statuses of what a stream of events ends with.
EVENT_FAILURES = {"events_expired": 410, "unauthorized": 401, "unavailable": 503}
# Failures that pass.
PASSING = {429, 502, 503, 504}


async def messages(
    transport: AsyncTransport, path: str, query: Callable[[], Mapping[str, Any]]
) -> AsyncIterator[dict[str, Any]]:
    """The messages of a stream until its orderly end. `query` says before each connection from where on."""
    attempt = 0
    while True:
        try:
            socket = await transport.socket(path, query())
            try:
                while True:
                    message = json.loads(await socket.recv())
                    if message.get("success") is False:
                        raise await _told(socket, message)
                    attempt = 0
                    yield message
            except ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code == CLOSE_DONE:
                    return
                lost: ApiError | ConnectionFailed = ConnectionFailed(f"the stream was cut: {closed}")
            finally:
                await socket.close()
        except ConnectionFailed as cause:
            lost = cause
        except ApiError as refused:
            if refused.status not in PASSING:
                raise
            lost = refused
        attempt += 1
        wait = ATTEMPTS.wait_seconds(attempt, None)
        if wait is None:
            raise lost
        await asyncio.sleep(wait)


async def _told(socket: Any, message: dict[str, Any]) -> ApiError:
    """The failure that a message tells; the close behind it has its status."""
    try:
        await socket.recv()
    except ConnectionClosed as closed:
        if closed.rcvd is not None and closed.rcvd.code > CLOSE_FAILURE:
            return failure(closed.rcvd.code - CLOSE_FAILURE, message)
    return failure(500, message)


async def exec_events(
    transport: AsyncTransport, sandbox_id: str, exec_id: str, after_seq: int, encoding: str
) -> AsyncIterator[ExecEvent]:
    """The events of an exec: none twice, none left out, whatever happens to the connection."""
    last = after_seq
    path = f"/sandboxes/{place(sandbox_id)}/stream"
    stream = messages(transport, path, lambda: {"exec_id": exec_id, "after_seq": last, "encoding": encoding})
    async for message in stream:
        event = ExecEvent.from_json(message)
        if event.seq > last:
            last = event.seq
            yield event
        if event.type == "exit":
            return


async def log_lines(
    transport: AsyncTransport, sandbox_id: str, tail: int | None, since: str | None
) -> AsyncIterator[LogLine]:
    """The lines of a sandbox's log. Several may have one number, so what is seen of the last number is counted."""
    last, seen = -1, 0
    to_skip = 0

    def query() -> dict[str, Any]:
        nonlocal to_skip
        if last < 0:
            return {"tail": tail, "since": since}
        to_skip = seen
        return {"after_seq": max(last - 1, 0)}

    async for message in messages(transport, f"/ws/sandboxes/{place(sandbox_id)}/logs", query):
        line = LogLine.from_json(message)
        seq = line.seq or 0
        if seq < last:
            continue
        if seq == last and to_skip > 0:
            to_skip -= 1
            continue
        last, seen, to_skip = seq, (seen + 1 if seq == last else 1), 0
        yield line


async def events(transport: AsyncTransport, after: str | None) -> AsyncIterator[Event]:
    """What happens: none twice, and none left out, as long as the server holds it."""
    last, attempt = after, 0
    while True:
        lost: ApiError | ConnectionFailed = ConnectionFailed("the stream of events was ended by the server")
        try:
            async for fields in transport.server_sent("/events", {"last-event-id": last} if last else {}):
                attempt = 0
                # Before it is given out: whoever stops in between has had it.
                last = fields.get("id", last)
                if "data" not in fields:
                    continue
                told = json.loads(fields["data"])
                if fields.get("event") == "error":
                    raise _refused(told)
                yield Event.from_json(told)
        except ConnectionFailed as cause:
            lost = cause
        except ApiError as refused:
            if refused.status not in PASSING:
                raise
            lost = refused
        attempt += 1
        wait = ATTEMPTS.wait_seconds(attempt, None)
        if wait is None:
            raise lost
        await asyncio.sleep(wait)


def _refused(told: dict[str, Any]) -> ApiError:
    """The failure that ends a stream of events, with the status that its code has as an answer."""
    code = str((told.get("error") or {}).get("code"))
    return failure(EVENT_FAILURES.get(code, 500), told)


async def file_events(
    transport: AsyncTransport, sandbox_id: str, path: str, recursive: bool, user: str | None
) -> AsyncIterator[FileEvent]:
    """Changes of files. After a connection that was lost comes an `overflow`: what happened meanwhile is not known."""
    connections = 0

    def query() -> dict[str, Any]:
        nonlocal connections
        connections += 1
        return {"path": path, "recursive": recursive, "user": user}

    seen = 0
    async for message in messages(transport, f"/sandboxes/{place(sandbox_id)}/watch", query):
        event = FileEvent.from_json(message)
        if event.type == "ready" and seen > 0 and connections > 1:
            event = FileEvent(type="overflow", path="", directory=True)
        seen += 1
        yield event
        if event.type == "gone":
            return
