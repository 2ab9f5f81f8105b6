"""The command line: light, and plain when it refuses."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from skyrail.auth.links import Redemption, redeem
from skyrail.cli import console
from skyrail.embedded.home import Home
from skyrail.embedded.state import State

COMMANDS = ("up", "down", "status", "login")


def _run(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "SKYRAIL_HOME"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", "skyrail.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=60,
        env={**environment, "COLUMNS": "200", "NO_COLOR": "1", **variables},
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, tmp_path: Path) -> None:
    result = _run(command, "--help", cwd=tmp_path)
    assert result.returncode == 0
    assert "--home" in result.stdout


def test_the_command_line_loads_neither_airflow_nor_mlflow(tmp_path: Path) -> None:
    heavy = {"airflow", "mlflow", "fastapi", "pandas", "numpy", "sqlalchemy"}
    code = f"import sys; from skyrail.cli import main; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert result.stdout == "[]\n"


def test_a_command_that_the_shell_does_not_find_is_named_by_its_path(tmp_path: Path) -> None:
    """After `make up` it is in .venv/bin, and whoever copies the line is not told that there is no such command."""
    result = _run("login", cwd=tmp_path, PATH=os.defpath)
    command = result.stderr.rpartition("Start it: ")[2].removesuffix(" up\n")
    assert (tmp_path / command).samefile(Path(sys.executable).with_name("skyrail"))


def test_the_sign_in_block_stays_whole_while_a_table_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=60, color_system=None)
    monkeypatch.setattr(console, "out", terminal)
    home = Home(tmp_path / "home")
    home.create()
    with Live("a table", console=terminal, auto_refresh=False, transient=True) as live:
        live.refresh()
        console.welcome(home, State(1, 0.0, "0", 8080, 5000, str(tmp_path)), foreground=True)
    assert "  Sign in http://127.0.0.1:8080/auth/link?token=" in terminal.file.getvalue()
    assert "  Stop    Ctrl-C" in terminal.file.getvalue()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["status"], 3, "Nothing runs on", id="00 status of nothing"),
        pytest.param(["down"], 0, "Nothing runs on", id="10 down is content when nothing runs"),
        pytest.param(["login"], 1, "so there is nothing to sign in to.\nStart it: skyrail up", id="20 login"),
        pytest.param(["up"], 1, "There is no folder", id="30 up without DAGs"),
        pytest.param(["up", "--detach"], 1, "There is no folder", id="31 nor detached"),
        pytest.param(["up", "--port", "x"], 2, "Invalid value for '--port'", id="40 a wrong use"),
        pytest.param(["up", "--port", "99999"], 2, "Invalid value for '--port'", id="41 no such port"),
        pytest.param(["nonsense"], 2, "No such command", id="42 no such command"),
    ],
)
def test_what_the_reader_gets(arguments: list[str], code: int, message: str, tmp_path: Path) -> None:
    result = _run(*arguments, cwd=tmp_path)
    text = result.stdout + result.stderr
    assert message in text
    assert "Traceback" not in text
    assert result.returncode == code


def test_status_speaks_json_too(tmp_path: Path) -> None:
    result = _run("status", "--json", cwd=tmp_path)
    assert json.loads(result.stdout) == {"running": False, "home": str(tmp_path / ".skyrail")}
    assert result.returncode == 3


@pytest.mark.parametrize("mode", [pytest.param([], id="00 foreground"), pytest.param(["--detach"], id="10 detached")])
def test_a_taken_port_is_refused_before_anything_starts(mode: list[str], tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        result = _run("up", *mode, "--port", str(port), cwd=tmp_path)
    assert result.returncode == 1
    assert f"Error: Port {port} is in use by process {os.getpid()}" in result.stderr
    assert "skyrail up --port" in result.stderr
    assert not (tmp_path / ".skyrail" / "postgres").exists()


@pytest.mark.parametrize("mode", [pytest.param([], id="00 foreground"), pytest.param(["--detach"], id="10 detached")])
def test_a_broken_home_is_refused_without_a_traceback(mode: list[str], tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / ".skyrail").mkdir()
    (tmp_path / ".skyrail" / "secrets.json").write_text('{"fernet')
    result = _run("up", *mode, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ")
    assert "secrets.json is damaged" in result.stderr
    assert "Restore it from a backup" in result.stderr
    assert "Traceback" not in result.stderr


def test_beside_an_api_server_a_link_needs_no_home(tmp_path: Path) -> None:
    """In a container there is no `skyrail up`: the settings of the api-server say where links go, and its address."""
    links = {"AIRFLOW__SKYRAIL_AUTH__LOGIN_LINKS": str(tmp_path / "login"), "AIRFLOW__API__BASE_URL": "https://a.b/c/"}
    result = _run("login", cwd=tmp_path, **links)
    address, _, token = result.stdout.strip().partition("?token=")
    assert address == "https://a.b/c/auth/link"
    assert redeem(tmp_path / "login", token) is Redemption.ACCEPTED


def test_a_home_that_is_named_wins_over_the_api_server_around(tmp_path: Path) -> None:
    result = _run("login", "--home", "other", cwd=tmp_path, AIRFLOW__SKYRAIL_AUTH__LOGIN_LINKS=str(tmp_path / "login"))
    assert "Nothing runs on" in result.stderr
