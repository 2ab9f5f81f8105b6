"""`skyrail login --namespace`, with a kubectl that writes down what it is asked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from skyrail.cli import console, remote_login
from skyrail.cli.main import app
from skyrail.errors import SkyrailError


def _deployments(*releases: str) -> str:
    items = [{"metadata": {"labels": {"app.kubernetes.io/instance": name}}} for name in releases]
    return json.dumps({"items": items})


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name: it lists one release, and prints a link when asked to."""
    (tmp_path / "kubectl").write_text(
        f"""#!/bin/sh
echo "$@" >> {tmp_path}/asked
case "$*" in
  *"get deployments"*) cat {tmp_path}/deployments ;;
  *exec*) echo a warning of the shell; cat {tmp_path}/link ;;
esac
"""
    )
    (tmp_path / "kubectl").chmod(0o755)
    (tmp_path / "deployments").write_text(_deployments("sky"))
    (tmp_path / "link").write_text("http://localhost:8080/auth/link?token=t\n")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_it_prints_the_link_and_how_to_reach_it(kubectl: Path):
    done = CliRunner().invoke(app, ["login", "--namespace", "team"], catch_exceptions=False)
    assert done.output.splitlines() == [
        "http://localhost:8080/auth/link?token=t",
        "",
        "While this runs in another terminal, the link works:",
        "  kubectl --namespace team port-forward svc/sky-api-server 8080:8080",
    ]
    assert (kubectl / "asked").read_text().splitlines()[-1] == (
        "--namespace team exec deploy/sky-api-server -c api-server -- skyrail login"
    )


def test_an_address_of_its_own_needs_no_port_forward(kubectl: Path):
    (kubectl / "link").write_text("https://airflow.example.com/auth/link?token=t\n")
    done = CliRunner().invoke(app, ["login", "-n", "team", "--context", "prod"], catch_exceptions=False)
    assert done.output == "https://airflow.example.com/auth/link?token=t\n"
    assert (kubectl / "asked").read_text().startswith("--context prod --namespace team")


@pytest.mark.parametrize(
    ("releases", "sentence"),
    [
        pytest.param([], "There is no Skyrail in the namespace team.", id="00 none"),
        pytest.param(["b", "a"], "The namespace team has several: a, b.\nChoose one: --release a", id="10 two"),
    ],
)
def test_which_release_is_meant_must_be_clear(releases: list[str], sentence: str):
    with pytest.raises(SkyrailError) as caught:
        remote_login.only_release("team", _deployments(*releases))
    assert sentence in str(caught.value)


def test_what_kubectl_says_is_passed_on(kubectl: Path):
    (kubectl / "kubectl").write_text("#!/bin/sh\necho 'Error from server (Forbidden): no' >&2\nexit 1\n")
    with pytest.raises(SkyrailError, match="Forbidden"):
        remote_login.remote_login("team", "sky", None)


def test_what_failed_is_said_as_it_was(monkeypatch: pytest.MonkeyPatch):
    """In a container `skyrail` has its own name, whatever a person here types."""
    monkeypatch.setattr(console, "program", lambda: ".venv/bin/skyrail")
    assert console.as_typed("kubectl exec x -- skyrail login") == "kubectl exec x -- skyrail login"
    assert console.as_typed("Sign in: skyrail login") == "Sign in: .venv/bin/skyrail login"
