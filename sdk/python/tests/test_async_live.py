"""The asynchronous client against a live server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from atoll_sdk import AsyncSandboxClient, errors

pytestmark = pytest.mark.anyio


async def test_a_sandbox_and_its_commands(async_client: AsyncSandboxClient) -> None:
    async with async_client.sandbox(image="host") as box:
        done = await asyncio.gather(*(box.exec(["echo", str(n)]) for n in range(8)))
        assert [one.stdout for one in done] == [f"{n}\n" for n in range(8)]
        events = [event async for event in box.exec_stream("seq 3")]
        assert "".join(event.data or "" for event in events) == "1\n2\n3\n"
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        made = box.id
    with pytest.raises(errors.SandboxNotFound):
        await async_client.get_sandbox(made)


async def test_files_and_lists(async_client: AsyncSandboxClient) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for n in range(64):
            yield bytes([n]) * 65536

    async with async_client.sandbox(image="host") as box:
        assert (await box.write_file("big", parts())).size == 64 * 65536
        size = 0
        async for part in box.download_file("big"):
            size += len(part)
        assert size == 64 * 65536
        assert "big" in [file.name for file in await box.list_files(path=".")]
        assert box.id in [one.id async for one in async_client.iterate_sandboxes(limit=1)]


async def test_a_terminal_is_read_and_written_at_once(async_client: AsyncSandboxClient) -> None:
    async with async_client.sandbox(image="host") as box, box.terminal(cols=90, rows=20) as terminal:
        shown = b""

        async def read() -> None:
            nonlocal shown
            async for part in terminal:
                shown += part

        reading = asyncio.create_task(read())
        await terminal.write("stty size\n")
        while b"20 90" not in shown:  # noqa: ASYNC110 the other task is what is tested
            await asyncio.sleep(0.01)
        await terminal.resize(70, 10)
        await terminal.write("stty size; exit 4\n")
        await asyncio.wait_for(reading, 30)
        assert b"20 90" in shown
        assert b"10 70" in shown
        assert terminal.exit_code == 4


async def test_a_stream_that_is_left_does_not_hold_the_rest(async_client: AsyncSandboxClient) -> None:
    async with async_client.sandbox(image="host") as box:
        async for event in box.exec_stream("while :; do echo x; sleep 0.05; done"):
            if event.seq > 5:
                break
        assert (await box.exec("echo on")).stdout == "on\n"
