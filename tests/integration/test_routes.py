"""Every route of the api-server that runs, and every kind of visitor: who has no session gets nothing."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from skyrail.auth.middleware import is_open

pytestmark = pytest.mark.integration

SERVER = Path(__file__).parents[1] / "fakes" / "airflow_server.py"

# Routes with tokens of their own, and those that are open on purpose, are asked too: the former must refuse as well.
EXECUTION = "/execution/"
EXECUTION_OPEN = {"/execution/health", "/execution/health/ping"}


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Return the method and path of every route that this installation serves, below mounts too."""
    from tests.fakes.airflow_process import environment

    home = tmp_path_factory.mktemp("routes")
    env = environment(home, {})
    for command in (["-m", "airflow", "db", "migrate"], [str(SERVER), str(home / "routes.json")]):
        done = subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((home / "routes.json").read_text())
    return sorted({(method, fill(path)) for path, methods in found for method in methods})


def fill(path: str) -> str:
    """Return a path with something in each placeholder that nobody has."""
    return re.sub(r"\{[^}]*\}", "nobody-has-this", path)


@pytest.fixture(scope="module")
def session(platform: Any) -> str:
    """Return the token of a session that a sign-in link opened."""
    answer = httpx.get(platform.login_link(), timeout=30)
    assert answer.status_code == 303, answer.text
    return answer.cookies["_token"]


def forged(session: str, kind: str) -> str:
    """Return a token that says the same as a good one and must not be believed."""
    claims = jwt.decode(session, options={"verify_signature": False})
    if kind == "not signed":
        return jwt.encode(claims, None, algorithm="none")
    return jwt.encode(claims, secrets.token_urlsafe(64), algorithm="HS512")


def signing_key(platform: Any) -> str:
    """Return the platform's key for tokens, to sign what it must refuse all the same."""
    stored = json.loads((Path(platform.home) / "secrets.json").read_text())
    [key] = [value for name, value in stored.items() if "jwt" in name]
    return key


def signed(platform: Any, session: str, kind: str) -> str:
    """Return a token with the true signature that must not be believed."""
    claims = jwt.decode(session, options={"verify_signature": False})
    now = int(time.time())
    if kind == "expired":
        claims |= {"iat": now - 7200, "nbf": now - 7200, "exp": now - 3600}
    else:
        claims |= {"aud": "urn:airflow.apache.org:task"}
    return jwt.encode(claims, signing_key(platform), algorithm="HS512")


@pytest.mark.parametrize("visitor", ["anonymous", "expired", "another key", "not signed", "another audience"])
def test_every_route_refuses_who_has_no_session(
    platform: Any, routes: list[tuple[str, str]], session: str, visitor: str
):
    """Airflow's routes, those of every plugin, and paths that no route has."""
    headers = {"Accept": "application/json"}
    if visitor in ("expired", "another audience"):
        headers["Authorization"] = f"Bearer {signed(platform, session, visitor)}"
    elif visitor != "anonymous":
        headers["Authorization"] = f"Bearer {forged(session, visitor)}"
    believed = []
    with httpx.Client(base_url=platform.url, headers=headers, timeout=30) as client:
        for method, path in [*routes, ("GET", "/no/such/route"), ("GET", "/")]:
            # A task's token opens the Execution API, for that task; tests of Airflow's own cover what it may do there.
            tasks = path.startswith(EXECUTION) and visitor == "another audience"
            if path in EXECUTION_OPEN or tasks or (is_open(path) and not path.startswith(EXECUTION)):
                continue
            status = client.request(method, path, json={}).status_code
            if status not in (401, 403):
                believed.append((method, path, status))
    assert not believed
    # The walk itself found what it is about.
    for part in ("/api/v2/dags", "/ui/dags", "/execution/variables/keys", "/skyrail/runs", "/skyrail/models"):
        assert any(path.startswith(part) for _, path in routes), part


def test_every_route_answers_who_has_a_session(platform: Any, routes: list[tuple[str, str]], session: str):
    """Nothing is refused for lack of a session; what is asked for does not exist, so nothing is changed either."""
    refused = []
    headers = {"Accept": "application/json", "Authorization": f"Bearer {session}"}
    with httpx.Client(base_url=platform.url, headers=headers, timeout=30) as client:
        for method, path in routes:
            if path.startswith(EXECUTION) or is_open(path):
                continue
            answer = client.request(method, path, json={})
            if answer.status_code == 401:
                refused.append((method, path))
    assert not refused


def test_a_browser_without_a_session_is_told_to_sign_in(platform: Any):
    """Whatever page it asks for."""
    with httpx.Client(base_url=platform.url, headers={"Accept": "text/html"}, timeout=30) as browser:
        for path in ("/", "/dags", "/skyrail/runs", "/plugin/skyrail"):
            answer = browser.get(path, follow_redirects=True)
            assert answer.status_code == 200
            assert "You are not signed in" in answer.text
