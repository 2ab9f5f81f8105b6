"""The supervisor's children: started, awaited, stopped. One thread; the kernel tells of deaths by SIGCHLD."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import psutil

from skyrail.embedded import child
from skyrail.embedded.environment import inherited
from skyrail.embedded.home import Home
from skyrail.embedded.processes import ProcessSpec
from skyrail.embedded.workers import end_tasks, retire
from skyrail.errors import EmbeddedError


class Family:
    """All processes that one supervisor has started, by name."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.inherited = inherited()
        self.members: dict[str, tuple[ProcessSpec, subprocess.Popen[bytes]]] = {}
        self.retiring: list[asyncio.Future[None]] = []
        self.died = asyncio.Condition()
        self.hurry = asyncio.Event()
        """Set when whoever waits for the end has lost patience."""

    def adopt(self) -> None:
        """Begin to listen for deaths, also of what our children leave behind. Needs the running loop."""
        child.adopt_orphans()
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)

    def start(self, spec: ProcessSpec) -> subprocess.Popen[bytes]:
        """Start a process.

        Raises:
            EmbeddedError: its program cannot be run.
        """
        try:
            process = child.start(spec, self.home.log(spec.name), self.inherited)
        except (OSError, subprocess.SubprocessError) as error:
            raise EmbeddedError(
                f"{spec.name} cannot be started: {error} ({spec.command[0]}).",
                fix="Install Skyrail again; if the disk is full, make room.",
            ) from error
        self.members[spec.name] = spec, process
        return process

    async def exit(self, process: subprocess.Popen[bytes]) -> int:
        """Wait until a process has ended; return its exit code, negative for a signal."""
        async with self.died:
            while (code := process.poll()) is None:
                await self.died.wait()
        return code

    async def stop(self, name: str) -> None:
        """Stop a process and everything in its session: first its tasks, then itself, in the end by force."""
        spec, process = self.members[name]
        known = child.session_members(process.pid)
        if process.poll() is None:
            workers = child.children(process.pid) if spec.has_workers else []
            process.send_signal(spec.stop_signal)
            await end_tasks(workers, self.hurry)
            await self._exit_within(process, spec.stop_seconds, self.hurry)
        if process.poll() is None:
            process.send_signal(spec.last_signal)
            await self._exit_within(process, 5.0, asyncio.Event())
        child.send([*known, *child.session_members(process.pid)], signal.SIGKILL)

    def clear_away(self, name: str) -> None:
        """End what a dead process left behind: it would hold ports that the next one wants. Running tasks go on."""
        spec, process = self.members[name]
        left = child.session_members(process.pid)
        if spec.has_workers:
            self.retiring.append(asyncio.ensure_future(retire(child.adopted(left))))
        else:
            child.send(left, signal.SIGKILL)

    def end_orphans(self) -> None:
        """Kill what has left its session and lost its parent: programs that a task started on its own."""
        with contextlib.suppress(psutil.NoSuchProcess):
            child.send(psutil.Process().children(recursive=True), signal.SIGKILL)

    async def _exit_within(self, process: subprocess.Popen[bytes], seconds: float, hurry: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(self.exit(process)), asyncio.ensure_future(hurry.wait())]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for future in waits:
            future.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    def _reap(self) -> None:
        ours = {process.pid for _, process in self.members.values() if process.poll() is None}
        asyncio.ensure_future(self._announce())  # noqa: RUF006
        if sys.platform == "linux":
            # Adopted orphans. A child of ours that has died since is left to its own poll(), at the next signal.
            with contextlib.suppress(ChildProcessError):
                while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                    if found.si_pid in ours:
                        break
                    os.waitpid(found.si_pid, os.WNOHANG)

    async def _announce(self) -> None:
        async with self.died:
            self.died.notify_all()
