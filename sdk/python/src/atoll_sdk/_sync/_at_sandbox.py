"""The operations on one sandbox.

Made by generate.py from the OpenAPI document: change that, not this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._models import (
    Accepted,
    Deleted,
    Encoding,
    Exec,
    File,
    FileMatches,
    HealthCheck,
    Job,
    Logs,
    Metrics,
    MetricsHistory,
    PublishPort,
    Sandbox,
    Terminal,
)
from ._operations import Operations


class SandboxOperations:
    """The operations of the API on one sandbox."""

    def __init__(self, client: Operations, sandbox_id: str) -> None:
        self._client = client
        self.id = sandbox_id

    def get(self) -> Sandbox:
        """Show a sandbox. See `get_sandbox` of the client."""
        return self._client.get_sandbox(self.id)

    def destroy(self) -> Deleted:
        """Delete a sandbox with all its files, in whatever state it is. See `destroy_sandbox` of the client."""
        return self._client.destroy_sandbox(self.id)

    def list_jobs(self, *, limit: int | None = None) -> list[Job]:
        """List the background jobs of a sandbox, newest first. See `list_jobs` of the client."""
        return self._client.list_jobs(self.id, limit=limit)

    def start_job(
        self,
        command: str | Sequence[str],
        *,
        backoff_max_ms: int | None = None,
        backoff_ms: int | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        max_retries: int | None = None,
        name: str | None = None,
        restart: str | None = None,
        timeout_seconds: int | None = None,
        user: str | None = None,
    ) -> Job:
        """Start a background job. See `start_job` of the client."""
        return self._client.start_job(
            self.id,
            command,
            backoff_max_ms=backoff_max_ms,
            backoff_ms=backoff_ms,
            cwd=cwd,
            env=env,
            max_retries=max_retries,
            name=name,
            restart=restart,
            timeout_seconds=timeout_seconds,
            user=user,
        )

    def get_job(self, job_id: str) -> Job:
        """Show a background job. See `get_job` of the client."""
        return self._client.get_job(self.id, job_id)

    def stop_job(self, job_id: str) -> Deleted:
        """Stop and remove a background job. See `stop_job` of the client."""
        return self._client.stop_job(self.id, job_id)

    def get_job_logs(self, job_id: str, *, tail: int | None = None, since: str | None = None) -> Logs:
        """Show what the last runs of a background job wrote. See `get_job_logs` of the client."""
        return self._client.get_job_logs(self.id, job_id, tail=tail, since=since)

    def exec(
        self,
        command: str | Sequence[str],
        *,
        async_: bool | None = None,
        cols: int | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        open_stdin: bool | None = None,
        rows: int | None = None,
        stdin: str | None = None,
        stdin_encoding: Encoding | None = None,
        timeout_seconds: int | None = None,
        tty: bool | None = None,
        user: str | None = None,
    ) -> Exec:
        """Run a command. See `exec` of the client."""
        return self._client.exec(
            self.id,
            command,
            async_=async_,
            cols=cols,
            cwd=cwd,
            env=env,
            open_stdin=open_stdin,
            rows=rows,
            stdin=stdin,
            stdin_encoding=stdin_encoding,
            timeout_seconds=timeout_seconds,
            tty=tty,
            user=user,
        )

    def list_execs(self, *, limit: int | None = None) -> list[Exec]:
        """List the execs of a sandbox, newest first, without their output. See `list_execs` of the client."""
        return self._client.list_execs(self.id, limit=limit)

    def get_exec(self, exec_id: str) -> Exec:
        """Show an exec with what it wrote so far. See `get_exec` of the client."""
        return self._client.get_exec(self.id, exec_id)

    def resize_exec(self, exec_id: str, cols: int, rows: int) -> Accepted:
        """Change the size of the terminal that an exec runs in (`tty`): its programs get SIGWINCH. See `resize_exec` of the client."""
        return self._client.resize_exec(self.id, exec_id, cols, rows)

    def signal_exec(self, exec_id: str, signal: str) -> Accepted:
        """Send a signal to the process group of an exec. See `signal_exec` of the client."""
        return self._client.signal_exec(self.id, exec_id, signal)

    def write_exec_stdin(
        self,
        exec_id: str,
        *,
        data: str | None = None,
        encoding: Encoding | None = None,
        eof: bool | None = None,
        offset: int | None = None,
    ) -> Accepted:
        """Write to the standard input of an exec that was started with `openStdin`. See `write_exec_stdin` of the client."""
        return self._client.write_exec_stdin(self.id, exec_id, data=data, encoding=encoding, eof=eof, offset=offset)

    def list_files(self, *, path: str | None = None, user: str | None = None, limit: int | None = None) -> list[File]:
        """List a directory, in the order of the names' bytes. See `list_files` of the client."""
        return self._client.list_files(self.id, path=path, user=user, limit=limit)

    def delete_file(self, path: str, *, user: str | None = None, recursive: bool | None = None) -> Deleted:
        """Delete a file, a link or an empty directory; with `recursive` a directory with all that is
        in it. See `delete_file` of the client."""
        return self._client.delete_file(self.id, path, user=user, recursive=recursive)

    def change_file(
        self,
        path: str,
        *,
        mode: str | None = None,
        overwrite: bool | None = None,
        to: str | None = None,
        user: str | None = None,
    ) -> File:
        """Move a file or a directory, or change its rights, or both. See `change_file` of the client."""
        return self._client.change_file(self.id, path, mode=mode, overwrite=overwrite, to=to, user=user)

    def keep_alive(self) -> Sandbox:
        """Count as activity: the idle time of the sandbox begins anew. See `keep_sandbox_alive` of the client."""
        return self._client.keep_sandbox_alive(self.id)

    def get_logs(self, *, tail: int | None = None, since: str | None = None) -> Logs:
        """Show what the sandbox's main process wrote. See `get_logs` of the client."""
        return self._client.get_logs(self.id, tail=tail, since=since)

    def get_metrics(self, *, pids: bool | None = None) -> Metrics:
        """Show what a sandbox uses. See `get_metrics` of the client."""
        return self._client.get_metrics(self.id, pids=pids)

    def get_metrics_history(self, *, resolution: str | None = None, since: str | None = None) -> MetricsHistory:
        """Show what a sandbox used over time. See `get_metrics_history` of the client."""
        return self._client.get_metrics_history(self.id, resolution=resolution, since=since)

    def pause(self) -> Sandbox:
        """Pause a sandbox: nothing of it runs until it is resumed; its memory, files and connections
        stay. See `pause_sandbox` of the client."""
        return self._client.pause_sandbox(self.id)

    def replicate(
        self,
        *,
        bandwidth: int | None = None,
        capabilities: str | None = None,
        command: str | Sequence[str] | None = None,
        cpu: float | None = None,
        cwd: str | None = None,
        disk: int | None = None,
        entrypoint: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        gpus: str | int | Sequence[str] | None = None,
        health_check: HealthCheck | Mapping[str, Any] | None = None,
        idle_ttl_seconds: int | None = None,
        image: str | None = None,
        isolation: str | None = None,
        labels: Mapping[str, str] | None = None,
        memory: int | None = None,
        name: str | None = None,
        network: str | None = None,
        on_expiry: str | None = None,
        open_files: int | None = None,
        pids: int | None = None,
        ports: Sequence[PublishPort | Mapping[str, Any]] | None = None,
        read_only_root: bool | None = None,
        runtime: str | None = None,
        ttl_seconds: int | None = None,
        user: str | None = None,
    ) -> Sandbox:
        """Make another sandbox like this one. See `replicate_sandbox` of the client."""
        return self._client.replicate_sandbox(
            self.id,
            bandwidth=bandwidth,
            capabilities=capabilities,
            command=command,
            cpu=cpu,
            cwd=cwd,
            disk=disk,
            entrypoint=entrypoint,
            env=env,
            gpus=gpus,
            health_check=health_check,
            idle_ttl_seconds=idle_ttl_seconds,
            image=image,
            isolation=isolation,
            labels=labels,
            memory=memory,
            name=name,
            network=network,
            on_expiry=on_expiry,
            open_files=open_files,
            pids=pids,
            ports=ports,
            read_only_root=read_only_root,
            runtime=runtime,
            ttl_seconds=ttl_seconds,
            user=user,
        )

    def restart(self) -> Sandbox:
        """Stop a sandbox and start it again. Answers when it runs. See `restart_sandbox` of the client."""
        return self._client.restart_sandbox(self.id)

    def resume(self) -> Sandbox:
        """Resume a paused sandbox: everything goes on where it was, and its idle time begins anew. See `resume_sandbox` of the client."""
        return self._client.resume_sandbox(self.id)

    def search_files(
        self,
        q: str,
        *,
        path: str | None = None,
        in_: str | None = None,
        limit: int | None = None,
        user: str | None = None,
    ) -> FileMatches:
        """Look for a text in the names or the contents of files below a directory. See `search_files` of the client."""
        return self._client.search_files(self.id, q, path=path, in_=in_, limit=limit, user=user)

    def start(self, *, wait_for: str | None = None, wait_seconds: int | None = None) -> Sandbox:
        """Start a stopped sandbox. Answers when it runs, or with `waitFor` when it is healthy. See `start_sandbox` of the client."""
        return self._client.start_sandbox(self.id, wait_for=wait_for, wait_seconds=wait_seconds)

    def stop(self) -> Sandbox:
        """Stop a sandbox: its processes end, its files stay. Answers when it is stopped. See `stop_sandbox` of the client."""
        return self._client.stop_sandbox(self.id)

    def resize_terminal(self, cols: int, rows: int, *, terminal: str | None = None) -> Accepted:
        """Change the size of a terminal: its programs get SIGWINCH, and every client is told. See `resize_terminal` of the client."""
        return self._client.resize_terminal(self.id, cols, rows, terminal=terminal)

    def list_terminals(self) -> list[Terminal]:
        """List the terminals of a sandbox, by name. There are 16 at most, so this is always the whole
        list. See `list_terminals` of the client."""
        return self._client.list_terminals(self.id)

    def close_terminal(self, name: str) -> Deleted:
        """Hang a terminal up. Its programs get SIGHUP, and SIGKILL two seconds later. See `close_terminal` of the client."""
        return self._client.close_terminal(self.id, name)
