"""What is tried again and what is not, against a server that answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from atoll_sdk import ConnectionFailed, Retries, SandboxClient, errors

USER = {"id": "u", "email": "a@b.c", "role": "user", "createdAt": "2026-01-01T00:00:00Z"}


class Script:
    """Answers in their order, and the requests that came."""

    def __init__(self, answers: list[tuple[int, dict[str, str], Any]]) -> None:
        self.answers = answers
        self.requests: list[tuple[str, str, dict[str, str]]] = []


@contextmanager
def scripted(*answers: tuple[int, dict[str, str], Any]) -> Iterator[tuple[Script, SandboxClient]]:
    script = Script(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            script.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            self.rfile.read(int(self.headers.get("content-length") or 0))
            status, headers, body = script.answers.pop(0)
            if status == 0:
                self.close_connection = True
                return
            payload = json.dumps(body).encode()
            self.send_response(status)
            for key, value in {**headers, "content-length": str(len(payload))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with SandboxClient(f"http://127.0.0.1:{server.server_port}", "sk_test", retries=Retries(attempts=3)) as client:
            yield script, client
    finally:
        server.shutdown()
        server.server_close()


def failed(status: int, code: str, **headers: str) -> tuple[int, dict[str, str], Any]:
    body = {"success": False, "error": {"code": code, "message": "m", "traceId": "t"}}
    return status, {key.replace("_", "-"): value for key, value in headers.items()}, body


def done(status: int, data: Any) -> tuple[int, dict[str, str], Any]:
    return status, {}, {"success": True, "data": data}


KEY = {"id": "k", "name": "n", "prefix": "sk_", "scopes": [], "createdAt": "2026-01-01T00:00:00Z", "key": "sk_1"}


def test_a_limit_is_waited_for_as_long_as_it_says() -> None:
    with scripted(failed(429, "rate_limited", retry_after="1"), done(200, {**USER})) as (script, client):
        began = time.monotonic()
        assert client.me().email == "a@b.c"
        assert time.monotonic() - began >= 1
        assert len(script.requests) == 2


def test_a_create_is_repeated_with_the_key_of_its_first_attempt() -> None:
    with scripted((0, {}, None), failed(503, "unavailable"), done(201, KEY)) as (script, client):
        assert client.create_api_key(name="n").key == "sk_1"
        keys = [headers["idempotency-key"] for _, _, headers in script.requests]
        assert len(keys) == 3
        assert len(set(keys)) == 1
    with scripted(done(201, KEY)) as (script, client):
        client.create_api_key(name="n")
        assert script.requests[0][2]["idempotency-key"] != keys[0]


def test_a_command_is_never_run_twice() -> None:
    with scripted((0, {}, None)) as (script, client):
        with pytest.raises(ConnectionFailed):
            client.exec("s", "rm x")
        assert len(script.requests) == 1
    with scripted(failed(503, "unavailable")) as (script, client):
        with pytest.raises(errors.Unavailable):
            client.exec("s", "rm x")
        assert len(script.requests) == 1


def test_what_another_attempt_cannot_mend_is_raised_at_once() -> None:
    for refusal in (
        failed(429, "quota_exceeded", retry_after="1"),
        failed(429, "rate_limited", retry_after="3600"),
        failed(404, "sandbox_not_found"),
        failed(500, "internal"),
    ):
        with scripted(refusal) as (script, client):
            with pytest.raises(errors.ApiError) as caught:
                client.get_sandbox("s")
            assert caught.value.code == refusal[2]["error"]["code"]
            assert len(script.requests) == 1


def test_attempts_are_bounded() -> None:
    with scripted(*[failed(503, "unavailable")] * 3) as (script, client):
        with pytest.raises(errors.Unavailable):
            client.me()
        assert len(script.requests) == 3


def test_an_unknown_code_is_still_an_error_of_the_api() -> None:
    with scripted(failed(409, "of_a_later_release")) as (_, client):
        with pytest.raises(errors.ApiError) as caught:
            client.me()
        assert (type(caught.value), caught.value.code) == (errors.ApiError, "of_a_later_release")


def test_what_is_no_answer_of_atoll_is_said_to_be_none() -> None:
    with scripted((200, {}, ["hello"])) as (_, client), pytest.raises(errors.ProtocolError):
        client.me()
    with scripted((403, {}, "blocked")) as (_, client):
        with pytest.raises(errors.ApiError) as caught:
            client.me()
        assert (caught.value.code, caught.value.status) == ("unknown", 403)
