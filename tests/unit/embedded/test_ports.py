"""A port in use is named together with who holds it, and a free one is offered."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from skyrail.embedded import platform, ports
from skyrail.embedded.home import Home
from skyrail.embedded.platform import Options
from skyrail.errors import EmbeddedError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_the_holder_is_named_and_the_offer_can_be_pasted(taken: int) -> None:
    with pytest.raises(EmbeddedError) as refusal:
        ports.require(taken, "--port", "skyrail up")
    assert f"Port {taken} is in use by process {os.getpid()} (" in refusal.value.message
    command = refusal.value.fix.splitlines()[-1].strip()
    assert command.startswith("skyrail up --port ")
    assert ports.is_free(int(command.split()[-1]))


def test_a_port_taken_on_all_interfaces_counts_as_taken() -> None:
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        assert not ports.is_free(listener.getsockname()[1])


def test_a_port_that_was_just_closed_is_free() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), listener.accept()[0]:
            pass
    assert ports.is_free(port)


def test_airflows_port_is_never_changed_silently(taken: int, tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=f"Port {taken} is in use"):
        platform.choose_ports(Options(Home(tmp_path), port=taken))


def test_mlflows_port_gives_way_unless_it_was_chosen(
    taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "MLFLOW_PORT", taken)
    free = ports.free_port(taken)
    _, chosen = platform.choose_ports(Options(Home(tmp_path), port=free))
    assert chosen not in {taken, free}
    assert ports.is_free(chosen)
    with pytest.raises(EmbeddedError, match="--mlflow-port"):
        platform.choose_ports(Options(Home(tmp_path), port=free, mlflow_port=taken))


def test_when_no_port_is_free_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(socket.socket):
        """A socket on a machine whose ports are all taken."""

        def bind(self, _address: object) -> None:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

    monkeypatch.setattr(ports.socket, "socket", Full)
    with pytest.raises(EmbeddedError, match="There is no free port left") as refusal:
        ports.free_port(5000)
    assert "ss -ltnp" in refusal.value.fix
