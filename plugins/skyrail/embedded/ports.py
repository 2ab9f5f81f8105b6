"""Ports on 127.0.0.1: free or taken, and by whom."""

from __future__ import annotations

import contextlib
import socket

import psutil

from skyrail.errors import EmbeddedError

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port now."""
    with socket.socket() as probe:
        # As servers do: connections of the last run that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
    return True


def free_port(start: int, *, avoid: frozenset[int] = frozenset()) -> int:
    """Return the first free port after `start`, or any free one when the next hundred are taken.

    Raises:
        EmbeddedError: none is free.
    """
    for port in range(start + 1, min(start + 100, 65535)):
        if port not in avoid and is_free(port):
            return port
    with socket.socket() as probe:
        try:
            probe.bind((HOST, 0))
        except OSError as error:
            raise EmbeddedError(
                f"There is no free port left on {HOST} ({error.strerror}).",
                fix="Stop servers that are not needed; `ss -ltnp` lists them.",
            ) from error
        return int(probe.getsockname()[1])


def holder(port: int) -> str:
    """Name the process that listens on a port, as far as this user may know."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr or connection.laddr.port != port:
                continue
            if connection.pid is None:
                break
            process = psutil.Process(connection.pid)
            with process.oneshot(), contextlib.suppress(psutil.AccessDenied):
                command = " ".join(process.cmdline()) or process.name()
                return f"process {process.pid} ({command[:100].strip()})"
            return f"process {connection.pid}"
    return "a process of another user"


def require(port: int, option: str, command: str) -> None:
    """Refuse to go on when a port is taken: name its holder and offer a free one.

    Raises:
        EmbeddedError: the port is taken.
    """
    if port < 1024 and not is_free(port) and holder(port) == "a process of another user":
        raise EmbeddedError(
            f"Port {port} cannot be used: ports below 1024 belong to the system, or it is taken.",
            fix=f"Choose another one:\n  {command} {option} {free_port(8080)}",
        )
    if not is_free(port):
        raise EmbeddedError(
            f"Port {port} is in use by {holder(port)}.",
            fix=f"Stop that process, or choose a port that is free:\n  {command} {option} {free_port(port)}",
        )
