"""Streams whose connection is cut go on where they were, with nothing twice and nothing left out."""

from __future__ import annotations

import threading
import uuid

import pytest

from atoll_sdk import AsyncSandboxClient, SandboxClient, errors
from atoll_sdk._models import Event

from .conftest import Live
from .cutting_proxy import CuttingProxy

# Where connections are cut, in bytes from the server: in the handshake, behind it, in messages.
CUTS = [20, 150, 700, 1500, 1501, 3000, 5000]
COUNT = 60
COMMAND = f"for i in $(seq {COUNT}); do echo line $i; sleep 0.02; done"


def test_an_exec_is_followed_through_cuts(live: Live) -> None:
    with SandboxClient(live.url, live.key) as client, client.sandbox(image="host") as box:
        started = box.exec(COMMAND, async_=True)
        with CuttingProxy(live.url, CUTS) as proxy, SandboxClient(proxy.url, live.key) as cut:
            events = list(cut.stream_exec(box.id, started.id))
            assert proxy.connections > len(CUTS)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert events[-1].type == "exit"
        text = "".join(event.data or "" for event in events)
        assert text == "".join(f"line {n}\n" for n in range(1, COUNT + 1))


@pytest.mark.anyio
async def test_an_exec_is_followed_through_cuts_asynchronously(live: Live) -> None:
    async with AsyncSandboxClient(live.url, live.key) as client, client.sandbox(image="host") as box:
        started = await box.exec(COMMAND, async_=True)
        with CuttingProxy(live.url, CUTS) as proxy:
            async with AsyncSandboxClient(proxy.url, live.key) as cut:
                events = [event async for event in cut.stream_exec(box.id, started.id)]
            assert proxy.connections > len(CUTS)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_a_log_is_followed_through_cuts(live: Live) -> None:
    # Several lines in one write have one number: the case that needs counting.
    script = f"for i in $(seq {COUNT}); do printf 'a %s\\nb %s\\nc %s\\n' $i $i $i; sleep 0.02; done"
    with SandboxClient(live.url, live.key) as client, client.sandbox(image="host", command=["sh", "-c", script]) as box:
        with CuttingProxy(live.url, CUTS) as proxy, SandboxClient(proxy.url, live.key) as cut:
            lines = [line.line for line in cut.follow_logs(box.id)]
            assert proxy.connections > len(CUTS)
        assert lines == [f"{letter} {n}" for n in range(1, COUNT + 1) for letter in "abc"]


def test_a_terminal_is_shown_through_cuts(live: Live) -> None:
    with SandboxClient(live.url, live.key) as client, client.sandbox(image="host") as box:
        with CuttingProxy(live.url, CUTS[1:]) as proxy, SandboxClient(proxy.url, live.key) as cut:
            with cut.terminal(box.id, name="cut") as terminal:
                with client.terminal(box.id, name="cut") as typist:
                    typist.write("stty -echo; clear\n")
                    typist.write(f"for i in $(seq {COUNT * 5}); do echo line $i; sleep 0.01; done; exit 9\n")
                shown = b"".join(terminal)
            assert proxy.connections > 3
        assert terminal.exit_code == 9
        seen = [line for line in shown.decode().split("\r\n") if line.startswith("line ")]
        assert seen == [f"line {n}" for n in range(1, COUNT * 5 + 1)]


def changes(client: SandboxClient, name: str, count: int) -> list[tuple[str, str]]:
    """Makes and removes environments; answers what that is told as."""
    told = []
    for n in range(count):
        environment = client.create_environment(name=f"{name}-{n}")
        client.delete_environment(environment.id)
        told += [("environment.create", environment.id), ("environment.delete", environment.id)]
    return told


def position(client: SandboxClient, name: str) -> str:
    """Where the stream of events stands, by the first event that a new listener is told."""
    seen: list[Event] = []
    listener = threading.Thread(target=lambda: seen.append(next(client.listen_to_events())), daemon=True)
    listener.start()
    for n in range(1000):
        changes(client, f"{name}-{n}", 1)
        listener.join(0.05)
        if seen:
            break
    listener.join(10)
    return seen[0].id


def of_environments(event: Event) -> tuple[str, str]:
    return (event.type, event.data.get("target", ""))


def test_events_are_told_through_cuts(live: Live) -> None:
    with SandboxClient(live.url, live.key) as client:
        after = position(client, f"begin-{uuid.uuid4().hex[:8]}")
        told = changes(client, f"cut-{uuid.uuid4().hex[:8]}", COUNT)
        with CuttingProxy(live.url, CUTS) as proxy, SandboxClient(proxy.url, live.key) as cut:
            seen = []
            for event in cut.listen_to_events(after=after):
                if event.data.get("target") in {target for _, target in told}:
                    seen.append(of_environments(event))
                if len(seen) == len(told):
                    break
            assert proxy.connections > len(CUTS)
        assert seen == told


@pytest.mark.anyio
async def test_events_are_told_through_cuts_asynchronously(live: Live) -> None:
    with SandboxClient(live.url, live.key) as client:
        after = position(client, f"begin-{uuid.uuid4().hex[:8]}")
        told = changes(client, f"cut-{uuid.uuid4().hex[:8]}", COUNT)
    targets = {target for _, target in told}
    seen = []
    with CuttingProxy(live.url, CUTS) as proxy:
        async with AsyncSandboxClient(proxy.url, live.key) as cut:
            async for event in cut.listen_to_events(after=after):
                if event.data.get("target") in targets:
                    seen.append(of_environments(event))
                if len(seen) == len(told):
                    break
        assert proxy.connections > len(CUTS)
    assert seen == told


def test_events_that_are_gone_are_not_waited_for(live: Live) -> None:
    with SandboxClient(live.url, live.key) as client, pytest.raises(errors.EventsExpired) as caught:
        next(client.listen_to_events(after="0-1"))
    assert caught.value.status == 410


def test_what_is_not_there_is_not_waited_for(live: Live) -> None:
    with SandboxClient(live.url, live.key) as client, client.sandbox(image="host") as box:
        with pytest.raises(errors.ExecNotFound) as caught:
            list(box.stream_exec("0k3v9qz8m2xa"))
        assert caught.value.status == 404
        with pytest.raises(errors.SandboxNotFound):
            list(client.follow_logs("0k3v9qz8m2xa"))
        with pytest.raises(errors.SandboxNotFound), client.terminal("0k3v9qz8m2xa") as terminal:
            list(terminal)
