"""What the compose file promises, read from what the compose command makes of it."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.render import render

from skyrail.operations import alive, secret_files

ROOT = Path(__file__).parents[2]
ONCE = {"secrets", "migrate"}


@functools.cache
def compose() -> dict[str, Any]:
    """Return the file as compose understands it, without the variables of this machine."""
    command = [Path(sys.executable).with_name("docker-compose"), "--env-file", os.devnull, "config", "--format", "json"]
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


SERVICES = sorted(yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"])


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return each service in turn."""
    return compose()["services"][request.param] | {"name": request.param}


def test_the_migration_is_the_charts():
    """It refuses what it must not change with a sentence, as after a rollback to an older image."""
    [job] = [one for one in render().kind("Job") if "-migrations-" in one["metadata"]["name"]]
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert compose()["services"]["migrate"]["command"] == container["args"]


def test_the_services_are_those_of_the_documentation():
    """The page lists what runs, and nothing else runs."""
    table = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs" / "compose.md").read_text(), re.MULTILINE)
    assert sorted(table) == SERVICES


def test_health_is_asked_of_the_part_itself(service: dict[str, Any], tmp_path: Path):
    """Whoever runs on is asked by the check of its life, and the check knows it; what runs once has none."""
    check = service.get("healthcheck", {})
    if service["name"] in ONCE:
        assert check.get("disable", "test" not in check)
    elif service["image"].startswith("skyrail/store:"):
        assert check["test"] == ["CMD", "skyrail-store-alive"]
        assert service["command"] == [f"skyrail-{service['name']}"]
    else:
        assert check["test"] == ["CMD", "python", "-m", "skyrail.operations.alive"]
        command = service["command"] or ["python", "-m", "skyrail.operations.mlflow_server"]
        (tmp_path / "cmdline").write_bytes("\0".join(["tini", "--", *command]).encode())
        assert alive.running(tmp_path / "cmdline") == service["name"]


def test_limits_are_set(service: dict[str, Any]):
    assert float(service["cpus"]) > 0
    assert int(service["mem_limit"]) > 0
    assert int(service["pids_limit"]) > 0
    assert service["logging"]["options"]["max-size"]


def test_nothing_is_bound_beyond_loopback(service: dict[str, Any]):
    for port in service.get("ports", []):
        assert port["host_ip"] == "127.0.0.1"
    assert service.get("network_mode", "none") == "none"


def test_a_container_can_do_little(service: dict[str, Any]):
    """The root is read-only, there are no capabilities, and no program gets more rights than the one that starts it."""
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "user" not in service  # the image's own


def test_no_secret_is_in_the_file(service: dict[str, Any]):
    """Not a value, only where to read it: docker inspect shows what stands here."""
    for name, value in service.get("environment", {}).items():
        assert not re.search(r"://[^/\s]*:[^/\s]*@", value or ""), name
        if re.search(r"PASSWORD|SECRET|FERNET|_KEY|_CONN|BROKER|RESULT_BACKEND|STORE_URI", name):
            file = (value or "").removeprefix("cat ")
            assert name.endswith(("_CMD", "_FILE")), name
            assert Path(file).parent == Path("/etc/skyrail"), name
            assert Path(file).name in {*secret_files.GENERATED, *secret_files.ADDRESSES}, name


def test_secrets_can_be_written_by_the_first_service_alone(service: dict[str, Any]):
    for volume in service.get("volumes", []):
        if volume["source"] == "secrets":
            assert volume.get("read_only", False) is (service["name"] != "secrets")


def test_what_is_kept_is_in_named_volumes(service: dict[str, Any]):
    """`docker compose down` keeps named volumes; folders of this machine are only read."""
    for volume in service.get("volumes", []):
        if volume["type"] == "bind":
            assert volume["read_only"] is True
        else:
            assert volume["source"] in compose()["volumes"]


def test_nothing_starts_before_what_it_needs(service: dict[str, Any]):
    """Each dependency is awaited until it is healthy, or has done its work."""
    for name, needed in service.get("depends_on", {}).items():
        assert needed["condition"] == ("service_completed_successfully" if name in ONCE else "service_healthy")


def test_links_to_sign_in_are_the_api_servers_alone(service: dict[str, Any]):
    """Whoever can write where links are kept can sign in: no task can."""
    links = service.get("environment", {}).get("AIRFLOW__SKYRAIL_AUTH__LOGIN_LINKS")
    assert links == ("/opt/airflow/login" if service["name"] == "api-server" else None)
    if links:
        assert any(mount.startswith("/opt/airflow:") for mount in service["tmpfs"])


def test_versions_are_those_of_the_package(service: dict[str, Any]):
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert service["image"].startswith("skyrail/")
    assert service["image"].endswith(f":{version[1]}")
