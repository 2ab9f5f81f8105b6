"""Ask a process over HTTP whether it is ready, without blocking the supervisor."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import dataclass
from datetime import datetime

from skyrail.embedded.ports import HOST


@dataclass(frozen=True)
class HttpReadiness:
    """A process is ready when this address answers 200 and, where `key` is given, calls that component healthy."""

    port: int
    path: str
    key: str = ""
    heartbeat: str = ""
    """Name of the component's field with its last sign of life, which must be newer than the process."""

    async def wait(self, process: subprocess.Popen[bytes], started: float) -> None:  # noqa: ARG002
        """Return when the process is ready."""
        while not await self.answers(started):
            await asyncio.sleep(0.25)

    async def answers(self, started: float, seconds: float = 10.0) -> bool:
        """Return whether it is ready now."""
        try:
            async with asyncio.timeout(seconds):
                status, body = await _get(self.port, self.path)
        except (OSError, TimeoutError, ValueError, IndexError):
            return False
        return status == 200 and (not self.key or self._is_healthy(body, started))

    def _is_healthy(self, body: bytes, started: float) -> bool:
        try:
            component = json.loads(body)[self.key]
            beat = datetime.fromisoformat(component[self.heartbeat]).timestamp()
            # The last run's heartbeat counts as healthy for a while.
            return component["status"] == "healthy" and beat >= started
        except (ValueError, KeyError, TypeError):
            return False


async def _get(port: int, path: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {HOST}:{port}\r\n\r\n".encode())
        await writer.drain()
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        return int(head.split(None, 2)[1]), body
    finally:
        writer.close()
