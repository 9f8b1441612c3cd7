"""The synchronous client against a live server."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Iterator

import pytest

from atoll_sdk import ApiError, ConnectionFailed, SandboxClient, SandboxHandle, errors

from .conftest import Live


@pytest.fixture(scope="module")
def box(live: Live) -> Iterator[SandboxHandle]:
    with SandboxClient(live.url, live.key) as client, client.sandbox(image="host", name="python") as box:
        yield box


def test_every_method_of_the_reference_is_there() -> None:
    names = ["login", "create_sandbox", "list_sandboxes", "get_sandbox", "start_sandbox", "stop_sandbox"]
    names += ["destroy_sandbox", "get_logs", "get_metrics", "exec"]
    names += ["create_environment", "list_environments", "replicate_sandbox"]
    assert [name for name in names if not callable(getattr(SandboxClient, name, None))] == []


def test_the_life_of_a_sandbox(client: SandboxClient) -> None:
    made = client.create_sandbox(image="host", name="life", labels={"of": "python"}, ttl_seconds=600)
    try:
        assert made.name == "life"
        assert made.labels == {"of": "python"}
        assert made.id in [one.id for one in client.list_sandboxes(label=["of=python"])]
        assert client.stop_sandbox(made.id).state == "stopped"
        assert client.start_sandbox(made.id).state == "running"
        assert client.get_sandbox(made.id).state == "running"
        metrics = client.get_metrics(made.id)
        assert metrics.memory.limit_bytes == made.memory_bytes
    finally:
        assert client.destroy_sandbox(made.id).deleted
    with pytest.raises(errors.SandboxNotFound) as caught:
        client.get_sandbox(made.id)
    assert (caught.value.status, caught.value.code) == (404, "sandbox_not_found")
    assert caught.value.trace_id


def test_an_environment_its_versions_its_secrets_and_a_replica(client: SandboxClient) -> None:
    made = client.create_environment(f"python-{time.time_ns()}", image="host", env={"A": "1"}, memory=128)
    try:
        assert client.set_secret(made.id, "API_KEY", "value").key == "API_KEY"
        assert [secret.key for secret in client.list_secrets(made.id)] == ["API_KEY"]
        with client.sandbox(environment_id=made.id) as box:
            assert box.exec("echo $A $API_KEY").stdout == "1 value\n"
            replica = client.sandbox_at(box.replicate(name="replica").id)
            assert replica.get().name == "replica"
            replica.destroy()
        assert client.update_environment(made.id, image="host", env={"A": "2"}).version == 2
        assert client.diff_environment_versions(made.id, from_=1, to=2).changes
        assert [version.version for version in client.list_environment_versions(made.id)] == [2, 1]
        assert client.delete_secret(made.id, "API_KEY").deleted
    finally:
        client.delete_environment(made.id)


def test_several_sandboxes_come_as_a_list_and_pages_are_followed(client: SandboxClient) -> None:
    made = client.create_sandboxes(3, image="host", labels={"several": "python"})
    try:
        listed = client.list_sandboxes(label=["several=python"], limit=1)
        assert {one.id for one in listed} == {one.id for one in made}
        assert len(made) == 3
    finally:
        for one in made:
            client.destroy_sandbox(one.id)


def test_a_command_and_its_output(box: SandboxHandle) -> None:
    done = box.exec(["sh", "-c", "cat; echo $A >&2; exit 3"], stdin="hello", env={"A": "wörld"})
    assert (done.status, done.exit_code) == ("exited", 3)
    assert (done.stdout, done.stderr) == ("hello", "wörld\n")
    assert box.exec("echo $((6 * 7))").stdout == "42\n"


def test_the_events_of_a_command_have_no_gap(box: SandboxHandle) -> None:
    events = list(box.exec_stream("for i in 1 2 3; do echo $i; sleep 0.1; done; echo x >&2"))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert (events[0].type, events[-1].type, events[-1].exit_code) == ("start", "exit", 0)
    texts = {"stdout": "", "stderr": ""}
    for event in events:
        if event.type == "output" and event.stream:
            texts[event.stream] += event.data or ""
    assert texts == {"stdout": "1\n2\n3\n", "stderr": "x\n"}
    later = list(box.stream_exec(events[0].exec_id, after_seq=2))
    assert [event.seq for event in later] == [event.seq for event in events[2:]]


def test_input_and_signals_reach_a_command(box: SandboxHandle) -> None:
    started = box.exec("cat", async_=True, open_stdin=True)
    assert box.write_exec_stdin(started.id, data="a line\n").accepted
    events = []
    for event in box.stream_exec(started.id):
        events.append(event)
        if event.type == "output":
            box.signal_exec(started.id, "TERM")
    assert events[-1].exit_code == 128 + 15
    assert "".join(event.data or "" for event in events) == "a line\n"


def test_files_go_in_and_out(box: SandboxHandle) -> None:
    content = bytes(range(256)) * 4096
    written = box.write_file("dir with space/ä%?#.bin", content, mode="0600")
    assert (written.size, written.mode) == (len(content), "0600")
    assert box.read_file("dir with space/ä%?#.bin") == content
    assert box.read_file("dir with space/ä%?#.bin", range_=(1, 3)) == b"\x01\x02\x03"
    assert [file.name for file in box.list_files(path="dir with space")] == ["ä%?#.bin"]
    assert box.stat_file("dir with space").type == "directory"
    assert box.change_file("dir with space/ä%?#.bin", to="moved").path.endswith("moved")
    assert box.delete_file("moved").deleted
    with pytest.raises(errors.FileNotFound):
        box.read_file("moved")
    assert box.write_file("/tmp/parts", iter([b"a", b"b"])).size == 2


def test_archives_go_in_and_out(box: SandboxHandle) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("inside/file")
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b"hello"))
    assert box.upload_archive(packed.getvalue(), "/tmp/unpacked").entries >= 1
    assert box.read_file("/tmp/unpacked/inside/file") == b"hello"
    back = b"".join(box.download_archive("/tmp/unpacked"))
    with tarfile.open(fileobj=io.BytesIO(back)) as archive:
        assert any(name.endswith("inside/file") for name in archive.getnames())


def test_changes_of_files_are_seen(box: SandboxHandle) -> None:
    box.exec("mkdir -p watched")
    events = box.watch_files("watched")
    assert next(events).type == "ready"
    box.write_file("watched/new", b"x")
    assert any(event.path.endswith("new") for event in (next(events) for _ in range(3)))
    events.close()  # type: ignore[attr-defined]


def test_a_terminal(box: SandboxHandle) -> None:
    with box.terminal(name="python", cols=100, rows=30) as terminal:
        terminal.write("stty size; exit 7\n")
        shown = b"".join(terminal)
        assert b"30 100" in shown
        assert terminal.exit_code == 7


def test_a_terminal_is_left_and_found_again(box: SandboxHandle) -> None:
    with box.terminal(name="found") as terminal:
        terminal.write("echo $((40 + 2))\n")
        shown = b""
        for part in terminal:
            shown += part
            if b"42" in shown:
                break
    with box.terminal(name="found") as terminal:
        terminal.resize(90, 20)
        terminal.write("stty size; exit\n")
        shown = b"".join(terminal)
    assert b"42" in shown
    assert b"20 90" in shown


def test_background_jobs(box: SandboxHandle) -> None:
    job = box.start_job("echo from a job; sleep 600", restart="always")
    assert job.id in [one.id for one in box.list_jobs()]
    assert box.get_job(job.id).restart == "always"
    assert box.stop_job(job.id).deleted
    with pytest.raises(errors.JobNotFound):
        box.get_job(job.id)


def test_the_log_is_followed_to_its_end(client: SandboxClient) -> None:
    lines = "for i in 1 2 3; do echo line $i; sleep 0.1; done"
    with client.sandbox(image="host", command=["sh", "-c", lines]) as box:
        followed = [line.line for line in box.follow_logs()]
        assert followed == ["line 1", "line 2", "line 3"]
        assert [line.line for line in box.get_logs(tail=2).lines] == ["line 2", "line 3"]


def test_a_block_may_destroy_its_sandbox_itself(client: SandboxClient) -> None:
    with client.sandbox(image="host") as box:
        box.destroy()


def test_a_block_that_fails_leaves_no_sandbox(client: SandboxClient) -> None:
    made = ""

    def fail() -> None:
        nonlocal made
        with client.sandbox(image="host") as box:
            made = box.id
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with pytest.raises(errors.SandboxNotFound):
        client.get_sandbox(made)


def test_refusals_say_which_field(client: SandboxClient) -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        client.create_sandbox(image="host", cpu=-1)
    assert caught.value.details[0]["field"] == "cpu"
    with pytest.raises(errors.ImageNotFound):
        client.create_sandbox(image="no-such-image")


def test_strangers_are_refused(live: Live) -> None:
    with SandboxClient(live.url, "sk_wrong") as stranger:
        with pytest.raises(errors.Unauthorized):
            stranger.list_sandboxes()
        with pytest.raises(errors.InvalidCredentials):
            stranger.login(live.email, "not the password")
        with pytest.raises(errors.Unauthorized):
            next(iter(stranger.stream_exec("0k3v9qz8m2xa", "0k3v9qz8m2xa")))
        assert stranger.get_health().status == "ok"


def test_nobody_there() -> None:
    with SandboxClient("http://127.0.0.1:1", "sk_x", retries=None) as client, pytest.raises(ConnectionFailed):
        client.me()


def test_one_client_serves_threads(box: SandboxHandle) -> None:
    answers: list[str | None] = []
    threads = [threading.Thread(target=lambda n=n: answers.append(box.exec(f"echo {n}").stdout)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer or "" for answer in answers) == [f"{n}\n" for n in range(8)]


def test_an_id_cannot_leave_its_place(client: SandboxClient) -> None:
    for wrong in ("", ".", ".."):
        with pytest.raises(ValueError, match="names nothing"):
            client.get_sandbox(wrong)
    with pytest.raises(ApiError):
        client.get_sandbox("../api-keys")
