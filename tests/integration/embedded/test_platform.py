"""The running platform: closed, complete, and whole again after any of its processes was killed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import stat
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.integration

NAMES = ["postgres", "api-server", "scheduler", "dag-processor", "triggerer", "mlflow", "flusher"]


def _get(url: str) -> tuple[int, bytes]:
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    try:
        with browser.open(url, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def _family(platform: Any) -> list[psutil.Process]:
    supervisor = psutil.Process(platform.status()["pid"])
    return [supervisor, *supervisor.children(recursive=True)]


def test_everything_runs(platform: Any) -> None:
    assert [(process["name"], process["state"]) for process in platform.status()["processes"]] == [
        (name, "ready") for name in NAMES
    ]


def test_airflow_says_that_it_is_healthy(platform: Any) -> None:
    _, body = _get(f"{platform.url}/api/v2/monitor/health")
    assert {name: part["status"] for name, part in json.loads(body).items()} == dict.fromkeys(
        ("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy"
    )


def test_the_sign_in_link_is_new_each_time_and_answers(platform: Any) -> None:
    first, second = platform.login_link(), platform.login_link()
    assert first.startswith(f"{platform.url}/auth/link?token=")
    assert first != second
    assert _get(first)[0] == 200


def test_every_listener_is_on_loopback(platform: Any) -> None:
    listening = []
    for process in _family(platform):
        with contextlib.suppress(psutil.NoSuchProcess):
            listening += [c.laddr for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} == {platform.port, platform.status()["mlflow_port"]}


def test_no_secret_can_be_seen_in_the_list_of_processes(platform: Any) -> None:
    secrets = json.loads((platform.home / "secrets.json").read_text()).values()
    for process in _family(platform):
        with contextlib.suppress(psutil.NoSuchProcess):
            command = " ".join(process.cmdline())
            assert not [secret for secret in secrets if secret in command], process.name()


def test_no_secret_and_no_sign_in_link_is_in_a_log(platform: Any) -> None:
    secrets = [*json.loads((platform.home / "secrets.json").read_text()).values(), "link?token="]
    for log in (platform.home / "logs").glob("*.log"):
        text = log.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], log.name


def test_the_state_folder_is_closed_to_other_users(platform: Any) -> None:
    """Where PostgreSQL runs under an account of its own, that may pass through, and no more."""
    assert stat.S_IMODE(platform.home.stat().st_mode) == (0o710 if os.geteuid() == 0 else 0o700)
    assert stat.S_IMODE((platform.home / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((platform.home / "postgres").stat().st_mode) == 0o700
    assert stat.S_IMODE((platform.home / "run").stat().st_mode) == 0o700


def test_postgresql_wants_the_password(platform: Any) -> None:
    import psycopg2

    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(host=str(platform.home / "run"), user="skyrail", dbname="airflow", password="guess")


def test_tasks_compile_what_they_import(platform: Any) -> None:
    environment = psutil.Process(platform.process("scheduler")["pid"]).environ()
    assert "PYTHONDONTWRITEBYTECODE" not in environment


@pytest.mark.parametrize("name", ["api-server", "scheduler", "dag-processor", "triggerer"])
def test_airflow_finds_nothing_deprecated_in_its_configuration(name: str, platform: Any) -> None:
    complaints = [
        line
        for line in platform.log(name).splitlines()
        if re.search(r"\[[a-z_]+\].*deprecated|deprecated.*\[[a-z_]+/|Please define the 'cli' section", line)
    ]
    assert complaints == []


def test_a_second_up_says_that_it_already_runs(platform: Any) -> None:
    result = platform.skyrail("up", "--dags", str(platform.dags))
    assert f"Skyrail already runs at {platform.url}." in result.stdout
    assert f"skyrail login --home {platform.home}" in result.stdout


def test_another_home_on_the_same_port_is_refused_by_name(platform: Any, tmp_path: Path) -> None:
    other = type(platform)(tmp_path / "home", platform.dags, platform.port)
    result = other.skyrail("up", "--dags", str(platform.dags), "--port", str(platform.port), check=False)
    assert result.returncode == 1
    pid = platform.process("api-server")["pid"]
    assert f"Port {platform.port} is in use by process {pid} (airflow api_server" in result.stderr


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["mlflow", "flusher", "triggerer", "dag-processor"], id="00 those that only serve"),
        pytest.param(["scheduler"], id="10 the scheduler"),
        pytest.param(["api-server"], id="20 the api-server"),
        pytest.param(["postgres"], id="30 the database"),
    ],
)
def test_what_is_killed_comes_back(names: list[str], platform: Any) -> None:
    before = {name: platform.process(name) for name in names}
    for process in before.values():
        os.kill(process["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 120
    while True:
        now = {process["name"]: process for process in platform.status()["processes"]}
        back = all(now[name]["restarts"] == before[name]["restarts"] + 1 for name in names)
        if back and {process["state"] for process in now.values()} == {"ready"}:
            break
        assert time.monotonic() < deadline, platform.log("supervisor")[-3000:]
        time.sleep(0.5)
    for name in names:
        assert f"{name} died (signal SIGKILL) and is started again in" in platform.log("supervisor")
